//! Standard output and standard error of a command.
//!
//! All that a command prints goes through here, and no command has to look whether it arrived: the
//! first failure of standard output is said at once, and [`Output::exit_code`] makes it the exit
//! status. A reader that went away is no failure: what it wanted, it has.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something couldn't be written to standard output, of which a process has one.
static HAS_FAILED: AtomicBool = AtomicBool::new(false);

/// Where a command's results go; `--quiet` sends them nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) quiet: bool,
}

impl Output {
    /// Writes a line to standard output.
    pub(crate) fn line(self, text: &str) {
        self.bytes(format!("{text}\n").as_bytes());
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) {
        if self.quiet {
            return;
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
            && !HAS_FAILED.swap(true, Ordering::Relaxed)
        {
            self.note(&cannot_write(&error));
        }
    }

    /// Writes a line to standard error.
    pub(crate) fn note(self, text: &str) {
        let written = io::stderr()
            .lock()
            .write_all(format!("{text}\n").as_bytes());
        // There is nowhere left to complain.
        drop(written);
    }

    /// The exit code of a command that is over; results that were lost are a failure.
    pub(crate) fn exit_code(self, status: u8) -> ExitCode {
        let lost = HAS_FAILED.load(Ordering::Relaxed);
        ExitCode::from(if lost { status.max(1) } else { status })
    }
}

/// What is said of results that couldn't be written.
pub(crate) fn cannot_write(error: &io::Error) -> String {
    format!("cannot write to standard output: {error}")
}
