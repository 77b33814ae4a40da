//! Dates in tables, in local time and as the original shows them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{SystemTime, UNIX_EPOCH};

/// Dates before this many seconds ago are shown with their year.
const OLD_SECONDS: f64 = 6.0 * 30.0 * 24.0 * 3600.0;

/// The time and the time zone.
pub(crate) struct Clock {
    now_seconds: f64,
    zone: TimeZone,
}

impl Clock {
    /// Those of this machine.
    pub(crate) fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            now_seconds: now.unwrap_or_default().as_secs_f64(),
            zone: TimeZone::system(),
        }
    }

    /// The date of so many seconds since 1970.
    pub(crate) fn date(&self, seconds: Option<f64>) -> String {
        let Some(seconds) = seconds else {
            return "-".to_owned();
        };
        let format = match self.now_seconds - seconds > OLD_SECONDS {
            true => "%b %d  %Y",
            false => "%b %d %H:%M",
        };
        #[expect(clippy::cast_possible_truncation, reason = "a float's cast saturates")]
        let whole = seconds.floor() as i64;
        match Timestamp::from_second(whole) {
            Ok(time) => time
                .to_zoned(self.zone.clone())
                .strftime(format)
                .to_string(),
            Err(_) => "?".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let clock = Clock {
            now_seconds: 1_700_000_000.0,
            zone: TimeZone::UTC,
        };
        assert_eq!(clock.date(None), "-");
        assert_eq!(clock.date(Some(1_699_999_999.5)), "Nov 14 22:13");
        assert_eq!(clock.date(Some(1_600_000_000.0)), "Sep 13  2020");
        assert_eq!(clock.date(Some(1e300)), "?");
    }
}
