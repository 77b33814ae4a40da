//! Drives Tahoe-LAFS itself: a Python script answers a JSON line for a JSON line.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running script; it ends when dropped.
pub(crate) struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// The Python that has Tahoe-LAFS 1.20 installed.
fn python() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracle/bin/python");
    std::env::var_os("TAHOE_ORACLE_PYTHON").map_or_else(default, PathBuf::from)
}

impl Oracle {
    /// Starts a script of this directory.
    pub(crate) fn start(script: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/oracle")
            .join(script);
        let mut child = Command::new(python())
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; set TAHOE_ORACLE_PYTHON to a Python with tahoe-lafs 1.20",
                    python().display()
                )
            });
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    /// Asks one question.
    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        self.tell(question);
        self.answer()
    }

    /// Writes a line without waiting for an answer.
    pub(crate) fn tell(&mut self, question: &Value) {
        writeln!(self.input, "{question}").unwrap();
    }

    /// Reads the next answer.
    pub(crate) fn answer(&mut self) -> Value {
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no answer but {answer:?}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
