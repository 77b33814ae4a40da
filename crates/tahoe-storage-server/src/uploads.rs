//! Uploads in progress.

use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tahoe_crypto::{StorageIndex, UploadSecret};
use tahoe_storage_api::{ShareNumber, StorageError, WrittenRanges};

/// An upload that was idle for that long is aborted.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Most uploads in progress; more are refused as for lack of room.
pub const MAX_UPLOADS: usize = 100_000;
/// Most separate ranges that the writes of one upload may leave.
pub const MAX_WRITTEN_RANGES: usize = 4_096;

/// A share that is being uploaded.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) secret: UploadSecret,
    /// Bytes of the share.
    pub(crate) size: u64,
    /// The lease record that the container will end with.
    pub(crate) lease_record: Bytes,
    /// When it was last touched, in milliseconds of the store's clock.
    last_active: AtomicU64,
    /// Held while a write, the completion or an abort is under way.
    progress: Mutex<Progress>,
    /// Held while its file is synced; the error of a sync before its completion.
    sync_failure: Mutex<Option<StorageError>>,
}

/// How far an upload is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) written: WrittenRanges,
    /// Whether its file in `incoming` exists.
    pub(crate) has_file: bool,
    /// Bytes written since the last time that a sync was due.
    pub(crate) unsynced: u64,
    pub(crate) end: Option<UploadEnd>,
}

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadEnd {
    Completed,
    Aborted,
}

impl Upload {
    pub(crate) fn new(secret: UploadSecret, size: u64, lease_record: Bytes, now: Duration) -> Self {
        let upload = Self {
            secret,
            size,
            lease_record,
            last_active: AtomicU64::new(0),
            progress: Mutex::default(),
            sync_failure: Mutex::default(),
        };
        upload.touch(now);
        upload
    }

    /// Starts the idle time anew.
    pub(crate) fn touch(&self, now: Duration) {
        self.last_active.store(milliseconds(now), Ordering::Relaxed);
    }

    /// When it will have been idle for too long.
    fn idle_at(&self) -> u64 {
        let last = self.last_active.load(Ordering::Relaxed);
        last.saturating_add(milliseconds(UPLOAD_TIMEOUT))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Progress> {
        let progress = self.progress.lock();
        progress.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a sync of its file that is under way, and keeps others from beginning.
    pub(crate) fn lock_sync(&self) -> MutexGuard<'_, Option<StorageError>> {
        let failure = self.sync_failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// All uploads in progress of a store, and the room they may still need.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    buckets: HashMap<StorageIndex, HashMap<ShareNumber, Arc<Upload>>>,
    count: usize,
    reserved: u64,
    /// No upload is idle for too long before this time, in milliseconds of the store's clock.
    none_idle_before: u64,
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn find(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Option<Arc<Upload>> {
        let table = self.lock();
        table.buckets.get(storage_index)?.get(&share).cloned()
    }

    /// The shares of a storage index that are being uploaded.
    pub(crate) fn shares(&self, storage_index: &StorageIndex) -> BTreeSet<ShareNumber> {
        let table = self.lock();
        let bucket = table.buckets.get(storage_index);
        bucket.into_iter().flatten().map(|(n, _)| *n).collect()
    }

    /// Adds an upload; false if there are too many, or `space` bytes don't suffice for all.
    pub(crate) fn insert_if_room(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload: Upload,
        space: u64,
    ) -> bool {
        let mut table = self.lock();
        let reserved = table.reserved.checked_add(upload.size);
        let Some(reserved) = reserved.filter(|reserved| *reserved <= space) else {
            return false;
        };
        if table.count >= MAX_UPLOADS {
            return false;
        }
        table.count += 1;
        table.reserved = reserved;
        table.none_idle_before = table.none_idle_before.min(upload.idle_at());
        let bucket = table.buckets.entry(*storage_index).or_default();
        bucket.insert(share, Arc::new(upload));
        true
    }

    pub(crate) fn remove(&self, storage_index: &StorageIndex, share: ShareNumber) {
        let mut table = self.lock();
        let Some(bucket) = table.buckets.get_mut(storage_index) else {
            return;
        };
        let removed = bucket.remove(&share);
        if bucket.is_empty() {
            table.buckets.remove(storage_index);
        }
        if let Some(upload) = removed {
            table.count -= 1;
            table.reserved = table.reserved.saturating_sub(upload.size);
        }
    }

    /// Bytes of all shares that are being uploaded.
    pub(crate) fn reserved(&self) -> u64 {
        self.lock().reserved
    }

    /// The uploads that were idle for too long.
    pub(crate) fn idle(&self, now: Duration) -> Vec<(StorageIndex, ShareNumber, Arc<Upload>)> {
        let now = milliseconds(now);
        let mut table = self.lock();
        if now < table.none_idle_before {
            return Vec::new();
        }
        let mut idle = Vec::new();
        let mut none_before = u64::MAX;
        for (index, bucket) in &table.buckets {
            for (share, upload) in bucket {
                if upload.idle_at() <= now {
                    idle.push((*index, *share, Arc::clone(upload)));
                } else {
                    none_before = none_before.min(upload.idle_at());
                }
            }
        }
        table.none_idle_before = none_before;
        idle
    }
}
