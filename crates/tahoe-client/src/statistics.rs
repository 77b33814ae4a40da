//! What the node counts, for `/statistics`.
//!
//! Names are the reference's: `uploader.files_uploaded`, `downloader.bytes_downloaded`, … A counter
//! appears once it has counted something.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the processor time is sampled.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);
/// Samples kept: the longest average is over fifteen minutes.
const SAMPLES: usize = 16;

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(u64),
    /// A number of seconds, a share, …
    Real(f64),
    /// Not known now.
    Unknown,
}

impl Value {
    /// The value as JSON has it: what isn't known is null.
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Self::Integer(number) => number.into(),
            Self::Real(number) => number.into(),
            Self::Unknown => serde_json::Value::Null,
        }
    }
}

/// A part of the node that measures something of its own, for instance its storage server.
pub trait StatisticsSource: Send + Sync + std::fmt::Debug {
    /// Adds counters and values under their names.
    fn collect(&self, snapshot: &mut Snapshot);
}

/// All counters and values at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// What only grows.
    pub counters: BTreeMap<String, u64>,
    /// What is measured now.
    pub stats: BTreeMap<String, Value>,
}

/// The node's counters and the sources of its values.
#[derive(Debug)]
pub struct Statistics {
    counters: Mutex<BTreeMap<&'static str, u64>>,
    sources: Mutex<Vec<Arc<dyn StatisticsSource>>>,
    processor: Mutex<Processor>,
    started: Instant,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            counters: Mutex::default(),
            sources: Mutex::default(),
            processor: Mutex::new(Processor::start()),
            started: Instant::now(),
        }
    }
}

impl Statistics {
    /// Adds to a counter.
    pub fn count(&self, name: &'static str, by: u64) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(name).or_default();
        *counter = counter.saturating_add(by);
    }

    /// Includes the values of a source from now on.
    pub fn register(&self, source: Arc<dyn StatisticsSource>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push(source);
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let uptime = Value::Real(self.started.elapsed().as_secs_f64());
        snapshot.stats.insert("node.uptime".to_owned(), uptime);
        let processor = self
            .processor
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        processor.collect(&mut snapshot.stats);
        drop(processor);
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = counters
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        snapshot.counters.extend(counters);
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let sources = sources.clone();
        for source in sources {
            source.collect(&mut snapshot);
        }
        snapshot
    }

    /// Samples the processor time each minute; runs until it is dropped.
    pub(crate) async fn sample_processor(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
        loop {
            ticks.tick().await;
            let mut processor = self
                .processor
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            processor.sample();
        }
    }
}

/// Processor time of this process: in total, and as a share of one, five and fifteen minutes.
#[derive(Debug)]
struct Processor {
    at_start: Duration,
    samples: VecDeque<(Instant, Duration)>,
}

impl Processor {
    fn start() -> Self {
        Self {
            at_start: processor_time(),
            samples: VecDeque::with_capacity(SAMPLES),
        }
    }

    fn sample(&mut self) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((Instant::now(), processor_time()));
    }

    fn collect(&self, stats: &mut BTreeMap<String, Value>) {
        for minutes in [1, 5, 15] {
            if let Some(average) = self.average(minutes) {
                stats.insert(
                    format!("cpu_monitor.{minutes}min_avg"),
                    Value::Real(average),
                );
            }
        }
        let total = processor_time().saturating_sub(self.at_start);
        stats.insert(
            "cpu_monitor.total".to_owned(),
            Value::Real(total.as_secs_f64()),
        );
    }

    fn average(&self, minutes: usize) -> Option<f64> {
        let (last_at, last) = self.samples.back()?;
        let first = self.samples.len().checked_sub(minutes + 1)?;
        let (first_at, first) = self.samples.get(first)?;
        let elapsed = last_at.duration_since(*first_at).as_secs_f64();
        Some(last.saturating_sub(*first).as_secs_f64() / elapsed)
    }
}

/// Processor time that this process has used, in all its threads.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    // The clock starts at zero with the process, so both parts are positive.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Disk;

    impl StatisticsSource for Disk {
        fn collect(&self, snapshot: &mut Snapshot) {
            let disk = ("storage_server.disk_avail".to_owned(), Value::Integer(5));
            snapshot.stats.extend([disk]);
            let reads = ("storage_server.read".to_owned(), 7);
            snapshot.counters.extend([reads]);
        }
    }

    #[test]
    fn counts_and_collects() {
        let statistics = Statistics::default();
        assert!(statistics.snapshot().counters.is_empty());
        statistics.count("uploader.files_uploaded", 1);
        statistics.count("uploader.files_uploaded", 2);
        statistics.register(Arc::new(Disk));
        let snapshot = statistics.snapshot();
        assert_eq!(snapshot.counters["uploader.files_uploaded"], 3);
        assert_eq!(snapshot.counters["storage_server.read"], 7);
        assert_eq!(
            snapshot.stats["storage_server.disk_avail"],
            Value::Integer(5)
        );
        assert!(matches!(snapshot.stats["node.uptime"], Value::Real(uptime) if uptime >= 0.0));
        assert!(snapshot.stats.contains_key("cpu_monitor.total"));
        assert!(!snapshot.stats.contains_key("cpu_monitor.1min_avg"));
    }

    #[test]
    fn averages_need_enough_samples() {
        let mut processor = Processor::start();
        processor.sample();
        assert_eq!(processor.average(1), None);
        std::hint::black_box((0..1_000_000_u64).sum::<u64>());
        processor.sample();
        assert!(processor.average(1).is_some_and(|average| average >= 0.0));
        assert_eq!(processor.average(5), None);
        for _ in 0..40 {
            processor.sample();
        }
        assert_eq!(processor.samples.len(), SAMPLES);
        assert!(processor.average(15).is_some());
    }
}
