//! A node as a child process, and the signals that end the demo.

use crate::error::{CommandError, Result};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a node may take to stop.
const STOP_TIME: Duration = Duration::from_secs(20);

/// A node that runs as a process of its own and ends with this one.
pub(super) struct NodeProcess {
    pub(super) name: String,
    child: Child,
    /// Held apart: waiting for a child closes what it holds.
    stdin: Option<ChildStdin>,
}

impl NodeProcess {
    /// Starts this program on a node directory; its log goes to a file beside it.
    pub(super) fn spawn(name: &str, directory: &Path) -> Result<Self> {
        let failed = |what: &str, error: std::io::Error| {
            CommandError::failed(format!("cannot {what} {name}: {error}"))
        };
        let log = directory.with_file_name(format!("{name}.log"));
        let log = std::fs::File::create(log).map_err(|error| failed("log of", error))?;
        let errors = log.try_clone().map_err(|error| failed("log of", error))?;
        let program = std::env::current_exe().map_err(|error| failed("start", error))?;
        let child = Command::new(program)
            .arg("run")
            .arg(directory)
            // It stops when this closes: when it is told to, and when this process is gone.
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C is for this process, which then stops the nodes.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| failed("start", error))?;
        Ok(Self {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
        })
    }

    /// Its process number, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(describe(status)),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Waits until it ends; returns how.
    pub(super) async fn wait(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => error.to_string(),
        }
    }

    /// Ends it as a loss of power would.
    pub(super) async fn kill(&mut self) -> Result {
        self.child
            .kill()
            .await
            .map_err(|error| CommandError::failed(format!("cannot kill {}: {error}", self.name)))
    }

    /// Lets it stop in an orderly way; returns whether it did.
    pub(super) async fn stop(&mut self) -> bool {
        drop(self.stdin.take());
        match tokio::time::timeout(STOP_TIME, self.child.wait()).await {
            Ok(_) => true,
            Err(_) => {
                // If it can't be killed either, it ends with us.
                drop(self.child.kill().await);
                false
            }
        }
    }
}

fn describe(status: ExitStatus) -> String {
    // "exit status: 1", "signal: 9 (SIGKILL)"
    status.to_string()
}

/// Ctrl-C and its like.
pub(super) struct StopSignals([Signal; 3]);

impl StopSignals {
    pub(super) fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                CommandError::failed(format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
