//! Tub ids: who a tub is.

use data_encoding::{Encoding, Specification};
use sha1::Digest as _;
use std::sync::LazyLock;

/// Lower-case base32 of RFC 4648 without padding, as Foolscap writes it.
pub(crate) static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().expect("32 distinct symbols")
});

/// A tub's identity: the SHA-1 of its certificate in DER, 32 characters of base32 in texts.
///
/// The order is that of the texts: the greater of two tubs decides over their connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TubId([u8; 20]);

/// A text isn't a tub id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tub id: it must be 32 characters of a-z and 2-7")]
pub struct BadTubId;

impl TubId {
    /// Takes the hash.
    pub const fn from_bytes(hash: [u8; 20]) -> Self {
        Self(hash)
    }

    /// Computes the id of whoever has this certificate, in DER.
    pub fn of_certificate(der: &[u8]) -> Self {
        Self(sha1::Sha1::digest(der).into())
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl std::fmt::Display for TubId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl std::fmt::Debug for TubId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TubId({self})")
    }
}

impl std::str::FromStr for TubId {
    type Err = BadTubId;

    fn from_str(text: &str) -> Result<Self, BadTubId> {
        let bytes = BASE32.decode(text.as_bytes()).map_err(|_| BadTubId)?;
        bytes.try_into().map(Self).map_err(|_| BadTubId)
    }
}

impl Ord for TubId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialOrd for TubId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let text = "y3o76xcnlz2ozxc252v7sv5infn4cats";
        let id: TubId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for bad in ["", "y3o76", "Y3O76XCNLZ2OZXC252V7SV5INFN4CATS", "1"] {
            assert_eq!(bad.parse::<TubId>(), Err(BadTubId), "{bad:?}");
        }
    }

    #[test]
    fn digits_sort_before_letters_as_in_the_text() {
        let letter: TubId = "a3o76xcnlz2ozxc252v7sv5infn4cats".parse().unwrap();
        let digit: TubId = "73o76xcnlz2ozxc252v7sv5infn4cats".parse().unwrap();
        assert!(digit < letter && digit.as_bytes() > letter.as_bytes());
    }

    #[test]
    fn is_the_hash_of_the_certificate() {
        // base64.b32encode(hashlib.sha1(b"certificate").digest()).lower()
        let expected = "onnnk4obrhl3vbcgjp2kt4osfaaxlmji";
        assert_eq!(TubId::of_certificate(b"certificate").to_string(), expected);
    }
}
