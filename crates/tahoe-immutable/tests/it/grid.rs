//! A grid of servers in memory, each of which can be made to misbehave.

use bytes::{Bytes, BytesMut};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use tahoe_caps::{ReadCap, ReadFileCap};
use tahoe_crypto::{ConvergenceSecret, LeaseMaster, ServerId, StorageIndex, TubId, UploadSecret};
use tahoe_immutable::{
    Checker, CpuPool, DownloadError, Downloader, File, KeySource, Received, Receiver, Repairer,
    UploadError, UploadParameters, UploadResults, UploadStatus, Uploader,
};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::testing::{
    Call, Faulty, FixedServers, MemoryStore, UPLOAD_TIMEOUT_SECONDS, test_server,
};
use tahoe_storage_api::{
    Server, ServerDirectory as _, ShareKind, ShareNumber, StorageService as _, WriteProgress,
};

pub(crate) struct Grid {
    pub(crate) stores: Vec<Arc<MemoryStore>>,
    pub(crate) faults: Vec<Arc<Faulty>>,
    servers: Arc<FixedServers>,
    pool: CpuPool,
    pub(crate) uploader: Arc<Uploader>,
    pub(crate) checker: Checker,
    pub(crate) repairer: Repairer,
    pub(crate) downloader: Downloader,
    directory: tempfile::TempDir,
}

/// k, happy, N with segments of at most `max_segment_size` bytes.
pub(crate) fn parameters(
    needed: u16,
    happy: u16,
    total: u16,
    max_segment_size: u64,
) -> UploadParameters {
    let encoding = EncodingParameters::new(needed.into(), total.into()).unwrap();
    UploadParameters::new(encoding, happy, max_segment_size).unwrap()
}

pub(crate) fn secret() -> KeySource {
    KeySource::Convergent(ConvergenceSecret::new(b"test".to_vec()))
}

/// Bytes in which no two stretches are alike.
pub(crate) fn content(length: usize) -> Bytes {
    let words = (0..length.div_ceil(8) as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

/// The id of a server of the grid.
pub(crate) fn test_id(number: usize) -> ServerId {
    ServerId::new(format!("v0-server{number}"))
}

/// Reads a range to its end.
pub(crate) async fn read(file: &File, range: Range<u64>) -> Result<Bytes, DownloadError> {
    let mut stream = file.read(range);
    let mut bytes = BytesMut::new();
    while let Some(piece) = stream.next_piece().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes.freeze())
}

/// The lease master of the client whose uploader and checker a grid has.
pub(crate) const MASTER: [u8; 32] = [7; 32];

impl Grid {
    pub(crate) async fn new(count: u8) -> Self {
        let stores = (0..count).map(|number| MemoryStore::new(TubId::from_bytes([number; 20])));
        Self::over(stores.map(Arc::new).collect()).await
    }

    /// Makes servers of these stores, which say of themselves what they say now.
    pub(crate) async fn over(stores: Vec<Arc<MemoryStore>>) -> Self {
        let (mut faults, mut servers) = (Vec::new(), Vec::new());
        for (number, store) in (0..).zip(&stores) {
            let version = store.version().await.unwrap();
            let faulty = Arc::new(Faulty::new(Arc::clone(store) as _));
            servers.push(test_server(number, version, Arc::clone(&faulty) as _));
            faults.push(faulty);
        }
        Self::assemble(stores, faults, servers)
    }

    fn assemble(
        stores: Vec<Arc<MemoryStore>>,
        faults: Vec<Arc<Faulty>>,
        servers: Vec<Server>,
    ) -> Self {
        let pool = CpuPool::new(NonZeroUsize::new(2).unwrap());
        let servers = Arc::new(FixedServers::new(servers));
        let directory = tempfile::tempdir().unwrap();
        let master = LeaseMaster::from_bytes(MASTER);
        let uploader = Arc::new(Uploader::new(
            Arc::clone(&servers) as _,
            master.clone(),
            pool.clone(),
        ));
        let downloader = Downloader::new(Arc::clone(&servers) as _, pool.clone());
        Self {
            checker: Checker::new(Arc::clone(&servers) as _, master, pool.clone()),
            repairer: Repairer::new(
                downloader.clone(),
                Arc::clone(&uploader),
                directory.path(),
                pool.clone(),
            ),
            downloader,
            stores,
            faults,
            servers,
            pool,
            uploader,
            directory,
        }
    }

    /// The uploader of another client, or of the same one after it was started again.
    pub(crate) fn uploader_of(&self, master: [u8; 32]) -> Uploader {
        let master = LeaseMaster::from_bytes(master);
        Uploader::new(Arc::clone(&self.servers) as _, master, self.pool.clone())
    }

    pub(crate) fn receiver(&self, parameters: UploadParameters, key: KeySource) -> Receiver {
        Receiver::new(parameters, key, self.directory.path(), self.pool.clone())
    }

    pub(crate) async fn receive(&self, parameters: UploadParameters, data: &Bytes) -> Received {
        let mut receiver = self.receiver(parameters, secret());
        receiver.write(data.clone()).await.unwrap();
        receiver.finish().await.unwrap()
    }

    pub(crate) async fn upload(
        &self,
        parameters: UploadParameters,
        data: &Bytes,
    ) -> Result<UploadResults, UploadError> {
        let file = self.receive(parameters, data).await;
        self.uploader
            .upload(file, &Arc::new(UploadStatus::default()))
            .await
    }

    /// Opens what an upload has stored, here or elsewhere.
    pub(crate) fn open(&self, cap: &ReadCap) -> File {
        match &cap.file {
            ReadFileCap::Chk(cap) => self.downloader.open(cap).unwrap(),
            ReadFileCap::Literal(cap) => File::literal(cap),
            ReadFileCap::Mutable(_) => panic!("uploads give immutable files"),
        }
    }

    /// The shares that each server has, by the servers' numbers.
    pub(crate) async fn stored(&self, storage_index: &StorageIndex) -> Vec<BTreeSet<ShareNumber>> {
        let kind = ShareKind::Immutable;
        let lists = self
            .stores
            .iter()
            .map(|store| store.list_shares(kind, storage_index));
        try_join_all(lists).await.unwrap()
    }

    /// Puts a share on a server.
    pub(crate) async fn put_share(
        &self,
        server: usize,
        storage_index: &StorageIndex,
        share: ShareNumber,
        bytes: Bytes,
    ) {
        let store = &self.stores[server];
        let lease = LeaseMaster::from_bytes([9; 32]);
        let lease = lease.lease_secrets(storage_index, &TubId::from_bytes([0; 20]));
        let secret = UploadSecret::from_bytes([3; 20]);
        let size = bytes.len() as u64;
        let wanted = [share].into();
        let room = store.allocate_shares(storage_index, &wanted, size, &lease, &secret);
        assert_eq!(room.await.unwrap().allocated, wanted);
        let written = store.write_share(storage_index, share, &secret, 0, bytes);
        assert_eq!(written.await.unwrap(), WriteProgress::Complete);
    }

    /// The bytes of a share in a store.
    pub(crate) fn share_of(
        store: &MemoryStore,
        storage_index: &StorageIndex,
        share: u8,
    ) -> Option<Bytes> {
        store.share(storage_index, ShareNumber(share))
    }

    /// Forgets the uploads that nobody has finished or aborted, and says how many there were.
    pub(crate) fn unfinished_uploads(&self) -> usize {
        let forget = |store: &Arc<MemoryStore>| {
            store.set_time(UPLOAD_TIMEOUT_SECONDS);
            store.abort_idle_uploads()
        };
        self.stores.iter().map(forget).sum()
    }

    /// How often all servers together got this call.
    pub(crate) fn calls(&self, call: Call) -> usize {
        self.faults.iter().map(|faulty| faulty.count(call)).sum()
    }

    /// The numbers of the servers in the permuted order.
    pub(crate) fn permuted(&self, storage_index: &StorageIndex) -> Vec<usize> {
        let servers = self.servers.servers_for(storage_index);
        servers
            .iter()
            .map(|server| Self::number_of(&server.id))
            .collect()
    }

    fn number_of(server: &ServerId) -> usize {
        server
            .as_str()
            .strip_prefix("v0-server")
            .unwrap()
            .parse()
            .unwrap()
    }
}
