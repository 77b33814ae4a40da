//! Immutable files: the read capability and the verify capability.

use tahoe_crypto::{ImmutableReadKey, StorageIndex, UriExtensionHash};

use crate::CapError;
use crate::fields::Fields;

/// Reads an immutable file: `key : UEB hash : k : N : size`.
///
/// k, N and the size are as the text states them, not yet checked for sense.
#[derive(Clone, PartialEq, Eq)]
pub struct ChkReadCap {
    /// Deciphers the file and names its shares.
    pub key: ImmutableReadKey,
    /// Proves the URI extension block and with it every share.
    pub uri_extension_hash: UriExtensionHash,
    /// k.
    pub shares_needed: u64,
    /// N.
    pub shares_total: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// Fetches and checks the shares of an immutable file and deciphers nothing:
/// `storage index : UEB hash : k : N : size`.
#[derive(Clone, PartialEq, Eq)]
pub struct ChkVerifyCap {
    /// Names the shares.
    pub storage_index: StorageIndex,
    /// Proves the URI extension block and with it every share.
    pub uri_extension_hash: UriExtensionHash,
    /// k.
    pub shares_needed: u64,
    /// N.
    pub shares_total: u64,
    /// Bytes of the file.
    pub size: u64,
}

impl ChkReadCap {
    pub(crate) fn parse(mut fields: Fields<'_>) -> Result<Self, CapError> {
        let key = ImmutableReadKey::from_bytes(fields.bytes("key")?);
        fields.colon("key")?;
        let cap = parse_file_part(&mut fields)?.with_key(key);
        fields.end()?;
        Ok(cap)
    }

    pub(crate) fn fields_text(&self) -> String {
        let Self {
            key,
            uri_extension_hash,
            shares_needed,
            shares_total,
            size,
        } = self;
        let key = key.to_base32();
        format!("{key}:{uri_extension_hash}:{shares_needed}:{shares_total}:{size}")
    }

    /// Derives where servers keep the shares.
    pub fn storage_index(&self) -> StorageIndex {
        self.key.storage_index()
    }

    /// Derives the weaker capability that only checks.
    pub fn to_verify(&self) -> ChkVerifyCap {
        ChkVerifyCap {
            storage_index: self.storage_index(),
            uri_extension_hash: self.uri_extension_hash,
            shares_needed: self.shares_needed,
            shares_total: self.shares_total,
            size: self.size,
        }
    }
}

impl ChkVerifyCap {
    /// Whatever follows the size is ignored and not written again; the reference's pattern has no
    /// end here.
    pub(crate) fn parse(mut fields: Fields<'_>) -> Result<Self, CapError> {
        let storage_index = StorageIndex::from_bytes(fields.bytes("storage index")?);
        fields.colon("storage index")?;
        Ok(parse_file_part(&mut fields)?.with_storage_index(storage_index))
    }

    pub(crate) fn fields_text(&self) -> String {
        let Self {
            storage_index,
            uri_extension_hash,
            shares_needed,
            shares_total,
            size,
        } = self;
        format!("{storage_index}:{uri_extension_hash}:{shares_needed}:{shares_total}:{size}")
    }
}

/// The fields that both capabilities have.
struct FilePart {
    uri_extension_hash: UriExtensionHash,
    shares_needed: u64,
    shares_total: u64,
    size: u64,
}

fn parse_file_part(fields: &mut Fields<'_>) -> Result<FilePart, CapError> {
    let uri_extension_hash = UriExtensionHash::from_bytes(fields.bytes("UEB hash")?);
    fields.colon("UEB hash")?;
    let shares_needed = fields.number("needed shares")?;
    fields.colon("needed shares")?;
    let shares_total = fields.number("total shares")?;
    fields.colon("total shares")?;
    Ok(FilePart {
        uri_extension_hash,
        shares_needed,
        shares_total,
        size: fields.number("size")?,
    })
}

impl FilePart {
    fn with_key(self, key: ImmutableReadKey) -> ChkReadCap {
        ChkReadCap {
            key,
            uri_extension_hash: self.uri_extension_hash,
            shares_needed: self.shares_needed,
            shares_total: self.shares_total,
            size: self.size,
        }
    }

    fn with_storage_index(self, storage_index: StorageIndex) -> ChkVerifyCap {
        ChkVerifyCap {
            storage_index,
            uri_extension_hash: self.uri_extension_hash,
            shares_needed: self.shares_needed,
            shares_total: self.shares_total,
            size: self.size,
        }
    }
}

impl std::fmt::Debug for ChkReadCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChkReadCap({})", self.storage_index())
    }
}

impl std::fmt::Debug for ChkVerifyCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChkVerifyCap({})", self.storage_index)
    }
}
