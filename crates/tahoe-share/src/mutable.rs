//! Layouts of mutable shares' payloads: SDMF (version 0) and MDMF (version 1).
//!
//! Reading them here proves nothing: the signature, the hashes and the share's place in the tree
//! are for the reader of a mutable file to check.

mod build;
mod geometry;
mod mdmf;
mod sdmf;

use std::ops::Range;

use tahoe_crypto::hash::Hash;
use tahoe_encoding::{Reader, UnexpectedEnd};

use crate::geometry::GeometryError;
use crate::hash_tree::HashTreeError;
use crate::share_hash_chain::ShareHashChainError;

pub use build::{MDMF_SHARE_DATA, ShareParts, mdmf_signed_prefix, sdmf_signed_prefix};
pub use geometry::{MDMF_SEGMENT_SIZE, MutableGeometry, SALT_LENGTH, mutable_block_hash};
pub use mdmf::MdmfHeader;
pub use sdmf::{SdmfHeader, SdmfShare};

/// A mutable share's layout is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MutableLayoutError {
    /// The share ends inside its header or inside a part that the header places.
    #[error("mutable share is cut short")]
    Truncated(#[from] UnexpectedEnd),
    /// Neither SDMF nor MDMF.
    #[error("mutable share version {version} is unknown")]
    UnknownVersion {
        /// As the first byte states it.
        version: u8,
    },
    /// A part ends before it begins.
    #[error("{part} from {start} to {end}")]
    BackwardPart {
        /// Which part.
        part: &'static str,
        /// Offset where it begins.
        start: u64,
        /// Offset where it ends.
        end: u64,
    },
    /// The share hash chain isn't made of whole entries, or is too long.
    #[error("bad share hash chain")]
    BadShareHashChain(#[from] ShareHashChainError),
    /// The block hash tree isn't made of whole hashes, or of too many or too few.
    #[error("block hash tree of {length} bytes doesn't fit the file")]
    BadBlockHashTree {
        /// In bytes.
        length: u64,
    },
    /// k, N, segment size and file size describe no possible file.
    #[error("impossible encoding")]
    BadGeometry(#[from] GeometryError),
    /// The file has more segments than a hash tree has leaves, or more shares.
    #[error("impossible hash tree")]
    BadHashTree(#[from] HashTreeError),
    /// An SDMF file with more than one segment.
    #[error("SDMF file of {data_length} bytes in segments of {segment_size}")]
    SeveralSegments {
        /// In bytes.
        segment_size: u64,
        /// In bytes.
        data_length: u64,
    },
    /// A part would lie farther from the start than its format can say.
    #[error("offset {offset} is too large for its field")]
    OffsetTooLarge {
        /// From the start of the share.
        offset: u64,
    },
}

/// The fields that both formats sign. They are as stored, not yet checked for sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedFields {
    /// Counts the versions of the file, from 1.
    pub sequence_number: u64,
    /// Root of the share hash tree.
    pub root_hash: Hash,
    /// k.
    pub shares_needed: u8,
    /// N; a mutable file has at most 255 shares.
    pub shares_total: u8,
    /// Bytes of a segment, a multiple of k; 0 for an empty SDMF file.
    pub segment_size: u64,
    /// Bytes of the file.
    pub data_length: u64,
}

impl SignedFields {
    fn read_version(reader: &mut Reader<'_>) -> Result<(u64, Hash), UnexpectedEnd> {
        Ok((reader.u64()?, reader.array()?))
    }

    fn read_encoding(
        reader: &mut Reader<'_>,
        (sequence_number, root_hash): (u64, Hash),
    ) -> Result<Self, UnexpectedEnd> {
        Ok(Self {
            sequence_number,
            root_hash,
            shares_needed: reader.u8()?,
            shares_total: reader.u8()?,
            segment_size: reader.u64()?,
            data_length: reader.u64()?,
        })
    }

    fn push_version(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.root_hash);
    }

    fn push_encoding(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.shares_needed, self.shares_total]);
        out.extend_from_slice(&self.segment_size.to_be_bytes());
        out.extend_from_slice(&self.data_length.to_be_bytes());
    }
}

/// The header of a share of either format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutableHeader {
    /// Version 0.
    Sdmf(SdmfHeader),
    /// Version 1.
    Mdmf(MdmfHeader),
}

impl MutableHeader {
    /// Bytes that hold either header: what a reader fetches first.
    pub const MAX_LENGTH: u64 = MdmfHeader::LENGTH;

    /// Reads the header of whichever format the first byte names.
    pub fn parse(share: &[u8]) -> Result<Self, MutableLayoutError> {
        match Reader::new(share).u8()? {
            SdmfHeader::VERSION => SdmfHeader::parse(share).map(Self::Sdmf),
            MdmfHeader::VERSION => MdmfHeader::parse(share).map(Self::Mdmf),
            version => Err(MutableLayoutError::UnknownVersion { version }),
        }
    }

    /// The signed fields.
    pub fn signed(&self) -> &SignedFields {
        match self {
            Self::Sdmf(header) => &header.signed,
            Self::Mdmf(header) => &header.signed,
        }
    }
}

/// A part between two offsets of a header; refuses one that ends before it begins.
fn part(name: &'static str, start: u64, end: u64) -> Result<Range<u64>, MutableLayoutError> {
    if end < start {
        let part = name;
        return Err(MutableLayoutError::BackwardPart { part, start, end });
    }
    Ok(start..end)
}

/// Refuses a version other than the expected one.
fn expect_version(reader: &mut Reader<'_>, expected: u8) -> Result<(), MutableLayoutError> {
    match reader.u8()? {
        version if version == expected => Ok(()),
        version => Err(MutableLayoutError::UnknownVersion { version }),
    }
}

#[cfg(test)]
mod tests;
