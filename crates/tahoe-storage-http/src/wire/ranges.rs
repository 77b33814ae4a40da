//! `Range` and `Content-Range`: which bytes of a share a request or an answer means.
//!
//! The spellings that are read are those that the reference's server reads: spaces and tabs around
//! numbers don't count, and numbers may be larger than any share.

use tahoe_storage_api::ShareRange;

/// A `Range` header isn't one range of bytes with an explicit end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a single range of bytes with an explicit end")]
pub struct BadRange;

/// Reads a `Range` header: `bytes=FIRST-LAST`, once.
pub fn parse_range(header: &str) -> Result<ShareRange, BadRange> {
    let (unit, range) = header.split_once('=').ok_or(BadRange)?;
    if !trim(unit).eq_ignore_ascii_case("bytes") {
        return Err(BadRange);
    }
    from_bounds(range).ok_or(BadRange)
}

/// Writes a `Range` header; `None` if the range is empty.
///
/// A range that ends past the largest offset is cut there.
pub fn format_range(range: ShareRange) -> Option<String> {
    let (first, last) = bounds(range)?;
    Some(format!("bytes={first}-{last}"))
}

/// Reads a `Content-Range` header: `bytes FIRST-LAST/TOTAL` or `bytes FIRST-LAST/*`.
///
/// `FIRST` must lie inside the total; `LAST` needn't, as with the reference.
pub fn parse_content_range(header: &str) -> Result<ShareRange, BadRange> {
    let (unit, rest) = trim(header).split_once(' ').ok_or(BadRange)?;
    let (range, total) = rest.split_once('/').ok_or(BadRange)?;
    if unit != "bytes" {
        return Err(BadRange);
    }
    let range = from_bounds(range).ok_or(BadRange)?;
    if total != "*" {
        let total = parse_digits(trim(total)).ok_or(BadRange)?;
        if range.offset >= total {
            return Err(BadRange);
        }
    }
    Ok(range)
}

/// Writes a `Content-Range` header without a total; `None` if the range is empty.
pub fn format_content_range(range: ShareRange) -> Option<String> {
    let (first, last) = bounds(range)?;
    Some(format!("bytes {first}-{last}/*"))
}

/// Reads ASCII digits; a number that doesn't fit becomes the largest one.
pub(crate) fn parse_digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

fn bounds(range: ShareRange) -> Option<(u64, u64)> {
    let beyond_first = range.length.checked_sub(1)?;
    Some((range.offset, range.offset.saturating_add(beyond_first)))
}

/// Reads `FIRST-LAST`.
fn from_bounds(text: &str) -> Option<ShareRange> {
    let (first, last) = text.split_once('-')?;
    let offset = parse_digits(trim(first))?;
    let last = parse_digits(trim(last))?;
    // Both may be cut to the largest number, so the length saturates too.
    let length = last.checked_sub(offset)?.saturating_add(1);
    Some(ShareRange { offset, length })
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(offset: u64, length: u64) -> ShareRange {
        ShareRange { offset, length }
    }

    #[test]
    fn reads_single_closed_ranges() {
        for (header, expected) in [
            ("bytes=0-9", range(0, 10)),
            ("bytes=5-5", range(5, 1)),
            ("BYTES=0-4", range(0, 5)),
            ("bytes = 0-4", range(0, 5)),
            ("bytes= 0 - 4 ", range(0, 5)),
            ("bytes=0-99999999999999999999999999", range(0, u64::MAX)),
            (
                "bytes=99999999999999999999-99999999999999999999999",
                range(u64::MAX, 1),
            ),
        ] {
            assert_eq!(parse_range(header), Ok(expected), "{header}");
        }
    }

    #[test]
    fn refuses_other_ranges() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-5",
            "bytes=5-",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "bytes=0-4,",
            "bytes=a-b",
            "bytes=0-+4",
            "bytes=0--4",
            "items=0-4",
            "0-4",
            "bytes=٣-٤",
        ] {
            assert_eq!(parse_range(header), Err(BadRange), "{header}");
        }
    }

    #[test]
    fn reads_content_ranges_as_the_reference_does() {
        for (header, expected) in [
            ("bytes 0-9/10", Some(range(0, 10))),
            ("bytes 10-19/*", Some(range(10, 10))),
            ("  bytes 20-29/100  ", Some(range(20, 10))),
            (" bytes 30 - 39 / 100", Some(range(30, 10))),
            ("bytes 30-39/35", Some(range(30, 10))),
            ("Bytes 0-9/100", None),
            ("bytes */100", None),
            ("bytes 9-0/100", None),
            ("bytes 100-109/100", None),
            ("bytes -1-9/100", None),
            ("bytes a-b/100", None),
            ("bytes 0-9", None),
            ("bytes 0-9/", None),
            ("bytes 0-9/ *", None),
            ("", None),
        ] {
            assert_eq!(parse_content_range(header).ok(), expected, "{header}");
        }
    }

    #[test]
    fn empty_ranges_have_no_spelling() {
        assert_eq!(format_range(range(5, 0)), None);
        assert_eq!(format_content_range(range(5, 0)), None);
        assert_eq!(
            format_range(range(5, u64::MAX)).as_deref(),
            Some("bytes=5-18446744073709551615")
        );
    }

    proptest! {
        #[test]
        fn ranges_round_trip(offset in 0..u64::MAX / 2, length in 1..u64::MAX / 2) {
            let range = range(offset, length);
            let header = format_range(range).unwrap();
            prop_assert_eq!(parse_range(&header), Ok(range));
            let header = format_content_range(range).unwrap();
            prop_assert_eq!(parse_content_range(&header), Ok(range));
        }

        #[test]
        fn any_header_is_read_or_refused(text in "[ \tbytes=*/0-9,-]{0,40}|\\PC*") {
            let _ = parse_range(&text);
            let _ = parse_content_range(&text);
        }
    }
}
