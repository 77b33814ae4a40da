//! Who a node is: an Ed25519 key (`node.privkey`) and the id of its Foolscap certificate.

use crate::newtypes::public_bytes;
use ed25519_dalek::Signer as _;
use tahoe_encoding::base32::{self, Base32Error};

public_bytes! {
    /// Id of a Foolscap Tub: SHA-1 of its DER certificate; 32 characters of base32.
    TubId, 20
}

impl TubId {
    /// Derives the id from a certificate in DER.
    pub fn from_certificate_der(der: &[u8]) -> Self {
        use sha1::Digest as _;
        Self::from_bytes(sha1::Sha1::digest(der).into())
    }
}

/// Name of a server: `v0-` and the base32 of its Ed25519 key, or a tub id for very old servers.
///
/// It comes from announcements and `servers.yaml`, so its text may be anything printable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(String);

impl ServerId {
    /// Takes the id as announced.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The permutation seed of a server that announces none: its key, or the SHA-256 of an id that
    /// isn't a key (servers of before Tahoe-LAFS 1.12).
    ///
    /// An id that has a key's shape but isn't base32 is an error.
    pub fn default_permutation_seed(&self) -> Result<Vec<u8>, Base32Error> {
        use sha2::Digest as _;
        let key = self.0.strip_prefix("v0-");
        match key.filter(|key| key.len() == 52 && key.bytes().all(|b| b.is_ascii_alphanumeric())) {
            Some(key) => base32::decode(&key.to_ascii_lowercase()),
            None => Ok(sha2::Sha256::digest(&self.0).to_vec()),
        }
    }

    /// The eight characters that logs and pages show.
    pub fn short(&self) -> String {
        self.0
            .strip_prefix("v0-")
            .unwrap_or(&self.0)
            .chars()
            .take(8)
            .collect()
    }
}

impl std::fmt::Display for ServerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for ServerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerId({})", self.short())
    }
}

/// The text of an Ed25519 key or signature is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It doesn't begin as such a text must.
    #[error("doesn't begin with {expected:?}")]
    BadPrefix {
        /// How it must begin.
        expected: &'static str,
    },
    /// What follows isn't base32 of the right length.
    #[error("bad key text")]
    BadText(#[source] Base32Error),
    /// The bytes aren't a point on the curve.
    #[error("not an Ed25519 public key")]
    NotAKey,
}

fn decode_after<const N: usize>(
    prefix: &'static str,
    text: &str,
) -> Result<[u8; N], IdentityError> {
    let rest = text
        .strip_prefix(prefix)
        .ok_or(IdentityError::BadPrefix { expected: prefix })?;
    base32::decode_array(rest).map_err(IdentityError::BadText)
}

/// A node's Ed25519 private key; signs announcements.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes the key of a 32-byte random seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads `priv-v0-` and 52 characters of base32.
    pub fn from_text(text: &str) -> Result<Self, IdentityError> {
        decode_after("priv-v0-", text.trim()).map(|seed| Self::from_seed(&seed))
    }

    /// Writes the form that `from_text` reads: for `private/node.privkey`, never for a log.
    pub fn to_text(&self) -> String {
        format!("priv-v0-{}", base32::encode(self.0.as_bytes()))
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs bytes: 64 bytes of signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {})", self.verifying_key())
    }
}

/// A node's Ed25519 public key; prints as `pub-v0-…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Reads `pub-v0-` and 52 characters of base32.
    pub fn from_text(text: &str) -> Result<Self, IdentityError> {
        let bytes = decode_after("pub-v0-", text.trim())?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
        key.map(Self).map_err(|_| IdentityError::NotAKey)
    }

    /// The 32 bytes, which are also the permutation seed of a new server.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The id of the server that has this key: `v0-…`.
    pub fn server_id(&self) -> ServerId {
        ServerId(format!("v0-{}", base32::encode(self.as_bytes())))
    }

    /// Checks a signature over bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl std::fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pub-v0-{}", base32::encode(self.as_bytes()))
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

/// Where a server with this seed stands in the permuted order for a storage index: SHA-1 of both.
pub fn permutation_hash(storage_index: &crate::StorageIndex, seed: &[u8]) -> [u8; 20] {
    use sha1::Digest as _;
    sha1::Sha1::new()
        .chain_update(storage_index.as_bytes())
        .chain_update(seed)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_permutation_seed_is_the_key_or_a_hash() {
        let key = SigningKey::from_seed(&[7; 32]).verifying_key();
        let seed = key.server_id().default_permutation_seed().unwrap();
        assert_eq!(seed, key.as_bytes());

        let old = ServerId::new("abc");
        let expected = "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq";
        let seed = old.default_permutation_seed().unwrap();
        assert_eq!(base32::encode(&seed), expected, "SHA-256 of abc");

        let bad = ServerId::new(format!("v0-{}", "1".repeat(52)));
        assert!(bad.default_permutation_seed().is_err());
    }
}
