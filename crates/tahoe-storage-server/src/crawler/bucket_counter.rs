//! Counts the storage indexes that a server has shares of.

use super::Inspector;
use super::place::{PREFIXES, prefix};
use crate::store::Store;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tahoe_storage_api::StorageError;

/// Counts names in the directories of shares; keeps those of the first one as a sample.
#[derive(Debug, Default)]
pub(super) struct BucketCounter {
    /// By round and directory, how many names there were.
    counts: BTreeMap<u64, BTreeMap<String, u64>>,
    last_complete_count: Option<u64>,
    /// The names in the first directory, and the round in which they were seen.
    sample: Option<(u64, Vec<String>)>,
}

impl Inspector for BucketCounter {
    const STATE_FILE: &'static str = "bucket_counter.state";
    const NAME: &'static str = "bucket counter";
    const SLOW_START: Duration = Duration::from_secs(5 * 60);
    const MINIMUM_CYCLE_TIME: Duration = Duration::from_secs(60 * 60);
    const VISITS_BUCKETS: bool = false;

    fn restore(&mut self, state: &Map<String, Value>) {
        let counts = state.get("bucket-counts").and_then(Value::as_object);
        for (cycle, found) in counts.into_iter().flatten() {
            let (Ok(cycle), Some(found)) = (cycle.parse(), found.as_object()) else {
                continue;
            };
            let found = found
                .iter()
                .filter_map(|(k, v)| Some((k.clone(), v.as_u64()?)));
            self.counts.insert(cycle, found.collect());
        }
        self.last_complete_count = state
            .get("last-complete-bucket-count")
            .and_then(Value::as_u64);
        let sample = state.get("storage-index-samples");
        let sample = sample.and_then(|samples| samples.get(prefix(0)));
        self.sample = sample.and_then(|sample| {
            let names = sample.get(1)?.as_array()?.iter();
            let names = names.filter_map(|name| Some(name.as_str()?.to_owned()));
            Some((sample.get(0)?.as_u64()?, names.collect()))
        });
    }

    fn visit_prefix(&mut self, cycle: u64, name: &str, names: &[String]) {
        let counts = self.counts.entry(cycle).or_default();
        counts.insert(name.to_owned(), names.len() as u64);
        if name == prefix(0) {
            self.sample = Some((cycle, names.to_vec()));
        }
    }

    fn finish_cycle(&mut self, _: &Store, cycle: u64, _: f64) -> Result<(), StorageError> {
        let counts = self.counts.get(&cycle);
        if let Some(counts) = counts.filter(|counts| counts.len() == PREFIXES) {
            self.last_complete_count = Some(counts.values().sum());
            self.counts.retain(|of, _| *of == cycle);
        }
        self.sample = self.sample.take().filter(|(of, _)| *of == cycle);
        Ok(())
    }

    fn describe(&self, state: &mut Map<String, Value>, _: Option<f64>) {
        let counts = self.counts.iter().map(|(k, v)| (k.to_string(), json!(v)));
        let counts: Map<String, Value> = counts.collect();
        let samples = self.sample.iter().map(|sample| (prefix(0), json!(sample)));
        let samples: Map<String, Value> = samples.collect();
        state.insert("bucket-counts".to_owned(), counts.into());
        let count = json!(self.last_complete_count);
        state.insert("last-complete-bucket-count".to_owned(), count);
        state.insert("storage-index-samples".to_owned(), samples.into());
    }
}
