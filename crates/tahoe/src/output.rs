//! Standard output and standard error of a command.

use std::io::{self, Write as _};

/// Where a command's results go; `--quiet` sends them nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) quiet: bool,
}

impl Output {
    /// Writes a line to standard output.
    ///
    /// A reader that went away is no error: what it wanted, it has.
    pub(crate) fn line(self, text: &str) {
        if !self.quiet {
            write_line(io::stdout().lock(), text);
        }
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) {
        if !self.quiet {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
            // There is nowhere left to complain.
            drop(written);
        }
    }

    /// Writes a line to standard error.
    pub(crate) fn note(self, text: &str) {
        write_line(io::stderr().lock(), text);
    }
}

fn write_line(mut stream: impl io::Write, text: &str) {
    let written = writeln!(stream, "{text}").and_then(|()| stream.flush());
    // There is nowhere left to complain.
    drop(written);
}
