//! `demo`: the whole grid, as a newcomer sees it.

use crate::{ours, run};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tahoe_test_support::{Output, sample, wait_until};

fn once(home: &Path, file: &str) -> Output {
    run(&ours(), home, &["demo", "--once", file])
}

fn records(home: &Path) -> usize {
    let nodes = std::fs::read_dir(home.join("tahoe-demo")).unwrap();
    nodes
        .filter(|node| {
            node.as_ref()
                .unwrap()
                .path()
                .join("running.process")
                .exists()
        })
        .count()
}

#[test]
fn once_stores_a_file_loses_two_servers_and_fetches_it() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("file"), sample(1, 3_000_000)).unwrap();
    let first = once(home, "file");
    assert_eq!(first.code, 0, "{first:?}");
    let stages = [
        "made a grid in 'HOME/tahoe-demo'",
        "server5 is up on 127.0.0.1:",
        "the gateway is connected to all 5 servers",
        "stored 'HOME/file': 3000000 bytes in ",
        "capability: URI:CHK:",
        "killed server1 and server2: 3 of 5 servers are left",
        "fetched and identical: 3000000 bytes in ",
    ];
    for stage in stages {
        assert!(first.stdout.contains(stage), "{stage}: {first:?}");
    }
    // The killed servers couldn't remove their records; everything else has stopped.
    assert_eq!(records(home), 2);

    std::fs::write(home.join("small"), "hello").unwrap();
    let second = once(home, "small");
    assert_eq!(second.code, 0, "{second:?}");
    assert!(second.stdout.starts_with("found the grid in"), "{second:?}");
    assert!(second.stdout.contains("capability: URI:LIT:"), "{second:?}");

    let missing = once(home, "missing");
    assert_eq!(missing.code, 1);
    assert!(
        missing.stderr.contains("cannot read 'HOME/missing'"),
        "{missing:?}"
    );
}

/// Reads lines until one contains a text; returns them all.
fn read_until(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) -> String {
    let mut read = String::new();
    for line in lines {
        let line = line.unwrap();
        read.push_str(&line);
        read.push('\n');
        if line.contains(text) {
            return read;
        }
    }
    panic!("no {text:?} in {read}");
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args([name, process]).status().unwrap();
    assert!(sent.success());
}

/// Ends the demo even if the test fails; its nodes end with it.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn it_tells_what_to_type_notices_losses_and_stops_on_ctrl_c() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut command = ours().command(home);
    command
        .args(["demo", "--dir", "grid"])
        .stdout(Stdio::piped());
    let mut demo = Demo(command.spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    let text = read_until(&mut lines, "Ctrl-C stops everything");
    assert!(text.contains("Web page    http://127.0.0.1:"), "{text}");

    // What it says to type works.
    std::fs::write(home.join("README.md"), sample(2, 100_000)).unwrap();
    let stored = run(&ours(), home, &["-d", "grid/gateway", "put", "README.md"]);
    assert_eq!(stored.code, 0, "{stored:?}");
    let to_drive = ["-d", "grid/gateway", "cp", "README.md", "vdrive:"];
    let what = "a file is in the shared drive";
    wait_until(what, || run(&ours(), home, &to_drive).code == 0);
    let listed = run(&ours(), home, &["-d", "grid/gateway", "ls", "vdrive:"]);
    assert_eq!(listed.stdout, "README.md\n");
    let victims = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("kill "));
    for victim in victims.unwrap().split(' ') {
        signal("-KILL", victim);
        read_until(&mut lines, "ended (signal: 9 (SIGKILL))");
    }
    let arguments = ["-d", "grid/gateway", "get", stored.stdout.trim(), "copy.md"];
    let fetched = run(&ours(), home, &arguments);
    assert_eq!(fetched.code, 0, "{fetched:?}");
    assert_eq!(
        std::fs::read(home.join("copy.md")).unwrap(),
        sample(2, 100_000)
    );

    let second = run(&ours(), home, &["demo", "--dir", "grid"]);
    assert_eq!(second.code, 1);
    assert!(
        second.stderr.contains("runs already, as process"),
        "{second:?}"
    );

    signal("-INT", &demo.0.id().to_string());
    assert!(demo.0.wait().unwrap().success());
    assert!(!home.join("grid/gateway/running.process").exists());
    assert!(!home.join("grid/server3/running.process").exists());
}

#[test]
fn a_directory_with_something_else_in_it_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("thesis"), "").unwrap();
    let refused = run(&ours(), home.path(), &["demo", "--dir", "."]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("not a grid that `tahoe demo` made"),
        "{refused:?}"
    );
}
