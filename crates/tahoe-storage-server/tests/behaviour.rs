//! What the disk store does beyond the contract: time, damage, limits, restarts.

mod support;

use bytes::Bytes;
use std::collections::BTreeSet;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::TestStore;
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, UploadSecret, WriteEnabler,
};
use tahoe_storage_api::{
    Allocation, ReadTestWrite, ReadTestWriteOutcome, ShareKind, ShareNumber, ShareRange,
    SlotSecrets, StorageError, StorageService as _, TestWriteVectors, WriteProgress, WriteVector,
};
use tahoe_storage_server::{DiskStore, MAX_READ_SIZE, MAX_WRITTEN_RANGES, UPLOAD_TIMEOUT};

const INDEX: StorageIndex = StorageIndex::from_bytes([5; 16]);
const SLOT: StorageIndex = StorageIndex::from_bytes([6; 16]);
const WHOLE: ShareRange = ShareRange {
    offset: 0,
    length: 1 << 20,
};

fn lease(who: u8) -> LeaseSecrets {
    LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes([who; 32]),
        cancel: LeaseCancelSecret::from_bytes([who + 100; 32]),
    }
}

fn secret() -> UploadSecret {
    UploadSecret::from_bytes([7; 20])
}

async fn allocate(store: &DiskStore, index: &StorageIndex, share: u8, size: u64) -> Allocation {
    let shares = BTreeSet::from([ShareNumber(share)]);
    store
        .allocate_shares(index, &shares, size, &lease(0), &secret())
        .await
        .expect("allocate")
}

async fn write(
    store: &DiskStore,
    share: u8,
    offset: u64,
    data: impl Into<Bytes>,
) -> Result<WriteProgress, StorageError> {
    let data = data.into();
    store
        .write_share(&INDEX, ShareNumber(share), &secret(), offset, data)
        .await
}

async fn put(store: &DiskStore, share: u8, data: impl Into<Bytes>) {
    let data = data.into();
    allocate(store, &INDEX, share, data.len() as u64).await;
    let progress = write(store, share, 0, data).await;
    assert_eq!(progress.expect("write"), WriteProgress::Complete);
}

async fn read(store: &DiskStore, share: u8) -> Result<Bytes, StorageError> {
    store
        .read_share(ShareKind::Immutable, &INDEX, ShareNumber(share), WHOLE)
        .await
}

async fn list(store: &DiskStore, kind: ShareKind, index: &StorageIndex) -> Vec<u8> {
    let shares = store.list_shares(kind, index).await.expect("list");
    shares.iter().map(|share| share.0).collect()
}

async fn change_slot(
    store: &DiskStore,
    share: u8,
    offset: u64,
    data: &'static [u8],
) -> Result<ReadTestWriteOutcome, StorageError> {
    let secrets = SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([3; 32]),
        lease: lease(0),
    };
    let vectors = TestWriteVectors {
        writes: vec![WriteVector {
            offset,
            data: Bytes::from_static(data),
        }],
        ..TestWriteVectors::default()
    };
    let change = ReadTestWrite {
        vectors: [(ShareNumber(share), vectors)].into(),
        reads: vec![],
    };
    store.read_test_write(&SLOT, &secrets, change).await
}

fn share_path(directory: &Path, index: &StorageIndex, share: u8) -> PathBuf {
    let name = index.to_string();
    let bucket = directory.join("shares").join(&name[..2]).join(name);
    bucket.join(share.to_string())
}

fn cut(path: &Path, length: u64) {
    let file = std::fs::File::options().write(true).open(path);
    file.expect("open").set_len(length).expect("cut");
}

/// Number of files below a directory.
fn count_files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let count = |path: PathBuf| if path.is_dir() { count_files(&path) } else { 1 };
    entries
        .map(|entry| count(entry.expect("list").path()))
        .sum()
}

#[tokio::test]
async fn an_upload_that_is_idle_for_half_an_hour_ends() {
    let store = TestStore::open().await;
    let incoming = store.path().join("shares/incoming");
    let journal = count_files(&incoming);
    allocate(&store, &INDEX, 0, 100_000).await;
    write(&store, 0, 0, vec![1; 50_000]).await.unwrap();
    assert_eq!(count_files(&incoming), journal + 1);
    let just_before = UPLOAD_TIMEOUT - Duration::from_secs(1);
    store.clock.advance(just_before);
    assert_eq!(store.abort_idle_uploads().await.unwrap(), 0);
    write(&store, 0, 50_000, vec![1; 1]).await.unwrap();
    store.clock.advance(just_before);
    assert_eq!(
        store.abort_idle_uploads().await.unwrap(),
        0,
        "it was touched"
    );
    assert_eq!(store.statistics().await.unwrap().allocated, 100_000);
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(store.abort_idle_uploads().await.unwrap(), 1);
    assert_eq!(count_files(&incoming), journal, "its file is gone");
    assert_eq!(store.statistics().await.unwrap().allocated, 0);
    let late = write(&store, 0, 50_001, vec![1; 1]).await;
    assert!(matches!(late, Err(StorageError::NoSuchShare)), "{late:?}");
}

#[tokio::test]
async fn restarts_keep_what_is_complete_and_remove_what_is_not() {
    let mut store = TestStore::open().await;
    put(&store, 0, "small").await;
    put(&store, 1, vec![1; 100_000]).await;
    change_slot(&store, 4, 0, b"slot").await.unwrap();
    for round in 0..2 {
        allocate(&store, &INDEX, 2, 100_000).await;
        write(&store, 2, 0, vec![2; 99_999]).await.unwrap();
        allocate(&store, &INDEX, 3, 10).await;
        write(&store, 3, 0, vec![3; 9]).await.unwrap();
        store = if round == 0 {
            store.reopen_after_crash().await
        } else {
            store.reopen_cleanly().await
        };
        assert_eq!(list(&store, ShareKind::Immutable, &INDEX).await, [0, 1]);
        assert_eq!(read(&store, 0).await.unwrap(), "small");
        assert_eq!(read(&store, 1).await.unwrap(), vec![1; 100_000]);
        assert_eq!(list(&store, ShareKind::Mutable, &SLOT).await, [4]);
        let late = write(&store, 2, 99_999, vec![2; 1]).await;
        assert!(matches!(late, Err(StorageError::NoSuchShare)), "{late:?}");
    }
    let directory = store.directory;
    store.store.close().await.unwrap();
    let incoming = directory.path().join("shares/incoming");
    assert!(!incoming.exists(), "a clean stop leaves no journal");
}

#[tokio::test]
async fn corrupt_containers_are_errors_and_harm_no_others() {
    let store = TestStore::open().await;
    for share in 0..4 {
        put(&store, share, vec![share; 1000]).await;
        change_slot(&store, share, 0, b"some data").await.unwrap();
    }
    for (index, share, length) in [(&INDEX, 0, 11), (&INDEX, 1, 40), (&SLOT, 0, 99)] {
        cut(&share_path(store.path(), index, share), length);
    }
    let path = share_path(store.path(), &INDEX, 2);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0xff; 4], 0).unwrap();

    assert_eq!(list(&store, ShareKind::Immutable, &INDEX).await, [3]);
    for share in 0..3 {
        let error = read(&store, share).await;
        assert!(
            matches!(error, Err(StorageError::CorruptContainer { .. })),
            "{share}: {error:?}"
        );
    }
    assert_eq!(read(&store, 3).await.unwrap(), vec![3; 1000]);
    let shares = (0..5).map(ShareNumber).collect();
    let answer = store
        .allocate_shares(&INDEX, &shares, 10, &lease(1), &secret())
        .await
        .unwrap();
    assert_eq!(answer.already_have, BTreeSet::from([ShareNumber(3)]));
    assert_eq!(answer.allocated, BTreeSet::from([ShareNumber(4)]));
    store.add_lease(&INDEX, &lease(2)).await.unwrap();
    let advice = store.advise_corrupt_share(ShareKind::Immutable, &INDEX, ShareNumber(0), "cut");
    advice.await.unwrap();
    assert_eq!(count_files(&store.path().join("corruption-advisories")), 1);

    assert_eq!(list(&store, ShareKind::Mutable, &SLOT).await, [1, 2, 3]);
    let refused = change_slot(&store, 1, 0, b"other").await;
    assert!(
        matches!(refused, Err(StorageError::CorruptContainer { .. })),
        "its write enabler can't be checked: {refused:?}"
    );
}

#[tokio::test]
async fn a_share_that_is_removed_or_cut_while_it_is_open_is_not_served() {
    let store = TestStore::open().await;
    put(&store, 0, vec![1; 1000]).await;
    put(&store, 1, vec![1; 1000]).await;
    assert!(read(&store, 0).await.is_ok() && read(&store, 1).await.is_ok());
    std::fs::remove_file(share_path(store.path(), &INDEX, 0)).unwrap();
    let gone = read(&store, 0).await;
    assert!(matches!(gone, Err(StorageError::NoSuchShare)), "{gone:?}");
    assert_eq!(list(&store, ShareKind::Immutable, &INDEX).await, [1]);
    cut(&share_path(store.path(), &INDEX, 1), 500);
    let short = read(&store, 1).await;
    assert!(
        matches!(short, Err(StorageError::CorruptContainer { .. })),
        "{short:?}"
    );
    put(&store, 0, "again").await;
    assert_eq!(read(&store, 0).await.unwrap(), "again");
}

#[tokio::test]
async fn other_files_in_a_bucket_are_left_alone() {
    let store = TestStore::open().await;
    put(&store, 1, "one").await;
    let bucket = share_path(store.path(), &INDEX, 1);
    let bucket = bucket.parent().unwrap();
    for name in ["01", "256", "+2", "3.tmp", "notes", "-1", " 4"] {
        std::fs::write(bucket.join(name), "not a share").unwrap();
    }
    assert_eq!(list(&store, ShareKind::Immutable, &INDEX).await, [1]);
    store.add_lease(&INDEX, &lease(1)).await.unwrap();
    assert_eq!(count_files(bucket), 8);
}

#[tokio::test]
async fn memory_and_bookkeeping_have_limits() {
    let store = TestStore::open().await;
    allocate(&store, &INDEX, 0, 1_000_000).await;
    let ranges = MAX_WRITTEN_RANGES as u64;
    for number in 0..ranges {
        write(&store, 0, number * 2, vec![1]).await.unwrap();
    }
    let refused = write(&store, 0, ranges * 2, vec![1]).await;
    assert!(
        matches!(refused, Err(StorageError::InvalidRequest { .. })),
        "{refused:?}"
    );
    write(&store, 0, 1, vec![1]).await.unwrap();

    let slot = share_path(store.path(), &SLOT, 0);
    change_slot(&store, 0, MAX_READ_SIZE, b"end").await.unwrap();
    assert!(slot.metadata().unwrap().len() > MAX_READ_SIZE);
    let all = ShareRange {
        offset: 0,
        length: u64::MAX,
    };
    let refused = store.read_share(ShareKind::Mutable, &SLOT, ShareNumber(0), all);
    assert!(matches!(
        refused.await,
        Err(StorageError::InvalidRequest { .. })
    ));
    let end = ShareRange { offset: 3, ..all };
    let read = store.read_share(ShareKind::Mutable, &SLOT, ShareNumber(0), end);
    assert!(read.await.unwrap().ends_with(b"\0end"));
}

#[tokio::test]
async fn a_hole_larger_than_the_disk_is_refused_and_changes_nothing() {
    let store = TestStore::open().await;
    change_slot(&store, 0, 0, b"data").await.unwrap();
    let path = share_path(store.path(), &SLOT, 0);
    let before = std::fs::read(&path).unwrap();
    for share in [0, 1] {
        let refused = change_slot(&store, share, 1 << 55, b"far away").await;
        assert!(matches!(refused, Err(StorageError::NoSpace)), "{refused:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(list(&store, ShareKind::Mutable, &SLOT).await, [0]);
    change_slot(&store, 0, 2, b"xyz").await.unwrap();
}

/// A few bytes far behind the end of a share don't take the disk, neither when they are refused nor
/// of what the operator reserved.
#[tokio::test]
async fn a_hole_that_is_refused_takes_no_room() {
    let store = TestStore::open().await;
    change_slot(&store, 0, 0, b"data").await.unwrap();
    let path = share_path(store.path(), &SLOT, 0);
    let before = path.metadata().unwrap().blocks();
    let free = store
        .statistics()
        .await
        .unwrap()
        .disk
        .unwrap()
        .free_for_nonroot;
    let refused = change_slot(&store, 0, free * 2, b"far away").await;
    assert!(matches!(refused, Err(StorageError::NoSpace)), "{refused:?}");
    assert_eq!(path.metadata().unwrap().blocks(), before);

    let store = TestStore::open_with(|config| config.reserved_space = u64::MAX).await;
    change_slot(&store, 0, 0, b"data").await.unwrap();
    change_slot(&store, 0, 4, &[7; 5000]).await.unwrap();
    let refused = change_slot(&store, 0, 100_000, b"far away").await;
    assert!(matches!(refused, Err(StorageError::NoSpace)), "{refused:?}");
    let path = share_path(store.path(), &SLOT, 0);
    assert!(path.metadata().unwrap().blocks() * 512 < 50_000);
}

#[tokio::test]
async fn a_read_only_server_renews_leases_but_takes_no_new_ones() {
    let mut store = TestStore::open().await;
    put(&store, 0, "data").await;
    store.store.close().await.unwrap();
    store.config.read_only = true;
    store.store = DiskStore::open(store.config.clone()).await.unwrap();
    store.add_lease(&INDEX, &lease(0)).await.unwrap();
    let refused = store.add_lease(&INDEX, &lease(1)).await;
    assert!(matches!(refused, Err(StorageError::NoSpace)), "{refused:?}");
    let statistics = store.statistics().await.unwrap();
    assert!(!statistics.accepting_immutable_shares);
    assert_eq!(statistics.disk.unwrap().available, 0);
}

#[tokio::test]
async fn discarded_data_is_zeros_of_the_same_length() {
    let store = TestStore::open_with(|config| config.discard_data = true).await;
    put(&store, 0, vec![1; 100]).await;
    put(&store, 1, vec![1; 100_000]).await;
    allocate(&store, &INDEX, 2, 100).await;
    write(&store, 2, 0, vec![1; 60]).await.unwrap();
    let progress = write(&store, 2, 60, vec![1; 40]).await.unwrap();
    assert_eq!(progress, WriteProgress::Complete);
    assert_eq!(read(&store, 0).await.unwrap(), vec![0; 100]);
    assert_eq!(read(&store, 1).await.unwrap(), vec![0; 100_000]);
    assert_eq!(read(&store, 2).await.unwrap(), vec![0; 100]);
}

#[tokio::test]
async fn share_files_are_for_their_owner_only() {
    let store = TestStore::open().await;
    put(&store, 0, "small").await;
    put(&store, 1, vec![1; 100_000]).await;
    change_slot(&store, 0, 0, b"slot").await.unwrap();
    for (index, share) in [(&INDEX, 0), (&INDEX, 1), (&SLOT, 0)] {
        let path = share_path(store.path(), index, share);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }
}

#[tokio::test]
async fn statistics_count_what_happened() {
    let store = TestStore::open().await;
    put(&store, 0, "12345").await;
    put(&store, 1, vec![1; 100_000]).await;
    allocate(&store, &INDEX, 2, 50).await;
    let share = ShareNumber(2);
    store.abort_share(&INDEX, share, &secret()).await.unwrap();
    read(&store, 0).await.unwrap();
    list(&store, ShareKind::Immutable, &INDEX).await;
    change_slot(&store, 0, 0, b"slot").await.unwrap();
    store.add_lease(&SLOT, &lease(1)).await.unwrap();
    let slot = store.read_share(ShareKind::Mutable, &SLOT, ShareNumber(0), WHOLE);
    slot.await.unwrap();
    let statistics = store.statistics().await.unwrap();
    let found = statistics.counters.clone();
    assert_eq!(
        found,
        [
            ("allocate", 3),
            ("write", 2),
            ("close", 2),
            ("read", 1),
            ("get", 1),
            ("writev", 1),
            ("readv", 1),
            ("add-lease", 1),
            ("abort", 1),
            ("bytes_added", 5 + 100_000 + 2 * (12 + 72)),
        ]
    );
    assert!(statistics.accepting_immutable_shares);
    assert!(store.has_shares().await.unwrap());
    let values = statistics.values();
    let named = |name: &str| values.iter().any(|(n, _)| n == name);
    assert!(named("storage_server.latencies.close.50_0_percentile"));
    assert!(named("storage_server.disk_avail"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_calls_at_once_all_count_also_after_a_crash() {
    let store = std::sync::Arc::new(TestStore::open().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64u8 {
        let store = std::sync::Arc::clone(&store);
        tasks.spawn(async move {
            // Some have a storage index of their own, some share one; some are large.
            let index = StorageIndex::from_bytes([if number % 2 == 0 { number } else { 255 }; 16]);
            let size = if number % 5 == 0 { 100_000 } else { 3_000 };
            let share = ShareNumber(number);
            allocate(&store, &index, number, size).await;
            let data = Bytes::from(vec![number; usize::try_from(size).unwrap()]);
            let written = store
                .write_share(&index, share, &secret(), 0, data.clone())
                .await;
            assert_eq!(written.unwrap(), WriteProgress::Complete);
            store.add_lease(&index, &lease(number)).await.unwrap();
            (index, share, data)
        });
    }
    let written = tasks.join_all().await;
    let store = std::sync::Arc::into_inner(store).expect("all tasks ended");
    let store = store.reopen_after_crash().await;
    for (index, share, data) in written {
        let found = store.read_share(ShareKind::Immutable, &index, share, WHOLE);
        assert!(found.await.unwrap() == data, "share {share}");
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_carried_out() {
    let store = TestStore::open().await;
    allocate(&store, &INDEX, 0, 100_000).await;
    // The write is begun, and its future dropped at once.
    tokio::select! {
        biased;
        _ = write(&store, 0, 0, vec![1; 100_000]) => {}
        () = std::future::ready(()) => {}
    }
    // Closing waits for it.
    let store = store.reopen_cleanly().await;
    assert_eq!(list(&store, ShareKind::Immutable, &INDEX).await, [0]);
}

/// Both shares of a slot are overwritten all the time; no read sees two versions of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_slot_is_of_one_version() {
    let test = TestStore::open().await;
    let store = &test.store;
    let secrets = SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([1; 32]),
        lease: lease(1),
    };
    let change = |version: u8| {
        let write = WriteVector {
            offset: 0,
            data: vec![version; 5000].into(),
        };
        let vectors = TestWriteVectors {
            writes: vec![write],
            ..TestWriteVectors::default()
        };
        ReadTestWrite {
            vectors: [0, 1].map(|n| (ShareNumber(n), vectors.clone())).into(),
            reads: Vec::new(),
        }
    };
    let reads = [(0, 10), (4000, 10)].map(|(offset, length)| ShareRange { offset, length });
    let writing = async {
        for version in 0..60 {
            let written = store.read_test_write(&SLOT, &secrets, change(version));
            assert!(written.await.expect("it fits").success);
        }
    };
    let reading = async {
        let mut versions = BTreeSet::new();
        while !versions.contains(&59) {
            let slot = store.read_slot(&SLOT, &BTreeSet::new(), &reads).await;
            let bytes: Vec<u8> = slot
                .expect("readable")
                .into_values()
                .flatten()
                .flatten()
                .collect();
            if let Some(version) = bytes.first() {
                assert_eq!(bytes, vec![*version; 40]);
                versions.insert(*version);
            }
        }
        versions.len()
    };
    let ((), versions) = tokio::join!(writing, reading);
    assert!(versions > 1, "reads came between writes");
}
