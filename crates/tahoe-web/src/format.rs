//! Numbers and times for people.

use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

/// A size with a metric unit: `877B`, `21.8kB`, `4.37MB`, `1.00GB`.
pub(crate) fn abbreviate_size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let size = bytes as f64;
    match size {
        size if size > 1e9 => format!("{:.2}GB", size / 1e9),
        size if size > 1e6 => format!("{:.2}MB", size / 1e6),
        size if size > 1e3 => format!("{:.1}kB", size / 1e3),
        size => format!("{size:.0}B"),
    }
}

/// A rate with a metric unit: `877Bps`, `21.8kBps`, `4.37MBps`; empty for no time at all.
pub(crate) fn abbreviate_rate(bytes: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let rate = bytes as f64 / seconds;
    match rate {
        rate if rate > 1e6 => format!("{:.2}MBps", rate / 1e6),
        rate if rate > 1e3 => format!("{:.1}kBps", rate / 1e3),
        rate => format!("{rate:.0}Bps"),
    }
}

/// A short time: `132us`, `1.2ms`, `790ms`, `1.23s`; from ten seconds on whole seconds.
pub(crate) fn abbreviate_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s >= 10.0 => format!("{s:.0}s"),
        s if s >= 1.0 => format!("{s:.2}s"),
        s if s >= 0.01 => format!("{:.0}ms", s * 1e3),
        s if s >= 0.001 => format!("{:.1}ms", s * 1e3),
        s => format!("{:.0}us", s * 1e6),
    }
}

/// How long ago: `5s`, `3m 5s`, `2h 3m 5s`, `1d 2h 3m 5s`; `-` for the future.
pub(crate) fn since(then: SystemTime, now: SystemTime) -> String {
    let Ok(passed) = now.duration_since(then) else {
        return "-".to_owned();
    };
    let seconds = passed.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {}m {}s", minutes % 60, seconds % 60),
        (days, hours, minutes) => {
            format!(
                "{days}d {}h {}m {}s",
                hours % 24,
                minutes % 60,
                seconds % 60
            )
        }
    }
}

const UTC: &[FormatItem<'static>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");

/// A moment: `2024-05-31 10:09:08 UTC`.
pub(crate) fn moment(time: SystemTime) -> String {
    let formatted = OffsetDateTime::from(time).format(UTC);
    formatted.unwrap_or_else(|_| "-".to_owned())
}

/// Seconds since 1970, as the reference's JSON has times.
pub(crate) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |passed| passed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_rates_and_times() {
        let sizes = [0, 999, 1000, 1001, 21_800, 4_370_000, 1_000_000_001];
        let shown = sizes.map(abbreviate_size);
        assert_eq!(
            shown,
            ["0B", "999B", "1000B", "1.0kB", "21.8kB", "4.37MB", "1.00GB"]
        );
        assert_eq!(abbreviate_rate(100, Duration::from_millis(22)), "4.5kBps");
        assert_eq!(abbreviate_rate(100, Duration::ZERO), "");
        let times = [0.000_132, 0.0012, 0.79, 1.234, 77.0].map(Duration::from_secs_f64);
        let shown = times.map(abbreviate_time);
        assert_eq!(shown, ["132us", "1.2ms", "790ms", "1.23s", "77s"]);
    }

    #[test]
    fn spans_and_moments() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_717_150_148);
        let ago = |seconds| since(now - Duration::from_secs(seconds), now);
        assert_eq!(ago(5), "5s");
        assert_eq!(ago(185), "3m 5s");
        assert_eq!(ago(7385), "2h 3m 5s");
        assert_eq!(ago(93_785), "1d 2h 3m 5s");
        assert_eq!(since(now + Duration::from_secs(1), now), "-");
        assert_eq!(moment(now), "2024-05-31 10:09:08 UTC");
    }
}
