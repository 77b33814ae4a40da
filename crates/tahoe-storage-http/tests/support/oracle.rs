//! The reference in processes of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tahoe_storage_http::Nurl;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a Python program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The Python interpreter that has the reference installed.
fn python() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracle/bin/python");
    let path = std::env::var_os("TAHOE_ORACLE_PYTHON").map_or(default, PathBuf::from);
    assert!(
        path.exists(),
        "{} isn't there: run `cargo xtask oracle`, or set TAHOE_ORACLE_PYTHON to a Python \
         interpreter that has tahoe-lafs 1.20.0",
        path.display()
    );
    path
}

fn program(name: &str) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let mut command = Command::new(python());
    command.arg(scripts.join(name)).kill_on_drop(true);
    command
}

/// A storage server of the reference; dropping it kills it.
pub(crate) struct PythonServer {
    pub(crate) nurl: Nurl,
    _process: Child,
    _directory: tempfile::TempDir,
}

impl PythonServer {
    /// Starts a server with an empty directory on loopback.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = program("serve.py")
            .arg(directory.path())
            .arg(super::SWISSNUM)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("the Python server starts").unwrap().unwrap();
        Self {
            nurl: line.parse().unwrap(),
            _process: process,
            _directory: directory,
        }
    }
}

/// Drives a server with the client of the reference; panics with its output if a check fails.
pub(crate) async fn drive(nurl: &Nurl) {
    let output = program("drive.py").arg(nurl.to_text()).output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    let output = output.expect("the Python client ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success() && output.stdout.ends_with(b"done\n"),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}
