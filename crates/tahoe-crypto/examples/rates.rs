//! Rates of the primitives on one core: `cargo run --release -p tahoe-crypto --example rates`.
#![allow(clippy::print_stdout, reason = "a program that reports to its user")]

use std::hint::black_box;
use std::time::{Duration, Instant};
use tahoe_crypto::{AesCtr, RsaPrivateKey, hash};

const BLOCK_BYTES: usize = 350_000;

fn main() {
    let mut data = vec![7; BLOCK_BYTES];
    let mut cipher = AesCtr::new(&[1; 16], 0);
    report("AES-128-CTR", || cipher.apply(&mut data));
    let data = vec![7; BLOCK_BYTES];
    report("tagged SHA-256d", || _ = black_box(hash::block(&data)));
    for count in [4, 6, 8, 12, 16] {
        let blocks: Vec<&[u8]> = data.chunks_exact(BLOCK_BYTES / count).collect();
        report(&format!("the same of {count} blocks at once"), || {
            black_box(hash::blocks_and_segments(&blocks, &[]));
        });
    }
    report_keys();
}

fn report_keys() {
    const KEYS: u32 = 40;
    let start = Instant::now();
    for _ in 0..KEYS {
        drop(black_box(RsaPrivateKey::generate()));
    }
    let each = start.elapsed() / KEYS;
    println!("making an RSA key: {:.1} ms", 1e3 * each.as_secs_f64());
}

fn report(name: &str, mut work: impl FnMut()) {
    let (start, mut rounds) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        work();
        rounds += 1;
    }
    let mib = f64::from(rounds) * BLOCK_BYTES as f64 / f64::from(1 << 20);
    println!("{name}: {:.0} MiB/s", mib / start.elapsed().as_secs_f64());
}
