//! `debug dump-share` of real shares in containers that the original's code made.

use crate::{both, check_both_refuse};
use std::path::Path;
use std::process::Command;
use tahoe_test_support::{Output, oracle_python};

const SHARES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/share/real.json");

/// Makes containers of each kind and version; returns their paths, one a line.
fn make_shares(folder: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/make_shares.py");
    let made = Command::new(oracle_python())
        .args([script, SHARES])
        .arg(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap()
}

/// Leaves out how long leases last: the two programs look at the clock one after the other.
fn without_times(output: &Output) -> Output {
    let expiry = |line: &str| {
        let at = line.find("expire in ").or_else(|| line.find("expires in "));
        at.and_then(|at| line.get(..at + 8))
            .unwrap_or(line)
            .to_owned()
    };
    let lines: Vec<String> = output.stdout.lines().map(expiry).collect();
    Output {
        stdout: lines.join("\n"),
        ..output.clone()
    }
}

#[test]
fn all_kinds_of_shares_and_containers() {
    let folder = tempfile::tempdir().unwrap();
    let paths = make_shares(folder.path());
    let commands: Vec<Vec<&str>> = paths
        .lines()
        .flat_map(|path| {
            [
                vec!["debug", "dump-share", path],
                vec!["debug", "dump-share", "--offsets", path],
                vec!["debug", "dump-share", "--leases-only", path],
            ]
        })
        .collect();
    assert!(
        commands.len() >= 18,
        "three kinds, two versions, three commands"
    );
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    for (arguments, (ours, theirs)) in commands.iter().zip(both(&commands)) {
        assert_eq!(
            without_times(&ours),
            without_times(&theirs),
            "{arguments:?}"
        );
        assert_eq!(ours.code, 0, "{ours:?}");
    }
}

#[test]
fn the_time_left_of_a_lease_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let paths = make_shares(folder.path());
    let dumps = paths.lines().map(|path| {
        crate::run(
            &crate::ours(),
            folder.path(),
            &["debug", "dump-share", path],
        )
    });
    let all: String = dumps.map(|output| output.stdout).collect();
    // The second lease of a container lasts 2,000,000 seconds: less than a minute has passed.
    let told = all
        .lines()
        .filter(|line| line.contains("in 19999") && line.ends_with("(23 days)"));
    assert!(told.count() > 0, "{all}");
}

#[test]
fn what_is_no_share_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nonsense");
    std::fs::write(&path, "This is no share, though it is a file.").unwrap();
    let path = path.to_str().unwrap();
    let refused = check_both_refuse(&[
        &["debug", "dump-share", path],
        &["debug", "dump-share", "/no/such/file"],
    ]);
    for output in refused {
        assert!(
            output.stdout.starts_with("share filename: '/"),
            "{output:?}"
        );
        assert!(!output.stderr.is_empty());
    }
}
