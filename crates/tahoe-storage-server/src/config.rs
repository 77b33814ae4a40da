//! What a store is told when it is opened.

use crate::clock::{Clock, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;
use tahoe_crypto::TubId;

/// How a store is set up; `[storage]` of `tahoe.cfg` has a setting for most of it.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The storage directory; made if it doesn't exist.
    pub directory: PathBuf,
    /// Bytes of the disk that are to stay free.
    pub reserved_space: u64,
    /// Take no new immutable shares; slots are still changed.
    pub read_only: bool,
    /// Throw the data of immutable shares away: for measurements.
    pub discard_data: bool,
    /// The server's id, recorded with write enablers and leases.
    pub tub_id: TubId,
    /// What [`version`](tahoe_storage_api::StorageService::version) says, `tahoe-lafs/1.20.0`.
    pub application_version: String,
    /// What the store tells time by.
    pub clock: Arc<dyn Clock>,
}

impl StoreConfig {
    /// The defaults: no reserved space, writable, keeps data, the system's clock.
    pub fn new(directory: impl Into<PathBuf>, tub_id: TubId) -> Self {
        Self {
            directory: directory.into(),
            reserved_space: 0,
            read_only: false,
            discard_data: false,
            tub_id,
            application_version: concat!("tahoe-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Arc::new(SystemClock::default()),
        }
    }
}
