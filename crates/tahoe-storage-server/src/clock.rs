//! The clocks that a store tells time by; passed in, so that tests need not wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// What a store tells time by.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time of day: leases and advisories are dated by it.
    fn now(&self) -> SystemTime;

    /// Time since some moment in the past; never goes back. Idle uploads are ended by it.
    fn elapsed(&self) -> Duration;
}

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that stands still until it is set, for tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Shows this many microseconds since 1970.
    pub fn at_microseconds(time: u64) -> Self {
        Self(AtomicU64::new(time))
    }

    /// Shows this many seconds since 1970.
    pub fn at_seconds(time: u64) -> Self {
        Self::at_microseconds(time.saturating_mul(1_000_000))
    }

    /// Moves to this many seconds since 1970.
    pub fn set_seconds(&self, time: u64) {
        let microseconds = time.saturating_mul(1_000_000);
        self.0.store(microseconds, Ordering::SeqCst);
    }

    /// Moves on.
    pub fn advance(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(microseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
}
