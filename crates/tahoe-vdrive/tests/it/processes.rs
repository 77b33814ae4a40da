//! Servers as processes of their own, which can be killed.

use crate::support::furls;
use foolscap::Furl;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tahoe_vdrive::DriveFurl;

/// A server at a port of its own.
pub(crate) struct ServerProcess {
    directory: PathBuf,
    port: u16,
    postgres: Option<String>,
    process: Option<Child>,
}

impl ServerProcess {
    /// Starts a server that keeps its identity in a directory, and its drive too or else in a
    /// database of PostgreSQL.
    pub(crate) fn start(directory: &Path, postgres: Option<String>) -> (Self, DriveFurl) {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut server = Self {
            directory: directory.to_owned(),
            port,
            postgres,
            process: None,
        };
        let furl = server.resume();
        (server, furl)
    }

    /// Starts it again, and waits until it listens.
    pub(crate) fn resume(&mut self) -> DriveFurl {
        let mut command = Command::new(program());
        command
            .arg(self.port.to_string())
            .arg(&self.directory)
            .args(&self.postgres);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = piped.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let furl = |line: std::io::Result<String>| Furl::parse(&line.unwrap()).unwrap();
        let said: Vec<Furl> = lines.take(2).map(furl).collect();
        self.process = Some(process);
        let [read_write, read_only] = said.try_into().expect("it says two FURLs");
        furls(&read_write, &read_only).0
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where the example that serves a drive is, which is built beside the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap();
    let program = program.join("examples/vdrive_serve");
    assert!(
        program.exists(),
        "cargo build -p tahoe-vdrive --example vdrive_serve"
    );
    program
}
