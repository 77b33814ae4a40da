//! Locks for storage indexes: a fixed number, shared by the indexes that fall on the same one.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tahoe_crypto::StorageIndex;

const STRIPES: usize = 1024;

/// One lock for each of 1024 groups of storage indexes.
#[derive(Debug)]
pub(crate) struct Locks(Vec<RwLock<()>>);

impl Default for Locks {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| RwLock::default()).collect())
    }
}

impl Locks {
    fn stripe(&self, storage_index: &StorageIndex) -> &RwLock<()> {
        let [a, b, ..] = *storage_index.as_bytes();
        &self.0[usize::from(u16::from_be_bytes([a, b])) % STRIPES]
    }

    /// Keeps others from changing containers and directories of the storage index.
    pub(crate) fn read(&self, storage_index: &StorageIndex) -> RwLockReadGuard<'_, ()> {
        let guard = self.stripe(storage_index).read();
        guard.unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps others from even looking.
    pub(crate) fn write(&self, storage_index: &StorageIndex) -> RwLockWriteGuard<'_, ()> {
        let guard = self.stripe(storage_index).write();
        guard.unwrap_or_else(PoisonError::into_inner)
    }
}
