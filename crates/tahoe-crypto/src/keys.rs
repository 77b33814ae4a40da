//! Keys of files and what is derived from them (`tahoe-1.20`, `uri.py` and `hashutil.py` by name;
//! the specification is `docs/specifications/file-encoding.rst` of Tahoe-LAFS).

use crate::hash::{self, TaggedHasher, truncate};
use crate::newtypes::{public_bytes, secret_bytes};
use tahoe_encoding::netstring;

public_bytes! {
    /// Names a file's shares to servers; 16 bytes, 26 characters of base32.
    ///
    /// Whoever knows it can ask servers for the ciphertext and can decipher nothing.
    StorageIndex, 16
}

public_bytes! {
    /// Fingerprint of a mutable file's RSA public key: what a reader checks signatures against.
    Fingerprint, 32
}

public_bytes! {
    /// Hash of an immutable file's URI extension block: what a reader checks shares against.
    UriExtensionHash, 32
}

secret_bytes! {
    /// Deciphers an immutable file.
    ImmutableReadKey, 16
}

secret_bytes! {
    /// Deciphers a mutable file or directory.
    ReadKey, 16
}

secret_bytes! {
    /// Changes a mutable file or directory.
    WriteKey, 16
}

secret_bytes! {
    /// Deciphers one segment of a mutable file, from its first byte.
    DataKey, 16
}

impl StorageIndex {
    /// First five characters, for logs and pages.
    pub fn abbreviated(&self) -> String {
        self.to_string()[..5].to_owned()
    }
}

impl ImmutableReadKey {
    /// Derives where servers keep the shares.
    pub fn storage_index(&self) -> StorageIndex {
        let tag = b"allmydata_immutable_key_to_storage_index_v1";
        StorageIndex::from_bytes(truncate(hash::tagged(tag, self.as_bytes())))
    }
}

impl WriteKey {
    /// Derives the write key from an RSA private key in PKCS #8 DER.
    pub fn from_private_key_der(der: &[u8]) -> Self {
        let tag = b"allmydata_mutable_privkey_to_writekey_v1";
        Self::from_bytes(truncate(hash::tagged(tag, der)))
    }

    /// Derives the weaker key that only reads.
    pub fn read_key(&self) -> ReadKey {
        let tag = b"allmydata_mutable_writekey_to_readkey_v1";
        ReadKey::from_bytes(truncate(hash::tagged(tag, self.as_bytes())))
    }
}

impl ReadKey {
    /// Derives the key of a segment that was enciphered with this salt.
    pub fn data_key(&self, salt: &[u8; 16]) -> DataKey {
        let tag = b"allmydata_mutable_readkey_to_datakey_v1";
        DataKey::from_bytes(truncate(hash::tagged_pair(tag, salt, self.as_bytes())))
    }

    /// Derives where servers keep the shares.
    pub fn storage_index(&self) -> StorageIndex {
        let tag = b"allmydata_mutable_readkey_to_storage_index_v1";
        StorageIndex::from_bytes(truncate(hash::tagged(tag, self.as_bytes())))
    }
}

impl Fingerprint {
    /// Derives the fingerprint of an RSA public key in SubjectPublicKeyInfo DER.
    pub fn from_public_key_der(der: &[u8]) -> Self {
        Self::from_bytes(hash::tagged(
            b"allmydata_mutable_pubkey_to_fingerprint_v1",
            der,
        ))
    }
}

/// Separates the convergent keys of groups that don't want to share storage; usually 32 bytes.
///
/// Uploads of the same content with the same secret and encoding give the same capability.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct ConvergenceSecret(Vec<u8>);

impl ConvergenceSecret {
    /// Takes the secret's bytes, of any length.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Starts the hash over a file's plaintext that gives its convergent key.
    ///
    /// `segment_size` is in bytes, already rounded up to a multiple of `shares_needed`. End it with
    /// [`TaggedHasher::finish_truncated`].
    pub fn hasher(&self, shares_needed: u16, shares_total: u16, segment_size: u64) -> TaggedHasher {
        let mut tag = b"allmydata_immutable_content_to_key_with_added_secret_v1+".to_vec();
        netstring::push(&mut tag, &self.0);
        let parameters = format!("{shares_needed},{shares_total},{segment_size}");
        netstring::push(&mut tag, parameters.as_bytes());
        TaggedHasher::new(&tag)
    }
}

impl std::fmt::Debug for ConvergenceSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConvergenceSecret(~{})", hash::log_fingerprint(&self.0))
    }
}
