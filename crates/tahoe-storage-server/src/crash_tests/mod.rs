//! Whatever moment the power fails at, what was acknowledged is there and nothing is half there.
//!
//! A workload runs on a store whose file operations are recorded. After each step the share files
//! are noted. Then a crash is simulated after each operation, several times with other parts of
//! what wasn't synced surviving; the store is opened on what is left; and the share files must be
//! those after the last acknowledged step, or those after the step that was under way. While the
//! store recovers, it is crashed too.

mod disk_model;

use crate::config::StoreConfig;
use crate::containers::NewLease;
use crate::disk::{Disk, Hook, Operation};
use crate::store::Store;
use crate::{ExpirationMode, ExpirationPolicy, ManualClock, containers};
use bytes::Bytes;
use disk_model::{DiskModel, Random, Recorded, Survivors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, TubId, UploadSecret,
    WriteEnabler,
};
use tahoe_storage_api::{
    ReadTestWrite, ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError, TestWriteVectors,
    WriteProgress, WriteVector,
};
use tempfile::TempDir;

/// A call of the workload; each is acknowledged as a whole.
#[derive(Debug, Clone)]
enum Step {
    /// Allocates a share and writes a part of it, which is synced if the share's number is odd.
    Begin {
        index: u8,
        share: u8,
        size: usize,
    },
    /// Writes all of a share that was begun.
    Finish {
        index: u8,
        share: u8,
    },
    Abort {
        index: u8,
        share: u8,
    },
    Lease {
        index: u8,
        who: u8,
    },
    /// A lease that ended long ago, on all complete shares.
    OldLease {
        index: u8,
        who: u8,
    },
    /// Leases that were added before some moment end.
    Expire {
        index: u8,
        cutoff: i64,
    },
    Slot {
        index: u8,
        who: u8,
        writes: Vec<(u8, u64, usize)>,
        lengths: Vec<(u8, u64)>,
    },
    Checkpoint,
}

/// Slots have these indexes, immutable shares lower ones.
const SLOTS: u8 = 100;
/// When old leases were added, in seconds since 1970.
const LONG_AGO: i64 = 1_000_000_000;

fn workload() -> Vec<Step> {
    let lease = |index, who| Step::Lease { index, who };
    let expire = |index, cutoff| Step::Expire { index, cutoff };
    let slot = |who, writes: &[(u8, u64, usize)], lengths: &[(u8, u64)]| Step::Slot {
        index: SLOTS,
        who,
        writes: writes.to_vec(),
        lengths: lengths.to_vec(),
    };
    vec![
        Step::Begin {
            index: 1,
            share: 0,
            size: 3_000,
        },
        Step::Finish { index: 1, share: 0 },
        Step::Begin {
            index: 1,
            share: 1,
            size: 70_000,
        },
        Step::Begin {
            index: 1,
            share: 2,
            size: 70_000,
        },
        slot(0, &[(0, 0, 1_000), (1, 10, 500)], &[]),
        Step::Finish { index: 1, share: 1 },
        Step::Abort { index: 1, share: 2 },
        lease(1, 1),
        Step::Checkpoint,
        lease(1, 0),
        slot(1, &[(0, 900, 2_000), (2, 0, 100)], &[(1, 50)]),
        lease(SLOTS, 2),
        lease(SLOTS, 3),
        lease(SLOTS, 4),
        // The extra leases move, by less than their size and then by more.
        slot(5, &[(0, 2_900, 40)], &[]),
        slot(0, &[(0, 9_000, 3_000), (2, 5_000, 1)], &[]),
        // Too large for a segment of the journal.
        slot(0, &[(0, 1_000, 300_000)], &[]),
        slot(0, &[(3, 0, 10)], &[(1, 0), (2, 0)]),
        Step::Begin {
            index: 2,
            share: 7,
            size: 1,
        },
        Step::Checkpoint,
        Step::Finish { index: 2, share: 7 },
        slot(0, &[], &[(0, 0), (3, 0)]),
        slot(1, &[(0, 3, 5)], &[]),
        slot(1, &[(0, 3, 100), (4, 0, 100)], &[]),
        // Of two shares the middle lease goes, then another is put in its place.
        Step::OldLease { index: 1, who: 6 },
        lease(1, 7),
        expire(1, LONG_AGO + 1),
        lease(1, 8),
        Step::OldLease {
            index: SLOTS,
            who: 6,
        },
        expire(SLOTS, LONG_AGO + 1),
        lease(SLOTS, 8),
        Step::Checkpoint,
        expire(1, i64::MAX),
        lease(2, 1),
        expire(SLOTS, i64::MAX),
        slot(0, &[(0, 0, 10)], &[]),
    ]
}

fn storage_index(index: u8) -> StorageIndex {
    StorageIndex::from_bytes([index; 16])
}

fn lease(who: u8) -> LeaseSecrets {
    LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes([who; 32]),
        cancel: LeaseCancelSecret::from_bytes([who + 100; 32]),
    }
}

fn take(store: &Store, step: &Step) -> Result<(), StorageError> {
    let secret = UploadSecret::from_bytes([9; 20]);
    match step {
        Step::Begin { index, share, size } => {
            let (index, share) = (storage_index(*index), ShareNumber(*share));
            let size = *size as u64;
            store.allocate_shares(&index, &[share].into(), size, lease(0), &secret)?;
            if size > 1 {
                let half = Bytes::from(vec![5; usize::try_from(size / 2).unwrap()]);
                store.write_share(&index, share, &secret, size / 4, &half)?;
                if share.0 % 2 == 1 {
                    store.sync_ahead(&index, share);
                }
            }
        }
        Step::Finish { index, share } => {
            let (index, share) = (storage_index(*index), ShareNumber(*share));
            let upload = store.uploads.find(&index, share).unwrap();
            let size = usize::try_from(upload.size).unwrap();
            let data = vec![5; size].into();
            let written = store.write_share(&index, share, &secret, 0, &data)?;
            assert_eq!(written.progress, WriteProgress::Complete);
        }
        Step::Abort { index, share } => {
            store.abort_share(&storage_index(*index), ShareNumber(*share), &secret)?;
        }
        Step::Lease { index, who } => {
            match store.add_lease(&storage_index(*index), lease(*who)) {
                // In some orders they were expired before.
                Ok(()) | Err(StorageError::NoSuchShare) => {}
                Err(error) => return Err(error),
            }
        }
        Step::OldLease { index, who } => {
            let index = storage_index(*index);
            let lease = NewLease::starting(
                LONG_AGO.unsigned_abs(),
                1,
                lease(*who),
                TubId::from_bytes([7; 20]),
            );
            let _lock = store.locks.write(&index);
            let complete = &store.share_files(&index)? - &store.uploads.shares(&index);
            store.put_lease(&index, &complete, &lease, u64::MAX)?;
        }
        Step::Expire { index, cutoff } => {
            let policy = ExpirationPolicy {
                enabled: true,
                mode: ExpirationMode::CutoffDate { seconds: *cutoff },
                ..ExpirationPolicy::default()
            };
            if !store.share_files(&storage_index(*index))?.is_empty() {
                store.check_leases(&storage_index(*index), &policy, 0.0)?;
            }
        }
        Step::Slot {
            index,
            who,
            writes,
            lengths,
        } => {
            let mut change = ReadTestWrite::default();
            for (share, offset, length) in writes {
                let vectors: &mut TestWriteVectors =
                    change.vectors.entry(ShareNumber(*share)).or_default();
                vectors.writes.push(WriteVector {
                    offset: *offset,
                    data: vec![*who + 1; *length].into(),
                });
            }
            for (share, length) in lengths {
                let vectors = change.vectors.entry(ShareNumber(*share)).or_default();
                vectors.new_length = Some(*length);
            }
            let secrets = SlotSecrets {
                write_enabler: WriteEnabler::from_bytes([3; 32]),
                lease: lease(*who),
            };
            store.read_test_write(&storage_index(*index), &secrets, &change)?;
        }
        Step::Checkpoint => store.journal.checkpoint()?,
    }
    Ok(())
}

fn config(directory: &Path) -> StoreConfig {
    let mut config = StoreConfig::new(directory.join("storage"), TubId::from_bytes([7; 20]));
    config.clock = Arc::new(ManualClock::at_seconds(1_706_745_599));
    config
}

/// Opens a store; what it does to the file system is added to the list.
fn open_recorded(
    directory: &Path,
    record: &Arc<Mutex<Vec<Recorded>>>,
) -> Result<Store, StorageError> {
    let record = Arc::clone(record);
    let hook: Hook = Box::new(move |operation: &Operation<'_>| {
        record.lock().unwrap().extend(Recorded::of(operation));
        Ok(())
    });
    Store::open(config(directory), Arc::new(Disk::with_hook(hook)), false)
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The complete shares in a storage directory.
fn share_files(directory: &Path) -> Files {
    let shares = directory.join("storage/shares");
    let mut found = BTreeMap::new();
    let mut todo = vec![shares.clone()];
    while let Some(next) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && path != shares.join("incoming") {
                todo.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(&shares).unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// A run of a workload.
struct Run {
    directory: TempDir,
    operations: Vec<Recorded>,
    /// For each acknowledgement: how many operations came before, and the files after it.
    acknowledged: Vec<(usize, Files)>,
}

fn temporary() -> TempDir {
    // In memory where that can be had: thousands of stores are opened.
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

fn run(steps: &[Step]) -> Run {
    let directory = temporary();
    let record = Arc::new(Mutex::new(Vec::new()));
    let store = open_recorded(directory.path(), &record).unwrap();
    let mut acknowledged = vec![(0, Files::new())];
    let mut note = || {
        let count = record.lock().unwrap().len();
        acknowledged.push((count, share_files(directory.path())));
    };
    note();
    for step in steps {
        take(&store, step).unwrap();
        note();
    }
    let operations = record.lock().unwrap().clone();
    Run {
        directory,
        operations,
        acknowledged,
    }
}

impl Run {
    /// The states that may be found after a crash that comes after `count` operations.
    fn allowed(&self, count: usize) -> Vec<&Files> {
        let next = self.acknowledged.partition_point(|(at, _)| *at <= count);
        let states = self.acknowledged[next - 1..].iter().take(2);
        states.map(|(_, files)| files).collect()
    }

    /// Crashes after each operation in these ways; all that is left must be allowed.
    fn check(&self, seed: u64, ways: std::ops::Range<u64>) {
        let mut model = DiskModel::new(self.directory.path());
        for count in 0..=self.operations.len() {
            if let Some(operation) = count.checked_sub(1).map(|last| &self.operations[last]) {
                model.apply(operation);
            }
            for way in ways.clone() {
                let survivors = match way {
                    0 => Survivors::Nothing,
                    1 => Survivors::Everything,
                    _ => Survivors::Some(Random(seed ^ (count as u64) << 20 ^ way << 50)),
                };
                let context = format!("after {count} operations, {survivors:?}");
                let twice = way == 2 && count % 11 == 0;
                check_crash(&model, survivors, &self.allowed(count), twice, &context);
            }
        }
    }
}

/// Crashes a model, opens what is left, and compares. With `twice`, the recovery is crashed too.
fn check_crash(
    model: &DiskModel,
    survivors: Survivors,
    allowed: &[&Files],
    twice: bool,
    context: &str,
) {
    let left = temporary();
    model.crash(survivors, left.path());
    let mut recovery = DiskModel::of_directory(left.path());
    let record = Arc::new(Mutex::new(Vec::new()));
    let store = open_recorded(left.path(), &record);
    let store = store.unwrap_or_else(|error| panic!("{error:?} {context}"));
    let found = share_files(left.path());
    let states: Vec<String> = allowed.iter().map(|files| describe(files)).collect();
    assert!(
        allowed.contains(&&found),
        "{context}: found\n{}\nbut expected\n{}",
        describe(&found),
        states.join("\nor\n")
    );
    if !twice {
        return;
    }
    let operations = record.lock().unwrap().clone();
    check_that_it_goes_on(&store);
    for (count, operation) in operations.iter().enumerate() {
        recovery.apply(operation);
        let context = format!("{context}, then after {count} operations of the recovery");
        let survivors = Survivors::Some(Random(count as u64));
        check_crash(&recovery, survivors, allowed, false, &context);
    }
}

/// A store that recovered takes shares of both kinds and gives them back.
fn check_that_it_goes_on(store: &Store) {
    for step in [
        Step::Begin {
            index: 50,
            share: 0,
            size: 100,
        },
        Step::Finish {
            index: 50,
            share: 0,
        },
        Step::Slot {
            index: 150,
            who: 1,
            writes: vec![(0, 0, 10)],
            lengths: vec![],
        },
    ] {
        take(store, &step).unwrap();
    }
    let whole = ShareRange {
        offset: 0,
        length: 1000,
    };
    for (kind, index, expected) in [
        (ShareKind::Immutable, 50, vec![5; 100]),
        (ShareKind::Mutable, 150, vec![2; 10]),
    ] {
        let found = store.read_share(kind, &storage_index(index), ShareNumber(0), whole);
        assert_eq!(found.unwrap(), expected);
    }
}

/// Names, lengths and kinds of files, for messages.
fn describe(files: &Files) -> String {
    let lines = files.iter().map(|(name, data)| {
        let container = containers::Container::read(&data[..]);
        format!("  {} {} bytes {container:?}", name.display(), data.len())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_moment_of_a_crash_loses_or_halves_anything() {
    run(&workload()).check(1, 0..4);
}

#[test]
fn no_order_of_calls_makes_a_crash_worse() {
    for seed in 0..2 {
        let mut random = Random(seed);
        let mut steps = workload();
        // Uploads keep their order; the rest is shuffled among them.
        for last in (1..steps.len()).rev() {
            let other = random.below(last + 1);
            if is_upload(&steps[last]) == is_upload(&steps[other]) && !is_upload(&steps[last]) {
                steps.swap(last, other);
            }
        }
        run(&steps).check(seed, 2..3);
    }
}

fn is_upload(step: &Step) -> bool {
    !matches!(
        step,
        Step::Slot { .. } | Step::Checkpoint | Step::Expire { .. } | Step::OldLease { .. }
    )
}

/// Makes one file operation of a workload fail, whichever it is.
///
/// Returns after how many acknowledged steps it struck, and the store.
fn run_with_failure(
    directory: &Path,
    steps: &[Step],
    strike: usize,
    kind: std::io::ErrorKind,
) -> (usize, Option<Store>) {
    let count = Mutex::new(0);
    let hook: Hook = Box::new(move |_: &Operation<'_>| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == strike + 1 {
            return Err(kind.into());
        }
        Ok(())
    });
    let Ok(store) = Store::open(config(directory), Arc::new(Disk::with_hook(hook)), false) else {
        return (0, None);
    };
    for (done, step) in steps.iter().enumerate() {
        if take(&store, step).is_err() {
            return (done, Some(store));
        }
    }
    (steps.len(), Some(store))
}

#[test]
fn failing_operations_lose_nothing_that_was_acknowledged() {
    let steps = workload();
    let run = run(&steps);
    let operations = run.operations.len();
    // Steps of the run begin with an empty store that was just opened.
    let states: Vec<&Files> = run
        .acknowledged
        .iter()
        .skip(1)
        .map(|(_, files)| files)
        .collect();
    for (strike, kind) in (0..operations + 20).map(|strike| match strike % 3 {
        0 => (strike, std::io::ErrorKind::StorageFull),
        _ => (strike, std::io::ErrorKind::Other),
    }) {
        let directory = temporary();
        let (done, store) = run_with_failure(directory.path(), &steps, strike, kind);
        let Some(store) = store else { continue };
        let context = format!("operation {strike} failed: {kind:?}, {done} steps were done");
        let allowed = &states[done..(done + 2).min(states.len())];
        // What is served now: the step that failed may have had its effect or not.
        let served = share_files(directory.path());
        let journal_knows_more = store.journal.is_broken();
        assert!(
            allowed.contains(&&served) || journal_knows_more,
            "{context}"
        );
        if !journal_knows_more {
            check_that_it_goes_on(&store);
        }
        drop(store);
        let store = Store::open(config(directory.path()), Arc::default(), false).unwrap();
        let mut found = share_files(directory.path());
        found.retain(|name, _| !is_from_going_on(name));
        assert!(allowed.contains(&&found), "{context}: {}", describe(&found));
        drop(store);
    }
}

fn is_from_going_on(name: &Path) -> bool {
    let indexes = [50, 150].map(|index| storage_index(index).to_string());
    indexes
        .iter()
        .any(|index| name.to_string_lossy().contains(index))
}
