//! What several tests use.

// Each test program compiles this file and none uses all of it.
#![allow(dead_code, reason = "no test program uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Returns the bytes that `noise` in `vectors/generate.py` returns.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Our `zfec`, to be run in a directory.
pub(crate) fn zfec(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zfec"));
    command.current_dir(directory);
    command
}

/// Our `zunfec`, to be run in a directory.
pub(crate) fn zunfec(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zunfec"));
    command.current_dir(directory);
    command
}

/// Runs a command and returns its exit code and what it printed.
pub(crate) fn run(command: &mut Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program starts");
    let printed = [stdout, stderr].concat();
    (
        status.code().expect("no signal"),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

/// Returns the share files in a directory, ordered by name.
pub(crate) fn share_files(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().expect("a directory");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "fec"));
    paths.sort_unstable();
    paths
}
