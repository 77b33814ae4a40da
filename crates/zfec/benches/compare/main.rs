//! Measures this crate, ISA-L and the Python package zfec side by side, on one core, in one run.
//!
//! `cargo bench -p zfec --bench compare` prints tables; `docs/performance/zfec.md` tells what is
//! needed and what was found. Arguments after `--`: codes such as `3/10` to measure only these, and
//! `engines` to compare the engines of this crate instead.

#![expect(
    clippy::print_stdout,
    reason = "the tables are what the program is for"
)]

mod contestants;
mod isal;
mod python;

use std::time::{Duration, Instant};

use contestants::{Contestant, Ours, Task};
use zfec::{Engine, Params};

const CODES: [(u16, u16); 5] = [(3, 10), (7, 10), (10, 14), (16, 32), (60, 100)];
const SEGMENT_BYTES: [usize; 2] = [128 << 10, 1 << 20];
const ROUNDS: usize = 150;
/// How long one contestant works in one round, at least.
const TURN: Duration = Duration::from_micros(1500);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing is measured unless run by: cargo bench -p zfec --bench compare");
        return Ok(());
    }
    let mut rivals = if arguments.iter().any(|argument| argument == "engines") {
        let engines = Engine::available().into_iter().rev();
        engines
            .map(|engine| Box::new(Ours::new(engine)) as Box<dyn Contestant>)
            .collect()
    } else {
        let mut rivals: Vec<Box<dyn Contestant>> = vec![Box::new(Ours::new(Engine::fastest()))];
        for library in isal::load_all()? {
            rivals.push(Box::new(library));
        }
        rivals.push(Box::new(python::Python::start()?));
        rivals
    };
    let is_chosen = |code: &str| {
        let mut codes = arguments
            .iter()
            .filter(|argument| argument.contains('/'))
            .peekable();
        codes.peek().is_none() || codes.any(|chosen| chosen == code)
    };
    for is_decoding in [false, true] {
        print_head(is_decoding, &rivals);
        for (needed, total) in CODES {
            for segment in SEGMENT_BYTES {
                let code = format!("{needed}/{total}");
                if is_chosen(&code) {
                    let task = Task::new(Params::new(needed, total)?, segment, is_decoding)?;
                    let rates = measure(&task, &mut rivals)?;
                    print_row(&code, segment, &rates);
                }
            }
        }
    }
    Ok(())
}

/// Returns the best rate of each contestant in MiB of segment per second.
///
/// The contestants take turns, so that what else the machine does meets all of them.
fn measure(
    task: &Task,
    rivals: &mut [Box<dyn Contestant>],
) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let mut counts = Vec::new();
    for rival in rivals.iter_mut() {
        assert_eq!(
            rival.prepare(task)?,
            task.digest(),
            "{} differs",
            rival.name()
        );
        counts.push(turns_count(rival.as_mut())?);
    }
    let mut best = vec![f64::INFINITY; rivals.len()];
    for _ in 0..ROUNDS {
        for ((rival, &count), best) in rivals.iter_mut().zip(&counts).zip(&mut best) {
            let seconds = rival.run(count)?.as_secs_f64() / f64::from(count);
            *best = best.min(seconds);
        }
    }
    let mebibytes = task.segment.len() as f64 / f64::from(1 << 20);
    Ok(best
        .into_iter()
        .map(|seconds| mebibytes / seconds)
        .collect())
}

/// Returns how many operations fill a turn.
fn turns_count(rival: &mut dyn Contestant) -> Result<u32, Box<dyn std::error::Error>> {
    let mut count = 1;
    loop {
        let start = Instant::now();
        rival.run(count)?;
        if start.elapsed() >= TURN {
            return Ok(count);
        }
        count *= 2;
    }
}

fn print_head(is_decoding: bool, rivals: &[Box<dyn Contestant>]) {
    let operation = if is_decoding { "decode" } else { "encode" };
    let mut head = format!("\n| {operation} | segment |");
    let mut rule = "|---|--:|".to_owned();
    for (index, rival) in rivals.iter().enumerate() {
        head += &format!(" {} |", rival.name());
        rule += "--:|";
        if index > 0 {
            head += " ratio |";
            rule += "--:|";
        }
    }
    println!("{head}\n{rule}");
}

fn print_row(code: &str, segment: usize, rates: &[f64]) {
    let mut row = format!("| {code} | {} KiB |", segment >> 10);
    for (index, rate) in rates.iter().enumerate() {
        row += &format!(" {rate:.0} |");
        if index > 0 {
            row += &format!(" {:.2} |", rates[0] / rate);
        }
    }
    println!("{row}");
}
