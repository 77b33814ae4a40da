//! Tahoe's base32: RFC 4648 in lower case, without padding, with zero trailing bits.
//!
//! A text whose unused trailing bits aren't zero is refused, so each byte string has exactly one
//! spelling and capabilities re-serialise to the identical text.

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

static LOWER_UNPADDED: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification
        .encoding()
        .expect("the alphabet has 32 distinct symbols")
});

/// A text isn't Tahoe's base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Base32Error {
    /// A character is outside `a`–`z`, `2`–`7`, or trailing bits aren't zero.
    #[error("bad base32 at character {offset}")]
    BadCharacter {
        /// Where, counted in bytes from the start of the text.
        offset: usize,
    },
    /// No byte string has a text of this length, or not the length that was asked for.
    #[error("base32 of {found} characters where {expected} bytes were expected")]
    BadLength {
        /// Characters of the text.
        found: usize,
        /// Bytes wanted; 0 if any whole number would do.
        expected: usize,
    },
}

/// Spells bytes; the text has ⌈8·len/5⌉ characters.
pub fn encode(bytes: &[u8]) -> String {
    LOWER_UNPADDED.encode(bytes)
}

/// Reads a text of any length.
pub fn decode(text: &str) -> Result<Vec<u8>, Base32Error> {
    LOWER_UNPADDED
        .decode(text.as_bytes())
        .map_err(|error| match error.kind {
            data_encoding::DecodeKind::Length => Base32Error::BadLength {
                found: text.len(),
                expected: 0,
            },
            _ => Base32Error::BadCharacter {
                offset: error.position,
            },
        })
}

/// Reads a text that must spell exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], Base32Error> {
    let wrong_length = Base32Error::BadLength {
        found: text.len(),
        expected: N,
    };
    if text.len() != N.saturating_mul(8).div_ceil(5) {
        return Err(wrong_length);
    }
    decode(text)?.try_into().map_err(|_| wrong_length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spells_as_rfc_4648_in_lower_case() {
        for (bytes, text) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foobar", "mzxw6ytboi"),
            ("foob", "mzxw6yq"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn refuses_other_spellings() {
        assert!(decode("MY").is_err(), "upper case");
        assert!(decode("mz").is_err(), "trailing bits");
        assert!(decode("my======").is_err(), "padding");
        assert!(decode("m").is_err(), "impossible length");
        assert!(decode("m1").is_err(), "foreign digit");
        assert!(decode_array::<2>("my").is_err(), "too short");
    }

    proptest! {
        #[test]
        fn round_trips(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn whatever_decodes_has_one_spelling(text in "[a-z2-7]{0,30}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
