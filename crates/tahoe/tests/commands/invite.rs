//! `tahoe invite` and `--join`, over the original's mailbox server.

use crate::{ours, run};
use std::path::Path;
use tahoe_test_support::{MailboxServer, Output, Program};

const FURL: &str = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:1/secret";

/// A node directory with an introducer, to invite from.
fn inviter(server: &MailboxServer) -> std::path::PathBuf {
    let path = server.folder().join("inviter");
    let shares = ["--shares-needed=2", "--shares-happy=3", "--shares-total=4"];
    let introducer = format!("--introducer={FURL}");
    let mut arguments = vec!["create-client", "--webport=none", &introducer];
    arguments.extend(shares);
    arguments.push(path.to_str().unwrap());
    assert_eq!(run(&ours(), server.folder(), &arguments).code, 0);
    path
}

fn join(server: &MailboxServer, program: &Program, code: &str, name: &str) -> Output {
    let url = ["--wormhole-server", server.url()];
    let create = ["create-client", "--webport=none", "--join", code, name];
    run(program, server.folder(), &[&url[..], &create].concat())
}

/// A node's tahoe.cfg and introducers.yaml.
fn settings(node: &Path) -> (String, String) {
    let read = |name| std::fs::read_to_string(node.join(name)).unwrap();
    (read("tahoe.cfg"), read("private/introducers.yaml"))
}

#[test]
fn each_program_is_invited_by_the_other() {
    let server = MailboxServer::start();
    let node = inviter(&server);
    let python = Program::python();
    for (name, inviter, invited) in [
        ("a", ours(), ours()),
        ("b", ours(), python.clone()),
        ("c", python, ours()),
    ] {
        let inviting = server.invite(&inviter, &node, &["--shares-happy=1"]);
        let code = inviting.code().to_owned();
        let joined = join(&server, &invited, &code, name);
        assert_eq!(joined.code, 0, "{joined:?}");
        let done = inviting.finish();
        let lines: Vec<&str> = done.stdout.lines().collect();
        let expected = [
            &format!("Connecting to '{}'...", server.url()),
            "Connected to wormhole server",
            &format!("Invite Code for client: {code}"),
            "  received client introduction",
            "  transmitting configuration",
            "Completed successfully",
        ];
        assert_eq!(
            (done.code, lines),
            (0, expected.to_vec()),
            "{}",
            done.stderr
        );
        let lines: Vec<&str> = joined.stdout.lines().collect();
        let expected = [
            &format!("Opening wormhole with code '{code}'"),
            &format!("Connecting to '{}'", server.url()),
            "Connected to wormhole server",
            "  received server introduction",
            "  received configuration",
            "Encoding: 2 of 4 shares, on at least 1 servers",
            "Overriding the following config:",
        ];
        assert_eq!(lines[..7], expected);
        assert!(lines.contains(&"  nickname: bob b"), "{lines:?}");
        assert!(!joined.stdout.contains("secret"));
        let (tahoe_cfg, introducers) = settings(&server.folder().join(name));
        for line in [
            "nickname = bob b\n",
            "shares.needed = 2\n",
            "shares.happy = 1\n",
            "shares.total = 4\n",
        ] {
            assert!(tahoe_cfg.contains(line), "{line} in {tahoe_cfg}");
        }
        assert!(introducers.contains(FURL), "{introducers}");
    }
}

#[test]
fn another_code_gives_nothing() {
    let server = MailboxServer::start();
    let node = inviter(&server);
    let inviting = server.invite(&ours(), &node, &[]);
    let (nameplate, _) = inviting.code().split_once('-').unwrap();
    let guess = format!("{nameplate}-wrong-guess");
    let joined = join(&server, &ours(), &guess, "thief");
    assert_eq!(joined.code, 1);
    assert!(joined.stderr.contains("another code"), "{joined:?}");
    assert!(!server.folder().join("thief").exists());
    let done = inviting.finish();
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("another code"), "{done:?}");
}

#[test]
fn what_cannot_work_is_said_before_anybody_waits() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run(&ours(), home.path(), arguments);
    assert_eq!(run(&["create-client", "--webport=none", "alone"]).code, 0);
    let server = ["--wormhole-server", "ws://127.0.0.1:1/v1"];
    for program in [ours(), Program::python()] {
        let invite = [&server[..], &["-d", "alone", "invite", "bob"]].concat();
        let alone = crate::run(&program, home.path(), &invite);
        assert_eq!((alone.code, &*alone.stdout), (1, ""), "{alone:?}");
        let expected = "Can't find introducer FURL for node 'HOME/alone': ";
        assert!(alone.stderr.starts_with(expected), "{alone:?}");
    }
    let join = |code: &str, node: &str| {
        run(&[&server[..], &["create-client", "--join", code, node]].concat())
    };
    let used = join("1-a-b", "alone");
    assert_eq!(used.code, 255, "{used:?}");
    let unreachable = join("1-a-b", "new");
    assert_eq!(unreachable.code, 1);
    assert!(
        unreachable.stderr.contains("cannot be reached"),
        "{unreachable:?}"
    );
    assert!(!home.path().join("new").exists());
}
