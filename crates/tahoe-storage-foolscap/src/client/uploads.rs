//! Writers that a server gave us.

use super::call;
use bytes::Bytes;
use foolscap::{RemoteReference, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tahoe_crypto::{StorageIndex, UploadSecret};
use tahoe_storage_api::{ShareNumber, StorageError, WriteProgress, WrittenRanges};

/// Most uploads at once with one server.
const MOST_UPLOADS: usize = 20_000;

/// Uploads that haven't ended, as far as we know.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<(StorageIndex, ShareNumber), Arc<Upload>>>);

impl Uploads {
    /// Remembers the writers of an allocation.
    pub(super) fn add(
        &self,
        index: &StorageIndex,
        secret: &UploadSecret,
        size: u64,
        writers: BTreeMap<ShareNumber, RemoteReference>,
    ) -> Result<(), StorageError> {
        let mut uploads = self.lock();
        // Writers whose connection is lost are of no use; the server has removed their shares.
        uploads.retain(|_, upload| upload.writer.is_connected());
        if uploads.len() + writers.len() > MOST_UPLOADS {
            let reason = "too many uploads at once".to_owned();
            return Err(StorageError::InvalidRequest { reason });
        }
        for (share, writer) in writers {
            let upload = Upload {
                writer,
                secret: secret.clone(),
                size,
                written: Mutex::default(),
                closing: tokio::sync::Mutex::new(false),
            };
            uploads.insert((*index, share), Arc::new(upload));
        }
        Ok(())
    }

    /// The shares that may be written with this secret.
    pub(super) fn shares(
        &self,
        index: &StorageIndex,
        secret: &UploadSecret,
    ) -> BTreeSet<ShareNumber> {
        let uploads = self.lock();
        let ours = uploads
            .iter()
            .filter(|((at, _), upload)| at == index && upload.secret == *secret);
        ours.map(|((_, share), _)| *share).collect()
    }

    pub(super) fn upload(
        &self,
        index: &StorageIndex,
        share: ShareNumber,
        secret: &UploadSecret,
    ) -> Result<Arc<Upload>, StorageError> {
        let uploads = self.lock();
        let upload = uploads
            .get(&(*index, share))
            .ok_or(StorageError::NoSuchShare)?;
        if upload.secret != *secret {
            return Err(StorageError::BadUploadSecret);
        }
        Ok(Arc::clone(upload))
    }

    pub(super) fn remove(&self, index: &StorageIndex, share: ShareNumber) {
        self.lock().remove(&(*index, share));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(StorageIndex, ShareNumber), Arc<Upload>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One share in upload.
pub(super) struct Upload {
    writer: RemoteReference,
    secret: UploadSecret,
    size: u64,
    /// What the server has acknowledged.
    written: Mutex<WrittenRanges>,
    /// Whether it is closed; held while that is done, so that it is done once.
    closing: tokio::sync::Mutex<bool>,
}

impl Upload {
    /// Writes bytes, and closes the share when they were the last.
    ///
    /// Closing waits until every write was acknowledged: a server would make a share of what is
    /// there.
    pub(super) async fn write(
        &self,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        let end = end.ok_or(StorageError::OutOfRange)?;
        let arguments = [Value::from(offset), Value::Bytes(data)];
        call(&self.writer, "write", arguments).await?;
        let missing = {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.insert(offset..end);
            written.missing(self.size)
        };
        if !missing.is_empty() {
            return Ok(WriteProgress::Partial { missing });
        }
        let mut closed = self.closing.lock().await;
        if !*closed {
            call(&self.writer, "close", []).await?;
            *closed = true;
        }
        Ok(WriteProgress::Complete)
    }

    pub(super) async fn abort(&self) -> Result<(), StorageError> {
        call(&self.writer, "abort", []).await.map(|_| ())
    }
}
