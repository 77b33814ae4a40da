//! The two programs that can run a node.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that offers the `tahoe` command: ours, or the Python reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    executable: PathBuf,
    /// What comes before the arguments: a script for the executable to run.
    script: Option<PathBuf>,
    is_python: bool,
}

/// What a finished command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; −1 if a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Program {
    /// Our binary; a test passes `env!("CARGO_BIN_EXE_tahoe")`.
    pub fn ours(executable: impl Into<PathBuf>) -> Self {
        Self {
            executable: executable.into(),
            script: None,
            is_python: false,
        }
    }

    /// The Python reference, beside [`oracle_python`].
    ///
    /// # Panics
    /// If it is not installed.
    pub fn python() -> Self {
        Self {
            executable: oracle_python().with_file_name("tahoe"),
            script: None,
            is_python: true,
        }
    }

    /// The Python reference, started by a Python script that changes something in it first.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn python_script(script: impl Into<PathBuf>) -> Self {
        Self {
            executable: oracle_python(),
            script: Some(script.into()),
            is_python: true,
        }
    }

    /// `ours` or `python`.
    pub fn name(&self) -> &'static str {
        if self.is_python { "python" } else { "ours" }
    }

    /// Whether this is the Python reference.
    pub fn is_python(&self) -> bool {
        self.is_python
    }

    /// The file that is executed.
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Begins a command in the directory `home`, which is also its home directory, so that nothing
    /// of the user's is touched.
    pub fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(&self.script)
            .env("HOME", home)
            .env("TMPDIR", home)
            // Wide enough that neither program wraps its help.
            .env("COLUMNS", "200")
            .env_remove("RUST_LOG")
            .current_dir(home)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        home: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Output {
        let mut command = self.command(home);
        command.args(arguments);
        let done = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        Output {
            code: done.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed and returns its standard output.
    ///
    /// # Panics
    /// If it can't be started or its exit status isn't 0.
    pub fn run_well<S: AsRef<OsStr>>(
        &self,
        home: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        let output = self.run(home, arguments);
        assert_eq!(
            output.code,
            0,
            "{} failed: {output:?}",
            self.executable.display()
        );
        output.stdout
    }
}

/// The Python interpreter that has the reference installed: `TAHOE_ORACLE_PYTHON`, or the one of
/// `cargo xtask oracle` in `target/oracle`.
///
/// # Panics
/// If there is none.
pub fn oracle_python() -> PathBuf {
    if let Some(path) = std::env::var_os("TAHOE_ORACLE_PYTHON") {
        return PathBuf::from(path);
    }
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracle/bin/python");
    assert!(
        default.exists(),
        "the Python Tahoe-LAFS is not installed: run `cargo xtask oracle`, or set TAHOE_ORACLE_PYTHON"
    );
    // Not canonicalised: the interpreter is a link, and its place says which packages it sees.
    default
}
