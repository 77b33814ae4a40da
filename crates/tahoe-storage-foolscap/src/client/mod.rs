//! A storage server that is reached over Foolscap.

mod readers;
mod uploads;

use crate::failure::{from_call, from_connect, misbehaved};
use crate::wire::{self, MAX_PIECE};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use foolscap::{
    Arguments, Call, Furl, Limits, Reference, Referenceable, RemoteFailure, RemoteReference, Tub,
    Value,
};
use readers::Readers;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::{
    Allocation, ReachedBy, ReadTestWrite, ReadTestWriteOutcome, ReadVector, ServerVersion,
    ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError, StorageService, WriteProgress,
    check_advice,
};
use uploads::Uploads;

/// What a client takes from a server: a slot's shares come in one message.
pub fn client_limits() -> Limits {
    Limits {
        message_bytes: 256 << 20,
        ..Limits::default()
    }
}

/// A storage server that is reached over Foolscap.
///
/// It connects when it is first called, and again when the connection was lost. The tub is the
/// caller's to stop; give each server a tub of its own where servers shouldn't be able to tell that
/// they deal with the same client.
pub struct FoolscapStorageClient {
    tub: Tub,
    furl: Furl,
    uploads: Uploads,
    readers: Readers,
    canary: Arc<dyn Referenceable>,
}

impl std::fmt::Debug for FoolscapStorageClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FoolscapStorageClient({})", self.furl.tub_id)
    }
}

/// Tells a server by its loss that we are gone. It has no methods.
struct Canary;

#[async_trait]
impl Referenceable for Canary {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        Err(call.unknown_method("a canary"))
    }
}

impl FoolscapStorageClient {
    /// Makes the way to the server of this FURL; nothing is sent before the first call.
    pub fn new(tub: Tub, furl: Furl) -> Self {
        Self {
            tub,
            furl,
            uploads: Uploads::default(),
            readers: Readers::default(),
            canary: Arc::new(Canary),
        }
    }

    /// The object of the server, over the connection that is there or a new one.
    async fn server(&self) -> Result<RemoteReference, StorageError> {
        let reference = self.tub.reference(&self.furl).await;
        reference.map_err(|error| from_connect(&error))
    }

    async fn call<const N: usize>(
        &self,
        method: &str,
        arguments: [Value; N],
    ) -> Result<Value, StorageError> {
        let server = self.server().await?;
        call(&server, method, arguments).await
    }

    /// Reads bytes of a share, piece by piece, until its end.
    async fn read(
        &self,
        kind: ShareKind,
        index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let first = self.read_piece(kind, index, share, piece(range, 0)).await?;
        if range.length <= MAX_PIECE || length(&first) < MAX_PIECE {
            return Ok(first);
        }
        let mut all = BytesMut::from(first);
        loop {
            let done = u64::try_from(all.len()).unwrap_or(u64::MAX);
            let next = piece(range, done);
            if next.length == 0 {
                return Ok(all.freeze());
            }
            let read = self.read_piece(kind, index, share, next).await?;
            all.extend_from_slice(&read);
            if length(&read) < next.length {
                return Ok(all.freeze());
            }
        }
    }

    async fn read_piece(
        &self,
        kind: ShareKind,
        index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let data = match kind {
            ShareKind::Immutable => {
                let server = self.server().await?;
                let reader = self.readers.reader(&server, index, share).await?;
                let arguments = [Value::from(range.offset), Value::from(range.length)];
                let answer = call(&reader, "read", arguments).await?;
                wire::data(&answer).map_err(misbehaved)?
            }
            ShareKind::Mutable => {
                let wanted = BTreeSet::from([share]);
                let shares = self.read_slot(index, &wanted, &[range]).await?;
                let (_, pieces) = shares.into_iter().next().ok_or(StorageError::NoSuchShare)?;
                pieces
                    .into_iter()
                    .next()
                    .ok_or_else(|| misbehaved("no bytes"))?
            }
        };
        if length(&data) > range.length {
            return Err(misbehaved("more bytes than were asked for"));
        }
        Ok(data)
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What is to be read next of a range of which the first `done` bytes are there.
fn piece(range: ShareRange, done: u64) -> ShareRange {
    ShareRange {
        offset: range.offset.saturating_add(done),
        length: range.length.saturating_sub(done).min(MAX_PIECE),
    }
}

async fn call<const N: usize>(
    target: &RemoteReference,
    method: &str,
    arguments: [Value; N],
) -> Result<Value, StorageError> {
    let answer = target.call(method, Arguments::positional(arguments)).await;
    answer.map_err(from_call)
}

#[async_trait]
impl StorageService for FoolscapStorageClient {
    fn reached_by(&self) -> Option<ReachedBy> {
        let connection = self.tub.connection(self.furl.tub_id)?;
        Some(ReachedBy {
            hint: connection.hint,
            handler: connection.handler?,
        })
    }

    async fn version(&self) -> Result<ServerVersion, StorageError> {
        let answer = self.call("get_version", []).await?;
        wire::version(&answer).map_err(misbehaved)
    }

    async fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: &LeaseSecrets,
        upload_secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        let wanted = shares
            .iter()
            .map(|share| wire::share_value(*share))
            .collect();
        let [renew, cancel] = wire::lease_values(lease);
        let arguments = [
            wire::index_value(storage_index),
            renew,
            cancel,
            Value::Set(wanted),
            Value::from(share_size),
            Value::Reference(Reference::Local(Arc::clone(&self.canary))),
        ];
        let answer = self.call("allocate_buckets", arguments).await?;
        let pair = wire::sequence(&answer).map_err(misbehaved)?;
        let [have, writers] = pair else {
            return Err(misbehaved("expected (shares that are there, writers)"));
        };
        let have = have
            .as_set()
            .ok_or_else(|| misbehaved("expected a set of share numbers"))?;
        let already_have = wire::numbers(have).map_err(misbehaved)?;
        let writers = wire::by_share(writers, wire::reference).map_err(misbehaved)?;
        if !writers.keys().all(|share| shares.contains(share)) {
            return Err(misbehaved("a writer for a share that nobody asked for"));
        }
        self.uploads
            .add(storage_index, upload_secret, share_size, writers)?;
        let mut allocated = self.uploads.shares(storage_index, upload_secret);
        allocated.retain(|share| shares.contains(share));
        Ok(Allocation {
            already_have,
            allocated,
        })
    }

    async fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        let upload = self.uploads.upload(storage_index, share, upload_secret)?;
        let progress = upload.write(offset, data).await?;
        if progress == WriteProgress::Complete {
            self.uploads.remove(storage_index, share);
            self.readers.forget(storage_index);
        }
        Ok(progress)
    }

    async fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        match self.uploads.upload(storage_index, share, upload_secret) {
            Ok(upload) => {
                upload.abort().await?;
                self.uploads.remove(storage_index, share);
                Ok(())
            }
            Err(StorageError::NoSuchShare) => {
                let complete = self
                    .list_shares(ShareKind::Immutable, storage_index)
                    .await?;
                Err(if complete.contains(&share) {
                    StorageError::AlreadyComplete
                } else {
                    StorageError::NoSuchShare
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        match kind {
            ShareKind::Immutable => {
                let server = self.server().await?;
                self.readers.list(&server, storage_index).await
            }
            ShareKind::Mutable => {
                let shares = self.read_slot(storage_index, &BTreeSet::new(), &[]).await?;
                Ok(shares.into_keys().collect())
            }
        }
    }

    async fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        self.read(kind, storage_index, share, range).await
    }

    /// One call, which the server answers with bytes of one version.
    async fn read_slot(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        reads: &[ReadVector],
    ) -> Result<BTreeMap<ShareNumber, Vec<Bytes>>, StorageError> {
        let shares = shares
            .iter()
            .map(|share| wire::share_value(*share))
            .collect();
        let reads = wire::read_vectors_value(reads);
        let arguments = [wire::index_value(storage_index), Value::List(shares), reads];
        let answer = self.call("slot_readv", arguments).await?;
        wire::by_share(&answer, wire::data_list).map_err(misbehaved)
    }

    async fn add_lease(
        &self,
        storage_index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError> {
        let [renew, cancel] = wire::lease_values(lease);
        let arguments = [wire::index_value(storage_index), renew, cancel];
        // Servers don't say whether there was anything to put the lease on; so they are asked.
        let (added, immutable, mutable) = tokio::join!(
            self.call("add_lease", arguments),
            self.list_shares(ShareKind::Immutable, storage_index),
            self.list_shares(ShareKind::Mutable, storage_index),
        );
        added?;
        let none = |listed: &Result<BTreeSet<_>, _>| listed.as_ref().is_ok_and(BTreeSet::is_empty);
        if none(&immutable) && none(&mutable) {
            return Err(StorageError::NoSuchShare);
        }
        Ok(())
    }

    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        check_advice(reason)?;
        // Servers don't say that they haven't the share.
        if !self
            .list_shares(kind, storage_index)
            .await?
            .contains(&share)
        {
            return Err(StorageError::NoSuchShare);
        }
        let arguments = [
            wire::kind_value(kind),
            wire::index_value(storage_index),
            wire::share_value(share),
            Value::Bytes(Bytes::copy_from_slice(reason.as_bytes())),
        ];
        self.call("advise_corrupt_share", arguments).await?;
        Ok(())
    }

    async fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        change.check_limits()?;
        let ReadTestWrite { vectors, reads } = change;
        let arguments = [
            wire::index_value(storage_index),
            wire::slot_secrets_value(secrets),
            wire::vectors_value(vectors),
            wire::read_vectors_value(&reads),
        ];
        let answer = self
            .call("slot_testv_and_readv_and_writev", arguments)
            .await?;
        wire::outcome(&answer).map_err(misbehaved)
    }
}
