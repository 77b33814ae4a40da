//! Running commands in the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What went wrong, in a sentence for the person at the terminal.
pub(crate) type Problem = String;

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .expect("the crate lies in crates/")
        .to_owned()
}

/// Starts to describe a command in the root folder.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), Problem> {
    let status = command
        .status()
        .map_err(|error| format!("{command:?} did not start: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} failed: {status}"))
    }
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, Problem> {
    let done = command
        .output()
        .map_err(|error| format!("{command:?} did not start: {error}"))?;
    if !done.status.success() {
        let errors = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{command:?} failed: {}\n{errors}", done.status));
    }
    String::from_utf8(done.stdout).map_err(|_| format!("{command:?} did not print text"))
}

/// Reads a text file below the root folder.
pub(crate) fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The files that git tracks or would track, relative to the root folder.
pub(crate) fn files() -> Result<Vec<PathBuf>, Problem> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let printed = output(&mut command("git", &list))?;
    Ok(printed
        .lines()
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect())
}
