//! A share that a client reads.

use super::{MAX_ANSWER, Store, advise, bad, malformed};
use crate::failure::to_remote;
use crate::wire;
use async_trait::async_trait;
use foolscap::{Call, Referenceable, RemoteFailure, Value};
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareKind, ShareNumber, ShareRange, StorageService};

/// `RIBucketReader`.
pub(super) struct ShareReader {
    store: Store,
    index: StorageIndex,
    share: ShareNumber,
}

impl ShareReader {
    pub(super) fn new(store: Store, index: StorageIndex, share: ShareNumber) -> Self {
        Self {
            store,
            index,
            share,
        }
    }

    async fn read(&self, call: Call) -> Result<Value, RemoteFailure> {
        let [offset, length] = call.arguments.take(["offset", "length"]).ok_or_else(bad)?;
        let offset = wire::number(&offset).map_err(malformed)?;
        let length = wire::number(&length).map_err(malformed)?;
        let data = read_bounded(
            &*self.store.service,
            ShareKind::Immutable,
            (&self.index, self.share),
            ShareRange { offset, length },
            MAX_ANSWER,
        );
        data.await.map(Value::Bytes)
    }
}

#[async_trait]
impl Referenceable for ShareReader {
    fn interface(&self) -> Option<&str> {
        Some(wire::READER)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match call.method.as_str() {
            "read" => self.read(call).await,
            "advise_corrupt_share" => {
                let [reason] = call.arguments.take(["reason"]).ok_or_else(bad)?;
                let kind = ShareKind::Immutable;
                advise(&self.store, kind, self.index, self.share, &reason).await
            }
            _ => Err(call.unknown_method(wire::READER)),
        }
    }
}

/// Reads bytes, but refuses to hold more than `most`.
pub(super) async fn read_bounded(
    service: &dyn StorageService,
    kind: ShareKind,
    (index, share): (&StorageIndex, ShareNumber),
    range: ShareRange,
    most: u64,
) -> Result<bytes::Bytes, RemoteFailure> {
    let length = range.length.min(most.saturating_add(1));
    let range = ShareRange { length, ..range };
    let read = service.read_share(kind, index, share, range).await;
    let read = read.map_err(|error| to_remote(&error))?;
    if u64::try_from(read.len()).is_ok_and(|length| length > most) {
        return Err(RemoteFailure::violation("more bytes than fit one answer"));
    }
    Ok(read)
}
