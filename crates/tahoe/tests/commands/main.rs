//! Our commands beside the original's: same arguments, same lines, same exit codes, same files.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod backups;
mod copies;
mod create;
mod demo;
mod dump_cap;
mod dump_share;
mod files;
mod grid_manager;
mod https;
mod invite;
mod migrate_crawler;
mod run;
mod shares;
mod store;
mod usage;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tahoe_test_support::{Output, Program, oracle_python};

fn ours() -> Program {
    Program::ours(env!("CARGO_BIN_EXE_tahoe"))
}

/// A command's output with the test's own folder written as `HOME`.
fn run(program: &Program, home: &Path, arguments: &[&str]) -> Output {
    without_home(home, program.run(home, arguments))
}

fn without_home(home: &Path, output: Output) -> Output {
    let home = home.to_str().unwrap();
    Output {
        stdout: output.stdout.replace(home, "HOME"),
        stderr: output.stderr.replace(home, "HOME"),
        ..output
    }
}

/// Runs commands with both programs, each in a folder of its own; returns ours and theirs for each.
///
/// The original's run one after the other in one process, which saves most of the time.
fn both(commands: &[&[&str]]) -> Vec<(Output, Output)> {
    let folder = tempfile::tempdir().unwrap();
    let [home, other] = ["ours", "theirs"].map(|name| folder.path().join(name));
    std::fs::create_dir(&home).unwrap();
    std::fs::create_dir(&other).unwrap();
    let mine = commands
        .iter()
        .map(|arguments| run(&ours(), &home, arguments));
    mine.zip(run_oracle(&other, commands, "")).collect()
}

/// Runs commands of the original with something on standard input, Latin-1.
fn run_oracle(home: &Path, commands: &[&[&str]], input: &str) -> Vec<Output> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/oracle.py");
    let mut python = Command::new(oracle_python())
        .arg(script)
        .current_dir(home)
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let commands: Vec<_> = commands.iter().map(|command| (command, input)).collect();
    let request = serde_json::to_vec(&commands).unwrap();
    stdin.write_all(&request).unwrap();
    drop(stdin);
    let done = python.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let outputs: Vec<(i32, String, String)> = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(outputs.len(), commands.len());
    let output = |(code, stdout, stderr)| {
        let output = Output {
            code,
            stdout,
            stderr,
        };
        without_home(home, output)
    };
    outputs.into_iter().map(output).collect()
}

/// What we say without the line about a malformed capability, which only ours has.
fn without_problem(mut output: Output) -> Output {
    let whole = output.stderr.trim_end_matches('\n');
    let (before, last) = whole.rsplit_once('\n').unwrap_or(("", whole));
    if last.starts_with("What you gave is a malformed ") {
        let end = output.stderr.get(whole.len()..).unwrap_or_default();
        output.stderr = format!("{before}{end}");
    }
    output
}

/// Makes sure that both programs answer each command alike.
fn check_same(commands: &[&[&str]]) {
    for (arguments, (ours, theirs)) in commands.iter().zip(both(commands)) {
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

/// Makes sure that both programs refuse each command with exit code 1; returns what ours says.
fn check_both_refuse(commands: &[&[&str]]) -> Vec<Output> {
    let pairs = commands.iter().zip(both(commands));
    pairs
        .map(|(arguments, (ours, theirs))| {
            assert_eq!(
                (ours.code, theirs.code),
                (1, 1),
                "{arguments:?}: {ours:?} {theirs:?}"
            );
            ours
        })
        .collect()
}
