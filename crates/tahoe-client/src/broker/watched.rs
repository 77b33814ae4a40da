//! Notices what calls on a server say of its life: that it answers, or that it may be gone.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::{
    Allocation, ReadTestWrite, ReadTestWriteOutcome, ServerVersion, ShareKind, ShareNumber,
    ShareRange, SlotSecrets, StorageError, StorageService, WriteProgress,
};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What calls on a server tell of it, besides the polls.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    signs: Mutex<Signs>,
    suspected: Notify,
}

#[derive(Debug, Default)]
struct Signs {
    /// How a call failed since the last poll.
    suspicion: Option<String>,
    /// When a call last succeeded.
    success: Option<Instant>,
}

impl Pulse {
    /// How a call failed since the last poll, if one did.
    pub(super) fn suspicion(&self) -> Option<String> {
        self.signs().suspicion.clone()
    }

    /// Returns when a call has failed since the last poll.
    pub(super) async fn suspected(&self) {
        self.suspected.notified().await;
    }

    /// Forgets failures: the server has just been asked.
    pub(super) fn clear(&self) {
        self.signs().suspicion = None;
    }

    /// When a call last succeeded.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.signs().success
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn consider<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        match &result {
            Ok(_) => self.signs().success = Some(Instant::now()),
            Err(
                error @ (StorageError::Unreachable { .. }
                | StorageError::TimedOut { .. }
                | StorageError::WrongCertificate
                | StorageError::Unauthorized),
            ) => {
                self.signs().suspicion = Some(error.to_string());
                self.suspected.notify_one();
            }
            // It refuses, but it is there.
            Err(_) => {}
        }
        result
    }
}

/// A storage service whose calls are taken as signs of life.
#[derive(Debug)]
pub(super) struct Watched {
    service: Arc<dyn StorageService>,
    pulse: Arc<Pulse>,
}

impl Watched {
    pub(super) fn new(service: Arc<dyn StorageService>, pulse: Arc<Pulse>) -> Self {
        Self { service, pulse }
    }
}

#[async_trait]
impl StorageService for Watched {
    async fn version(&self) -> Result<ServerVersion, StorageError> {
        self.pulse.consider(self.service.version().await)
    }

    async fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: &LeaseSecrets,
        upload_secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        let service = &self.service;
        let call = service.allocate_shares(storage_index, shares, share_size, lease, upload_secret);
        self.pulse.consider(call.await)
    }

    async fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        let service = &self.service;
        let call = service.write_share(storage_index, share, upload_secret, offset, data);
        self.pulse.consider(call.await)
    }

    async fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        let call = self
            .service
            .abort_share(storage_index, share, upload_secret);
        self.pulse.consider(call.await)
    }

    async fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let call = self.service.list_shares(kind, storage_index);
        self.pulse.consider(call.await)
    }

    async fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let call = self.service.read_share(kind, storage_index, share, range);
        self.pulse.consider(call.await)
    }

    async fn add_lease(
        &self,
        storage_index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError> {
        let call = self.service.add_lease(storage_index, lease);
        self.pulse.consider(call.await)
    }

    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        let service = &self.service;
        let call = service.advise_corrupt_share(kind, storage_index, share, reason);
        self.pulse.consider(call.await)
    }

    async fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        let call = self.service.read_test_write(storage_index, secrets, change);
        self.pulse.consider(call.await)
    }
}
