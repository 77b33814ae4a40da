//! Layout of an immutable share's payload, versions 1 and 2 (`immutable/layout.py` by behaviour).
//!
//! ```text
//! big-endian; a field is 4 bytes in version 1 and 8 bytes in version 2
//! v1    v2
//! 0x00  0x00  version                 u32 in both: 1 or 2
//! 0x04  0x04  block size              for readers before Tahoe 1.3; ignored
//! 0x08  0x0c  share data size         likewise
//! 0x0c  0x14  offset of data          0x24 or 0x44
//! 0x10  0x1c  offset of plaintext hash tree
//! 0x14  0x24  offset of crypttext hash tree
//! 0x18  0x2c  offset of block hashes
//! 0x1c  0x34  offset of share hashes
//! 0x20  0x3c  offset of URI extension
//! 0x24  0x44  data: one block per segment
//!       …     plaintext hash tree: unused, as large as the next, zeros
//!       …     crypttext hash tree: all nodes
//!       …     block hashes: all nodes of this share's block tree
//!       …     share hashes: (u16 node number, 32-byte hash) of this share's proof
//!       …     URI extension: its length in one field, then the block
//! ```
//!
//! A writer takes version 1 whenever every field fits. A reader takes the offsets as they come,
//! because old writers left areas out; the hashes say whether what lies there is right.

use std::ops::Range;

use tahoe_encoding::{Reader, UnexpectedEnd};

use crate::geometry::{GeometryError, SegmentGeometry};
use crate::hash_tree::{HashTree, HashTreeError, TreeShape};
use crate::share_hash_chain::{
    SHARE_HASH_ENTRY_LENGTH, ShareHash, ShareHashChainError, check_chain_length,
    encode_share_hash_chain,
};
use crate::uri_extension::{MAX_URI_EXTENSION_LENGTH, UriExtension};

/// An immutable share's layout is malformed or can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The header is cut short.
    #[error("share header is cut short")]
    Truncated(#[from] UnexpectedEnd),
    /// Neither version 1 nor 2.
    #[error("share version {version} is unknown")]
    UnknownVersion {
        /// As the header states it.
        version: u32,
    },
    /// The block hashes don't end after they begin, or aren't whole hashes.
    #[error("block hashes from {start} to {end} are no hashes")]
    BadBlockHashes {
        /// Offset where they begin.
        start: u64,
        /// Offset where they end.
        end: u64,
    },
    /// The share hashes end before they begin.
    #[error("share hashes from {start} to {end} are no hashes")]
    BadShareHashes {
        /// Offset where they begin.
        start: u64,
        /// Offset where they end.
        end: u64,
    },
    /// The share hashes have an impossible length.
    #[error("share hashes have an impossible length")]
    BadShareHashChain(#[from] ShareHashChainError),
    /// The URI extension block claims a length that none has.
    #[error("URI extension block of {length} bytes")]
    RidiculousUriExtension {
        /// In bytes.
        length: u64,
    },
    /// Some offset doesn't fit 64 bits.
    #[error("share is too large")]
    TooLarge,
    /// There is no such segment, or the sizes are impossible.
    #[error("no such block")]
    Geometry(#[from] GeometryError),
    /// There is no such hash, or the file has too many segments for a hash tree.
    #[error("no such hash")]
    HashTree(#[from] HashTreeError),
    /// Parts given to a writer aren't of the sizes that the layout was made for.
    #[error("{part} is not of the size planned for it")]
    UnplannedSize {
        /// Which part.
        part: &'static str,
    },
}

/// Which of the two headers a share has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShareVersion {
    /// 32-bit fields.
    V1,
    /// 64-bit fields.
    V2,
}

impl ShareVersion {
    /// The number in the header.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// Bytes of the whole header, after which the blocks begin.
    pub fn header_length(self) -> u64 {
        match self {
            Self::V1 => 0x24,
            Self::V2 => 0x44,
        }
    }

    /// Bytes of one field: of each offset and of the URI extension's length.
    pub fn field_length(self) -> u64 {
        match self {
            Self::V1 => 4,
            Self::V2 => 8,
        }
    }

    fn read_field(self, reader: &mut Reader<'_>) -> Result<u64, UnexpectedEnd> {
        match self {
            Self::V1 => reader.u32().map(u64::from),
            Self::V2 => reader.u64(),
        }
    }

    /// Appends a number, of which the caller knows that it fits a field.
    fn push_field(self, out: &mut Vec<u8>, value: u64) {
        let bytes = value.to_be_bytes();
        let (_, low_half) = bytes.split_at(4);
        out.extend_from_slice(match self {
            Self::V1 => low_half,
            Self::V2 => &bytes,
        });
    }
}

/// Where the parts of one share lie; offsets count from the first byte of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareLayout {
    /// Which header.
    pub version: ShareVersion,
    /// Bytes of a block; for information only.
    pub block_size: u64,
    /// Bytes of all blocks; for information only.
    pub data_size: u64,
    /// Offset of the first block.
    pub data: u64,
    /// Offset of the unused plaintext hash tree.
    pub plaintext_hash_tree: u64,
    /// Offset of the crypttext hash tree.
    pub crypttext_hash_tree: u64,
    /// Offset of the block hash tree.
    pub block_hashes: u64,
    /// Offset of the share hash chain.
    pub share_hashes: u64,
    /// Offset of the URI extension's length, which the block follows.
    pub uri_extension: u64,
}

impl ShareLayout {
    /// Bytes that hold either header: what a reader fetches first.
    pub const MAX_HEADER_LENGTH: u64 = 0x44;

    /// Lays out a share of a new file: version 1 if all its fields fit 32 bits, else version 2.
    pub fn for_upload(geometry: &SegmentGeometry) -> Result<Self, LayoutError> {
        let v1 = Self::with_version(ShareVersion::V1, geometry)?;
        if v1.fits(u32::MAX.into()) {
            return Ok(v1);
        }
        Self::with_version(ShareVersion::V2, geometry)
    }

    /// Lays out a share of a new file with this header.
    fn with_version(
        version: ShareVersion,
        geometry: &SegmentGeometry,
    ) -> Result<Self, LayoutError> {
        let tree = TreeShape::new(geometry.segment_count())?.stored_length();
        let share_tree = TreeShape::new(geometry.shares_total().into())?;
        let chain = share_tree
            .share_hash_count()
            .saturating_mul(SHARE_HASH_ENTRY_LENGTH);
        let after =
            |offset: u64, length: u64| offset.checked_add(length).ok_or(LayoutError::TooLarge);
        let data = version.header_length();
        let plaintext_hash_tree = after(data, geometry.share_data_size())?;
        let crypttext_hash_tree = after(plaintext_hash_tree, tree)?;
        let block_hashes = after(crypttext_hash_tree, tree)?;
        let share_hashes = after(block_hashes, tree)?;
        let uri_extension = after(share_hashes, chain)?;
        // The end must be countable too.
        after(uri_extension, MAX_URI_EXTENSION_LENGTH)?;
        Ok(Self {
            version,
            block_size: geometry.block_size(),
            data_size: geometry.share_data_size(),
            data,
            plaintext_hash_tree,
            crypttext_hash_tree,
            block_hashes,
            share_hashes,
            uri_extension,
        })
    }

    /// Says whether no field exceeds `limit`; the last offset is the largest.
    fn fits(&self, limit: u64) -> bool {
        self.block_size <= limit && self.data_size <= limit && self.uri_extension <= limit
    }

    /// Bytes of the whole share of a new file: what the uploader asks a server to allocate.
    pub fn allocated_size(&self, geometry: &SegmentGeometry) -> u64 {
        let block = UriExtension::length_for(geometry);
        let block_start = self
            .uri_extension
            .saturating_add(self.version.field_length());
        block_start.saturating_add(block)
    }

    /// Bytes of the whole share if it ends with this URI extension block.
    pub fn size_with(&self, uri_extension: &[u8]) -> u64 {
        self.uri_extension
            .saturating_add(self.version.field_length())
            .saturating_add(uri_extension.len() as u64)
    }

    /// Writes the header.
    pub fn header(&self) -> Vec<u8> {
        let mut header = self.version.number().to_be_bytes().to_vec();
        for field in [
            self.block_size,
            self.data_size,
            self.data,
            self.plaintext_hash_tree,
            self.crypttext_hash_tree,
            self.block_hashes,
            self.share_hashes,
            self.uri_extension,
        ] {
            self.version.push_field(&mut header, field);
        }
        header
    }

    /// Writes everything after the blocks: the two hash trees, the proof and the URI extension.
    pub fn trailer(
        &self,
        crypttext_hash_tree: &HashTree,
        block_hash_tree: &HashTree,
        share_hash_chain: &[ShareHash],
        uri_extension: &[u8],
    ) -> Result<Vec<u8>, LayoutError> {
        let planned = self.share_hashes.saturating_sub(self.block_hashes);
        for (part, tree) in [
            ("crypttext hash tree", crypttext_hash_tree),
            ("block hash tree", block_hash_tree),
        ] {
            if tree.shape().stored_length() != planned {
                return Err(LayoutError::UnplannedSize { part });
            }
        }
        let chain = encode_share_hash_chain(share_hash_chain);
        if chain.len() as u64 != self.uri_extension.saturating_sub(self.share_hashes) {
            let part = "share hash chain";
            return Err(LayoutError::UnplannedSize { part });
        }
        let tree_length = crypttext_hash_tree.nodes().as_flattened().len();
        let mut bytes = vec![0; tree_length];
        bytes.extend_from_slice(crypttext_hash_tree.nodes().as_flattened());
        bytes.extend_from_slice(block_hash_tree.nodes().as_flattened());
        bytes.extend_from_slice(&chain);
        self.version
            .push_field(&mut bytes, uri_extension.len() as u64);
        bytes.extend_from_slice(uri_extension);
        Ok(bytes)
    }

    /// Reads a header from the first bytes of a share; more than the header is ignored.
    pub fn parse(share: &[u8]) -> Result<Self, LayoutError> {
        let mut reader = Reader::new(share);
        let version = match reader.u32()? {
            1 => ShareVersion::V1,
            2 => ShareVersion::V2,
            version => return Err(LayoutError::UnknownVersion { version }),
        };
        let mut field = || version.read_field(&mut reader);
        let layout = Self {
            version,
            block_size: field()?,
            data_size: field()?,
            data: field()?,
            plaintext_hash_tree: field()?,
            crypttext_hash_tree: field()?,
            block_hashes: field()?,
            share_hashes: field()?,
            uri_extension: field()?,
        };
        layout.check_tables()?;
        Ok(layout)
    }

    fn check_tables(&self) -> Result<(), LayoutError> {
        let (start, end) = (self.block_hashes, self.share_hashes);
        match end.checked_sub(start) {
            Some(length) if length.checked_rem(32) == Some(0) => {}
            _ => return Err(LayoutError::BadBlockHashes { start, end }),
        }
        let (start, end) = (self.share_hashes, self.uri_extension);
        match end.checked_sub(start) {
            Some(length) => Ok(check_chain_length(length)?),
            None => Err(LayoutError::BadShareHashes { start, end }),
        }
    }

    /// Where the block of a segment lies.
    pub fn block_range(
        &self,
        geometry: &SegmentGeometry,
        segment_number: u64,
    ) -> Result<Range<u64>, LayoutError> {
        shifted(geometry.block_range(segment_number)?, self.data)
    }

    /// Where a node of the crypttext hash tree lies.
    pub fn crypttext_hash_range(
        &self,
        shape: &TreeShape,
        node: u64,
    ) -> Result<Range<u64>, LayoutError> {
        shifted(shape.stored_range_of(node)?, self.crypttext_hash_tree)
    }

    /// Where a node of the block hash tree lies.
    pub fn block_hash_range(
        &self,
        shape: &TreeShape,
        node: u64,
    ) -> Result<Range<u64>, LayoutError> {
        shifted(shape.stored_range_of(node)?, self.block_hashes)
    }

    /// Where the whole crypttext hash tree lies.
    pub fn crypttext_hash_tree_range(&self, shape: &TreeShape) -> Result<Range<u64>, LayoutError> {
        shifted(0..shape.stored_length(), self.crypttext_hash_tree)
    }

    /// Where the block hash tree lies.
    pub fn block_hashes_range(&self) -> Range<u64> {
        self.block_hashes..self.share_hashes
    }

    /// Where the share hash chain lies.
    pub fn share_hashes_range(&self) -> Range<u64> {
        self.share_hashes..self.uri_extension
    }

    /// Where the length of the URI extension lies.
    pub fn uri_extension_length_range(&self) -> Result<Range<u64>, LayoutError> {
        shifted(0..self.version.field_length(), self.uri_extension)
    }

    /// Reads the length of the URI extension; says where in the share the block lies.
    pub fn uri_extension_range(&self, length_field: &[u8]) -> Result<Range<u64>, LayoutError> {
        let length = self.version.read_field(&mut Reader::new(length_field))?;
        if length >= MAX_URI_EXTENSION_LENGTH {
            return Err(LayoutError::RidiculousUriExtension { length });
        }
        let start = self.uri_extension_length_range()?.end;
        shifted(0..length, start)
    }
}

fn shifted(range: Range<u64>, by: u64) -> Result<Range<u64>, LayoutError> {
    let shift = |offset: u64| offset.checked_add(by).ok_or(LayoutError::TooLarge);
    Ok(shift(range.start)?..shift(range.end)?)
}

#[cfg(test)]
mod tests;
