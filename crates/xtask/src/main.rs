//! The developer's tool: `cargo xtask test` runs every check that CI runs; see `--help`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

mod bench;
mod browser;
mod check;
mod deps_graph;
mod oracle;
mod run;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Checks, tests and measures this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check and every test, as CI does.
    Test {
        /// Run only the steps whose name contains this.
        #[arg(long)]
        only: Option<String>,
    },
    /// Install the Python Tahoe-LAFS that tests compare with, under target/oracle.
    Oracle,
    /// Install Chromium and axe-core, with which the pages are tested.
    Browser,
    /// Check what the compiler doesn't: file sizes, leftovers, secrets in Debug, titles of documents.
    Tidy,
    /// Check that crates depend on each other as ARCHITECTURE.md says.
    DepsGraph,
    /// Measure ours and the Python program in one go and print the ratios.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test { only } => check::everything(only.as_deref()),
        Task::Oracle => oracle::install().map(|python| println!("{}", python.display())),
        Task::Browser => browser::install(),
        Task::Tidy => tidy::check(),
        Task::DepsGraph => deps_graph::check(),
        Task::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
