//! Crawlers: upkeep that visits every share, little by little.
//!
//! A crawler goes round the 1024 directories of `shares/` in order. It works for a second, then
//! rests for nine, so that it takes a tenth of the disk's time, and keeps its place in a file: it
//! goes on there after a restart, also after one by the other program
//! (`docs/formats/storage-directory.md`). `BucketCounter` counts storage indexes, `LeaseChecker`
//! looks at leases and removes what has ended. [`Crawlers`] runs both.
//!
//! **Invariants:** one bad file or directory is recorded and passed by. A crawler holds a storage
//! index's lock for one directory at a time. It stops between two directories when it is told to.

mod bucket_counter;
mod lease_checker;
mod migrate;
mod pickle;
mod place;
mod report;
mod walk;
mod worker;

pub use migrate::{MigrateError, Migration, migrate_crawler_state};
pub use place::{PickledState, refuse_pickled_state};
pub use report::{CrawlerProgress, CrawlerReport};
pub use worker::Crawlers;

use crate::store::Store;
use serde_json::{Map, Value};
use std::time::Duration;
use tahoe_storage_api::StorageError;

/// What a crawler does on its way.
pub(crate) trait Inspector: Send + 'static {
    /// The name of its state file, without `.json`.
    const STATE_FILE: &'static str;
    /// What it is called in the log.
    const NAME: &'static str;
    /// How long after the start of the server it begins.
    const SLOW_START: Duration;
    /// The least time between the starts of two rounds.
    const MINIMUM_CYCLE_TIME: Duration;
    /// Whether it wants to see each storage index's directory.
    const VISITS_BUCKETS: bool;

    /// Takes over what an earlier process found; what is missing or unusable begins anew.
    fn restore(&mut self, state: &Map<String, Value>);

    /// A round begins.
    fn start_cycle(&mut self) {}

    /// Sees the names in one of the 1024 directories, in order.
    fn visit_prefix(&mut self, _cycle: u64, _prefix: &str, _names: &[String]) {}

    /// Sees the directory of a storage index.
    fn visit_bucket(&mut self, _store: &Store, _name: &str) -> Result<(), StorageError> {
        Ok(())
    }

    /// A round that began at `started` (seconds since 1970) ended.
    fn finish_cycle(&mut self, store: &Store, cycle: u64, started: f64)
    -> Result<(), StorageError>;

    /// Adds what it found to the state that others see; `done` is the part of the round that is
    /// done, `None` between rounds.
    fn describe(&self, state: &mut Map<String, Value>, done: Option<f64>);

    /// The same for the state file, if that differs.
    fn describe_for_file(&self, state: &mut Map<String, Value>, done: Option<f64>) {
        self.describe(state, done);
    }
}

/// The time of day of a store, in seconds since 1970.
fn seconds(store: &Store) -> f64 {
    let now = store.config.clock.now();
    let since_1970 = now.duration_since(std::time::SystemTime::UNIX_EPOCH);
    since_1970.map_or(0.0, |time| time.as_secs_f64())
}
