//! The `Range` header, read as the reference reads it.
//!
//! Of several ranges the first is answered. A header that isn't understood, in any of its ranges,
//! is ignored: the answer is the whole file. Numbers are read as Python's `int` reads them, with
//! spaces around, a sign in front, and underscores between digits.

/// Larger than every size and number, and small enough to reckon with.
const HUGE: i128 = 1 << 100;

/// What of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Everything,
    /// These bytes: `first` to `last`, both included, both inside the file.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// Bytes that the file doesn't have.
    BeyondTheEnd,
}

/// Reads a `Range` header for a file of `size` bytes.
pub(crate) fn parse(header: &str, size: u64) -> Wanted {
    let size = i128::from(size);
    let Some(ranges) = header.strip_prefix("bytes=") else {
        return Wanted::Everything;
    };
    let ranges: Option<Vec<_>> = ranges
        .split(',')
        .map(|range| parse_one(range, size))
        .collect();
    match ranges.as_deref() {
        None | Some([]) => Wanted::Everything,
        // An empty file has no byte that a suffix could name. (The reference answers 206 with the
        // impossible `Content-Range: bytes 0--1/0`.)
        Some([(first, _), ..]) if *first >= size || size == 0 => Wanted::BeyondTheEnd,
        Some([(first, last), ..]) => {
            let inside = |number: i128| u64::try_from(number.clamp(0, size - 1));
            match (inside(*first), inside(*last)) {
                (Ok(first), Ok(last)) => Wanted::Part { first, last },
                _ => Wanted::Everything,
            }
        }
    }
}

/// One range: its first and last byte, where the first may lie before the file.
fn parse_one(range: &str, size: i128) -> Option<(i128, i128)> {
    let (first, last) = range.trim().split_once('-')?;
    let (first, last) = match (first, last) {
        ("", suffix) => (size - python_int(suffix)?, size - 1),
        (first, "") => (python_int(first)?, size - 1),
        (first, last) => (python_int(first)?, python_int(last)?),
    };
    (last >= first).then_some((first, last))
}

/// Reads an integer as Python's `int` does; what is beyond anything that is counted is
/// [`HUGE`].
pub(crate) fn python_int(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let well_formed = !digits.is_empty()
        && !digits.starts_with('_')
        && !digits.ends_with('_')
        && !digits.contains("__")
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_');
    if !well_formed {
        return None;
    }
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let magnitude = digits.parse().map_or(HUGE, |number: i128| number.min(HUGE));
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(first: u64, last: u64) -> Wanted {
        Wanted::Part { first, last }
    }

    /// Each line was tried on the reference with a file of 100 bytes.
    #[test]
    fn as_the_reference_reads_them() {
        for (header, expected) in [
            ("bytes=2-5", part(2, 5)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=3-", part(3, 99)),
            ("bytes=95-200", part(95, 99)),
            ("bytes=-5", part(95, 99)),
            ("bytes=-500", part(0, 99)),
            ("bytes=0-0,5-6", part(0, 0)),
            ("bytes= 2 - 5 ", part(2, 5)),
            ("bytes=+2-5", part(2, 5)),
            ("bytes=1_0-2_0", part(10, 20)),
            ("bytes=100-200", Wanted::BeyondTheEnd),
            ("bytes=100-", Wanted::Everything),
            ("bytes=-0", Wanted::Everything),
            ("bytes=--5", Wanted::Everything),
            ("bytes=-", Wanted::Everything),
            ("bytes=5-2", Wanted::Everything),
            ("bytes=-5-2", Wanted::Everything),
            ("bytes=2--5", Wanted::Everything),
            ("bytes=1-2,x", Wanted::Everything),
            ("bytes=x-y", Wanted::Everything),
            ("bytes=", Wanted::Everything),
            ("bytes", Wanted::Everything),
            ("Bytes=1-2", Wanted::Everything),
            ("frobs=1-2", Wanted::Everything),
        ] {
            assert_eq!(parse(header, 100), expected, "{header}");
        }
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        assert_eq!(parse("bytes=0-0", 0), Wanted::BeyondTheEnd);
        assert_eq!(parse("bytes=-5", 0), Wanted::BeyondTheEnd);
        assert_eq!(parse("bytes=0-", 0), Wanted::Everything);
    }

    #[test]
    fn huge_numbers_do_no_harm() {
        let huge = "9".repeat(100);
        assert_eq!(parse(&format!("bytes=2-{huge}"), 10), part(2, 9));
        assert_eq!(parse(&format!("bytes=-{huge}"), 10), part(0, 9));
        let beyond = parse(&format!("bytes={huge}-{huge}"), 10);
        assert_eq!(beyond, Wanted::BeyondTheEnd);
        let max = u64::MAX;
        assert_eq!(parse(&format!("bytes=0-{max}0"), max), part(0, max - 1));
        assert_eq!(parse(&format!("bytes=0-{max}"), max), part(0, max - 1));
        assert_eq!(parse(&format!("bytes=-{max}"), 7), part(0, 6));
    }

    proptest! {
        #[test]
        fn a_part_is_inside_the_file(header in "bytes=[0-9,_+ -]{0,20}", size in 0_u64..200) {
            if let Wanted::Part { first, last } = parse(&header, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
