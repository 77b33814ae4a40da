//! The store: what belongs to it, how it opens and closes, and how calls reach its threads.

use crate::change::{Change, Executor};
use crate::config::StoreConfig;
use crate::containers::ContainerError;
use crate::disk::{Disk, failed};
use crate::handles::Handles;
use crate::journal::Journal;
use crate::layout::Layout;
use crate::locks::Locks;
use crate::space::DiskSpace;
use crate::statistics::{Recorder, Statistics};
use crate::uploads::Uploads;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::{
    Allocation, MAX_MUTABLE_SHARE_SIZE, ReadTestWrite, ReadTestWriteOutcome, ReadVector,
    ServerVersion, ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError, StorageService,
    WriteProgress,
};
use tokio::sync::Semaphore;

/// Most bytes that one read, or all reads of one slot or change, may return.
pub const MAX_READ_SIZE: u64 = 128 << 20;
/// Most reads that run at the same time; others wait.
const CONCURRENT_READS: usize = 16;
/// Most changes that run at the same time; others wait.
const CONCURRENT_CHANGES: usize = 32;
/// Most uploads that are synced at the same time before they are complete; others wait for their completion.
const CONCURRENT_SYNCS: usize = 4;

/// A storage service that keeps shares in a directory.
///
/// To be closed with [`Self::close`]. One that is dropped without leaves the directory as a crash
/// would; the next [`Self::open`] repairs it.
#[derive(Debug)]
pub struct DiskStore {
    store: Arc<Store>,
    reads: Arc<Semaphore>,
    changes: Arc<Semaphore>,
    syncs: Arc<Semaphore>,
}

/// What all calls share. Its methods block.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) config: StoreConfig,
    pub(crate) layout: Layout,
    pub(crate) disk: Arc<Disk>,
    pub(crate) journal: Journal,
    pub(crate) uploads: Uploads,
    pub(crate) handles: Handles,
    pub(crate) locks: Locks,
    pub(crate) recorder: Recorder,
}

impl DiskStore {
    /// Opens a storage directory, made by either program; makes it if it doesn't exist.
    ///
    /// What a crash left half done is completed from the journal, and uploads that were in
    /// progress are removed.
    pub async fn open(config: StoreConfig) -> Result<Self, StorageError> {
        let opened = tokio::task::spawn_blocking(move || {
            Store::open(config, Arc::new(Disk::default()), true)
        });
        Ok(Self::over(joined(opened.await)?))
    }

    pub(crate) fn over(store: Store) -> Self {
        Self {
            store: Arc::new(store),
            reads: Arc::new(Semaphore::new(CONCURRENT_READS)),
            changes: Arc::new(Semaphore::new(CONCURRENT_CHANGES)),
            syncs: Arc::new(Semaphore::new(CONCURRENT_SYNCS)),
        }
    }

    /// Aborts the uploads in progress, syncs everything and removes the journal.
    ///
    /// Waits for calls that are under way; later ones find the store closed.
    pub async fn close(&self) -> Result<(), StorageError> {
        for (gate, size) in [
            (&self.reads, CONCURRENT_READS),
            (&self.changes, CONCURRENT_CHANGES),
            (&self.syncs, CONCURRENT_SYNCS),
        ] {
            let all = u32::try_from(size).unwrap_or(u32::MAX);
            let permits = gate.acquire_many(all).await.map_err(|_| closed())?;
            gate.close();
            drop(permits);
        }
        let store = Arc::clone(&self.store);
        let closing = tokio::task::spawn_blocking(move || store.close());
        joined(closing.await)
    }

    /// Removes the uploads that were idle for [`UPLOAD_TIMEOUT`](crate::UPLOAD_TIMEOUT); returns
    /// how many. To be called every minute or so; every allocation does it too.
    pub async fn abort_idle_uploads(&self) -> Result<usize, StorageError> {
        let abort = |store: &Store| Ok(store.abort_idle_uploads());
        self.run(&self.changes, abort).await
    }

    /// Says what the store did so far and how its disk is.
    pub async fn statistics(&self) -> Result<Statistics, StorageError> {
        self.run(&self.reads, |store| Ok(store.statistics())).await
    }

    /// Says whether there are complete shares, or directories for them.
    pub async fn has_shares(&self) -> Result<bool, StorageError> {
        self.run(&self.reads, Store::has_shares).await
    }

    /// Runs a blocking call that changes shares.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.run(&self.changes, call).await
    }

    /// Syncs what has come of an upload, unless enough others are synced; nobody waits for it.
    fn sync_ahead(&self, storage_index: StorageIndex, share: ShareNumber) {
        let Ok(permit) = Arc::clone(&self.syncs).try_acquire_owned() else {
            return;
        };
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || {
            store.sync_ahead(&storage_index, share);
            drop(store);
            drop(permit);
        });
    }

    /// Runs a blocking call on a thread for such, when it is its turn.
    ///
    /// It runs to its end even if nobody waits for the answer any more.
    async fn run<T: Send + 'static>(
        &self,
        gate: &Arc<Semaphore>,
        call: impl FnOnce(&Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let permit = Arc::clone(gate).acquire_owned().await;
        let permit = permit.map_err(|_| closed())?;
        let store = Arc::clone(&self.store);
        let task = tokio::task::spawn_blocking(move || {
            let answer = call(&store);
            drop(store);
            drop(permit);
            answer
        });
        joined(task.await)
    }
}

/// The answer of a blocking task, which neither panics nor is cancelled while the runtime lives.
fn joined<T>(
    answer: Result<Result<T, StorageError>, tokio::task::JoinError>,
) -> Result<T, StorageError> {
    answer.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(closed()),
    })
}

fn closed() -> StorageError {
    StorageError::ServerFailed {
        status: 0,
        reason: "the store is closed".to_owned(),
    }
}

impl Store {
    pub(crate) fn open(
        config: StoreConfig,
        disk: Arc<Disk>,
        checkpoints: bool,
    ) -> Result<Self, StorageError> {
        let layout = Layout::new(&config.directory);
        disk.make_directories(layout.shares())?;
        disk.make_directories(&layout.advisories())?;
        recover(&disk, &layout)?;
        disk.make_directories(layout.incoming())?;
        disk.sync_directory(layout.shares())?;
        disk.sync_directory(&config.directory)?;
        if let Some(parent) = config.directory.parent().filter(|p| p.is_dir()) {
            disk.sync_directory(parent)?;
        }
        Ok(Self {
            journal: Journal::open(&disk, &layout, checkpoints)?,
            config,
            layout,
            disk,
            uploads: Uploads::default(),
            handles: Handles::default(),
            locks: Locks::default(),
            recorder: Recorder::default(),
        })
    }

    fn close(&self) -> Result<(), StorageError> {
        self.journal.close()?;
        self.disk.remove_tree(self.layout.incoming())
    }

    /// Makes a change durable and carries it out; the caller holds the storage index's lock.
    pub(crate) fn carry_out(&self, change: &Change) -> Result<(), StorageError> {
        if change.shares.is_empty() {
            return Ok(());
        }
        let executor = Executor {
            disk: &self.disk,
            layout: &self.layout,
        };
        let prepared = executor.prepare(change)?;
        match self.journal.commit(change) {
            Ok(pending) => {
                executor.finish(prepared)?;
                pending.done();
                Ok(())
            }
            Err(error) => {
                executor.give_up(prepared);
                Err(error)
            }
        }
    }

    /// Numbers of the shares that a storage index has files for, in order, whatever is in them.
    pub(crate) fn share_files(
        &self,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let bucket = self.layout.bucket(storage_index);
        let entries = match std::fs::read_dir(&bucket) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(failed("list", &bucket)(error)),
        };
        let mut shares = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(failed("list", &bucket))?.file_name();
            shares.extend(
                name.to_str()
                    .and_then(|name| name.parse::<ShareNumber>().ok()),
            );
        }
        Ok(shares)
    }

    /// Bytes that are free for shares; none if the store is read-only or its disk can't be asked.
    pub(crate) fn available_space(&self) -> u64 {
        if self.config.read_only {
            return 0;
        }
        self.disk_space().map_or(0, |space| space.available)
    }

    fn disk_space(&self) -> Option<DiskSpace> {
        let space = DiskSpace::of(self.layout.shares(), self.config.reserved_space);
        space
            .inspect_err(|error| tracing::warn!(%error, "the disk's free space is unknown"))
            .ok()
    }

    /// The time of day in seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        let since_1970 = self
            .config
            .clock
            .now()
            .duration_since(SystemTime::UNIX_EPOCH);
        since_1970.map_or(0, |time| time.as_secs())
    }

    fn statistics(&self) -> Statistics {
        Statistics::new(
            &self.recorder,
            self.uploads.reserved(),
            self.config.reserved_space,
            self.disk_space(),
            self.config.read_only,
        )
    }

    fn version(&self) -> ServerVersion {
        let space = self.available_space();
        ServerVersion {
            maximum_immutable_share_size: space,
            maximum_mutable_share_size: MAX_MUTABLE_SHARE_SIZE,
            available_space: space,
            application_version: self.config.application_version.clone(),
        }
    }

    fn has_shares(&self) -> Result<bool, StorageError> {
        let shares = self.layout.shares();
        let entries = std::fs::read_dir(shares).map_err(failed("list", shares))?;
        for entry in entries {
            if entry.map_err(failed("list", shares))?.file_name() != "incoming" {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Completes what a crash left half done, then removes all that is incoming.
fn recover(disk: &Disk, layout: &Layout) -> Result<(), StorageError> {
    let changes = Journal::recover(layout)?;
    if !changes.is_empty() {
        let executor = Executor { disk, layout };
        for change in &changes {
            executor.repeat(change)?;
        }
        disk.sync_all(layout.shares())?;
        tracing::info!(changes = changes.len(), "repeated what the journal held");
        // All of it goes at once: the newer half alone would do, the older half alone would not.
        let done = layout.incoming().join("journal-repeated");
        disk.rename(&layout.journal(), &done)?;
        disk.sync_directory(layout.incoming())?;
    }
    disk.remove_tree(layout.incoming())
}

/// Tells what is wrong with a container.
pub(crate) fn container_error(path: &Path, error: ContainerError) -> StorageError {
    match error {
        ContainerError::Io(source) => failed("read", path)(source),
        error => StorageError::CorruptContainer {
            reason: error.to_string(),
        },
    }
}

/// The error for a call that concerns one kind of shares where the other is kept.
pub(crate) fn wrong_kind() -> StorageError {
    StorageError::InvalidRequest {
        reason: "the storage index holds shares of the other kind".to_owned(),
    }
}

#[async_trait]
impl StorageService for DiskStore {
    async fn version(&self) -> Result<ServerVersion, StorageError> {
        self.run(&self.reads, |store| Ok(store.version())).await
    }

    async fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: &LeaseSecrets,
        upload_secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        let (index, shares) = (*storage_index, shares.clone());
        let (lease, secret) = (lease.clone(), upload_secret.clone());
        self.run(&self.changes, move |store| {
            store.allocate_shares(&index, &shares, share_size, lease, &secret)
        })
        .await
    }

    async fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        let (index, secret) = (*storage_index, upload_secret.clone());
        let write = move |store: &Store| store.write_share(&index, share, &secret, offset, &data);
        let written = self.run(&self.changes, write).await?;
        if written.sync_due {
            self.sync_ahead(index, share);
        }
        Ok(written.progress)
    }

    async fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        let (index, secret) = (*storage_index, upload_secret.clone());
        self.run(&self.changes, move |store| {
            store.abort_share(&index, share, &secret)
        })
        .await
    }

    async fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let index = *storage_index;
        self.run(&self.reads, move |store| store.list_shares(kind, &index))
            .await
    }

    async fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let index = *storage_index;
        self.run(&self.reads, move |store| {
            store.read_share(kind, &index, share, range)
        })
        .await
    }

    async fn read_slot(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        reads: &[ReadVector],
    ) -> Result<BTreeMap<ShareNumber, Vec<Bytes>>, StorageError> {
        let (index, shares, reads) = (*storage_index, shares.clone(), reads.to_vec());
        self.run(&self.reads, move |store| {
            store.read_slot(&index, &shares, &reads)
        })
        .await
    }

    async fn share_size(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<u64, StorageError> {
        let index = *storage_index;
        self.run(&self.reads, move |store| {
            store.share_size(kind, &index, share)
        })
        .await
    }

    async fn add_lease(
        &self,
        storage_index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError> {
        let (index, lease) = (*storage_index, lease.clone());
        self.run(&self.changes, move |store| store.add_lease(&index, lease))
            .await
    }

    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        let (index, reason) = (*storage_index, reason.to_owned());
        self.run(&self.changes, move |store| {
            store.advise_corrupt_share(kind, &index, share, &reason)
        })
        .await
    }

    async fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        let (index, secrets) = (*storage_index, secrets.clone());
        self.run(&self.changes, move |store| {
            store.read_test_write(&index, &secrets, &change)
        })
        .await
    }
}
