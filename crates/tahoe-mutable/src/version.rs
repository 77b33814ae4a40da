//! What names one version of a mutable file.

use tahoe_caps::MutableFormat;
use tahoe_crypto::hash::Hash;
use tahoe_share::mutable::{MutableGeometry, MutableHeader, MutableLayoutError};

/// One version: everything that its writer signed.
///
/// Versions are ordered by sequence number, then by root hash: among recoverable ones the greatest
/// is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Counts the versions, from 1.
    pub sequence_number: u64,
    /// Root of the share hash tree.
    pub root_hash: Hash,
    /// Of an SDMF version.
    salt: Option<[u8; 16]>,
    segment_size: u64,
    /// Bytes of the file.
    pub data_length: u64,
    /// k.
    pub shares_needed: u8,
    /// N.
    pub shares_total: u8,
}

impl Version {
    /// The version that a header announces.
    pub(crate) fn of(header: &MutableHeader) -> Self {
        let signed = header.signed();
        Self {
            sequence_number: signed.sequence_number,
            root_hash: signed.root_hash,
            salt: header.salt(),
            segment_size: signed.segment_size,
            data_length: signed.data_length,
            shares_needed: signed.shares_needed,
            shares_total: signed.shares_total,
        }
    }

    /// How the version is laid out.
    pub fn format(&self) -> MutableFormat {
        match self.salt {
            Some(_) => MutableFormat::Sdmf,
            None => MutableFormat::Mdmf,
        }
    }

    /// The name that people see: `seq5-abcd`.
    pub fn label(&self) -> String {
        let root = tahoe_encoding::base32::encode(&self.root_hash);
        format!("seq{}-{}", self.sequence_number, &root[..4])
    }
}

/// A header that was parsed, with the sizes that follow from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShareHeader {
    pub(crate) header: MutableHeader,
    pub(crate) geometry: MutableGeometry,
    pub(crate) version: Version,
}

impl ShareHeader {
    /// Reads the start of a share; says nothing of its truth.
    pub(crate) fn parse(start: &[u8]) -> Result<Self, MutableLayoutError> {
        Self::new(MutableHeader::parse(start)?)
    }

    pub(crate) fn new(header: MutableHeader) -> Result<Self, MutableLayoutError> {
        Ok(Self {
            geometry: MutableGeometry::of(&header)?,
            version: Version::of(&header),
            header,
        })
    }
}
