//! Netstrings: `<decimal length>:<bytes>,` (D. J. Bernstein, 1997).

/// A netstring is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetstringError {
    /// The length isn't canonical decimal ended by a colon.
    #[error("bad netstring length at byte {offset}")]
    BadLength {
        /// Where the netstring begins.
        offset: usize,
    },
    /// The bytes end before the netstring does, or its final comma is missing.
    #[error("netstring at byte {offset} is cut short")]
    Truncated {
        /// Where the netstring begins.
        offset: usize,
    },
}

/// Wraps bytes as one netstring.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_add(8));
    push(&mut out, bytes);
    out
}

/// Appends one netstring.
pub fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
    out.push(b',');
}

/// Splits the netstring that starts at `offset` of `input`; returns it and the offset after it.
pub fn split(input: &[u8], offset: usize) -> Result<(&[u8], usize), NetstringError> {
    let bad_length = NetstringError::BadLength { offset };
    let truncated = NetstringError::Truncated { offset };
    let rest = input.get(offset..).ok_or(truncated)?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    match rest.get(digits) {
        Some(b':') => {}
        Some(_) => return Err(bad_length),
        None => return Err(if digits > 20 { bad_length } else { truncated }),
    }
    let length: usize = rest
        .get(..digits)
        .filter(|d| !d.is_empty() && (d.len() == 1 || d.first() != Some(&b'0')))
        .and_then(|d| std::str::from_utf8(d).ok())
        .and_then(|d| d.parse().ok())
        .ok_or(bad_length)?;
    let start = digits.saturating_add(1);
    let end = start.checked_add(length).ok_or(truncated)?;
    let body = rest.get(start..end).ok_or(truncated)?;
    if rest.get(end) != Some(&b',') {
        return Err(truncated);
    }
    Ok((body, offset.saturating_add(end).saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_not_a_netstring() {
        for bad in [
            "", "3", "3:ab,", "3:abc", "3:abcd", ":,", "03:abc,", "-1:,", "x:,", "1 :a,",
        ] {
            assert!(split(bad.as_bytes(), 0).is_err(), "{bad:?}");
        }
        assert!(split(b"99999999999999999999999:a,", 0).is_err());
        assert!(split(b"18446744073709551615:a,", 0).is_err());
        assert!(split(b"1:a,", 9).is_err());
    }

    proptest! {
        #[test]
        fn round_trips(first: Vec<u8>, second: Vec<u8>) {
            let mut bytes = encode(&first);
            push(&mut bytes, &second);
            let (one, middle) = split(&bytes, 0).unwrap();
            let (two, end) = split(&bytes, middle).unwrap();
            prop_assert_eq!((one, two, end), (&first[..], &second[..], bytes.len()));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, offset in 0usize..64) {
            let _ = split(&bytes, offset).is_ok();
        }
    }
}
