//! The end-to-end measurement of ours and of the Python program in one go.

use crate::oracle;
use crate::run::{Problem, command, root, run as execute};
use std::path::{Path, PathBuf};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder of the harness (bench.py and grid.py).
    #[arg(long, default_value = "../shared/bench")]
    harness: PathBuf,
    /// Number of storage servers, and of shares: 5 gives 3-of-5, 10 gives 3-of-10.
    #[arg(long, default_value_t = 5)]
    servers: u16,
    /// Sizes of the immutable files, in MiB.
    #[arg(long, default_value = "1,16,100")]
    sizes: String,
    /// Repetitions.
    #[arg(long, default_value_t = 3)]
    reps: u16,
    /// Workloads, as the harness names them.
    #[arg(default_values_t = ["immutable".to_owned(), "small".to_owned()])]
    workloads: Vec<String>,
}

/// Builds the release binary, runs the harness for both and prints the ratios of the medians.
pub(crate) fn run(options: &Options) -> Result<(), Problem> {
    execute(&mut command(
        "cargo",
        &["build", "--release", "--locked", "-p", "tahoe"],
    ))?;
    let python = oracle::install()?;
    let results = root().join("target/bench");
    std::fs::create_dir_all(&results).map_err(|e| format!("{}: {e}", results.display()))?;
    let reference = python.with_file_name("tahoe").display().to_string();
    let ours = root().join("target/release/tahoe").display().to_string();
    let mut files = Vec::new();
    for (name, tahoe) in [("python", reference), ("ours", ours)] {
        let file = results.join(format!("{name}-{}.jsonl", options.servers));
        // Results of an earlier run would be mixed with these.
        if file.exists() {
            std::fs::remove_file(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        measure(options, &python, &tahoe, &file)?;
        files.push(file);
    }
    let mut table = command(&python, &[]);
    table
        .arg(options.harness.join("bench.py"))
        .arg("--table")
        .arg(&files[0]);
    execute(table.arg("--against").arg(&files[1]))
}

fn measure(options: &Options, python: &Path, tahoe: &str, file: &Path) -> Result<(), Problem> {
    let servers = options.servers.to_string();
    let mut bench = command(python, &[]);
    bench
        .arg(options.harness.join("bench.py"))
        .env("TAHOE", tahoe)
        .arg("--out")
        .arg(file);
    bench.args([
        "--servers",
        &servers,
        "-n",
        &servers,
        "--sizes",
        &options.sizes,
    ]);
    bench
        .args(["--reps", &options.reps.to_string()])
        .args(&options.workloads);
    execute(&mut bench)
}
