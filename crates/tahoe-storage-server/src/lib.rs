//! Shares on disk: containers, leases, space, durability.
//!
//! [`DiskStore`] is a [`StorageService`](tahoe_storage_api::StorageService) over a storage
//! directory that is byte for byte what the Python storage server of Tahoe-LAFS 1.20 keeps: either
//! program can serve the other's directory. [`containers`] reads the files in it.
//!
//! ```
//! use tahoe_crypto::TubId;
//! use tahoe_storage_api::StorageService as _;
//! use tahoe_storage_server::{DiskStore, StoreConfig};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let directory = tempfile::tempdir().unwrap();
//! let config = StoreConfig::new(directory.path(), TubId::from_bytes([7; 20]));
//! let store = DiskStore::open(config).await.unwrap();
//! assert!(store.version().await.unwrap().available_space > 0);
//! store.close().await.unwrap();
//! # });
//! ```
//!
//! **Invariants:** what a call acknowledges survives a crash and a loss of power, and nothing that
//! was written in part is ever served. A container that can't be what it claims is an error, never
//! a panic, and isn't served. No file operation runs on the runtime's own threads.
//!
//! Large immutable shares are written to `shares/incoming/` and synced and renamed when complete.
//! Everything else (small shares, changes of slots, leases) goes through a journal: see the module
//! `journal` for how, and `docs/performance/durability.md` for why. Deliberately not here: any
//! knowledge of what shares contain, and any transport.

mod advisories;
mod allocate;
mod change;
mod clock;
mod config;
pub mod containers;
mod crawler;
mod disk;
mod expire;
mod handles;
mod journal;
mod layout;
mod leases;
mod locks;
mod read;
mod slots;
mod space;
mod statistics;
mod store;
mod uploads;
mod write;

#[cfg(test)]
mod crash_tests;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::StoreConfig;
pub use crawler::{
    CrawlerProgress, CrawlerReport, Crawlers, MigrateError, Migration, PickledState,
    migrate_crawler_state, refuse_pickled_state,
};
pub use expire::{ExpirationMode, ExpirationPolicy};
pub use space::DiskSpace;
pub use statistics::{Latency, Statistics};
pub use store::{DiskStore, MAX_READ_SIZE};
pub use uploads::{MAX_UPLOADS, MAX_WRITTEN_RANGES, UPLOAD_TIMEOUT};
