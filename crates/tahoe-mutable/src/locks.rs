//! Writes through one node to one file go one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tahoe_crypto::StorageIndex;
use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// One lock for each file that somebody is writing or waits to write; no others are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileLocks(Arc<Mutex<HashMap<StorageIndex, Lock>>>);

/// The right to write a file, until it is dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    locks: FileLocks,
    storage_index: StorageIndex,
    guard: Option<OwnedMutexGuard<()>>,
}

/// Forgets a lock that nobody holds or waits for.
struct Waiting<'a>(&'a FileLocks, StorageIndex);

impl FileLocks {
    /// Waits until nobody else writes the file, in order of arrival.
    pub(crate) async fn lock(&self, storage_index: StorageIndex) -> FileLock {
        let waiting = Waiting(self, storage_index);
        let lock = Arc::clone(self.table().entry(storage_index).or_default());
        let guard = Some(lock.lock_owned().await);
        std::mem::forget(waiting);
        FileLock {
            locks: self.clone(),
            storage_index,
            guard,
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<StorageIndex, Lock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_unused(&self, storage_index: &StorageIndex) {
        let mut table = self.table();
        if let Some(lock) = table.get(storage_index)
            && Arc::strong_count(lock) == 1
        {
            table.remove(storage_index);
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.locks.forget_unused(&self.storage_index);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.forget_unused(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn writers_of_one_file_wait_and_nothing_is_left_behind() {
        let locks = FileLocks::default();
        let (file, other) = ([1; 16], [2; 16]);
        let (file, other) = (
            StorageIndex::from_bytes(file),
            StorageIndex::from_bytes(other),
        );
        let first = locks.lock(file).await;
        assert!(locks.lock(other).now_or_never().is_some());
        let mut second = Box::pin(locks.lock(file));
        assert!((&mut second).now_or_never().is_none());
        assert!(
            locks.lock(file).now_or_never().is_none(),
            "gives up waiting"
        );
        drop(first);
        drop(second.await);
        assert!(locks.table().is_empty());
    }
}
