//! `tahoe invite` and `--join`, over the original's mailbox server.

use crate::{ours, run};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use tahoe_test_support::{Output, Program, free_port, oracle_python, wait_until};

const FURL: &str = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:1/secret";

/// A mailbox server on this machine.
struct MailboxServer {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl MailboxServer {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut child = Command::new(oracle_python())
            .args(["-m", "twisted", "wormhole-mailbox"])
            .arg(format!("--port=tcp:{port}:interface=127.0.0.1"))
            .arg("--channel-db=mailboxes.sqlite")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the mailbox server listens", || {
            let ended = child.try_wait().unwrap();
            assert_eq!(
                ended, None,
                "magic-wormhole-mailbox-server must be installed"
            );
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            child,
            url: format!("ws://127.0.0.1:{port}/v1"),
            folder,
        }
    }

    /// A node directory with an introducer, to invite from.
    fn inviter(&self) -> std::path::PathBuf {
        let path = self.folder.path().join("inviter");
        let shares = ["--shares-needed=2", "--shares-happy=3", "--shares-total=4"];
        let introducer = format!("--introducer={FURL}");
        let mut arguments = vec!["create-client", "--webport=none", &introducer];
        arguments.extend(shares);
        arguments.push(path.to_str().unwrap());
        assert_eq!(run(&ours(), self.folder.path(), &arguments).code, 0);
        path
    }

    fn invite(&self, program: &Program, node: &Path, more: &[&str]) -> Inviter {
        let mut child = program
            .command(self.folder.path())
            .args(["--wormhole-server", &self.url, "-d"])
            .arg(node)
            .arg("invite")
            .args(more)
            .arg("bob b")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut seen = String::new();
        let code = loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "{seen}");
            seen += &line;
            if let Some(code) = line.strip_prefix("Invite Code for client: ") {
                break code.trim().to_owned();
            }
        };
        Inviter {
            child,
            stdout,
            seen,
            code,
        }
    }

    fn join(&self, program: &Program, code: &str, name: &str) -> Output {
        let home = self.folder.path();
        let server = ["--wormhole-server", &self.url];
        let create = ["create-client", "--webport=none", "--join", code, name];
        run(program, home, &[&server[..], &create].concat())
    }
}

impl Drop for MailboxServer {
    fn drop(&mut self) {
        // It is of no use to anybody else.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `tahoe invite` that waits for somebody.
struct Inviter {
    child: Child,
    stdout: BufReader<ChildStdout>,
    seen: String,
    code: String,
}

impl Inviter {
    fn finish(mut self) -> Output {
        self.stdout.read_to_string(&mut self.seen).unwrap();
        let done = self.child.wait_with_output().unwrap();
        Output {
            code: done.status.code().unwrap(),
            stdout: self.seen,
            stderr: String::from_utf8(done.stderr).unwrap(),
        }
    }
}

/// A node's tahoe.cfg and introducers.yaml.
fn settings(node: &Path) -> (String, String) {
    let read = |name| std::fs::read_to_string(node.join(name)).unwrap();
    (read("tahoe.cfg"), read("private/introducers.yaml"))
}

#[test]
fn each_program_is_invited_by_the_other() {
    let server = MailboxServer::start();
    let node = server.inviter();
    let python = Program::python();
    for (name, inviter, invited) in [
        ("a", ours(), ours()),
        ("b", ours(), python.clone()),
        ("c", python, ours()),
    ] {
        let inviting = server.invite(&inviter, &node, &["--shares-happy=1"]);
        let code = inviting.code.clone();
        let joined = server.join(&invited, &code, name);
        assert_eq!(joined.code, 0, "{joined:?}");
        let done = inviting.finish();
        let lines: Vec<&str> = done.stdout.lines().collect();
        let expected = [
            &format!("Connecting to '{}'...", server.url),
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
            &format!("Connecting to '{}'", server.url),
            "Connected to wormhole server",
            "  received server introduction",
            "  received configuration",
            "Encoding: 2 of 4 shares, on at least 1 servers",
            "Overriding the following config:",
        ];
        assert_eq!(lines[..7], expected);
        assert!(lines.contains(&"  nickname: bob b"), "{lines:?}");
        assert!(!joined.stdout.contains("secret"));
        let (tahoe_cfg, introducers) = settings(&server.folder.path().join(name));
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
    let node = server.inviter();
    let inviting = server.invite(&ours(), &node, &[]);
    let (nameplate, _) = inviting.code.split_once('-').unwrap();
    let guess = format!("{nameplate}-wrong-guess");
    let joined = server.join(&ours(), &guess, "thief");
    assert_eq!(joined.code, 1);
    assert!(joined.stderr.contains("another code"), "{joined:?}");
    assert!(!server.folder.path().join("thief").exists());
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
