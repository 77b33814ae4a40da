//! The Python storage server in a process of its own.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A Python process that carries out commands (`oracle.py` lists them).
pub(crate) struct Oracle {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts the process; panics with a clear sentence if the interpreter isn't there.
    pub(crate) fn start() -> Self {
        let python = python();
        assert!(
            python.exists(),
            "no Python with tahoe-lafs at {}: make it as docs/testing.md says, or name another in \
             TAHOE_ORACLE_PYTHON",
            python.display()
        );
        let mut process = Command::new(python)
            .args(["-c", include_str!("oracle.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start Python");
        Self {
            commands: process.stdin.take().expect("piped"),
            answers: BufReader::new(process.stdout.take().expect("piped")),
            process,
        }
    }

    /// Carries out one command; the error is the name of the exception's class.
    pub(crate) fn call(&mut self, command: &Value) -> Result<Value, String> {
        writeln!(self.commands, "{command}").expect("send a command");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        assert!(!line.is_empty(), "Python ended at {command}");
        let mut answer: Value = serde_json::from_str(&line).expect("JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["answer"].take()),
        }
    }

    /// Serves a storage directory from now on, at a time in seconds since 1970.
    pub(crate) fn open(&mut self, directory: &Path, seconds: u64) {
        let command = json!({"do": "open", "directory": directory, "seconds": seconds});
        self.call(&command).expect("open");
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn python() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let default = workspace.map(|path| path.join("target/oracle/bin/python"));
    std::env::var_os("TAHOE_ORACLE_PYTHON")
        .map(PathBuf::from)
        .or(default)
        .expect("the crate lies two levels below the workspace")
}
