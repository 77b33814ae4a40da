//! What durability costs: calls per second with syncs, without, and done the plain way.
//!
//! `cargo bench -p tahoe-storage-server --bench durability [-- DIRECTORY]`: the store is measured in
//! DIRECTORY (default: the current one), then in memory, where a sync costs nothing. The plain way is
//! a file of its own for each share, synced, renamed and its directories synced. With `--test`, each
//! row is run a few times only.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a failed call ends the benchmark")]

use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, TubId, UploadSecret,
    WriteEnabler,
};
use tahoe_storage_api::{
    ReadTestWrite, ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageService as _,
    TestWriteVectors, WriteProgress, WriteVector,
};
use tahoe_storage_server::{DiskStore, StoreConfig};

/// How many calls are under way at the same time.
const CONCURRENCY: [u32; 3] = [1, 8, 32];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let test = arguments.iter().any(|argument| argument == "--test");
    let directory = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let directory = directory.map_or_else(|| PathBuf::from("."), PathBuf::from);
    let factor = if test { 1 } else { 20 };
    println!(
        "{:46} {:>9} {:>9} {:>9}",
        "calls per second, at once:", 1, 8, 32
    );
    for (place, directory) in [
        ("disk", directory.as_path()),
        ("memory", Path::new("/dev/shm")),
    ] {
        let Ok(directory) = tempfile::tempdir_in(directory) else {
            continue;
        };
        let directory = directory.path();
        row(&format!("{place}: plain files, 3.5 KB"), |at_once| {
            plain(directory, 3_500, 20 * factor, at_once)
        });
        row(
            &format!("{place}: store, new shares of 3.5 KB"),
            |at_once| uploads(directory, 3_500, 50 * factor, at_once),
        );
        row(
            &format!("{place}: store, new shares of 350 KB"),
            |at_once| uploads(directory, 350_000, 10 * factor, at_once),
        );
        row(
            &format!("{place}: store, changes of 4 KB in slots of 1 MB"),
            |at_once| changes(directory, 50 * factor, at_once),
        );
        row(&format!("{place}: store, new leases"), |at_once| {
            leases(directory, 50 * factor, at_once)
        });
        row(&format!("{place}: store, reads of 64 KiB"), |at_once| {
            reads(directory, 500 * factor, at_once)
        });
    }
}

/// Measures one thing at each concurrency.
fn row(name: &str, measure: impl Fn(u32) -> f64) {
    let figures = CONCURRENCY.map(|at_once| format!("{:>9.0}", measure(at_once)));
    println!("{name:46} {}", figures.join(" "));
}

/// Runs an operation `count` times, `at_once` at the same time; returns how many per second.
fn rate<T: Send + Sync + 'static, F: Future<Output = ()> + Send + 'static>(
    runtime: &tokio::runtime::Runtime,
    subject: &Arc<T>,
    count: u32,
    at_once: u32,
    operation: fn(Arc<T>, u32) -> F,
) -> f64 {
    let next = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..at_once {
            let (next, subject) = (Arc::clone(&next), Arc::clone(subject));
            tasks.spawn(worker(next, count, subject, operation));
        }
        tasks.join_all().await;
    });
    f64::from(count) / started.elapsed().as_secs_f64()
}

async fn worker<T, F: Future<Output = ()>>(
    next: Arc<AtomicU32>,
    count: u32,
    subject: Arc<T>,
    operation: fn(Arc<T>, u32) -> F,
) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        operation(Arc::clone(&subject), number).await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A store, and the size of its shares.
struct Bench {
    store: DiskStore,
    size: usize,
}

/// Names a directory of its own for one measurement.
///
/// All are removed at the end: file systems are slow to make files just after others were removed.
fn new_directory(directory: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    directory.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string())
}

/// Opens a store in a new directory, measures and closes it.
fn with_store(
    directory: &Path,
    size: usize,
    measure: impl FnOnce(&tokio::runtime::Runtime, &Arc<Bench>) -> f64,
) -> f64 {
    let runtime = runtime();
    let directory = new_directory(directory);
    let config = StoreConfig::new(directory, TubId::from_bytes([1; 20]));
    let store = runtime.block_on(DiskStore::open(config)).unwrap();
    let bench = Arc::new(Bench { store, size });
    let figure = measure(&runtime, &bench);
    let bench = Arc::into_inner(bench).unwrap();
    runtime.block_on(bench.store.close()).unwrap();
    figure
}

fn index(number: u32) -> StorageIndex {
    let mut bytes = [0; 16];
    // Spread over the prefix directories, as real indexes are.
    bytes[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    StorageIndex::from_bytes(bytes)
}

fn secrets(number: u32) -> SlotSecrets {
    let mut bytes = [1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([2; 32]),
        lease: LeaseSecrets {
            renew: LeaseRenewSecret::from_bytes(bytes),
            cancel: LeaseCancelSecret::from_bytes(bytes),
        },
    }
}

async fn upload(bench: Arc<Bench>, number: u32) {
    let (index, secret) = (index(number), UploadSecret::from_bytes([3; 20]));
    let share = ShareNumber(0);
    let store = &bench.store;
    store
        .allocate_shares(
            &index,
            &BTreeSet::from([share]),
            bench.size as u64,
            &secrets(0).lease,
            &secret,
        )
        .await
        .unwrap();
    let data = Bytes::from(vec![5; bench.size]);
    let progress = store.write_share(&index, share, &secret, 0, data).await;
    assert_eq!(progress.unwrap(), WriteProgress::Complete);
}

fn uploads(directory: &Path, size: usize, count: u32, at_once: u32) -> f64 {
    with_store(directory, size, |runtime, bench| {
        rate(runtime, bench, count, at_once, upload)
    })
}

/// How many slots the changes go to.
const SLOTS: u32 = 40;

async fn write_slot(bench: &Bench, number: u32, offset: u64, data: Vec<u8>) {
    let vectors = TestWriteVectors {
        writes: vec![WriteVector {
            offset,
            data: data.into(),
        }],
        ..TestWriteVectors::default()
    };
    let change = ReadTestWrite {
        vectors: [(ShareNumber(0), vectors)].into(),
        reads: vec![],
    };
    let answer = bench
        .store
        .read_test_write(&index(number % SLOTS), &secrets(0), change)
        .await;
    assert!(answer.unwrap().success);
}

async fn change(bench: Arc<Bench>, number: u32) {
    let offset = u64::from(number) * 4096 % 900_000;
    write_slot(&bench, number, offset, vec![7; 4096]).await;
}

fn changes(directory: &Path, count: u32, at_once: u32) -> f64 {
    with_store(directory, 0, |runtime, bench| {
        runtime.block_on(async {
            for number in 0..SLOTS {
                write_slot(bench, number, 0, vec![1; 1_000_000]).await;
            }
        });
        rate(runtime, bench, count, at_once, change)
    })
}

async fn add_lease(bench: Arc<Bench>, number: u32) {
    let lease = secrets(number).lease;
    let store = &bench.store;
    store
        .add_lease(&index(number % SLOTS), &lease)
        .await
        .unwrap();
}

fn leases(directory: &Path, count: u32, at_once: u32) -> f64 {
    with_store(directory, 3_500, |runtime, bench| {
        rate(runtime, bench, SLOTS, 8, upload);
        rate(runtime, bench, count, at_once, add_lease)
    })
}

async fn read(bench: Arc<Bench>, number: u32) {
    let range = ShareRange {
        offset: u64::from(number) * 65_536 % 900_000,
        length: 65_536,
    };
    let store = &bench.store;
    let data = store
        .read_share(
            ShareKind::Immutable,
            &index(number % SLOTS),
            ShareNumber(0),
            range,
        )
        .await;
    assert_eq!(data.unwrap().len(), 65_536);
}

fn reads(directory: &Path, count: u32, at_once: u32) -> f64 {
    with_store(directory, 1_000_000, |runtime, bench| {
        rate(runtime, bench, SLOTS, 8, upload);
        rate(runtime, bench, count, at_once, read)
    })
}

/// Makes files durable without a journal, as many programs do.
fn plain(directory: &Path, size: usize, count: u32, at_once: u32) -> f64 {
    let runtime = runtime();
    let directory = new_directory(directory);
    fs::create_dir(&directory).unwrap();
    let subject = Arc::new((directory, size));
    rate(&runtime, &subject, count, at_once, plain_file)
}

async fn plain_file(subject: Arc<(PathBuf, usize)>, number: u32) {
    let write = move || {
        let (directory, size) = &*subject;
        let bucket = directory.join(number.to_string());
        fs::create_dir(&bucket).unwrap();
        let temporary = directory.join(format!("{number}.new"));
        let mut file = File::create(&temporary).unwrap();
        file.write_all(&vec![5; *size]).unwrap();
        file.sync_data().unwrap();
        fs::rename(&temporary, bucket.join("0")).unwrap();
        File::open(&bucket).unwrap().sync_all().unwrap();
        File::open(directory).unwrap().sync_all().unwrap();
    };
    tokio::task::spawn_blocking(write).await.unwrap();
}
