//! One storage server, through any transport.

use crate::{
    Allocation, ReachedBy, ReadTestWrite, ReadTestWriteOutcome, ReadVector, ServerVersion,
    ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError, WriteProgress,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};

/// A storage server: immutable shares that are written once, and mutable slots.
///
/// What a call acknowledges survives a crash and a loss of power. Calls may run concurrently.
/// The `testing` feature holds a conformance suite that every implementation passes.
#[async_trait]
pub trait StorageService: Send + Sync + std::fmt::Debug {
    /// The way that calls take now; `None` if there is no connection or none is needed.
    fn reached_by(&self) -> Option<ReachedBy> {
        None
    }

    /// Says what the server is and accepts.
    async fn version(&self) -> Result<ServerVersion, StorageError>;

    /// Reserves room for immutable shares of `share_size` bytes each, and renews or adds the lease
    /// on those that are there already.
    ///
    /// A repeated call with the same upload secret returns the same shares as allocated. A share
    /// that another upload is writing is in neither set of the answer.
    async fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: &LeaseSecrets,
        upload_secret: &UploadSecret,
    ) -> Result<Allocation, StorageError>;

    /// Writes bytes of an allocated share at `offset`; the write that fills the last gap completes
    /// it. Writing the same bytes again is harmless, writing others is
    /// [`StorageError::ConflictingWrite`].
    async fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError>;

    /// Gives up an upload: its bytes are removed.
    async fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
    ) -> Result<(), StorageError>;

    /// Lists the complete shares of a storage index of this kind; empty if there are none.
    async fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError>;

    /// Reads bytes of a complete share; fewer or none past its end.
    async fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError>;

    /// Reads the same ranges of several shares of a mutable slot; of all, if none is named. Shares
    /// that aren't there are left out.
    ///
    /// What holds the shares does this as one step, so that all bytes are of one version. Without
    /// that it takes a call for each range, and changes may come between.
    async fn read_slot(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        reads: &[ReadVector],
    ) -> Result<BTreeMap<ShareNumber, Vec<Bytes>>, StorageError> {
        let listed = self.list_shares(ShareKind::Mutable, storage_index).await?;
        let mut slot = BTreeMap::new();
        for share in listed {
            if !shares.is_empty() && !shares.contains(&share) {
                continue;
            }
            let mut found = Vec::with_capacity(reads.len());
            for range in reads {
                let read = self.read_share(ShareKind::Mutable, storage_index, share, *range);
                found.push(read.await?);
            }
            slot.insert(share, found);
        }
        Ok(slot)
    }

    /// Says how many bytes a complete share has.
    ///
    /// A store that knows answers at once; without that it is found by reading single bytes.
    async fn share_size(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<u64, StorageError> {
        let mut beyond = 1;
        while has_byte(self, kind, storage_index, share, beyond - 1).await? {
            beyond = match beyond {
                u64::MAX => return Ok(u64::MAX),
                bound => bound.saturating_mul(2),
            };
        }
        // The last byte lies before `beyond - 1`, and not before half of it.
        let (mut size, mut end) = (beyond / 2, beyond - 1);
        while size < end {
            let middle = size + (end - size) / 2;
            if has_byte(self, kind, storage_index, share, middle).await? {
                size = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(size)
    }

    /// Adds or renews the caller's lease on all shares of a storage index;
    /// [`StorageError::NoSuchShare`] if there are none.
    async fn add_lease(
        &self,
        storage_index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError>;

    /// Tells the server's operator that a share is corrupt. `reason` has 1 to 32 765 characters.
    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError>;

    /// Reads, tests and, if all tests hold, writes the shares of a mutable slot as one step.
    async fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError>;
}

/// Says whether a share reaches to this offset.
async fn has_byte<S: StorageService + ?Sized>(
    service: &S,
    kind: ShareKind,
    storage_index: &StorageIndex,
    share: ShareNumber,
    offset: u64,
) -> Result<bool, StorageError> {
    let range = ShareRange { offset, length: 1 };
    let read = service.read_share(kind, storage_index, share, range);
    Ok(!read.await?.is_empty())
}
