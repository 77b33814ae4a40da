//! A mailbox server for magic wormholes, the original's, and invitations that go over it.

use crate::{Output, Program, free_port, oracle_python, wait_until};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A mailbox server on this machine, with a folder for the nodes that use it.
#[derive(Debug)]
pub struct MailboxServer {
    child: Child,
    url: String,
    folder: TempDir,
}

impl MailboxServer {
    /// Starts it.
    ///
    /// # Panics
    /// If it doesn't start.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
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
            .expect("Python starts");
        wait_until("the mailbox server listens", || {
            let ended = child.try_wait().expect("the child is ours");
            assert_eq!(
                ended, None,
                "magic-wormhole-mailbox-server must be installed"
            );
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let url = format!("ws://127.0.0.1:{port}/v1");
        Self { child, url, folder }
    }

    /// What `--wormhole-server` needs.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets a node invite somebody called `bob b`.
    ///
    /// # Panics
    /// If no code is shown.
    pub fn invite(&self, program: &Program, node: &Path, more: &[&str]) -> Inviter {
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
            .expect("the program starts");
        let stdout = child.stdout.take().expect("it is a pipe");
        let mut stdout = BufReader::new(stdout);
        let mut seen = String::new();
        let code = loop {
            let mut line = String::new();
            let length = stdout.read_line(&mut line).expect("text");
            assert_ne!(length, 0, "no code: {seen}");
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
}

impl Drop for MailboxServer {
    fn drop(&mut self) {
        // It is of no use to anybody else.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `tahoe invite` that waits for somebody.
#[derive(Debug)]
pub struct Inviter {
    child: Child,
    stdout: BufReader<ChildStdout>,
    seen: String,
    code: String,
}

impl Inviter {
    /// The code that it shows.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// If it was ended by a signal.
    pub fn finish(mut self) -> Output {
        self.stdout.read_to_string(&mut self.seen).expect("text");
        let done = self.child.wait_with_output().expect("the child is ours");
        Output {
            code: done.status.code().expect("it ended by itself"),
            stdout: self.seen,
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }
}
