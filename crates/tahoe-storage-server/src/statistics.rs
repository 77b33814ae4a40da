//! What a store counts: the figures that the original shows under `storage_server.*`.

use crate::space::DiskSpace;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many of the latest durations are kept per category.
const SAMPLES: usize = 1000;

/// An operation whose calls and durations are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Category {
    Allocate,
    Write,
    Close,
    Read,
    Get,
    WriteV,
    ReadV,
    AddLease,
}

const CATEGORIES: [(Category, &str); 8] = [
    (Category::Allocate, "allocate"),
    (Category::Write, "write"),
    (Category::Close, "close"),
    (Category::Read, "read"),
    (Category::Get, "get"),
    (Category::WriteV, "writev"),
    (Category::ReadV, "readv"),
    (Category::AddLease, "add-lease"),
];

/// Counts and durations of everything a store does.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    calls: [Calls; CATEGORIES.len()],
    aborts: AtomicU64,
    bytes_added: AtomicU64,
}

#[derive(Debug, Default)]
struct Calls {
    count: AtomicU64,
    seconds: Mutex<VecDeque<f64>>,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, VecDeque<f64>> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Records a call and how long it took.
    pub(crate) fn record(&self, category: Category, duration: Duration) {
        let calls = &self.calls[category as usize];
        calls.count.fetch_add(1, Ordering::Relaxed);
        let mut seconds = calls.lock();
        if seconds.len() == SAMPLES {
            seconds.pop_front();
        }
        seconds.push_back(duration.as_secs_f64());
    }

    pub(crate) fn record_abort(&self) {
        self.aborts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_added(&self, bytes: u64) {
        self.bytes_added.fetch_add(bytes, Ordering::Relaxed);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let calls = CATEGORIES.iter().zip(&self.calls);
        let calls = calls.map(|((_, name), c)| (*name, c.count.load(Ordering::Relaxed)));
        let others = [
            ("abort", self.aborts.load(Ordering::Relaxed)),
            ("bytes_added", self.bytes_added.load(Ordering::Relaxed)),
        ];
        calls.chain(others).collect()
    }

    fn latencies(&self) -> Vec<(&'static str, Latency)> {
        let all = CATEGORIES.iter().zip(&self.calls);
        let known = all.filter_map(|((_, name), calls)| {
            let samples: Vec<f64> = calls.lock().iter().copied().collect();
            Some((*name, Latency::of(samples)?))
        });
        known.collect()
    }
}

/// How long the latest calls of one kind took, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// How many calls were looked at, at most 1000.
    pub sample_size: usize,
    /// The mean, if there were at least two.
    pub mean: Option<f64>,
    /// Percentiles by the name that the original gives them; none if there were too few calls.
    pub percentiles: [(&'static str, Option<f64>); 7],
}

/// Names of the percentiles, in thousandths, with the fewest samples that they mean something for.
const PERCENTILES: [(&str, usize, usize); 7] = [
    ("01_0_percentile", 10, 100),
    ("10_0_percentile", 100, 10),
    ("50_0_percentile", 500, 10),
    ("90_0_percentile", 900, 10),
    ("95_0_percentile", 950, 20),
    ("99_0_percentile", 990, 100),
    ("99_9_percentile", 999, 1000),
];

impl Latency {
    /// Summarises samples; none if there are none.
    fn of(mut samples: Vec<f64>) -> Option<Self> {
        let count = samples.len();
        if count == 0 {
            return None;
        }
        samples.sort_by(f64::total_cmp);
        #[allow(clippy::cast_precision_loss, reason = "there are at most 1000 samples")]
        let mean = (count > 1).then(|| samples.iter().sum::<f64>() / count as f64);
        let percentiles = PERCENTILES.map(|(name, thousandths, fewest)| {
            let sample = samples.get(count * thousandths / 1000).copied();
            (name, sample.filter(|_| count >= fewest))
        });
        Some(Self {
            sample_size: count,
            mean,
            percentiles,
        })
    }
}

/// What a store did and how its disk is, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// How often each thing happened, and `bytes_added`; names as the original has them after
    /// `storage_server.`.
    pub counters: Vec<(&'static str, u64)>,
    /// How long the calls took, for each kind that happened.
    pub latencies: Vec<(&'static str, Latency)>,
    /// Bytes of the shares that are being uploaded.
    pub allocated: u64,
    /// Bytes that are to stay free.
    pub reserved_space: u64,
    /// The disk; none if it can't be asked.
    pub disk: Option<DiskSpace>,
    /// Whether new immutable shares are taken.
    pub accepting_immutable_shares: bool,
}

impl Statistics {
    pub(crate) fn new(
        recorder: &Recorder,
        allocated: u64,
        reserved_space: u64,
        disk: Option<DiskSpace>,
        read_only: bool,
    ) -> Self {
        let mut disk = disk;
        if let Some(disk) = disk.as_mut().filter(|_| read_only) {
            disk.available = 0;
        }
        Self {
            counters: recorder.counters(),
            latencies: recorder.latencies(),
            allocated,
            reserved_space,
            accepting_immutable_shares: disk.is_some_and(|disk| disk.available > 0),
            disk,
        }
    }

    /// Lists the values that aren't counters by the names that the original gives them.
    pub fn values(&self) -> Vec<(String, Option<f64>)> {
        #[allow(clippy::cast_precision_loss, reason = "statistics are shown as such")]
        let bytes = |bytes: u64| Some(bytes as f64);
        let mut values = vec![
            ("storage_server.allocated".to_owned(), bytes(self.allocated)),
            (
                "storage_server.reserved_space".to_owned(),
                bytes(self.reserved_space),
            ),
        ];
        for (category, latency) in &self.latencies {
            let mut push = |name: &str, value| {
                values.push((format!("storage_server.latencies.{category}.{name}"), value));
            };
            push("samplesize", bytes(latency.sample_size as u64));
            push("mean", latency.mean);
            for (name, value) in latency.percentiles {
                push(name, value);
            }
        }
        if let Some(disk) = &self.disk {
            for (name, value) in [
                ("disk_total", disk.total),
                ("disk_used", disk.used),
                ("disk_free_for_root", disk.free_for_root),
                ("disk_free_for_nonroot", disk.free_for_nonroot),
                ("disk_avail", disk.available),
            ] {
                values.push((format!("storage_server.{name}"), bytes(value)));
            }
        }
        let accepting = Some(f64::from(u8::from(self.accepting_immutable_shares)));
        values.push((
            "storage_server.accepting_immutable_shares".to_owned(),
            accepting,
        ));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_need_enough_samples() {
        let samples = |count: u32| (0..count).rev().map(f64::from).collect::<Vec<_>>();
        assert_eq!(Latency::of(samples(0)), None);
        assert_eq!(Latency::of(samples(1)).unwrap().mean, None);
        let present = |count| {
            let percentiles = Latency::of(samples(count)).unwrap().percentiles;
            percentiles.map(|(_, value)| value)
        };
        let none = None;
        assert_eq!(present(9), [none; 7]);
        assert_eq!(
            present(20),
            [
                none,
                Some(2.0),
                Some(10.0),
                Some(18.0),
                Some(19.0),
                none,
                none
            ]
        );
        let some = [10.0, 100.0, 500.0, 900.0, 950.0, 990.0, 999.0].map(Some);
        assert_eq!(present(1000), some);
    }

    #[test]
    fn only_the_latest_thousand_count() {
        let recorder = Recorder::default();
        recorder.record(Category::Read, Duration::from_secs(1000));
        for _ in 0..1000 {
            recorder.record(Category::Read, Duration::from_secs(1));
        }
        recorder.record_added(7);
        let statistics = Statistics::new(&recorder, 5, 6, None, false);
        assert!(statistics.counters.contains(&("read", 1001)));
        assert!(statistics.counters.contains(&("bytes_added", 7)));
        let [(name, latency)] = &statistics.latencies[..] else {
            panic!("{:?}", statistics.latencies);
        };
        assert_eq!((*name, latency.mean), ("read", Some(1.0)));
        let values = statistics.values();
        let value = |name: &str| values.iter().find(|(n, _)| n == name).unwrap().1;
        assert_eq!(
            value("storage_server.latencies.read.99_9_percentile"),
            Some(1.0)
        );
        assert_eq!(value("storage_server.allocated"), Some(5.0));
        assert_eq!(
            value("storage_server.accepting_immutable_shares"),
            Some(0.0)
        );
    }
}
