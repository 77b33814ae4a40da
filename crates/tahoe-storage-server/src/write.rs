//! Writing, completing and aborting uploads of immutable shares.

use crate::change::{Action, Change};
use crate::containers::{Edit, IMMUTABLE_DATA_OFFSET, new_immutable_header};
use crate::disk::{OpenFile, failed};
use crate::handles::read_exact;
use crate::statistics::Category;
use crate::store::Store;
use crate::uploads::{MAX_WRITTEN_RANGES, Progress, Upload, UploadEnd};
use bytes::Bytes;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;
use tahoe_crypto::{StorageIndex, UploadSecret};
use tahoe_storage_api::{ShareKind, ShareNumber, StorageError, WriteProgress};

/// A share of at most this size is made durable through the journal, a larger one by syncing its
/// own file and directories.
const LARGEST_JOURNALED_SHARE: u64 = 64 << 10;
/// After so many bytes of a share what has come of it is synced, so that its completion has no more
/// than these to wait for.
const SYNC_AHEAD: u64 = 8 << 20;

/// What a write has led to.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) progress: WriteProgress,
    /// Whether [`Store::sync_ahead`] is to be called.
    pub(crate) sync_due: bool,
}

/// An upload and where it goes.
struct Target<'a> {
    storage_index: &'a StorageIndex,
    share: ShareNumber,
    upload: &'a Upload,
}

impl Store {
    pub(crate) fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        secret: &UploadSecret,
        offset: u64,
        data: &Bytes,
    ) -> Result<Written, StorageError> {
        let started = Instant::now();
        self.abort_idle_uploads();
        let upload = self.uploads.find(storage_index, share);
        let upload = upload.ok_or(StorageError::NoSuchShare)?;
        if upload.secret != *secret {
            return Err(StorageError::BadUploadSecret);
        }
        let target = Target {
            storage_index,
            share,
            upload: &upload,
        };
        let mut progress = upload.lock();
        if progress.end.is_some() {
            return Err(StorageError::NoSuchShare);
        }
        upload.touch(self.config.clock.elapsed());
        let range = range_of(offset, data)?;
        if range.end > upload.size {
            return Err(StorageError::OutOfRange);
        }
        let whole = (range == (0..upload.size)).then_some(data);
        if upload.size > LARGEST_JOURNALED_SHARE || whole.is_none() || progress.has_file {
            self.write_range(&target, &mut progress, &range, data)?;
        }
        self.recorder.record(Category::Write, started.elapsed());
        if whole.is_none() && !progress.written.covers(upload.size) {
            let missing = progress.written.missing(upload.size);
            let sync_due = progress.unsynced >= SYNC_AHEAD;
            if sync_due {
                progress.unsynced = 0;
            }
            return Ok(Written {
                progress: WriteProgress::Partial { missing },
                sync_due,
            });
        }
        self.complete(&target, &mut progress, whole)?;
        Ok(Written {
            progress: WriteProgress::Complete,
            sync_due: false,
        })
    }

    /// Waits until what has come of an upload is on the disk, while more of it may come.
    ///
    /// It is the completion that says that this failed: a system may report an error of the disk only once.
    pub(crate) fn sync_ahead(&self, storage_index: &StorageIndex, share: ShareNumber) {
        let Some(upload) = self.uploads.find(storage_index, share) else {
            return;
        };
        let target = Target {
            storage_index,
            share,
            upload: &upload,
        };
        let mut failure = upload.lock_sync();
        let file = self.disk.open_file(&self.incoming_path(&target));
        if let Err(error) = file.and_then(|file| self.disk.sync_file(&file)) {
            *failure = Some(error);
        }
    }

    /// Writes a range of a share to its incoming file, unless it disagrees with what was written.
    fn write_range(
        &self,
        target: &Target<'_>,
        progress: &mut Progress,
        range: &Range<u64>,
        data: &Bytes,
    ) -> Result<(), StorageError> {
        let mut written = progress.written.clone();
        written.insert(range.clone());
        if written.count() > MAX_WRITTEN_RANGES {
            return Err(StorageError::InvalidRequest {
                reason: "the writes of this share leave too many gaps".to_owned(),
            });
        }
        if !self.config.discard_data {
            let file = self.incoming_file(target, progress)?;
            for part in progress.written.overlaps(range.clone()) {
                let written = &data[index(part.start - range.start)..index(part.end - range.start)];
                let place = IMMUTABLE_DATA_OFFSET + part.start;
                let found = read_exact(&file.file, place, written.len());
                if found.map_err(failed("read", &file.path))? != written {
                    return Err(StorageError::ConflictingWrite);
                }
            }
            let place = IMMUTABLE_DATA_OFFSET + range.start;
            self.disk.write_at(&file, place, data)?;
            progress.unsynced = progress.unsynced.saturating_add(data.len() as u64);
        } else if !progress.has_file {
            self.incoming_file(target, progress)?;
        }
        progress.written = written;
        Ok(())
    }

    /// Opens the file of an upload; makes it with its header and lease if this is the first write.
    fn incoming_file(
        &self,
        target: &Target<'_>,
        progress: &mut Progress,
    ) -> Result<OpenFile, StorageError> {
        let path = self.incoming_path(target);
        if progress.has_file {
            return self.disk.open_file(&path);
        }
        // Another upload may be removing the directory.
        let _lock = self.locks.write(target.storage_index);
        let bucket = self.layout.incoming_bucket(target.storage_index);
        self.disk.make_directories(&bucket)?;
        let file = self.disk.create_file(&path)?;
        progress.has_file = true;
        let size = target.upload.size;
        self.disk.write_at(&file, 0, &new_immutable_header(size))?;
        let lease = &target.upload.lease_record;
        self.disk
            .write_at(&file, IMMUTABLE_DATA_OFFSET.saturating_add(size), lease)?;
        Ok(file)
    }

    /// Makes a share durable and visible. If that fails, the upload is aborted.
    fn complete(
        &self,
        target: &Target<'_>,
        progress: &mut Progress,
        whole: Option<&Bytes>,
    ) -> Result<(), StorageError> {
        let started = Instant::now();
        let completed = if target.upload.size > LARGEST_JOURNALED_SHARE {
            self.complete_by_sync(target, progress)
        } else {
            self.complete_by_journal(target, progress, whole)
        };
        if let Err(error) = completed {
            self.end_aborted(target, progress);
            return Err(error);
        }
        let overhead = target.upload.lease_record.len() as u64 + IMMUTABLE_DATA_OFFSET;
        self.recorder.record_added(target.upload.size + overhead);
        self.recorder.record(Category::Close, started.elapsed());
        Ok(())
    }

    /// Syncs the file, gives it its name and syncs the names on the way to it.
    fn complete_by_sync(
        &self,
        target: &Target<'_>,
        progress: &mut Progress,
    ) -> Result<(), StorageError> {
        let (index, share) = (target.storage_index, target.share);
        let mut sync_failure = target.upload.lock_sync();
        if let Some(error) = sync_failure.take() {
            return Err(error);
        }
        let incoming = self.disk.open_file(&self.incoming_path(target))?;
        self.disk.sync_file(&incoming)?;
        drop(sync_failure);
        let bucket = self.layout.bucket(index);
        {
            let _lock = self.locks.write(index);
            self.disk.make_directories(&bucket)?;
            self.disk
                .rename(&incoming.path, &self.layout.share(index, share))?;
            progress.has_file = false;
            self.remove_incoming_bucket(target);
        }
        // Nobody sees the share as long as it is among the uploads.
        self.disk.sync_directory(&bucket)?;
        if let Some(prefix) = bucket.parent() {
            self.disk.sync_directory(prefix)?;
        }
        self.disk.sync_directory(self.layout.shares())?;
        let _lock = self.locks.write(index);
        self.end(target, progress, UploadEnd::Completed);
        Ok(())
    }

    /// Makes the container anew as a change that the journal keeps.
    fn complete_by_journal(
        &self,
        target: &Target<'_>,
        progress: &mut Progress,
        whole: Option<&Bytes>,
    ) -> Result<(), StorageError> {
        let data = match whole {
            Some(data) if !self.config.discard_data => Bytes::clone(data),
            _ if progress.has_file => {
                let incoming = self.disk.open_file(&self.incoming_path(target))?;
                read_exact(
                    &incoming.file,
                    IMMUTABLE_DATA_OFFSET,
                    index(target.upload.size),
                )
                .map_err(failed("read", &incoming.path))?
            }
            _ => vec![0; index(target.upload.size)].into(),
        };
        let header = new_immutable_header(target.upload.size);
        let container = [&header[..], &data, &target.upload.lease_record].concat();
        let action = Action::Create(vec![Edit::write(0, container)]);
        let change = Change {
            storage_index: *target.storage_index,
            shares: vec![(target.share, action)],
        };
        let _lock = self.locks.write(target.storage_index);
        self.carry_out(&change)?;
        self.remove_incoming_file(target, progress);
        self.end(target, progress, UploadEnd::Completed);
        Ok(())
    }

    pub(crate) fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        self.abort_idle_uploads();
        let Some(upload) = self.uploads.find(storage_index, share) else {
            let complete = self.list_shares(ShareKind::Immutable, storage_index)?;
            return Err(if complete.contains(&share) {
                StorageError::AlreadyComplete
            } else {
                StorageError::NoSuchShare
            });
        };
        if upload.secret != *secret {
            return Err(StorageError::BadUploadSecret);
        }
        let target = Target {
            storage_index,
            share,
            upload: &upload,
        };
        let mut progress = upload.lock();
        match progress.end {
            Some(UploadEnd::Completed) => Err(StorageError::AlreadyComplete),
            Some(UploadEnd::Aborted) => Err(StorageError::NoSuchShare),
            None => {
                self.end_aborted(&target, &mut progress);
                Ok(())
            }
        }
    }

    /// Aborts the uploads that nobody touched for too long; returns how many.
    pub(crate) fn abort_idle_uploads(&self) -> usize {
        let idle = self.uploads.idle(self.config.clock.elapsed());
        let mut aborted = 0;
        for (storage_index, share, upload) in &idle {
            let mut progress = upload.lock();
            if progress.end.is_none() {
                let target = Target {
                    storage_index,
                    share: *share,
                    upload,
                };
                self.end_aborted(&target, &mut progress);
                aborted += 1;
            }
        }
        aborted
    }

    fn end_aborted(&self, target: &Target<'_>, progress: &mut Progress) {
        let _lock = self.locks.write(target.storage_index);
        self.remove_incoming_file(target, progress);
        self.end(target, progress, UploadEnd::Aborted);
        self.recorder.record_abort();
    }

    fn end(&self, target: &Target<'_>, progress: &mut Progress, end: UploadEnd) {
        progress.end = Some(end);
        self.uploads.remove(target.storage_index, target.share);
    }

    fn remove_incoming_file(&self, target: &Target<'_>, progress: &mut Progress) {
        if !progress.has_file {
            return;
        }
        progress.has_file = false;
        if let Err(error) = self.disk.remove_file(&self.incoming_path(target)) {
            tracing::warn!(%error, "an upload's file is left until the next start");
        }
        self.remove_incoming_bucket(target);
    }

    fn remove_incoming_bucket(&self, target: &Target<'_>) {
        let bucket = self.layout.incoming_bucket(target.storage_index);
        self.disk.remove_if_empty(&bucket);
    }

    fn incoming_path(&self, target: &Target<'_>) -> PathBuf {
        let bucket = self.layout.incoming_bucket(target.storage_index);
        bucket.join(target.share.to_string())
    }
}

fn range_of(offset: u64, data: &Bytes) -> Result<Range<u64>, StorageError> {
    let end = offset.checked_add(data.len() as u64);
    Ok(offset..end.ok_or(StorageError::OutOfRange)?)
}

/// An offset into bytes that are in memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("what is in memory has a usize for its length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, Operation};
    use crate::{DiskStore, StoreConfig};
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tahoe_crypto::{LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, TubId};
    use tahoe_storage_api::{ShareRange, StorageService as _};

    const INDEX: StorageIndex = StorageIndex::from_bytes([1; 16]);
    const SHARE: ShareNumber = ShareNumber(0);

    fn secret() -> UploadSecret {
        UploadSecret::from_bytes([2; 20])
    }

    fn lease() -> LeaseSecrets {
        LeaseSecrets {
            renew: LeaseRenewSecret::from_bytes([3; 32]),
            cancel: LeaseCancelSecret::from_bytes([4; 32]),
        }
    }

    /// A store that fails the first `failing` syncs of share files, each once as Linux does it, and counts all.
    fn store(directory: &Path, failing: usize) -> (Store, Arc<AtomicUsize>) {
        let syncs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&syncs);
        let disk = Disk::with_hook(Box::new(move |operation| match operation {
            Operation::SyncFile(path) if path.ends_with(SHARE.to_string()) => {
                match count.fetch_add(1, Ordering::Relaxed) < failing {
                    true => Err(std::io::ErrorKind::Other.into()),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }));
        let config = StoreConfig::new(directory.join("storage"), TubId::from_bytes([5; 20]));
        (Store::open(config, Arc::new(disk), false).unwrap(), syncs)
    }

    #[test]
    fn an_upload_of_which_a_part_could_not_be_synced_is_not_completed() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = store(directory.path(), 1);
        let size = SYNC_AHEAD + 1;
        let shares = [SHARE].into();
        store
            .allocate_shares(&INDEX, &shares, size, lease(), &secret())
            .unwrap();
        let part = Bytes::from(vec![6; index(SYNC_AHEAD)]);
        let written = store.write_share(&INDEX, SHARE, &secret(), 0, &part);
        assert!(written.unwrap().sync_due);
        store.sync_ahead(&INDEX, SHARE);
        let last = Bytes::from_static(&[6]);
        let completed = store.write_share(&INDEX, SHARE, &secret(), SYNC_AHEAD, &last);
        assert!(matches!(
            completed,
            Err(StorageError::Io { step: "sync", .. })
        ));
        let listed = store.list_shares(ShareKind::Immutable, &INDEX).unwrap();
        assert!(listed.is_empty());
    }

    #[tokio::test]
    async fn a_large_upload_is_synced_before_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let (store, syncs) = store(directory.path(), 0);
        let store = DiskStore::over(store);
        let shares = [SHARE].into();
        store
            .allocate_shares(&INDEX, &shares, 2 * SYNC_AHEAD, &lease(), &secret())
            .await
            .unwrap();
        let half = Bytes::from(vec![6; index(SYNC_AHEAD)]);
        let mut offset = 0;
        for syncs_then in [1, 2] {
            store
                .write_share(&INDEX, SHARE, &secret(), offset, half.clone())
                .await
                .unwrap();
            let deadline = Instant::now() + Duration::from_secs(60);
            while syncs.load(Ordering::Relaxed) < syncs_then {
                assert!(Instant::now() < deadline, "what came isn't synced");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            offset += SYNC_AHEAD;
        }
        let range = ShareRange {
            offset: 0,
            length: offset,
        };
        let read = store.read_share(ShareKind::Immutable, &INDEX, SHARE, range);
        assert!(read.await.unwrap() == half.repeat(2));
        assert_eq!(syncs.load(Ordering::Relaxed), 2);
        store.close().await.unwrap();
    }
}
