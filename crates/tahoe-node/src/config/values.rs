//! Values of options: numbers, switches, sizes, durations, dates, lists.
//!
//! What is accepted is what the reference accepts: integers as Python's `int` reads them, switches
//! as `configparser` does, sizes and durations in the reference's own spellings.

/// A value isn't of its option's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a switch.
    #[error("must be one of true, yes, on, 1, false, no, off, 0")]
    NotABoolean,
    /// Not a whole number, or one that is out of range here.
    #[error("must be a whole number between {minimum} and {maximum}")]
    NotANumber {
        /// The smallest accepted.
        minimum: u64,
        /// The largest accepted.
        maximum: u64,
    },
    /// Not a size.
    #[error("must be a size such as 1000, 5GB or 4GiB, without spaces")]
    NotASize,
    /// Not a duration.
    #[error("must be a number of days, months or years such as \"60 days\" or \"2mo\"")]
    NotADuration,
    /// Not a date.
    #[error("must be a date such as 2009-03-16")]
    NotADate,
    /// A word that isn't among those the option knows.
    #[error("must be {0}")]
    NotOneOf(&'static str),
    /// Empty where something is needed.
    #[error("must not be empty")]
    Empty,
    /// Not an endpoint.
    #[error("must be an endpoint such as tcp:3456:interface=127.0.0.1")]
    NotAnEndpoint,
    /// Not a list of location hints.
    #[error("must be location hints such as tcp:example.org:12345, separated by commas")]
    NotALocation,
    /// Not a FURL.
    #[error("must be a FURL such as pb://TUBID@tcp:host:port/name")]
    NotAFurl,
    /// Not the FURL of a shared drive.
    #[error("must be the FURL of a shared drive, with its key, such as pb://TUBID@…/name#KEY")]
    NotADriveFurl,
    /// Not an Ed25519 public key.
    #[error("must be a public key, pub-v0-…")]
    NotAPublicKey,
}

/// Reads a switch, in any case.
pub fn boolean(text: &str) -> Result<bool, ValueError> {
    match text.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(ValueError::NotABoolean),
    }
}

/// Reads a whole number as Python's `int` does: a sign and single underscores may be in it.
pub fn integer(text: &str, minimum: u64, maximum: u64) -> Result<u64, ValueError> {
    let error = ValueError::NotANumber { minimum, maximum };
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let groups = digits.split('_');
    if groups
        .clone()
        .any(|g| g.is_empty() || !g.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(error);
    }
    let number: u64 = groups.collect::<String>().parse().map_err(|_| error)?;
    let fits = (minimum..=maximum).contains(&number) && (!negative || number == 0);
    if fits { Ok(number) } else { Err(error) }
}

/// Reads a size in bytes: digits, then at most one of `K M G T P E`, then `i`, then `B`.
///
/// Units are powers of 1000, with `i` of 1024; case doesn't matter. Nothing at all is no size.
pub fn size_bytes(text: &str) -> Result<Option<u64>, ValueError> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| ValueError::NotASize)?;
    let suffix = suffix.to_ascii_uppercase();
    let unit = suffix.strip_suffix('B').unwrap_or(&suffix);
    let (unit, base) = match unit.strip_suffix('I') {
        Some(unit) => (unit, 1024u64),
        None => (unit, 1000),
    };
    let power = ["", "K", "M", "G", "T", "P", "E"]
        .iter()
        .position(|u| *u == unit);
    let power = power
        .and_then(|p| u32::try_from(p).ok())
        .ok_or(ValueError::NotASize)?;
    let multiplied = number.checked_mul(base.pow(power));
    multiplied.map(Some).ok_or(ValueError::NotASize)
}

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Reads a duration in days, months of 31 days or years of 365; returns seconds.
pub fn duration_seconds(text: &str) -> Result<u64, ValueError> {
    let singular = text.strip_suffix('s').unwrap_or(text);
    let units = [("day", 1), ("month", 31), ("mo", 31), ("year", 365)];
    let (number, days) = units
        .iter()
        .find_map(|(unit, days)| Some((singular.strip_suffix(unit)?, *days)))
        .ok_or(ValueError::NotADuration)?;
    let number = integer(number, 0, u64::MAX).map_err(|_| ValueError::NotADuration)?;
    let seconds = number
        .checked_mul(days)
        .and_then(|d| d.checked_mul(SECONDS_PER_DAY));
    seconds.ok_or(ValueError::NotADuration)
}

/// Reads `YYYY-MM-DD`; returns the seconds since 1970 at the day's first moment, UTC.
pub fn date_seconds(text: &str) -> Result<i64, ValueError> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let date = time::Date::parse(text, &format).map_err(|_| ValueError::NotADate)?;
    Ok(date.midnight().assume_utc().unix_timestamp())
}

/// Splits a list at its commas; white space around items and empty items don't count.
pub fn list(text: &str) -> Vec<String> {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_pythons() {
        let read = |text: &str| integer(text, 0, 1000).ok();
        assert_eq!(read(" 10 "), Some(10));
        assert_eq!(read("+1_0"), Some(10));
        assert_eq!(read("007"), Some(7));
        assert_eq!(read("-0"), Some(0));
        for bad in [
            "", "_1", "1_", "1__0", "1.0", "0x10", "-1", "1001", "ten", "- 1",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: u64| assert_eq!(size_bytes(text), Ok(Some(expected)));
        check("1000", 1000);
        check("5k", 5000);
        check("5KB", 5000);
        check("5kib", 5120);
        check("1G", 1_000_000_000);
        check("2Ti", 2 << 40);
        check("7B", 7);
        check("7i", 7);
        assert_eq!(size_bytes(""), Ok(None));
        for bad in ["G", "1 G", "1.5G", "-1", "1GG", "1BB", "1Bi", "99E", "1X"] {
            assert_eq!(size_bytes(bad), Err(ValueError::NotASize), "{bad:?}");
        }
    }

    #[test]
    fn durations() {
        let day = SECONDS_PER_DAY;
        for (text, expected) in [
            ("7days", 7 * day),
            ("31day", 31 * day),
            ("60 days", 60 * day),
            ("2mo", 62 * day),
            ("3 month", 93 * day),
            ("12 months", 372 * day),
            ("2years", 730 * day),
        ] {
            assert_eq!(duration_seconds(text), Ok(expected), "{text:?}");
        }
        for bad in ["", "7", "7 s", "7 seconds", "days", "-1 day", "1 Day"] {
            assert!(duration_seconds(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date_seconds("2009-03-16"), Ok(1_237_161_600));
        assert_eq!(date_seconds("1970-01-01"), Ok(0));
        for bad in ["", "2009-3-16", "2009-02-30", "16.3.2009", "2009-03-16 "] {
            assert_eq!(date_seconds(bad), Err(ValueError::NotADate), "{bad:?}");
        }
    }

    #[test]
    fn switches_and_lists() {
        assert_eq!(boolean("Yes"), Ok(true));
        assert_eq!(boolean("OFF"), Ok(false));
        assert!(boolean("").is_err() && boolean("maybe").is_err());
        assert_eq!(list(" a, b ,,c,"), ["a", "b", "c"]);
        assert!(list("").is_empty());
    }
}
