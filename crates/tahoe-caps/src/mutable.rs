//! Mutable files of either format: write, read and verify capabilities.
//!
//! Each is a key (or, to verify, the storage index) and the fingerprint of the RSA public key
//! against which signatures are checked. SDMF and MDMF differ in the prefix, and in that MDMF
//! leaves room for text after another colon, which is ignored.

use tahoe_crypto::{Fingerprint, ReadKey, StorageIndex, WriteKey};

use crate::CapError;
use crate::fields::Fields;

/// How a mutable file is laid out in its shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MutableFormat {
    /// Small distributed mutable file: one segment, `URI:SSK…`.
    Sdmf,
    /// Medium distributed mutable file: many segments, `URI:MDMF…`.
    Mdmf,
}

impl MutableFormat {
    /// Its name in the web API: `SDMF` or `MDMF`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sdmf => "SDMF",
            Self::Mdmf => "MDMF",
        }
    }
}

/// Changes and reads a mutable file.
#[derive(Clone, PartialEq, Eq)]
pub struct MutableWriteCap {
    /// How the file is laid out.
    pub format: MutableFormat,
    /// Deciphers the signing key; everything else follows from it.
    pub write_key: WriteKey,
    /// Of the public key.
    pub fingerprint: Fingerprint,
}

/// Reads a mutable file.
#[derive(Clone, PartialEq, Eq)]
pub struct MutableReadCap {
    /// How the file is laid out.
    pub format: MutableFormat,
    /// Deciphers the file and names its shares.
    pub read_key: ReadKey,
    /// Of the public key.
    pub fingerprint: Fingerprint,
}

/// Fetches and checks the shares of a mutable file and deciphers nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct MutableVerifyCap {
    /// How the file is laid out.
    pub format: MutableFormat,
    /// Names the shares.
    pub storage_index: StorageIndex,
    /// Of the public key.
    pub fingerprint: Fingerprint,
}

/// Reads the two fields that all of these capabilities have.
fn parse_fields(
    format: MutableFormat,
    first_field: &'static str,
    mut fields: Fields<'_>,
) -> Result<([u8; 16], Fingerprint), CapError> {
    let first = fields.bytes(first_field)?;
    fields.colon(first_field)?;
    let fingerprint = Fingerprint::from_bytes(fields.bytes("fingerprint")?);
    match format {
        MutableFormat::Sdmf => fields.end()?,
        MutableFormat::Mdmf => fields.end_or_hints()?,
    }
    Ok((first, fingerprint))
}

impl MutableWriteCap {
    pub(crate) fn parse(format: MutableFormat, fields: Fields<'_>) -> Result<Self, CapError> {
        let (key, fingerprint) = parse_fields(format, "write key", fields)?;
        Ok(Self {
            format,
            write_key: WriteKey::from_bytes(key),
            fingerprint,
        })
    }

    pub(crate) fn fields_text(&self) -> String {
        format!("{}:{}", self.write_key.to_base32(), self.fingerprint)
    }

    /// Derives the weaker capability that only reads.
    pub fn to_read(&self) -> MutableReadCap {
        MutableReadCap {
            format: self.format,
            read_key: self.write_key.read_key(),
            fingerprint: self.fingerprint,
        }
    }

    /// Derives where servers keep the shares.
    pub fn storage_index(&self) -> StorageIndex {
        self.write_key.read_key().storage_index()
    }
}

impl MutableReadCap {
    pub(crate) fn parse(format: MutableFormat, fields: Fields<'_>) -> Result<Self, CapError> {
        let (key, fingerprint) = parse_fields(format, "read key", fields)?;
        Ok(Self {
            format,
            read_key: ReadKey::from_bytes(key),
            fingerprint,
        })
    }

    pub(crate) fn fields_text(&self) -> String {
        format!("{}:{}", self.read_key.to_base32(), self.fingerprint)
    }

    /// Derives the weaker capability that only checks.
    pub fn to_verify(&self) -> MutableVerifyCap {
        MutableVerifyCap {
            format: self.format,
            storage_index: self.storage_index(),
            fingerprint: self.fingerprint,
        }
    }

    /// Derives where servers keep the shares.
    pub fn storage_index(&self) -> StorageIndex {
        self.read_key.storage_index()
    }
}

impl MutableVerifyCap {
    pub(crate) fn parse(format: MutableFormat, fields: Fields<'_>) -> Result<Self, CapError> {
        let (storage_index, fingerprint) = parse_fields(format, "storage index", fields)?;
        Ok(Self {
            format,
            storage_index: StorageIndex::from_bytes(storage_index),
            fingerprint,
        })
    }

    pub(crate) fn fields_text(&self) -> String {
        format!("{}:{}", self.storage_index, self.fingerprint)
    }
}

impl std::fmt::Debug for MutableWriteCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (format, storage_index) = (self.format, self.storage_index());
        write!(f, "MutableWriteCap({format:?} {storage_index})")
    }
}

impl std::fmt::Debug for MutableReadCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (format, storage_index) = (self.format, self.storage_index());
        write!(f, "MutableReadCap({format:?} {storage_index})")
    }
}

impl std::fmt::Debug for MutableVerifyCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (format, storage_index) = (self.format, self.storage_index);
        write!(f, "MutableVerifyCap({format:?} {storage_index})")
    }
}
