//! The same calls leave the same files as the Python server's, and either serves the other's.
//!
//! A random sequence of calls goes to both servers, each on a directory of its own, with the same
//! clock. After each call the answers must agree, and from time to time all files of both
//! directories. At some points both stop and each takes over the directory of the other.

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use support::oracle::Oracle;
use support::{START, TestStore};
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, UploadSecret, WriteEnabler,
};
use tahoe_storage_api::{
    ReadTestWrite, ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError,
    StorageService as _, TestVector, TestWriteVectors, WriteProgress, WriteVector,
};
use tahoe_storage_server::DiskStore;
use tempfile::TempDir;

/// A call, with small numbers for everything.
#[derive(Debug, Clone)]
enum Step {
    Allocate {
        index: u8,
        shares: BTreeSet<u8>,
        size: u64,
        who: u8,
    },
    Write {
        index: u8,
        share: u8,
        piece: (u64, usize),
        byte: u8,
    },
    WriteAll {
        index: u8,
        share: u8,
    },
    Abort {
        index: u8,
        share: u8,
    },
    Read {
        index: u8,
        share: u8,
        range: (u64, u64),
    },
    ReadSlot {
        index: u8,
        share: u8,
        range: (u64, u64),
    },
    AddLease {
        mutable: bool,
        index: u8,
        who: u8,
    },
    Change {
        index: u8,
        enabler: u8,
        who: u8,
        vectors: Vec<Vectors>,
        reads: Vec<(u64, u64)>,
    },
    Advise {
        mutable: bool,
        index: u8,
        share: u8,
    },
    Advance {
        seconds: u64,
    },
    TakeOver,
}

/// What happens to one share of a slot.
#[derive(Debug, Clone)]
struct Vectors {
    share: u8,
    tests: Vec<(u64, u64, Vec<u8>)>,
    writes: Vec<(u64, Vec<u8>)>,
    new_length: Option<u64>,
}

const SIZES: [u64; 5] = [1, 100, 5_000, 65_536, 150_000];

fn steps() -> impl Strategy<Value = Step> {
    let index = 0..2u8;
    let share = 0..3u8;
    let who = 0..8u8;
    prop_oneof![
        3 => (index.clone(), prop::collection::btree_set(0..3u8, 0..3), 0..SIZES.len(), who.clone())
            .prop_map(|(index, shares, size, who)| Step::Allocate {
                index, shares, size: SIZES[size], who
            }),
        3 => (index.clone(), share.clone(), (0..120_u64, 1..120_usize), 0..2u8)
            .prop_map(|(index, share, piece, byte)| Step::Write { index, share, piece, byte }),
        3 => (index.clone(), share.clone())
            .prop_map(|(index, share)| Step::WriteAll { index, share }),
        1 => (index.clone(), share.clone()).prop_map(|(index, share)| Step::Abort { index, share }),
        1 => (index.clone(), share.clone(), (0..200u64, 0..200u64))
            .prop_map(|(index, share, range)| Step::Read { index, share, range }),
        1 => (index.clone(), share.clone(), (0..900u64, 0..900u64))
            .prop_map(|(index, share, range)| Step::ReadSlot { index, share, range }),
        3 => (any::<bool>(), index.clone(), who.clone())
            .prop_map(|(mutable, index, who)| Step::AddLease { mutable, index, who }),
        8 => (
            index.clone(),
            prop_oneof![9 => Just(0u8), 1 => Just(1)],
            who,
            prop::collection::btree_map(share.clone(), vectors(), 0..3),
            prop::collection::vec((0..900u64, 0..900u64), 0..3),
        ).prop_map(|(index, enabler, who, vectors, reads)| {
            let vectors = vectors.into_iter().map(|(share, v)| Vectors { share, ..v }).collect();
            Step::Change { index, enabler, who, vectors, reads }
        }),
        1 => (any::<bool>(), index, share)
            .prop_map(|(mutable, index, share)| Step::Advise { mutable, index, share }),
        2 => prop_oneof![0..100u64, 1700..1900u64, 0..5_000_000u64]
            .prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::TakeOver),
    ]
}

fn vectors() -> impl Strategy<Value = Vectors> {
    let specimen = prop_oneof![Just(vec![]), Just(vec![0]), Just(vec![1, 1])];
    let test = (0..900u64, 0..3u64, specimen);
    let byte = any::<u8>();
    let write = (0..900u64, byte, 0..400usize).prop_map(|(o, byte, n)| (o, vec![byte; n]));
    let tests = prop_oneof![4 => Just(vec![]), 1 => prop::collection::vec(test, 1..3)];
    let new_length =
        prop_oneof![5 => Just(None), 1 => Just(Some(0)), 3 => (0..900u64).prop_map(Some)];
    (tests, prop::collection::vec(write, 0..4), new_length).prop_map(
        |(tests, writes, new_length)| Vectors {
            share: 0,
            tests,
            writes,
            new_length,
        },
    )
}

fn index_of(mutable: bool, number: u8) -> StorageIndex {
    StorageIndex::from_bytes([if mutable { 0xa0 } else { 0x10 } + number; 16])
}

fn lease_of(who: u8) -> LeaseSecrets {
    LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes([who; 32]),
        cancel: LeaseCancelSecret::from_bytes([who + 100; 32]),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Our answer in the form of the oracle's.
type Answer = Result<Value, String>;

/// The name of the exception for which Python stops where we return an error.
fn exception(error: &StorageError) -> String {
    let name = match error {
        StorageError::NoSuchShare => "KeyError",
        StorageError::ConflictingWrite => "ConflictingWriteError",
        StorageError::OutOfRange => "DataTooLargeError",
        StorageError::BadWriteEnabler { .. } => "BadWriteEnablerError",
        other => panic!("unexpected {other:?}"),
    };
    name.to_owned()
}

/// Both servers, each on its directory.
struct Pair {
    oracle: Oracle,
    ours: Option<TestStore>,
    theirs: TempDir,
    now: u64,
    /// The secrets and sizes of uploads that were allocated.
    uploads: HashMap<(u8, u8), (UploadSecret, u64)>,
    next_secret: u8,
}

impl Pair {
    async fn new(mut oracle: Oracle) -> Self {
        let theirs = TempDir::new().expect("a temporary directory");
        oracle.open(theirs.path(), START);
        Self {
            oracle,
            ours: Some(TestStore::open().await),
            theirs,
            now: START,
            uploads: HashMap::new(),
            next_secret: 0,
        }
    }

    fn store(&self) -> &DiskStore {
        self.ours.as_ref().expect("open")
    }

    /// Lets both carry out a step and compares the answers.
    async fn take(&mut self, step: &Step) {
        let theirs = self.command(step).map(|command| self.oracle.call(&command));
        let ours = self.answer(step).await;
        if let Some(theirs) = theirs {
            assert_eq!(ours, theirs, "ours and theirs to {step:?}");
        }
    }

    /// The oracle's command for a step, if it takes one.
    fn command(&self, step: &Step) -> Option<Value> {
        let secrets = |who| {
            let lease = lease_of(who);
            [hex(lease.renew.as_bytes()), hex(lease.cancel.as_bytes())]
        };
        let index = |mutable, number| hex(index_of(mutable, number).as_bytes());
        Some(match step {
            Step::Allocate {
                index: i,
                shares,
                size,
                who,
            } => {
                let [renew, cancel] = secrets(*who);
                json!({"do": "allocate", "index": index(false, *i), "shares": shares,
                       "size": size, "renew": renew, "cancel": cancel})
            }
            Step::Write {
                index: i,
                share,
                piece,
                byte,
            } => {
                let data = hex(&vec![*byte; piece.1]);
                json!({"do": "write", "index": index(false, *i), "share": share,
                       "offset": piece.0, "data": data})
            }
            Step::WriteAll { index: i, share } => {
                let (_, size) = self.uploads.get(&(*i, *share))?;
                json!({"do": "write", "index": index(false, *i), "share": share,
                       "offset": 0, "data": hex(&whole(*size))})
            }
            Step::Abort { index: i, share } => {
                json!({"do": "abort", "index": index(false, *i), "share": share})
            }
            Step::Read {
                index: i,
                share,
                range,
            } => {
                json!({"do": "read", "index": index(false, *i), "share": share,
                       "offset": range.0, "length": range.1})
            }
            Step::ReadSlot {
                index: i,
                share,
                range,
            } => {
                json!({"do": "read_slot", "index": index(true, *i), "share": share,
                       "offset": range.0, "length": range.1})
            }
            Step::AddLease {
                mutable,
                index: i,
                who,
            } => {
                let [renew, cancel] = secrets(*who);
                json!({"do": "add_lease", "index": index(*mutable, *i), "renew": renew,
                       "cancel": cancel})
            }
            Step::Change {
                index: i,
                enabler,
                who,
                vectors,
                reads,
            } => {
                let [renew, cancel] = secrets(*who);
                let vectors: Vec<Value> = vectors.iter().map(Vectors::to_json).collect();
                json!({"do": "change", "index": index(true, *i), "enabler": hex(&[*enabler; 32]),
                       "renew": renew, "cancel": cancel, "vectors": vectors, "reads": reads})
            }
            Step::Advise {
                mutable,
                index: i,
                share,
            } => {
                let kind = if *mutable { "mutable" } else { "immutable" };
                json!({"do": "advise", "kind": kind, "index": index(*mutable, *i),
                       "share": share, "reason": "bad block\nin “segment” 7"})
            }
            Step::Advance { seconds } => json!({"do": "advance", "seconds": seconds}),
            Step::TakeOver => return None,
        })
    }

    async fn answer(&mut self, step: &Step) -> Answer {
        match step {
            Step::Allocate {
                index,
                shares,
                size,
                who,
            } => self.allocate(*index, shares, *size, *who).await,
            Step::Write {
                index,
                share,
                piece,
                byte,
            } => {
                self.write(*index, *share, piece.0, vec![*byte; piece.1])
                    .await
            }
            Step::WriteAll { index, share } => {
                let Some((_, size)) = self.uploads.get(&(*index, *share)) else {
                    return Ok(Value::Null);
                };
                self.write(*index, *share, 0, whole(*size)).await
            }
            Step::Abort { index, share } => {
                let number = ShareNumber(*share);
                let secret = self.secret(*index, *share);
                let index = index_of(false, *index);
                match self.store().abort_share(&index, number, &secret).await {
                    // The oracle is driven below the HTTP server, which tells these apart.
                    Err(StorageError::AlreadyComplete) => Err("KeyError".to_owned()),
                    answer => null(answer),
                }
            }
            Step::Read {
                index,
                share,
                range,
            } => {
                let index = index_of(false, *index);
                self.read(ShareKind::Immutable, &index, *share, *range)
                    .await
            }
            Step::ReadSlot {
                index,
                share,
                range,
            } => {
                let index = index_of(true, *index);
                self.read(ShareKind::Mutable, &index, *share, *range).await
            }
            Step::AddLease {
                mutable,
                index,
                who,
            } => {
                let index = index_of(*mutable, *index);
                null(self.store().add_lease(&index, &lease_of(*who)).await)
            }
            Step::Change {
                index,
                enabler,
                who,
                vectors,
                reads,
            } => self.change(*index, *enabler, *who, vectors, reads).await,
            Step::Advise {
                mutable,
                index,
                share,
            } => self.advise(*mutable, *index, *share).await,
            Step::Advance { seconds } => {
                self.now += seconds;
                self.ours
                    .as_ref()
                    .expect("open")
                    .clock
                    .set_seconds(self.now);
                Ok(Value::Null)
            }
            Step::TakeOver => {
                self.take_over().await;
                Ok(Value::Null)
            }
        }
    }

    fn secret(&self, index: u8, share: u8) -> UploadSecret {
        let upload = self.uploads.get(&(index, share));
        upload.map_or(UploadSecret::from_bytes([0; 20]), |(secret, _)| {
            secret.clone()
        })
    }

    async fn allocate(&mut self, index: u8, shares: &BTreeSet<u8>, size: u64, who: u8) -> Answer {
        // Python's repeated allocations are refused, so each is somebody else's.
        self.next_secret = self.next_secret.wrapping_add(1);
        let secret = UploadSecret::from_bytes([self.next_secret; 20]);
        let wanted = shares.iter().map(|share| ShareNumber(*share)).collect();
        let answer = self
            .store()
            .allocate_shares(
                &index_of(false, index),
                &wanted,
                size,
                &lease_of(who),
                &secret,
            )
            .await
            .map_err(|error| exception(&error))?;
        let numbers = |shares: &BTreeSet<ShareNumber>| shares.iter().map(|s| s.0).collect();
        let [already, allocated]: [Vec<u8>; 2] =
            [numbers(&answer.already_have), numbers(&answer.allocated)];
        for share in &allocated {
            self.uploads.insert((index, *share), (secret.clone(), size));
        }
        Ok(json!({"already": already, "allocated": allocated}))
    }

    async fn write(&self, index: u8, share: u8, offset: u64, data: Vec<u8>) -> Answer {
        let secret = self.secret(index, share);
        let (index, share) = (index_of(false, index), ShareNumber(share));
        let answer = self
            .store()
            .write_share(&index, share, &secret, offset, data.into())
            .await;
        match answer.map_err(|error| exception(&error))? {
            WriteProgress::Complete => Ok(json!("complete")),
            WriteProgress::Partial { missing } => Ok(missing
                .iter()
                .map(|range| json!([range.start, range.end]))
                .collect()),
        }
    }

    async fn read(
        &self,
        kind: ShareKind,
        index: &StorageIndex,
        share: u8,
        range: (u64, u64),
    ) -> Answer {
        let range = ShareRange {
            offset: range.0,
            length: range.1,
        };
        let answer = self
            .store()
            .read_share(kind, index, ShareNumber(share), range)
            .await;
        let data = answer.map_err(|error| exception(&error))?;
        Ok(hex(&data).into())
    }

    async fn change(
        &self,
        index: u8,
        enabler: u8,
        who: u8,
        vectors: &[Vectors],
        reads: &[(u64, u64)],
    ) -> Answer {
        let secrets = SlotSecrets {
            write_enabler: WriteEnabler::from_bytes([enabler; 32]),
            lease: lease_of(who),
        };
        let range = |&(offset, length)| ShareRange { offset, length };
        let change = ReadTestWrite {
            vectors: vectors.iter().map(Vectors::to_api).collect(),
            reads: reads.iter().map(range).collect(),
        };
        let answer = self
            .store()
            .read_test_write(&index_of(true, index), &secrets, change)
            .await;
        let outcome = answer.map_err(|error| exception(&error))?;
        let data = outcome.data.iter().map(|(share, data)| {
            let data: Vec<String> = data.iter().map(|bytes| hex(bytes)).collect();
            json!([share.0, data])
        });
        Ok(json!({"success": outcome.success, "data": data.collect::<Vec<_>>()}))
    }

    async fn advise(&self, mutable: bool, index: u8, share: u8) -> Answer {
        let kind = if mutable {
            ShareKind::Mutable
        } else {
            ShareKind::Immutable
        };
        let (index, share) = (index_of(mutable, index), ShareNumber(share));
        let reason = "bad block\nin “segment” 7";
        let answer = self
            .store()
            .advise_corrupt_share(kind, &index, share, reason)
            .await;
        match answer {
            // The oracle ignores such advice where its HTTP server would refuse it.
            Err(StorageError::NoSuchShare) => Ok(Value::Null),
            answer => null(answer),
        }
    }

    /// Stops both; each goes on with the other's directory.
    async fn take_over(&mut self) {
        self.compare();
        let ours = self.ours.take().expect("open");
        ours.store.close().await.expect("close");
        let mut config = ours.config;
        config.directory = self.theirs.path().to_owned();
        let store = DiskStore::open(config.clone()).await.expect("open theirs");
        self.oracle.open(ours.directory.path(), self.now);
        let theirs = std::mem::replace(&mut self.theirs, ours.directory);
        self.ours = Some(TestStore {
            store,
            config,
            directory: theirs,
            clock: ours.clock,
        });
        self.uploads.clear();
    }

    /// Compares all complete shares and advisories.
    fn compare(&self) {
        let ours = files(self.ours.as_ref().expect("open").path());
        let theirs = files(self.theirs.path());
        let names = |files: &BTreeMap<String, Bytes>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs), "ours and theirs");
        for (name, data) in ours {
            assert_eq!(hex(&data), hex(&theirs[&name]), "ours and theirs of {name}");
        }
    }
}

fn null(answer: Result<(), StorageError>) -> Answer {
    answer
        .map(|()| Value::Null)
        .map_err(|error| exception(&error))
}

/// The whole data of a share of some size.
fn whole(size: u64) -> Vec<u8> {
    (0..size)
        .map(|i| {
            if i < 240 {
                u8::from(i >= 120)
            } else {
                i.to_be_bytes()[7]
            }
        })
        .collect()
}

impl Vectors {
    fn to_json(&self) -> Value {
        let tests = self.tests.iter().map(|(o, n, s)| json!([o, n, hex(s)]));
        let writes = self.writes.iter().map(|(o, data)| json!([o, hex(data)]));
        let (tests, writes): (Vec<_>, Vec<_>) = (tests.collect(), writes.collect());
        json!([self.share, tests, writes, self.new_length])
    }

    fn to_api(&self) -> (ShareNumber, TestWriteVectors) {
        let test = |(offset, size, specimen): &(u64, u64, Vec<u8>)| TestVector {
            offset: *offset,
            size: *size,
            specimen: specimen.clone().into(),
        };
        let write = |(offset, data): &(u64, Vec<u8>)| WriteVector {
            offset: *offset,
            data: data.clone().into(),
        };
        let vectors = TestWriteVectors {
            tests: self.tests.iter().map(test).collect(),
            writes: self.writes.iter().map(write).collect(),
            new_length: self.new_length,
        };
        (ShareNumber(self.share), vectors)
    }
}

/// All files of a storage directory but the incoming ones, by their relative names.
fn files(directory: &Path) -> BTreeMap<String, Bytes> {
    let mut found = BTreeMap::new();
    let mut todo = vec![
        directory.join("shares"),
        directory.join("corruption-advisories"),
    ];
    while let Some(next) = todo.pop() {
        if next.ends_with("shares/incoming") {
            continue;
        }
        for entry in std::fs::read_dir(&next).expect("list") {
            let path = entry.expect("list").path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path
                    .strip_prefix(directory)
                    .expect("below")
                    .display()
                    .to_string();
                found.insert(name, std::fs::read(&path).expect("read").into());
            }
        }
    }
    found
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Lets both servers take the same steps on new directories.
fn compare_steps(oracle: Oracle, steps: &[Step]) -> Oracle {
    runtime().block_on(async {
        let mut pair = Pair::new(oracle).await;
        for (number, step) in steps.iter().enumerate() {
            pair.take(step).await;
            if number % 8 == 7 {
                pair.compare();
            }
        }
        pair.compare();
        pair.oracle
    })
}

#[test]
fn random_calls_leave_the_same_files() {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(24),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // One Python process serves all cases; a failed case loses it.
    let oracle = std::cell::Cell::new(Some(Oracle::start()));
    let strategy = prop::collection::vec(steps(), 1..60);
    proptest!(config, |(steps in strategy)| {
        let process = oracle.take().unwrap_or_else(Oracle::start);
        oracle.set(Some(compare_steps(process, &steps)));
    });
}

fn change(who: u8, share: u8, writes: &[(u64, &[u8])], new_length: Option<u64>) -> Step {
    let writes = writes.iter().map(|(offset, data)| (*offset, data.to_vec()));
    Step::Change {
        index: 0,
        enabler: 0,
        who,
        vectors: vec![Vectors {
            share,
            tests: vec![],
            writes: writes.collect(),
            new_length,
        }],
        reads: vec![(0, 100_000)],
    }
}

/// The rows of a container's life that matter most, each for itself.
#[test]
fn chosen_calls_leave_the_same_files() {
    let lease = |who| Step::AddLease {
        mutable: true,
        index: 0,
        who,
    };
    let five_leases: Vec<Step> = (1..=5).map(lease).collect();
    let mut oracle = Oracle::start();
    for steps in [
        vec![change(0, 0, &[], None)],
        vec![
            change(0, 0, &[(0, b"data")], None),
            change(0, 0, &[], Some(2)),
        ],
        vec![
            change(0, 0, &[(70, b"data")], None),
            change(0, 0, &[(74, b"")], None),
        ],
        vec![
            change(0, 0, &[(0, b"data")], None),
            change(0, 0, &[(9, b"")], None),
        ],
        // Growing moves the extra leases, also by less than their own size.
        [
            vec![change(0, 0, &[(0, b"data")], None)],
            five_leases.clone(),
            vec![change(0, 0, &[(4, b"more")], None)],
            vec![change(0, 0, &[(0, &[7; 3000])], Some(10))],
            vec![change(
                9,
                0,
                &[(20, b"after a hole"), (2990, &[8; 100])],
                None,
            )],
        ]
        .concat(),
        // Deleting and making again forgets the leases.
        [
            vec![change(0, 0, &[(0, b"data")], None)],
            five_leases,
            vec![
                change(0, 0, &[(0, b"x")], Some(0)),
                change(1, 0, &[(5, b"y")], None),
            ],
        ]
        .concat(),
        vec![
            Step::Allocate {
                index: 0,
                shares: [1, 2].into(),
                size: 5_000,
                who: 0,
            },
            Step::WriteAll { index: 0, share: 2 },
            Step::AddLease {
                mutable: false,
                index: 0,
                who: 1,
            },
            Step::Advance { seconds: 1000 },
            Step::Allocate {
                index: 0,
                shares: [1, 2].into(),
                size: 5_000,
                who: 2,
            },
            Step::AddLease {
                mutable: false,
                index: 0,
                who: 1,
            },
            Step::TakeOver,
            Step::Advance { seconds: 1000 },
            Step::AddLease {
                mutable: false,
                index: 0,
                who: 0,
            },
            Step::Allocate {
                index: 0,
                shares: [1, 2].into(),
                size: 150_000,
                who: 2,
            },
            Step::Advance { seconds: 1799 },
            Step::Write {
                index: 0,
                share: 1,
                piece: (0, 10),
                byte: 0,
            },
            Step::Advance { seconds: 1799 },
            Step::WriteAll { index: 0, share: 1 },
        ],
    ] {
        oracle = compare_steps(oracle, &steps);
    }
}

/// Containers of version 1, which only old servers write, are served and changed in their version.
#[test]
fn old_containers_are_changed_in_their_version() {
    let oracle = Oracle::start();
    let leases = |owner: u8| -> Value {
        let lease = |who: u8| {
            let secrets = lease_of(who);
            let (renew, cancel) = (
                hex(secrets.renew.as_bytes()),
                hex(secrets.cancel.as_bytes()),
            );
            json!([owner, renew, cancel, START + u64::from(who)])
        };
        (1..4).map(lease).collect()
    };
    runtime().block_on(async {
        let mut pair = Pair::new(oracle).await;
        for directory in [pair.theirs.path(), pair.ours.as_ref().unwrap().path()] {
            let share = |mutable| {
                let index = index_of(mutable, 0).to_string();
                let bucket = directory.join("shares").join(&index[..2]).join(index);
                std::fs::create_dir_all(&bucket).unwrap();
                bucket.join("1")
            };
            for command in [
                json!({"do": "make_v1_immutable", "path": share(false), "data": hex(&[1; 99]),
                       "leases": leases(0)}),
                json!({"do": "make_v1_mutable", "path": share(true), "data": hex(&[2; 99]),
                       "enabler": hex(&[0; 32]), "leases": leases(1)}),
            ] {
                pair.oracle.call(&command).unwrap();
            }
        }
        pair.compare();
        for step in [
            Step::Read {
                index: 0,
                share: 1,
                range: (90, 20),
            },
            Step::ReadSlot {
                index: 0,
                share: 1,
                range: (90, 20),
            },
            Step::AddLease {
                mutable: false,
                index: 0,
                who: 2,
            },
            Step::AddLease {
                mutable: false,
                index: 0,
                who: 7,
            },
            Step::AddLease {
                mutable: true,
                index: 0,
                who: 2,
            },
            Step::AddLease {
                mutable: true,
                index: 0,
                who: 7,
            },
            Step::AddLease {
                mutable: true,
                index: 0,
                who: 8,
            },
            change(3, 1, &[(95, &[3; 50])], None),
            change(3, 2, &[(95, &[3; 50])], None),
            Step::TakeOver,
            change(4, 1, &[(95, &[3; 50])], Some(120)),
        ] {
            pair.take(&step).await;
            pair.compare();
        }
    });
}
