//! What others see of a crawler.

use super::place::PREFIXES;
use serde_json::{Value, json};

/// A crawler as it was after its last piece of work.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CrawlerReport {
    /// What it found, in the words of the original.
    pub state: Value,
    /// How far it is.
    pub progress: CrawlerProgress,
}

/// How far a crawler is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CrawlerProgress {
    /// The part of the round that is done, 0 to 1; none between rounds.
    pub(crate) done: Option<f64>,
    /// How long the last directory took, in seconds, rests included.
    pub(crate) last_prefix_seconds: Option<f64>,
    /// How long the last round took that this process made alone.
    pub(crate) last_cycle_seconds: Option<f64>,
    /// When it works next, in seconds since 1970; none while it works.
    pub(crate) next_wake: Option<f64>,
}

impl CrawlerProgress {
    /// Says it in the words of the original, at a time in seconds since 1970.
    pub fn to_json(&self, now: f64) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "1024")]
        let prefixes = PREFIXES as f64;
        let remaining = self.next_wake.map(|wake| wake - now);
        let per_prefix = self.last_prefix_seconds;
        let per_cycle = self
            .last_cycle_seconds
            .or_else(|| per_prefix.map(|seconds| seconds * prefixes));
        let Some(done) = self.done else {
            return json!({
                "cycle-in-progress": false,
                "next-crawl-time": self.next_wake,
                "remaining-wait-time": remaining,
                "estimated-time-per-cycle": per_cycle,
            });
        };
        let left = prefixes * (1.0 - done);
        json!({
            "cycle-in-progress": true,
            "cycle-complete-percentage": 100.0 * done,
            "estimated-cycle-complete-time-left": per_prefix.map(|seconds| left * seconds),
            "remaining-sleep-time": remaining,
            "estimated-time-per-cycle": per_cycle,
        })
    }
}
