//! A node's process, which never outlives the test.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to stop by itself.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// A child that dies with this value, and (as its standard input closes) with this process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts a command whose output is appended to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let open = || {
            File::options()
                .create(true)
                .append(true)
                .open(log)
                .unwrap_or_else(|error| panic!("{}: {error}", log.display()))
        };
        command.stdin(Stdio::piped()).stdout(open()).stderr(open());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        let id = Pid::from_raw(id).expect("process ids are not 0");
        kill_process(id, signal).unwrap_or_else(|error| panic!("{signal:?} to {id:?}: {error}"));
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child is ours")
    }

    /// Closes its standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has ended by itself; panics if it takes too long.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                start.elapsed() < STOP_DEADLINE,
                "process {} still runs after {STOP_DEADLINE:?}",
                self.id()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        // Fails only if it has ended already.
        self.child.kill().ok();
        self.child.wait().expect("the child is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
