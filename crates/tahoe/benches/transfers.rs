//! Whole grids, ours and the Python program's: a large file stored and fetched by a client that costs little.
//!
//! `cargo bench -p tahoe --bench transfers` makes a grid of five servers and a gateway of each program, one
//! after the other, and prints the rates over both protocols and how they compare. The client of the bench in
//! `../shared/bench` is a Python program, which takes as much of a machine with two cores as a gateway of ours.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the command line, of which a failure is a panic"
)]

use std::time::{Duration, Instant};
use tahoe_test_support::{Encoding, Grid, Node, Program, http::Request, sample};

const MIB: usize = 1 << 20;
const SIZE: usize = 100 * MIB;
/// Of so many transfers the median counts.
const REPETITIONS: u64 = 5;
/// How long nodes are left alone first.
const SETTLE: Duration = Duration::from_secs(5);
const ENCODING: Encoding = Encoding {
    needed: 3,
    happy: 5,
    total: 5,
};

/// MiB per second.
struct Rates {
    upload: f64,
    download: f64,
}

fn start(program: &Program, over_foolscap: bool) -> Grid {
    let mut grid = Grid::create(&[program; 5], &[program], ENCODING);
    if over_foolscap {
        grid.force_foolscap();
    }
    grid.start_servers();
    grid.start_gateways();
    grid
}

fn store(gateway: &Node, file: &[u8]) -> (String, f64) {
    let start = Instant::now();
    let answer = Request::new("PUT", "/uri").send(gateway.web_port(), file);
    let seconds = start.elapsed().as_secs_f64();
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer.text(), seconds)
}

fn fetch(gateway: &Node, capability: &str, expected: &[u8]) -> f64 {
    let path = format!("/uri/{capability}");
    let mut rest = expected;
    let start = Instant::now();
    let answer = Request::new("GET", &path).receive_streaming(gateway.web_port(), &mut |bytes| {
        let (next, others) = rest.split_at(bytes.len());
        assert!(bytes == next, "other bytes than were stored");
        rest = others;
    });
    let seconds = start.elapsed().as_secs_f64();
    assert!(rest.is_empty() && answer.unwrap().status == 200);
    seconds
}

fn median_rate(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    (SIZE / MIB) as f64 / seconds[seconds.len() / 2]
}

fn measure(program: &Program, over_foolscap: bool) -> Rates {
    let grid = start(program, over_foolscap);
    std::thread::sleep(SETTLE);
    let (mut stored, mut fetched) = (Vec::new(), Vec::new());
    for repetition in 0..REPETITIONS {
        let file = sample(repetition, SIZE);
        let (capability, seconds) = store(grid.gateway(0), &file);
        stored.push(seconds);
        fetched.push(fetch(grid.gateway(0), &capability, &file));
    }
    Rates {
        upload: median_rate(stored),
        download: median_rate(fetched),
    }
}

fn main() {
    let ours = Program::ours(env!("CARGO_BIN_EXE_tahoe"));
    println!("| 100 MiB, MiB/s | Python | ours | ratio |\n|---|---|---|---|");
    for (protocol, over_foolscap) in [("HTTPS", false), ("Foolscap", true)] {
        let theirs = measure(&Program::python(), over_foolscap);
        let ours = measure(&ours, over_foolscap);
        for (name, python, rate) in [
            ("upload", theirs.upload, ours.upload),
            ("download", theirs.download, ours.download),
        ] {
            let ratio = rate / python;
            println!("| {name} over {protocol} | {python:.1} | {rate:.1} | {ratio:.1} |");
        }
    }
}
