//! How the node's storage server is, for `/statistics` and `/storage`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tahoe_client::statistics::{Snapshot, StatisticsSource, Value};
use tahoe_crypto::TubId;
use tahoe_storage_server::{Crawlers, ExpirationPolicy, Statistics};
use tahoe_web::{StorageReport, StorageStatus};

/// The store and its crawlers, seen from outside.
#[derive(Debug)]
pub(super) struct StoreStatus {
    tub_id: TubId,
    policy: ExpirationPolicy,
    crawlers: Arc<Crawlers>,
    figures: Arc<Figures>,
}

impl StoreStatus {
    pub(super) fn new(tub_id: TubId, policy: ExpirationPolicy, crawlers: Arc<Crawlers>) -> Self {
        Self {
            tub_id,
            policy,
            crawlers,
            figures: Arc::default(),
        }
    }

    /// Where the latest figures of the store belong.
    pub(super) fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }
}

impl StatisticsSource for StoreStatus {
    fn collect(&self, snapshot: &mut Snapshot) {
        self.figures.collect(snapshot);
        // As the original: none as long as there are none.
        if let Some(count) = self.crawlers.bucket_count().filter(|count| *count > 0) {
            let name = "storage_server.total_bucket_count".to_owned();
            snapshot.stats.insert(name, Value::Integer(count));
        }
    }
}

impl StorageStatus for StoreStatus {
    fn report(&self) -> StorageReport {
        let mut snapshot = Snapshot::default();
        self.collect(&mut snapshot);
        let stats = snapshot.stats.into_iter();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0.0, |time| time.as_secs_f64());
        let counter = self.crawlers.bucket_counter();
        let checker = self.crawlers.lease_checker();
        StorageReport {
            node_id: self.tub_id.to_string(),
            stats: stats.map(|(name, value)| (name, value.to_json())).collect(),
            bucket_counter_progress: counter.progress.to_json(now),
            bucket_counter: counter.state,
            lease_checker_progress: checker.progress.to_json(now),
            lease_checker: checker.state,
            expiration_enabled: self.policy.enabled,
            expiration_mode: self.policy.to_json(),
        }
    }
}

/// The latest figures of the store.
#[derive(Debug, Default)]
pub(super) struct Figures(Mutex<Option<Statistics>>);

impl Figures {
    pub(super) fn set(&self, statistics: Statistics) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(statistics);
    }
}

impl Figures {
    fn collect(&self, snapshot: &mut Snapshot) {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(statistics) = &*figures else { return };
        for (name, count) in &statistics.counters {
            // As the original: a counter appears once it has counted something.
            if *count > 0 {
                snapshot
                    .counters
                    .insert(format!("storage_server.{name}"), *count);
            }
        }
        for (name, value) in statistics.values() {
            snapshot
                .stats
                .insert(name, value.map_or(Value::Unknown, value_of));
        }
    }
}

/// A figure as an integer if it is one.
fn value_of(value: f64) -> Value {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    let is_count = value.fract() == 0.0 && (0.0..=LARGEST_EXACT).contains(&value);
    if is_count {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a whole number in range"
        )]
        Value::Integer(value as u64)
    } else {
        Value::Real(value)
    }
}
