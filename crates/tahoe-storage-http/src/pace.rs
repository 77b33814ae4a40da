//! How long a peer may be silent, and how slow it may be.

use std::time::Duration;
use tokio::time::Instant;

/// The deadlines of one body.
///
/// The next bytes must come within the silence limit; and a body that has been under way for longer
/// than that must have brought the minimum rate on average, so that drips are cut off too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    silence: Duration,
    minimum_rate: u64,
    started: Instant,
    last: Instant,
    received: u64,
}

impl Pace {
    /// Starts now; the rate is in bytes per second.
    pub(crate) fn start(silence: Duration, minimum_rate: u64) -> Self {
        let now = Instant::now();
        Self {
            silence,
            minimum_rate,
            started: now,
            last: now,
            received: 0,
        }
    }

    /// Counts bytes that came now.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.last = Instant::now();
        self.received = self.received.saturating_add(bytes as u64);
    }

    /// When the next bytes must be there.
    pub(crate) fn deadline(&self) -> Instant {
        let earned = Duration::from_secs(self.received / self.minimum_rate.max(1));
        let slowest = self.started + self.silence + earned;
        slowest.min(self.last + self.silence)
    }

    /// How long the peer has been waited for.
    pub(crate) fn waited(&self) -> Duration {
        self.last.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_and_drips_end() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::start(60 * second, 1000);
        let start = Instant::now();
        assert_eq!(pace.deadline(), start + 60 * second);
        tokio::time::advance(50 * second).await;
        pace.advance(100_000);
        assert_eq!(
            pace.deadline(),
            start + 110 * second,
            "60 s after the last bytes"
        );
        tokio::time::advance(50 * second).await;
        pace.advance(1);
        assert_eq!(
            pace.deadline(),
            start + 160 * second,
            "100 s were earned before"
        );
        tokio::time::advance(59 * second).await;
        pace.advance(1);
        assert_eq!(
            pace.deadline(),
            start + 160 * second,
            "a byte earns nothing"
        );
        assert_eq!(pace.waited(), Duration::ZERO);
    }
}
