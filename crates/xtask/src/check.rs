//! Everything that CI checks, cheapest first, stopping at the first failure.

use crate::run::{Problem, command, root, run};
use crate::{browser, deps_graph, oracle, tidy};
use std::time::Instant;

/// A step's name and what it does.
type Step = (&'static str, fn() -> Result<(), Problem>);

const STEPS: &[Step] = &[
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("tidy", tidy::check),
    ("deps-graph", deps_graph::check),
    ("clippy", || {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
    }),
    ("oracle", || oracle::install().map(drop)),
    ("browser", browser::install),
    ("tests", || {
        cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])
    }),
    ("documentation", || {
        let arguments = [
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--locked",
            "--quiet",
        ];
        run(command("cargo", &arguments).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("fuzz", || run(&mut command("fuzz/run", &["5"]))),
];

/// Runs the steps whose names contain `only`, or all.
pub(crate) fn everything(only: Option<&str>) -> Result<(), Problem> {
    let start = Instant::now();
    let mut durations = Vec::new();
    for (name, step) in STEPS
        .iter()
        .filter(|(name, _)| only.is_none_or(|o| name.contains(o)))
    {
        println!("== {name}");
        let step_start = Instant::now();
        step().map_err(|problem| format!("{name}: {problem}"))?;
        durations.push(format!(
            "{name} {:.0} s",
            step_start.elapsed().as_secs_f64()
        ));
    }
    println!(
        "== all well after {:.0} s: {}",
        start.elapsed().as_secs_f64(),
        durations.join(", ")
    );
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<(), Problem> {
    let python = root().join("target/oracle/bin/python");
    let mut command = command("cargo", arguments);
    if std::env::var_os("TAHOE_ORACLE_PYTHON").is_none() {
        command.env("TAHOE_ORACLE_PYTHON", python);
    }
    run(&mut command)
}
