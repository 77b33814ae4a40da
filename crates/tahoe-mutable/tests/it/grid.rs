//! A grid of servers in memory, each of which can be made to misbehave, and gateways to it.

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use tahoe_caps::{MutableFormat, MutableWriteCap};
use tahoe_crypto::{LeaseMaster, RsaPrivateKey, StorageIndex, TubId};
use tahoe_mutable::{MutableFiles, MutableObserver, MutableStatus, RsaKeyPool};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::testing::{Call, Faulty, FixedServers, MemoryStore, test_server};
use tahoe_storage_api::{Server, ShareKind, ShareNumber, StorageService as _};
use tahoe_tasks::CpuPool;

pub(crate) struct Grid {
    pub(crate) stores: Vec<Arc<MemoryStore>>,
    pub(crate) faults: Vec<Arc<Faulty>>,
}

/// One key for all tests that need no fresh one: making them is slow.
pub(crate) static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::generate().unwrap());

pub(crate) const FORMATS: [MutableFormat; 2] = [MutableFormat::Sdmf, MutableFormat::Mdmf];

impl Grid {
    pub(crate) fn new(servers: u8) -> Self {
        let stores: Vec<_> = (0..servers)
            .map(|number| Arc::new(MemoryStore::new(TubId::from_bytes([number; 20]))))
            .collect();
        let faults = stores
            .iter()
            .map(|store| Arc::new(Faulty::new(Arc::clone(store) as _)))
            .collect();
        Self { stores, faults }
    }

    /// The server with this number, as a gateway knows it.
    pub(crate) async fn server(&self, number: u8) -> Server {
        let faulty = &self.faults[usize::from(number)];
        let version = self.stores[usize::from(number)].version().await.unwrap();
        test_server(number, version, Arc::clone(faulty) as _)
    }

    /// A gateway that knows all servers and stores 3-of-10.
    pub(crate) async fn gateway(&self) -> MutableFiles {
        self.watched_gateway(Arc::new(|_: &Arc<MutableStatus>| {}))
            .await
    }

    /// As [`Self::gateway`]; the observer is told of what it does.
    pub(crate) async fn watched_gateway(&self, observer: Arc<MutableObserver>) -> MutableFiles {
        let numbers: Vec<u8> = (0..=u8::MAX).take(self.stores.len()).collect();
        self.make_gateway(&numbers, 3, 10, observer).await
    }

    /// A gateway that knows these servers only.
    pub(crate) async fn gateway_to(&self, numbers: &[u8], k: u64, n: u64) -> MutableFiles {
        let unseen = Arc::new(|_: &Arc<MutableStatus>| {});
        self.make_gateway(numbers, k, n, unseen).await
    }

    async fn make_gateway(
        &self,
        numbers: &[u8],
        k: u64,
        n: u64,
        observer: Arc<MutableObserver>,
    ) -> MutableFiles {
        let mut servers = Vec::new();
        for number in numbers {
            servers.push(self.server(*number).await);
        }
        let pool = CpuPool::new(NonZeroUsize::new(2).unwrap());
        MutableFiles::new(
            Arc::new(FixedServers::new(servers)),
            LeaseMaster::from_bytes([7; 32]),
            EncodingParameters::new(k, n).unwrap(),
            pool.clone(),
            Arc::new(RsaKeyPool::without_stock(&pool)),
            Box::new(StdRng::seed_from_u64(5)),
            observer,
        )
    }

    /// Where the shares of a file are, as (server, share).
    pub(crate) async fn places(&self, storage_index: &StorageIndex) -> Vec<(usize, u8)> {
        let mut places = Vec::new();
        for (number, store) in self.stores.iter().enumerate() {
            let listed = store.list_shares(ShareKind::Mutable, storage_index).await;
            places.extend(listed.unwrap().into_iter().map(|share| (number, share.0)));
        }
        places
    }

    /// All shares of a file: ((server, share), bytes).
    pub(crate) fn all_shares(&self, storage_index: &StorageIndex) -> Vec<((usize, u8), Bytes)> {
        let mut found = Vec::new();
        for (server, store) in self.stores.iter().enumerate() {
            let shares = (0..=u8::MAX).filter_map(|number| {
                let share = store.share(storage_index, ShareNumber(number))?;
                Some(((server, number), share))
            });
            found.extend(shares);
        }
        found
    }

    /// Puts other bytes in the place of a share.
    pub(crate) fn replace_share(
        &self,
        storage_index: &StorageIndex,
        (server, number): (usize, u8),
        share: Bytes,
    ) {
        let store = &self.stores[server];
        assert!(store.replace_share(storage_index, ShareNumber(number), share));
    }

    /// What servers were told of corrupt shares.
    pub(crate) fn advisories(&self) -> String {
        let advisories = self.stores.iter().flat_map(|store| store.advisories());
        advisories.collect::<Vec<_>>().join("\n")
    }

    /// How often a call was made of all servers together.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.faults.iter().map(|faulty| faulty.count(call)).sum()
    }
}

/// Bytes in which no two stretches are alike; different for each seed.
pub(crate) fn content(length: usize, seed: u64) -> Bytes {
    let words = (0..length.div_ceil(8) as u64)
        .map(|n| (n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

pub(crate) fn storage_index(cap: &MutableWriteCap) -> StorageIndex {
    cap.storage_index()
}
