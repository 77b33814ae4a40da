//! Measures uploads and downloads over servers in memory.
//!
//! `cargo run --release -p tahoe-immutable --example transfer_bench [-- MIB [K N SERVERS]]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and fails by panicking"
)]

use bytes::Bytes;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tahoe_caps::ReadFileCap;
use tahoe_crypto::{ConvergenceSecret, LeaseMaster, TubId};
use tahoe_immutable::{
    CpuPool, Downloader, KeySource, Receiver, UploadParameters, UploadStatus, Uploader,
};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::StorageService as _;
use tahoe_storage_api::testing::{FixedServers, MemoryStore, test_server};

/// User and system time of this process.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    // What follows the name begins with field 3 of proc(5); user and system time are 14 and 15.
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Prints how long work took since the two times.
fn report(what: &str, bytes: u64, started: Instant, cpu: Duration) {
    let mib = bytes as f64 / 1_048_576.0;
    let (time, cpu) = (
        started.elapsed().as_secs_f64(),
        (cpu_time() - cpu).as_secs_f64(),
    );
    println!(
        "{what:10} {time:7.3} s  {:7.1} MiB/s  {:5.2} CPU ms/MiB",
        mib / time,
        cpu * 1000.0 / mib
    );
}

#[tokio::main]
async fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).flat_map(|a| a.parse()).collect();
    let argument = |index: usize, default: u64| arguments.get(index).copied().unwrap_or(default);
    let size = argument(0, 100) << 20;
    let (k, n, count) = (argument(1, 3), argument(2, 5), argument(3, 5));

    let mut servers = Vec::new();
    for number in 0..u8::try_from(count).unwrap() {
        let store = Arc::new(MemoryStore::new(TubId::from_bytes([number; 20])));
        servers.push(test_server(number, store.version().await.unwrap(), store));
    }
    let servers = Arc::new(FixedServers::new(servers));
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let pool = CpuPool::new(threads);
    let master = LeaseMaster::from_bytes([0; 32]);
    let uploader = Uploader::new(Arc::clone(&servers) as _, master, pool.clone());
    let parameters =
        UploadParameters::new(EncodingParameters::new(k, n).unwrap(), 1, 1 << 20).unwrap();
    println!(
        "{} MiB, {k}-of-{n} on {count} servers, {threads} threads",
        size >> 20
    );

    let (started, cpu) = (Instant::now(), cpu_time());
    let key = KeySource::Convergent(ConvergenceSecret::new(vec![0; 32]));
    let mut receiver = Receiver::new(parameters, key, std::env::temp_dir(), pool.clone());
    let mut left = size;
    let chunk = Bytes::from((0..65_536u32).map(|i| (i % 251) as u8).collect::<Vec<u8>>());
    while left > 0 {
        let length = usize::try_from(left).unwrap().min(chunk.len());
        receiver.write(chunk.slice(..length)).await.unwrap();
        left -= length as u64;
    }
    let file = receiver.finish().await.unwrap();
    report("receive", size, started, cpu);

    let (started, cpu) = (Instant::now(), cpu_time());
    let stored = uploader
        .upload(file, &Arc::new(UploadStatus::default()))
        .await
        .unwrap();
    report("upload", size, started, cpu);
    let timings = stored.timings;
    println!(
        "           waited {:?} for encoding, {:?} for sending, {:?} for completion",
        timings.cumulative_encoding, timings.cumulative_sending, timings.hashes_and_close
    );

    let ReadFileCap::Chk(cap) = &stored.cap.file else {
        panic!("the file is too small to measure");
    };
    let downloader = Downloader::new(servers, pool);
    for _ in 0..2 {
        let (started, cpu) = (Instant::now(), cpu_time());
        let file = downloader.open(cap).unwrap();
        let mut stream = file.read(0..size);
        let mut received = 0;
        while let Some(piece) = stream.next_piece().await {
            if received == 0 {
                println!("           first byte after {:?}", started.elapsed());
            }
            received += piece.unwrap().len() as u64;
        }
        assert_eq!(received, size);
        report("download", size, started, cpu);
    }
}
