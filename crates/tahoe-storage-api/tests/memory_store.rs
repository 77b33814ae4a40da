//! The memory store keeps the promises of a storage service, and the decorators break them.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, UploadSecret, WriteEnabler,
};
use tahoe_storage_api::testing::conformance::{self, Expectations};
use tahoe_storage_api::testing::{
    Call, Fault, Faulty, FixedServers, LEASE_DURATION_SECONDS, MemoryStore, UPLOAD_TIMEOUT_SECONDS,
    test_server,
};
use tahoe_storage_api::{
    ReadTestWrite, ServerDirectory as _, ShareKind, ShareNumber, ShareRange, SlotSecrets,
    StorageError, StorageService, TestWriteVectors, WriteProgress, WriteVector,
};

mod promises {
    use super::*;
    tahoe_storage_api::conformance_tests!(
        async { Arc::new(MemoryStore::default()) },
        Expectations::default()
    );
}

/// A decorator without rules changes nothing.
mod promises_through_a_decorator {
    use super::*;
    tahoe_storage_api::conformance_tests!(
        async { Box::new(Faulty::new(Arc::new(MemoryStore::default()))) },
        Expectations::default()
    );
}

#[tokio::test]
async fn one_store_keeps_all_promises_twice() {
    let store = MemoryStore::default();
    for seed in [1, 2] {
        let expected = Expectations {
            seed,
            ..Expectations::default()
        };
        conformance::run_all(&store, &expected).await;
    }
}

#[tokio::test]
async fn keeps_the_promises_of_special_states() {
    let expected = Expectations::default();
    let store = MemoryStore::default();
    store.set_read_only(true);
    conformance::a_read_only_server_changes_only_slots(&store, &expected).await;
    let store = MemoryStore::default();
    store.set_available_space(3000);
    conformance::a_full_server_takes_what_fits(&store, &expected, 3000).await;
}

const INDEX: StorageIndex = StorageIndex::from_bytes([5; 16]);
const SHARE: ShareNumber = ShareNumber(2);
const WHOLE: ShareRange = ShareRange {
    offset: 0,
    length: 100,
};

fn lease(byte: u8) -> LeaseSecrets {
    LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes([byte; 32]),
        cancel: LeaseCancelSecret::from_bytes([byte + 100; 32]),
    }
}

fn secret() -> UploadSecret {
    UploadSecret::from_bytes([7; 20])
}

async fn put(store: &dyn StorageService, index: &StorageIndex, data: &'static str) {
    let (shares, size) = (BTreeSet::from([SHARE]), data.len() as u64);
    let answer = store
        .allocate_shares(index, &shares, size, &lease(0), &secret())
        .await;
    assert_eq!(answer.expect("allocate").allocated, shares);
    let data = Bytes::from_static(data.as_bytes());
    let progress = store.write_share(index, SHARE, &secret(), 0, data).await;
    assert_eq!(progress.expect("write"), WriteProgress::Complete);
}

async fn read(store: &dyn StorageService) -> Result<Bytes, StorageError> {
    store
        .read_share(ShareKind::Immutable, &INDEX, SHARE, WHOLE)
        .await
}

#[tokio::test]
async fn leases_last_31_days_and_renewal_never_shortens() {
    let store = MemoryStore::default();
    store.set_time(1_000_000);
    put(&store, &INDEX, "data").await;
    store.set_time(2_000_000);
    store.add_lease(&INDEX, &lease(1)).await.unwrap();
    store.set_time(1_500_000);
    store.add_lease(&INDEX, &lease(0)).await.unwrap();
    store.add_lease(&INDEX, &lease(1)).await.unwrap();
    let leases = store.leases(&INDEX, SHARE);
    let found: Vec<_> = leases.iter().map(|l| (l.owner, l.expires)).collect();
    let after = |time| time + LEASE_DURATION_SECONDS;
    assert_eq!(found, [(0, after(1_500_000)), (1, after(2_000_000))]);
    assert_eq!(leases[1].secrets, lease(1));
}

#[tokio::test]
async fn idle_uploads_end() {
    let store = MemoryStore::default();
    let shares = BTreeSet::from([SHARE]);
    let allocate = |secret: UploadSecret| {
        let (store, shares) = (&store, &shares);
        async move {
            let answer = store
                .allocate_shares(&INDEX, shares, 4, &lease(0), &secret)
                .await;
            answer.unwrap().allocated.len()
        }
    };
    assert_eq!(allocate(secret()).await, 1);
    let other = UploadSecret::from_bytes([8; 20]);
    store.set_time(UPLOAD_TIMEOUT_SECONDS - 1);
    assert_eq!(allocate(other.clone()).await, 0);
    store.set_time(UPLOAD_TIMEOUT_SECONDS);
    assert_eq!(allocate(other).await, 1);
}

#[tokio::test]
async fn a_full_server_refuses_new_leases_but_renews_old_ones() {
    let store = MemoryStore::default();
    put(&store, &INDEX, "data").await;
    store.set_available_space(0);
    store.add_lease(&INDEX, &lease(0)).await.unwrap();
    let refused = store.add_lease(&INDEX, &lease(1)).await;
    assert!(matches!(refused, Err(StorageError::NoSpace)), "{refused:?}");
}

#[tokio::test]
async fn tests_may_tamper_with_shares() {
    let store = MemoryStore::default();
    put(&store, &INDEX, "data").await;
    assert_eq!(store.share(&INDEX, SHARE).unwrap(), "data");
    assert!(store.replace_share(&INDEX, SHARE, "dada"));
    assert_eq!(read(&store).await.unwrap(), "dada");
    assert!(store.remove_share(&INDEX, SHARE));
    assert!(!store.remove_share(&INDEX, SHARE));
    assert!(matches!(read(&store).await, Err(StorageError::NoSuchShare)));
}

async fn faulty() -> Faulty {
    let store = Arc::new(MemoryStore::default());
    put(&*store, &INDEX, "0123456789").await;
    put(&*store, &StorageIndex::from_bytes([6; 16]), "other").await;
    Faulty::new(store)
}

#[tokio::test]
async fn reads_lie_as_told() {
    let service = faulty().await;
    let at_4 = ShareRange {
        offset: 4,
        length: 4,
    };
    service.add(Fault::FlipBits(5..6).on(Call::ReadShare));
    let data = read(&service).await.unwrap();
    assert_eq!(&data[..], b"01234\xca6789");
    let data = service.read_share(ShareKind::Immutable, &INDEX, SHARE, at_4);
    assert_eq!(&data.await.unwrap()[..], b"4\xca67");
    service.heal();
    service.add(Fault::Truncate(6).on(Call::ReadShare));
    assert_eq!(read(&service).await.unwrap(), "012345");
    let data = service.read_share(ShareKind::Immutable, &INDEX, SHARE, at_4);
    assert_eq!(data.await.unwrap(), "45");
    service.heal();
    let other = StorageIndex::from_bytes([6; 16]);
    service.add(Fault::OtherShare(other, SHARE).on(Call::ReadShare));
    assert_eq!(read(&service).await.unwrap(), "other");
    assert_eq!(service.count(Call::ReadShare), 5);
    assert_eq!(service.count(Call::ListShares), 0);
}

#[tokio::test]
async fn flips_reach_the_reads_of_a_slot() {
    let slot = SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([1; 32]),
        lease: lease(0),
    };
    let vectors = TestWriteVectors {
        writes: vec![WriteVector {
            offset: 0,
            data: Bytes::from_static(b"abc"),
        }],
        ..TestWriteVectors::default()
    };
    let change = ReadTestWrite {
        vectors: [(SHARE, vectors)].into(),
        reads: vec![WHOLE],
    };
    let service = Faulty::new(Arc::new(MemoryStore::default()))
        .with(Fault::FlipBits(1..2).on(Call::ReadTestWrite));
    for found in [None, Some(&b"a\x9dc"[..])] {
        let outcome = service.read_test_write(&INDEX, &slot, change.clone()).await;
        let data = outcome.unwrap().data;
        assert_eq!(data.get(&SHARE).map(|d| &d[0][..]), found);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_fail_hang_and_wait_as_told() {
    let service = faulty().await.with(
        Fault::Fail(|| StorageError::ServerFailed {
            status: 500,
            reason: "on purpose".to_owned(),
        })
        .on(Call::ReadShare)
        .for_share(SHARE)
        .after(1)
        .times(1),
    );
    assert!(read(&service).await.is_ok(), "the first passes");
    let failed = read(&service).await;
    assert!(matches!(failed, Err(StorageError::ServerFailed { .. })));
    assert!(read(&service).await.is_ok(), "once only");

    service.add(Fault::Delay(Duration::from_secs(5)).on(Call::ReadShare));
    let started = tokio::time::Instant::now();
    assert!(read(&service).await.is_ok());
    assert_eq!(started.elapsed(), Duration::from_secs(5));

    service.heal();
    service.add(Fault::Hang.on(Call::ReadShare));
    let limit = Duration::from_secs(3600);
    assert!(tokio::time::timeout(limit, read(&service)).await.is_err());
}

#[tokio::test]
async fn servers_vanish_fill_up_and_lose_answers() {
    let service = faulty().await.with(Fault::Vanish.always().after(2));
    assert!(service.version().await.is_ok());
    assert!(read(&service).await.is_ok());
    for _ in 0..3 {
        assert!(matches!(
            read(&service).await,
            Err(StorageError::Unreachable {
                may_have_happened: false,
                ..
            })
        ));
    }

    let service = faulty().await.with(Fault::NoSpace.always());
    let shares = BTreeSet::from([ShareNumber(0), SHARE]);
    let answer = service
        .allocate_shares(&INDEX, &shares, 4, &lease(0), &secret())
        .await
        .unwrap();
    assert_eq!(answer.already_have, BTreeSet::from([SHARE]));
    assert!(answer.allocated.is_empty());
    let refused = service.add_lease(&INDEX, &lease(1)).await;
    assert!(matches!(refused, Err(StorageError::NoSpace)));

    let store = Arc::new(MemoryStore::default());
    put(&*store, &INDEX, "data").await;
    let inner: Arc<dyn StorageService> = Arc::<MemoryStore>::clone(&store);
    let service = Faulty::new(inner).with(Fault::LoseAnswer.on(Call::AddLease));
    let lost = service.add_lease(&INDEX, &lease(1)).await;
    assert!(matches!(
        lost,
        Err(StorageError::Unreachable {
            may_have_happened: true,
            ..
        })
    ));
    assert_eq!(store.leases(&INDEX, SHARE).len(), 2, "it had its effect");
}

#[tokio::test]
async fn a_directory_orders_its_servers() {
    let version = MemoryStore::default().version().await.unwrap();
    let server = |number| test_server(number, version.clone(), Arc::new(MemoryStore::default()));
    let order = |servers: &FixedServers, index: u8| -> Vec<String> {
        let servers = servers.servers_for(&StorageIndex::from_bytes([index; 16]));
        servers.iter().map(|s| s.nickname.clone()).collect()
    };
    let servers = FixedServers::new((0..5).map(server));
    let orders: BTreeSet<_> = (0..20).map(|index| order(&servers, index)).collect();
    assert!(orders.len() > 5, "the order depends on the index");
    let preferred = server(3).id;
    let servers = servers.preferring([preferred]);
    assert!((0..20).all(|index| order(&servers, index)[0] == "server 3"));
}
