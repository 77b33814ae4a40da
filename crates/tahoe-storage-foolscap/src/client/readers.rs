//! Readers that a server gave us.
//!
//! A download reads many times from the same shares, so their readers are kept for a while. A
//! reader belongs to a connection; when that is lost, it is of no use.

use super::call;
use crate::failure::misbehaved;
use crate::wire;
use foolscap::RemoteReference;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareNumber, StorageError};

/// Of how many storage indexes readers are kept.
const MOST_INDEXES: usize = 64;

/// Readers, by storage index.
#[derive(Default)]
pub(super) struct Readers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_index: HashMap<StorageIndex, Buckets>,
    uses: u64,
}

struct Buckets {
    readers: BTreeMap<ShareNumber, RemoteReference>,
    last_use: u64,
}

impl Readers {
    /// The shares that the server has now; their readers are kept.
    pub(super) async fn list(
        &self,
        server: &RemoteReference,
        index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let answer = call(server, "get_buckets", [wire::index_value(index)]).await?;
        let readers = wire::by_share(&answer, wire::reference).map_err(misbehaved)?;
        let shares = readers.keys().copied().collect();
        self.keep(index, readers);
        Ok(shares)
    }

    /// The reader of a share.
    pub(super) async fn reader(
        &self,
        server: &RemoteReference,
        index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<RemoteReference, StorageError> {
        if let Some(reader) = self.kept(index, share) {
            return Ok(reader);
        }
        self.list(server, index).await?;
        self.kept(index, share).ok_or(StorageError::NoSuchShare)
    }

    fn kept(&self, index: &StorageIndex, share: ShareNumber) -> Option<RemoteReference> {
        let mut kept = self.lock();
        kept.uses += 1;
        let now = kept.uses;
        let buckets = kept.by_index.get_mut(index)?;
        buckets.last_use = now;
        let reader = buckets.readers.get(&share)?;
        reader.is_connected().then(|| reader.clone())
    }

    fn keep(&self, index: &StorageIndex, readers: BTreeMap<ShareNumber, RemoteReference>) {
        let mut kept = self.lock();
        kept.uses += 1;
        let last_use = kept.uses;
        if readers.is_empty() {
            kept.by_index.remove(index);
            return;
        }
        if kept.by_index.len() >= MOST_INDEXES && !kept.by_index.contains_key(index) {
            let oldest = kept
                .by_index
                .iter()
                .min_by_key(|(_, buckets)| buckets.last_use);
            let oldest = oldest.map(|(index, _)| *index);
            oldest.and_then(|oldest| kept.by_index.remove(&oldest));
        }
        let buckets = Buckets { readers, last_use };
        kept.by_index.insert(*index, buckets);
    }

    pub(super) fn forget(&self, index: &StorageIndex) {
        self.lock().by_index.remove(index);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
