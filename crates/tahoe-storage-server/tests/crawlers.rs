//! The crawlers of a store: when they work, what they remove, and that either program goes on where
//! the other's crawlers stopped.

mod support;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use support::oracle::Oracle;
use support::{START, TestStore};
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, UploadSecret, WriteEnabler,
};
use tahoe_storage_api::{
    ReadTestWrite, ShareNumber, SlotSecrets, StorageService as _, TestWriteVectors, WriteVector,
};
use tahoe_storage_server::{
    Clock, CrawlerReport, Crawlers, DiskStore, ExpirationMode, ExpirationPolicy, ManualClock,
    StoreConfig, refuse_pickled_state,
};
use tokio::time::sleep;

const DAY: u64 = 24 * 60 * 60;

/// Immutable shares have indexes 0 to 7, slots 8 to 15; they are spread over the directories.
fn index_of(number: u8) -> StorageIndex {
    let mut bytes = [number; 16];
    bytes[0] = number * 15;
    StorageIndex::from_bytes(bytes)
}

fn lease_of(who: u8) -> LeaseSecrets {
    LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes([who; 32]),
        cancel: LeaseCancelSecret::from_bytes([who + 100; 32]),
    }
}

/// Stores shares 0 and 1 for an index, with the lease of somebody.
async fn put(store: &DiskStore, number: u8, who: u8) {
    let index = index_of(number);
    let shares = BTreeSet::from([ShareNumber(0), ShareNumber(1)]);
    if number < 8 {
        let secret = UploadSecret::from_bytes([number; 20]);
        let size = 1000 + u64::from(number);
        let lease = lease_of(who);
        let allocated = store.allocate_shares(&index, &shares, size, &lease, &secret);
        for share in allocated.await.expect("allocate").allocated {
            let data = vec![number; usize::try_from(size).expect("small")];
            let written = store.write_share(&index, share, &secret, 0, data.into());
            written.await.expect("write");
        }
        return;
    }
    let secrets = SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([number; 32]),
        lease: lease_of(who),
    };
    let mut change = ReadTestWrite::default();
    for share in shares {
        let write = WriteVector {
            offset: 0,
            data: vec![number; 500].into(),
        };
        let vectors = TestWriteVectors {
            writes: vec![write],
            ..TestWriteVectors::default()
        };
        change.vectors.insert(share, vectors);
    }
    let written = store.read_test_write(&index, &secrets, change).await;
    assert!(written.expect("write").success);
}

/// Sixteen storage indexes, of which each has another set of leases: some of day 0, some of day 50
/// and some of day 90. Ends at day 100.
async fn aged_shares(test: &TestStore) {
    for (day, bit) in [(0, 1), (50, 2), (90, 4)] {
        test.clock.set_seconds(START + day * DAY);
        for number in 0..16 {
            if (number % 8) & bit == 0 {
                continue;
            }
            let exists = !test
                .store
                .add_lease(&index_of(number), &lease_of(bit))
                .await
                .is_err_and(|error| matches!(error, tahoe_storage_api::StorageError::NoSuchShare));
            if !exists {
                put(&test.store, number, bit).await;
            }
            // More than there is room for before the data of a slot.
            for who in 10..(if number == 15 { 14 } else { 10 }) {
                let lease = lease_of(who + bit);
                let added = test.store.add_lease(&index_of(number), &lease).await;
                added.expect("add");
            }
        }
    }
    test.clock.set_seconds(START + 100 * DAY);
}

/// All files below `shares`, but the incoming ones.
fn share_files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![directory.join("shares")];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next).expect("list") {
            let path = entry.expect("list").path();
            if path.ends_with("shares/incoming") {
                continue;
            }
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below").display();
                found.insert(name.to_string(), std::fs::read(&path).expect("read"));
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("list") {
        let path = entry.expect("list").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copy");
        }
    }
}

fn policies() -> Vec<ExpirationPolicy> {
    let age = |override_lease_duration| ExpirationMode::Age {
        override_lease_duration,
    };
    let policy = |mode| ExpirationPolicy {
        enabled: true,
        mode,
        ..ExpirationPolicy::default()
    };
    let cutoff = ExpirationMode::CutoffDate {
        seconds: (START + 50 * DAY).cast_signed(),
    };
    vec![
        policy(age(Some(60 * DAY))),
        policy(age(Some(5 * DAY))),
        policy(cutoff),
        ExpirationPolicy {
            immutable: false,
            ..policy(age(Some(60 * DAY)))
        },
        ExpirationPolicy {
            mutable: false,
            ..policy(cutoff)
        },
        ExpirationPolicy {
            enabled: false,
            ..policy(age(Some(60 * DAY)))
        },
    ]
}

fn to_json(policy: &ExpirationPolicy) -> Value {
    let (mode, duration, cutoff) = match policy.mode {
        ExpirationMode::Age {
            override_lease_duration,
        } => ("age", override_lease_duration, None),
        ExpirationMode::CutoffDate { seconds } => ("cutoff-date", None, Some(seconds)),
    };
    let kinds = [(policy.immutable, "immutable"), (policy.mutable, "mutable")];
    let kinds: Vec<&str> = kinds.iter().filter(|(on, _)| *on).map(|k| k.1).collect();
    json!({"enabled": policy.enabled, "mode": mode, "duration": duration, "cutoff": cutoff,
           "kinds": kinds})
}

/// Lets time pass until a report is as wanted.
async fn until(
    crawlers: &Crawlers,
    report: fn(&Crawlers) -> CrawlerReport,
    wanted: impl Fn(&Value) -> bool,
) {
    for _ in 0..200_000 {
        if wanted(&report(crawlers).state) {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("{:?}", report(crawlers));
}

async fn until_round(crawlers: &Crawlers, round: u64) {
    for report in [Crawlers::bucket_counter, Crawlers::lease_checker] {
        until(crawlers, report, |state| {
            state["last-cycle-finished"] == round
        })
        .await;
    }
}

/// Leaves out what depends on how a file system lays out files.
fn without_disk_bytes(mut value: Value) -> Value {
    fn clean(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !name.contains("-diskbytes"));
                fields.values_mut().for_each(clean);
            }
            Value::Array(items) => items.iter_mut().for_each(clean),
            _ => {}
        }
    }
    clean(&mut value);
    value
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read(path).expect("read");
    serde_json::from_slice(&text).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn leases_end_as_pythons() {
    let mut oracle = Oracle::start();
    for policy in policies() {
        let test = TestStore::open().await;
        aged_shares(&test).await;
        let test = test.reopen_cleanly().await;
        let theirs = tempfile::tempdir().expect("a directory");
        copy(test.path(), theirs.path());
        let theirs = theirs.path();

        let crawlers = Crawlers::start(&Arc::new(test.store), policy).await;
        let crawlers = crawlers.expect("start");
        until_round(&crawlers, 0).await;
        let reports = [crawlers.bucket_counter(), crawlers.lease_checker()];
        crawlers.stop().await;

        let answers = oracle.call(&json!({
            "do": "crawl", "directory": theirs, "now": START + 100 * DAY,
            "policy": to_json(&policy), "until_first": false}));
        let answers = answers.expect("crawl");
        let ours = test.directory.path();
        assert_eq!(share_files(ours), share_files(theirs), "{policy:?}");
        for (report, answer) in reports.iter().zip([&answers[0], &answers[2]]) {
            let [mut report, mut answer] =
                [&report.state, answer].map(|state| without_disk_bytes(state.clone()));
            for state in [&mut report, &mut answer] {
                // A whole number there, one with a fraction here.
                let started = state["current-cycle-start-time"].as_f64();
                assert_eq!(started, Some((START + 100 * DAY) as f64));
                state["current-cycle-start-time"].take();
                for round in state["history"].as_object_mut().into_iter().flatten() {
                    round.1["cycle-start-finish-times"].take();
                }
            }
            assert_eq!(report, answer, "{policy:?}");
        }
        for file in ["bucket_counter.state.json", "lease_checker.history.json"] {
            let [ours, theirs] = [ours, theirs].map(|path| read_json(&path.join(file)));
            let keys = |value: &Value| -> BTreeSet<String> {
                value
                    .as_object()
                    .expect("an object")
                    .keys()
                    .cloned()
                    .collect()
            };
            assert_eq!(keys(&ours), keys(&theirs), "{file}");
        }
    }
}

/// A clock that stands still, but for whom every look takes some work: a slice of a crawler ends
/// after fifty steps.
#[derive(Debug)]
struct SlowClock {
    clock: Arc<ManualClock>,
    worked: AtomicU64,
}

impl Clock for SlowClock {
    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.worked.fetch_add(20, Ordering::Relaxed))
    }
}

async fn open_slowly(test: &TestStore) -> (Arc<DiskStore>, StoreConfig) {
    let mut config = test.config.clone();
    config.clock = Arc::new(SlowClock {
        clock: Arc::clone(&test.clock),
        worked: AtomicU64::new(0),
    });
    let store = DiskStore::open(config.clone()).await.expect("open");
    (Arc::new(store), config)
}

/// What a whole round over all shares examines.
fn assert_whole_round(history: &Value, round: &str) {
    let round = &history[round];
    assert_eq!(round["space-recovered"]["examined-buckets"], 14, "{round}");
    assert_eq!(round["space-recovered"]["examined-shares"], 28, "{round}");
    let per_share = round["leases-per-share-histogram"].as_object();
    let per_share = per_share.expect("a histogram").values();
    let shares: u64 = per_share
        .map(|count| count.as_u64().expect("a number"))
        .sum();
    assert_eq!(shares, 28, "{round}");
}

fn leases_by_age(history: &Value, round: &str) -> Value {
    history[round]["lease-age-histogram"].clone()
}

#[tokio::test(start_paused = true)]
async fn either_goes_on_where_the_other_stopped() {
    let mut oracle = Oracle::start();
    let policy = ExpirationPolicy::default();
    let test = TestStore::open().await;
    aged_shares(&test).await;
    test.store.close().await.expect("close");
    let whole = {
        let copied = tempfile::tempdir().expect("a directory");
        copy(test.path(), copied.path());
        let command = json!({
            "do": "crawl", "directory": copied.path(), "now": START + 100 * DAY,
            "policy": to_json(&policy), "until_first": false});
        oracle.call(&command).expect("crawl");
        read_json(&copied.path().join("lease_checker.history.json"))
    };
    assert_whole_round(&whole, "0");
    let history = test.path().join("lease_checker.history.json");
    let crawl = |until_first: bool| {
        json!({"do": "crawl", "directory": test.path(), "now": START + 100 * DAY,
               "policy": to_json(&policy), "until_first": until_first})
    };

    // Ours stops in the middle of round 0, Python completes it.
    let (store, _) = open_slowly(&test).await;
    let crawlers = Crawlers::start(&store, policy).await.expect("start");
    until(&crawlers, Crawlers::lease_checker, |state| {
        !state["last-complete-bucket"].is_null()
    })
    .await;
    crawlers.stop().await;
    store.close().await.expect("close");
    let stopped = read_json(&test.path().join("lease_checker.state.json"));
    assert_eq!(stopped["current-cycle"], 0);
    let examined = &stopped["cycle-to-date"]["space-recovered"]["examined-buckets"];
    assert!(
        examined
            .as_u64()
            .is_some_and(|count| (1..14).contains(&count))
    );
    oracle.call(&crawl(false)).expect("go on");
    assert_whole_round(&read_json(&history), "0");

    // Python stops in the middle of round 1, ours completes it.
    oracle.call(&crawl(true)).expect("begin");
    let stopped = read_json(&test.path().join("lease_checker.state.json"));
    assert_eq!(stopped["current-cycle"], 1);
    let (store, _) = open_slowly(&test).await;
    let crawlers = Crawlers::start(&store, policy).await.expect("start");
    until(&crawlers, Crawlers::lease_checker, |state| {
        state["last-cycle-finished"] == 1
    })
    .await;
    crawlers.stop().await;
    store.close().await.expect("close");
    assert_whole_round(&read_json(&history), "1");
    assert_eq!(
        leases_by_age(&read_json(&history), "1"),
        leases_by_age(&whole, "0")
    );
}

#[tokio::test(start_paused = true)]
async fn crawlers_begin_late_and_rest_long() {
    let test = TestStore::open().await;
    put(&test.store, 1, 0).await;
    put(&test.store, 9, 0).await;
    let store = Arc::new(test.store);
    let crawlers = Crawlers::start(&store, ExpirationPolicy::default()).await;
    let crawlers = crawlers.expect("start");
    let rounds = |crawlers: &Crawlers| {
        [crawlers.bucket_counter(), crawlers.lease_checker()]
            .map(|report| report.state["last-cycle-finished"].as_u64())
    };
    sleep(Duration::from_secs(5 * 60 - 5)).await;
    assert_eq!(rounds(&crawlers), [None, None]);
    let progress = crawlers.lease_checker().progress.to_json(START as f64);
    assert_eq!(progress["cycle-in-progress"], false);
    assert_eq!(progress["remaining-wait-time"], 360.0);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(rounds(&crawlers), [Some(0), None]);
    assert_eq!(crawlers.bucket_count(), Some(2));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(rounds(&crawlers), [Some(0), Some(0)]);
    sleep(Duration::from_secs(11 * 60 * 60)).await;
    assert_eq!(rounds(&crawlers), [Some(11), Some(0)]);
    // Twelve rounds more: ten are kept.
    until_round_of_checker(&crawlers, 12).await;
    let history = crawlers.lease_checker().state["history"].clone();
    let kept: BTreeSet<u64> = history
        .as_object()
        .expect("an object")
        .keys()
        .map(|round| round.parse().expect("a number"))
        .collect();
    assert_eq!(kept, (3..13).collect());
    crawlers.stop().await;
}

async fn until_round_of_checker(crawlers: &Crawlers, round: u64) {
    for _ in 0..100_000 {
        if crawlers.lease_checker().state["last-cycle-finished"] == round {
            return;
        }
        sleep(Duration::from_secs(60)).await;
    }
    panic!("{:?}", crawlers.lease_checker());
}

#[tokio::test(start_paused = true)]
async fn without_an_override_leases_end_when_they_say() {
    let test = TestStore::open().await;
    aged_shares(&test).await;
    let before = share_files(test.directory.path());
    let policy = ExpirationPolicy {
        enabled: true,
        ..ExpirationPolicy::default()
    };
    let store = Arc::new(test.store);
    let crawlers = Crawlers::start(&store, policy).await.expect("start");
    until_round(&crawlers, 0).await;
    let after = share_files(test.directory.path());
    for (name, _) in before {
        let number = (0..16).find(|n| name.contains(&index_of(*n).to_string()));
        let has_young_lease = number.expect("one of ours") & 4 != 0;
        assert_eq!(after.contains_key(&name), has_young_lease, "{name}");
    }
    crawlers.stop().await;
}

#[tokio::test(start_paused = true)]
async fn damage_and_uploads_are_passed_by() {
    let test = TestStore::open().await;
    put(&test.store, 1, 0).await;
    put(&test.store, 9, 0).await;
    test.clock.set_seconds(START + 40 * DAY);
    // An upload under way for an index whose complete shares have ended.
    let secret = UploadSecret::from_bytes([9; 20]);
    let shares = BTreeSet::from([ShareNumber(5)]);
    let (index, lease) = (index_of(1), lease_of(3));
    let allocated = test
        .store
        .allocate_shares(&index, &shares, 100_000, &lease, &secret);
    allocated.await.expect("allocate");
    let half = vec![1; 50_000];
    let written = test
        .store
        .write_share(&index, ShareNumber(5), &secret, 0, half.into());
    written.await.expect("write");
    // A file that isn't a container, in a directory of its own and beside shares.
    let bucket = |number| {
        let name = index_of(number).to_string();
        test.directory
            .path()
            .join("shares")
            .join(&name[..2])
            .join(name)
    };
    std::fs::create_dir_all(bucket(4)).expect("create");
    std::fs::write(bucket(4).join("0"), b"damaged").expect("write");
    std::fs::write(bucket(9).join("7"), b"").expect("write");

    let policy = ExpirationPolicy {
        enabled: true,
        ..ExpirationPolicy::default()
    };
    let store = Arc::new(test.store);
    let crawlers = Crawlers::start(&store, policy).await.expect("start");
    until_round(&crawlers, 0).await;
    let found = crawlers.lease_checker().state["history"]["0"].clone();
    let corrupt = json!([[index_of(4).to_string(), 0], [index_of(9).to_string(), 7]]);
    assert_eq!(found["corrupt-shares"], corrupt);
    assert_eq!(found["space-recovered"]["actual-shares"], 2);
    assert_eq!(found["space-recovered"]["actual-buckets"], 0);
    assert_eq!(found["space-recovered"]["examined-buckets-unknown"], 2);
    let left: Vec<String> = share_files(test.directory.path()).into_keys().collect();
    // Allocating put a new lease on the shares that were there.
    assert_eq!(left.len(), 4, "{left:?}");
    // The upload goes on.
    let rest = vec![1; 50_000];
    let written = store.write_share(&index, ShareNumber(5), &secret, 50_000, rest.into());
    let done = tahoe_storage_api::WriteProgress::Complete;
    assert_eq!(written.await.expect("write"), done);
    assert!(bucket(1).join("5").exists());
    crawlers.stop().await;
}

#[test]
fn pickled_state_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(refuse_pickled_state(directory.path()), Ok(()));
    let path = directory.path().join("lease_checker.state");
    std::fs::write(&path, "x").expect("write");
    let refused = refuse_pickled_state(directory.path()).expect_err("refused");
    assert_eq!(refused.path, path);
}
