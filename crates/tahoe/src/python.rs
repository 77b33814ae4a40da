//! Numbers and times as Python prints them, because programs read these lines.

/// A size in decimal units: `12 B`, `1.50 kB`.
pub(crate) fn decimal_size(bytes: u64) -> String {
    size(bytes, 1000, "B")
}

/// A size in decimal and in binary units: `(1.50 kB, 1.46 kiB)`.
pub(crate) fn both_sizes(bytes: u64) -> String {
    format!("({}, {})", decimal_size(bytes), size(bytes, 1024, "iB"))
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn size(bytes: u64, unit: u64, suffix: &str) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let unit = unit as f64;
    let mut count = bytes as f64 / unit;
    let mut letters = "kMGTPE".chars();
    let mut letter = letters.next().unwrap_or('k');
    while count >= unit
        && let Some(next) = letters.next()
    {
        count /= unit;
        letter = next;
    }
    format!("{count:.2} {letter}{suffix}")
}

/// A duration in one unit: `1 second`, `3 hours`.
pub(crate) fn rough_duration(seconds: f64) -> String {
    const HOUR: f64 = 3600.0;
    const DAY: f64 = 24.0 * HOUR;
    const MONTH: f64 = 30.0 * DAY;
    const YEAR: f64 = 365.0 * DAY;
    let (count, unit) = match seconds {
        s if s < 120.0 => (s, "second"),
        s if s < 3.0 * HOUR => (s / 60.0, "minute"),
        s if s < 2.0 * DAY => (s / HOUR, "hour"),
        s if s < 2.0 * MONTH => (s / DAY, "day"),
        s if s < 4.0 * YEAR => (s / MONTH, "month"),
        s => (s / YEAR, "year"),
    };
    let count = count.trunc();
    let plural = if count == 1.0 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values are what the reference's functions give.
    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "(0 B, 0 B)"),
            (1023, "(1023 B, 1023 B)"),
            (1024, "(1.02 kB, 1.00 kiB)"),
            (1_500_000, "(1.50 MB, 1.43 MiB)"),
            (1_000_000_000_000, "(1.00 TB, 931.32 GiB)"),
            (u64::MAX, "(18.45 EB, 16.00 EiB)"),
        ] {
            assert_eq!(both_sizes(bytes), expected);
        }
    }

    #[test]
    fn durations() {
        for (seconds, expected) in [
            (0.0, "0 seconds"),
            (1.9, "1 second"),
            (119.0, "119 seconds"),
            (120.0, "2 minutes"),
            (10_800.0, "3 hours"),
            (172_800.0, "2 days"),
            (5_184_000.0, "2 months"),
            (126_144_000.0, "4 years"),
        ] {
            assert_eq!(rough_duration(seconds), expected);
        }
    }
}
