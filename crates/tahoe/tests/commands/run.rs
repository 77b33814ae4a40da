//! `run`: how a node starts, refuses to start, and stops.

use crate::{both, ours, run};
use std::path::Path;
use std::process::Stdio;
use tahoe_test_support::{Node, Program, wait_until};

fn announcement(node: &Node) -> Vec<String> {
    let is_announcement =
        |line: &&str| line.starts_with("'tahoe run'") || line.starts_with("running");
    let log = node.log();
    let lines = log.lines().filter(is_announcement);
    lines
        .map(|line| line.replace(node.directory().to_str().unwrap(), "DIR"))
        .collect()
}

#[test]
fn announces_the_directory_and_stops_in_every_way() {
    let home = tempfile::tempdir().unwrap();
    let mut node = Node::create_gateway(&ours(), &home.path().join("node"), &[]);
    let record = node.directory().join("running.process");
    node.start();
    assert_eq!(
        announcement(&node),
        ["'tahoe run' in 'DIR'", "running node in 'DIR'"]
    );
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(
        text.starts_with(&format!("{} ", node.process_id())),
        "{text}"
    );
    let second = run(&ours(), home.path(), &["run", "node"]);
    let expected = format!(
        "ERROR: A process is already running as PID {}\n",
        node.process_id()
    );
    assert_eq!((second.code, second.stderr), (1, expected));
    assert!(node.stop().success(), "SIGTERM");
    assert!(!record.exists());

    node.start();
    assert!(node.close_stdin().success(), "standard input closed");
    assert!(!record.exists());

    node.start();
    assert!(node.close_stdin_and_stop().success(), "both");
    assert!(!record.exists());

    node.write_file("exit_trigger", "");
    node.start();
    std::fs::remove_file(node.directory().join("exit_trigger")).unwrap();
    assert!(node.wait_until_ended().success(), "exit_trigger");

    node.start();
    node.kill();
    assert!(record.exists(), "nobody removed it");
    node.start();
    assert!(node.log().contains("that isn't running"));
    assert!(node.stop().success());
}

#[test]
fn standard_input_may_close_if_it_is_allowed() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::create_gateway(&ours(), &home.path().join("node"), &[]);
    let mut child = ours()
        .command(home.path())
        .args(["run", "--allow-stdin-close", "node"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let url = node.directory().join("node.url");
    wait_until("the node serves", || {
        assert_eq!(child.try_wait().unwrap(), None, "it ended");
        url.exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_no_node_directory_is_refused_as_the_original_does() {
    for (ours, theirs) in both(&[&["run", "missing"], &["run", "."]]) {
        assert_eq!((ours.code, theirs.code), (1, 1));
        assert_eq!(ours.stdout, theirs.stdout);
        assert_eq!(ours.stderr.lines().next(), theirs.stderr.lines().next());
    }
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let cases = [
        (
            "node",
            "web.prot",
            "1",
            "section [node] contains unknown option 'web.prot'",
        ),
        ("nodes", "x", "1", "contains unknown section [nodes]"),
        (
            "storage",
            "reserved_space",
            "5 GB",
            "[storage] reserved_space: must be a size",
        ),
        (
            "storage",
            "enabled",
            "true",
            "[storage] enabled is true, but tub.port is disabled",
        ),
        (
            "client",
            "introducer.furl",
            "pb://a@b/secret",
            "[client] introducer.furl: must be a FURL",
        ),
        (
            "sftpd",
            "enabled",
            "true",
            "[sftpd] enabled = true isn't available in this version",
        ),
    ];
    for (number, (section, option, value, expected)) in cases.into_iter().enumerate() {
        let name = format!("node{number}");
        let node = Node::create_gateway(&ours(), &home.path().join(&name), &[]);
        node.set(section, option, value);
        let refused = run(&ours(), home.path(), &["run", &name]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(expected), "{refused:?}");
        assert!(!refused.stderr.contains("secret"), "{refused:?}");
        assert_eq!(refused.stderr.trim().lines().count(), 1, "{refused:?}");
        assert!(!node.directory().join("running.process").exists());
    }
}

/// Also without an introducer that would hear of it.
#[test]
fn a_certificate_that_cannot_be_announced_stops_either_program() {
    let home = tempfile::tempdir().unwrap();
    for program in [ours(), Program::python()] {
        for (contents, expected) in [
            (None, "gm.cert"),
            (
                Some("nonsense"),
                "does not hold a grid manager's certificate",
            ),
        ] {
            let name = format!("{}-{}", program.name(), contents.is_some());
            let node = Node::create_server(&program, &home.path().join(&name));
            node.set("storage", "grid_management", "true");
            node.set("grid_manager_certificates", "gm", "gm.cert");
            if let Some(contents) = contents {
                node.write_file("gm.cert", contents);
            }
            let refused = run(&program, home.path(), &["run", &name]);
            assert_eq!(refused.code, 1, "{refused:?}");
            let is_said = refused.stderr.contains(expected);
            assert!(is_said || program.is_python(), "{refused:?}");
        }
    }
}

/// A FURL of a shared drive with its key.
fn drive_furl(name: &str) -> String {
    let tub = "y3o76xcnlz2ozxc252v7sv5infn4cats";
    format!("pb://{tub}@tcp:127.0.0.1:1/{name}#w1-{}", "a".repeat(52))
}

#[test]
fn two_places_that_contradict_each_other_are_both_named() {
    let home = tempfile::tempdir().unwrap();
    let list = format!(
        "vdrives: {{default: {{furl: '{}'}}}}",
        drive_furl("secret-list")
    );
    let cases = [
        (
            "webport",
            "1",
            "the file webport and tahoe.cfg [node] web.port differ",
        ),
        (
            "vdrive.furl",
            &drive_furl("secret-file"),
            "the file vdrive.furl and tahoe.cfg [client] vdrive.furl name different vdrives",
        ),
        (
            "private/vdrives.yaml",
            &list,
            "'default' is in both tahoe.cfg [client] vdrive.furl and private/vdrives.yaml",
        ),
    ];
    for (number, (file, contents, expected)) in cases.into_iter().enumerate() {
        let name = format!("node{number}");
        let node = Node::create_gateway(&ours(), &home.path().join(&name), &[]);
        node.set("client", "vdrive.furl", &drive_furl("secret-option"));
        node.write_file(file, contents);
        let refused = run(&ours(), home.path(), &["run", &name]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(expected), "{refused:?}");
        assert!(!refused.stderr.contains("secret"), "{refused:?}");
    }
}

/// The files that tell who a node is.
fn identity(directory: &Path) -> Vec<String> {
    let files = [
        "my_nodeid",
        "node.pubkey",
        "permutation-seed",
        "private/node.pem",
        "private/node.privkey",
        "private/storage.furl",
        "private/secret",
        "private/convergence",
    ];
    let read = |name: &&str| std::fs::read_to_string(directory.join(name)).unwrap();
    files.iter().map(read).collect()
}

#[test]
fn either_program_goes_on_with_the_other_s_directory() {
    let home = tempfile::tempdir().unwrap();
    for (first, second) in [(ours(), Program::python()), (Program::python(), ours())] {
        let directory = home.path().join(first.name());
        let mut node = Node::create_server(&first, &directory);
        node.start();
        node.stop();
        let made = identity(&directory);
        for program in [&second, &first] {
            node.set_program(program);
            node.start();
            node.stop();
            assert!(
                identity(&directory) == made,
                "{program:?} made something anew"
            );
        }
    }
}
