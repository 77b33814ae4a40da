//! A store in a temporary directory, shared by the tests of this crate.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod oracle;

use std::path::Path;
use std::sync::Arc;
use tahoe_crypto::TubId;
use tahoe_storage_server::{DiskStore, ManualClock, StoreConfig};
use tempfile::TempDir;

/// When the clock of a test store starts: some day in 2024, in seconds since 1970.
pub(crate) const START: u64 = 1_706_745_599;

/// A store, its directory and its clock.
pub(crate) struct TestStore {
    pub(crate) store: DiskStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: StoreConfig,
    pub(crate) directory: TempDir,
}

impl TestStore {
    /// Opens a new directory.
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// Opens a new directory with other settings.
    pub(crate) async fn open_with(change: impl FnOnce(&mut StoreConfig)) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let clock = Arc::new(ManualClock::at_seconds(START));
        let mut config = StoreConfig::new(directory.path(), TubId::from_bytes([7; 20]));
        config.clock = Arc::<ManualClock>::clone(&clock);
        change(&mut config);
        let store = DiskStore::open(config.clone()).await.expect("open");
        Self {
            store,
            clock,
            config,
            directory,
        }
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopen_cleanly(self) -> Self {
        self.store.close().await.expect("close");
        let store = DiskStore::open(self.config.clone()).await.expect("open");
        Self { store, ..self }
    }

    /// Leaves the store as a crash would and opens it again.
    pub(crate) async fn reopen_after_crash(self) -> Self {
        drop(self.store);
        let store = DiskStore::open(self.config.clone()).await.expect("open");
        Self { store, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl std::ops::Deref for TestStore {
    type Target = DiskStore;

    fn deref(&self) -> &DiskStore {
        &self.store
    }
}
