//! `grid-manager` and `tahoe admin add-grid-manager-cert`.

use crate::{ours, run};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tahoe_test_support::{Output, Program, oracle_python};

const KEY: &str = "pub-v0-gxaksees7bkgsjdy2xai2tbbe2h42tnrhzfspsez66o4czo5hfbq";

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Ours,
    Python,
}

/// Runs `grid-manager` in a folder, with something on standard input.
fn grid_manager(who: Who, folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = match who {
        Who::Ours => Command::new(env!("CARGO_BIN_EXE_grid-manager")),
        Who::Python => Command::new(oracle_python().with_file_name("grid-manager")),
    };
    let mut child = command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that doesn't read it may be gone already.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let done = child.wait_with_output().unwrap();
    Output {
        code: done.status.code().unwrap(),
        stdout: String::from_utf8(done.stdout).unwrap(),
        stderr: String::from_utf8(done.stderr).unwrap(),
    }
}

/// Runs it on the directory `gm`; it must succeed in silence on standard error.
fn well(who: Who, folder: &Path, arguments: &[&str]) -> String {
    let arguments = [&["-c", "gm"], arguments].concat();
    let output = grid_manager(who, folder, &arguments, "");
    assert_eq!((output.code, &*output.stderr), (0, ""), "{arguments:?}");
    output.stdout
}

#[test]
fn either_program_goes_on_with_the_other_s_records() {
    for (one, other) in [(Who::Ours, Who::Python), (Who::Python, Who::Ours)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(well(one, folder, &["create"]), "");
        assert_eq!(well(one, folder, &["add", "zoë b", KEY]), "");
        assert_eq!(well(other, folder, &["add", "alice", KEY]), "");
        let identity = well(one, folder, &["public-identity"]);
        assert_eq!(identity, well(other, folder, &["public-identity"]));
        let signed = well(one, folder, &["sign", "zoë b", "1"]);
        let kept = std::fs::read_to_string(folder.join("gm/zoë b.cert.0")).unwrap();
        assert_eq!(format!("{kept}\n"), signed);
        well(other, folder, &["sign", "zoë b", "1825"]);
        let listed = well(one, folder, &["list"]);
        assert_eq!(listed, well(other, folder, &["list"]));
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(
            lines[..2],
            [format!("alice: {KEY}"), format!("zoë b: {KEY}")]
        );
        assert!(
            lines[2].starts_with("       cert 0: valid until 20"),
            "{listed}"
        );
        assert!(
            lines[2].ends_with("+00:00 (23 hours in the future)"),
            "{listed}"
        );
        assert!(lines[3].ends_with(" (4 years in the future)"), "{listed}");
        let records = || std::fs::read_to_string(folder.join("gm/config.json")).unwrap();
        let before = records();
        well(other, folder, &["add", "carol", KEY]);
        well(one, folder, &["remove", "carol"]);
        assert_eq!(records(), before);
        assert_eq!(well(other, folder, &["remove", "zoë b"]), "");
        let left = std::fs::read_dir(folder.join("gm")).unwrap().count();
        assert_eq!(left, 1, "the certificates are gone with the server");
    }
}

#[test]
fn both_refuse_alike() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    well(Who::Ours, folder, &["create"]);
    well(Who::Ours, folder, &["add", "alice", KEY]);
    let check = |arguments: &[&str], input: &str, code: i32, same_text: bool| {
        let mine = grid_manager(Who::Ours, folder, arguments, input);
        let theirs = grid_manager(Who::Python, folder, arguments, input);
        assert_eq!(
            (mine.code, theirs.code),
            (code, code),
            "{arguments:?}: {mine:?}"
        );
        assert_eq!((&*mine.stdout, &*theirs.stdout), ("", ""), "{arguments:?}");
        assert!(!mine.stderr.is_empty(), "{arguments:?}");
        if same_text {
            assert_eq!(mine.stderr, theirs.stderr, "{arguments:?}");
        }
    };
    check(&["-c", "gm", "add", "alice", KEY], "", 1, true);
    check(&["-c", "gm", "remove", "bob"], "", 1, true);
    check(&["-c", "gm", "sign", "bob", "1"], "", 1, true);
    check(&["-c", "-", "list"], "{}", 1, true);
    check(&["-c", "-", "list"], "nonsense", 1, false);
    check(&["-c", "gm", "create"], "", 1, false);
    check(&["-c", "nowhere", "list"], "", 1, false);
    check(&["-c", "gm", "add", "bob", "pub-v0-x"], "", 1, false);
    for wrong in [
        &["-c", "gm"][..],
        &[],
        &["create"],
        &["-c", "gm", "frob"],
        &["-c", "gm", "add", "bob"],
        &["-c", "gm", "sign", "alice", "0"],
        &["-c", "gm", "sign", "alice", "1826"],
        &["-c", "gm", "sign", "alice", "soon"],
    ] {
        check(wrong, "", 2, false);
    }
    assert!(!folder.join("gm/alice.cert.0").exists());
}

#[test]
fn records_may_come_and_go_by_the_standard_streams() {
    let folder = tempfile::tempdir().unwrap();
    let stream = |who, arguments: &[&str], input: &str| {
        let arguments = [&["-c", "-"], arguments].concat();
        let output = grid_manager(who, folder.path(), &arguments, input);
        assert_eq!((output.code, &*output.stderr), (0, ""), "{arguments:?}");
        output.stdout
    };
    for (one, other) in [(Who::Ours, Who::Python), (Who::Python, Who::Ours)] {
        let created = stream(one, &["create"], "");
        let added = stream(other, &["add", "a", KEY], &created);
        assert_eq!(stream(one, &["add", "a", KEY], &created), added);
        assert_eq!(stream(one, &["list"], &added), format!("a: {KEY}\n"));
        assert_eq!(stream(one, &["remove", "a"], &added), created);
        let signed = stream(one, &["sign", "a", "7"], &added);
        let signed: serde_json::Value = serde_json::from_str(&signed).unwrap();
        assert_eq!(signed.as_object().unwrap().len(), 2);
        let identity = stream(one, &["public-identity"], &added);
        assert!(identity.starts_with("pub-v0-"));
        assert_eq!(identity, stream(other, &["public-identity"], &created));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_storage_server_gets_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    well(Who::Ours, folder, &["create"]);
    well(Who::Ours, folder, &["add", "s", KEY]);
    std::fs::write(
        folder.join("cert"),
        well(Who::Ours, folder, &["sign", "s", "9"]),
    )
    .unwrap();
    std::fs::write(folder.join("bad"), "{}").unwrap();
    let add = |program: &Program, node: &str, more: &[&str]| {
        let arguments = [&["-d", node, "admin", "add-grid-manager-cert"], more].concat();
        run(program, folder, &arguments)
    };
    let mut outputs = Vec::new();
    for (program, node) in [(ours(), "mine"), (Program::python(), "theirs")] {
        let create = ["create-node", "--hostname=h", "--webport=none", node];
        assert_eq!(run(&ours(), folder, &create).code, 0);
        let first = add(&program, node, &["--filename=cert", "--name=gm"]);
        let again = add(&program, node, &["-f", "cert", "-n", "gm"]);
        let unnamed = add(&program, node, &["-f", "cert"]);
        let no_file = add(&program, node, &["-n", "other"]);
        let bad = add(&program, node, &["-f", "bad", "-n", "other"]);
        let kept = std::fs::read_to_string(folder.join(node).join("gm.cert")).unwrap();
        let text = |text: String| text.replace(node, "NODE");
        outputs.push((
            [first, again].map(|output| (output.code, output.stdout, text(output.stderr))),
            [unnamed, no_file, bad].map(|output| (output.code, output.stderr)),
            kept,
        ));
    }
    assert_eq!(outputs[0], outputs[1]);
    assert_eq!(outputs[0].0[0].2, "There are now 1 certificates\n");
    assert_eq!(outputs[0].0[1].0, 1);
    for node in ["mine", "theirs"] {
        let entry = run(&ours(), folder, &["admin", "server-entry", node]);
        assert!(
            entry.stdout.contains("grid-manager-certificates"),
            "{entry:?}"
        );
    }
}
