//! How a version of a mutable file is cut into segments, and where its blocks lie in a share.

use std::ops::Range;

use tahoe_crypto::hash::{self, Hash, TaggedHasher};

use super::{MutableHeader, MutableLayoutError, SignedFields, part};
use crate::geometry::{EncodingParameters, GeometryError, SegmentGeometry};
use crate::hash_tree::TreeShape;

/// Largest segment of an MDMF file before it is rounded up to a multiple of k: 128 KiB.
pub const MDMF_SEGMENT_SIZE: u64 = 128 * 1024;

/// Bytes of a salt.
pub const SALT_LENGTH: u64 = 16;

/// Sizes of the segments and blocks of one version; an empty file has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MutableGeometry {
    encoding: EncodingParameters,
    segment_size: u64,
    data_length: u64,
    /// None for an empty file.
    segments: Option<SegmentGeometry>,
    /// Bytes of the salt that lies before each block: 16 in MDMF, none in SDMF.
    salt_length: u64,
}

impl MutableGeometry {
    /// Cuts new contents for an SDMF file: one segment, or none.
    pub fn for_sdmf(encoding: EncodingParameters, data_length: u64) -> Result<Self, GeometryError> {
        let k = u64::from(encoding.shares_needed());
        let segment_size =
            data_length
                .checked_next_multiple_of(k)
                .ok_or(GeometryError::TooLarge {
                    file_size: data_length,
                })?;
        Self::new(encoding, segment_size, data_length, 0)
    }

    /// Cuts new contents for an MDMF file: segments of 128 KiB, rounded up to a multiple of k.
    pub fn for_mdmf(encoding: EncodingParameters, data_length: u64) -> Result<Self, GeometryError> {
        let segment_size = MDMF_SEGMENT_SIZE.next_multiple_of(encoding.shares_needed().into());
        Self::new(encoding, segment_size, data_length, SALT_LENGTH)
    }

    /// Reads the sizes of the version that a header announces.
    ///
    /// An SDMF file has one segment; more would share one key and salt.
    pub fn of(header: &MutableHeader) -> Result<Self, MutableLayoutError> {
        let signed = header.signed();
        let encoding =
            EncodingParameters::new(signed.shares_needed.into(), signed.shares_total.into())?;
        let (segment_size, data_length) = (signed.segment_size, signed.data_length);
        let salt_length = match header {
            MutableHeader::Sdmf(_) => 0,
            MutableHeader::Mdmf(_) => SALT_LENGTH,
        };
        let geometry = Self::new(encoding, segment_size, data_length, salt_length)?;
        if salt_length == 0 && geometry.segment_count() > 1 {
            return Err(MutableLayoutError::SeveralSegments {
                segment_size,
                data_length,
            });
        }
        Ok(geometry)
    }

    fn new(
        encoding: EncodingParameters,
        segment_size: u64,
        data_length: u64,
        salt_length: u64,
    ) -> Result<Self, GeometryError> {
        let segments = match data_length {
            0 => None,
            _ => Some(SegmentGeometry::with_segment_size(
                encoding,
                data_length,
                segment_size,
            )?),
        };
        Ok(Self {
            encoding,
            segment_size,
            data_length,
            segments,
            salt_length,
        })
    }

    /// The fields of a new version's header.
    pub fn signed_fields(
        &self,
        sequence_number: u64,
        root_hash: Hash,
    ) -> Result<SignedFields, GeometryError> {
        let (k, n) = (self.encoding.shares_needed(), self.encoding.shares_total());
        let bad = GeometryError::BadEncoding {
            shares_needed: k.into(),
            shares_total: n.into(),
        };
        Ok(SignedFields {
            sequence_number,
            root_hash,
            shares_needed: k.try_into().map_err(|_| bad)?,
            shares_total: n.try_into().map_err(|_| bad)?,
            segment_size: self.segment_size,
            data_length: self.data_length,
        })
    }

    /// k and N.
    pub fn encoding(&self) -> EncodingParameters {
        self.encoding
    }

    /// Bytes of the file.
    pub fn data_length(&self) -> u64 {
        self.data_length
    }

    /// Bytes of every segment but the last, padding included.
    pub fn segment_size(&self) -> u64 {
        self.segment_size
    }

    /// Bytes of the salt before each block.
    pub fn salt_length(&self) -> u64 {
        self.salt_length
    }

    /// How many segments there are; 0 for an empty file.
    pub fn segment_count(&self) -> u64 {
        self.segments.map_or(0, |segments| segments.segment_count())
    }

    /// Where a segment lies in the file.
    pub fn segment_range(&self, segment: u64) -> Result<Range<u64>, GeometryError> {
        self.segments(segment)?.segment_range(segment)
    }

    /// Bytes of a segment's block, without salt.
    pub fn block_size_of(&self, segment: u64) -> Result<u64, GeometryError> {
        self.segments(segment)?.block_size_of(segment)
    }

    /// The segments that hold these bytes of the file.
    pub fn segments_of(&self, bytes: Range<u64>) -> Range<u64> {
        self.segments
            .map_or(0..0, |segments| segments.segments_of(bytes))
    }

    /// Where a segment's salt and block lie, counted from the start of the share data.
    pub fn stored_range(&self, segment: u64) -> Result<Range<u64>, GeometryError> {
        let block = self.segments(segment)?.block_range(segment)?;
        let salts = segment.saturating_mul(self.salt_length);
        let start = block.start.saturating_add(salts);
        let end = block.end.saturating_add(salts);
        Ok(start..end.saturating_add(self.salt_length))
    }

    /// Bytes of all blocks with their salts.
    pub fn share_data_length(&self) -> u64 {
        let salts = self.segment_count().saturating_mul(self.salt_length);
        let blocks = self.segments.map_or(0, |s| s.share_data_size());
        blocks.saturating_add(salts)
    }

    /// Shape of each share's block hash tree; an empty file's has one leaf.
    pub fn block_tree_shape(&self) -> Result<TreeShape, MutableLayoutError> {
        Ok(TreeShape::new(self.segment_count().max(1))?)
    }

    /// Shape of the share hash tree.
    pub fn share_tree_shape(&self) -> Result<TreeShape, MutableLayoutError> {
        Ok(TreeShape::new(self.encoding.shares_total().into())?)
    }

    fn segments(&self, segment_number: u64) -> Result<SegmentGeometry, GeometryError> {
        self.segments.ok_or(GeometryError::NoSuchSegment {
            segment_number,
            segment_count: 0,
        })
    }
}

/// Hashes a block as the block hash tree holds it: after its salt, if it has one of its own.
pub fn mutable_block_hash(salt: Option<&[u8; 16]>, block: &[u8]) -> Hash {
    let mut hasher = TaggedHasher::new(hash::BLOCK_TAG);
    if let Some(salt) = salt {
        hasher.update(salt);
    }
    hasher.update(block);
    hasher.finish()
}

/// Where the parts of either format lie in a share.
impl MutableHeader {
    /// The bytes over which the signature is made.
    pub fn signed_prefix(&self) -> Vec<u8> {
        match self {
            Self::Sdmf(header) => header.signed_prefix(),
            Self::Mdmf(header) => header.signed_prefix(),
        }
    }

    /// The first bytes, by which a writer recognises the version that it means to replace.
    pub fn checkstring(&self) -> Vec<u8> {
        match self {
            Self::Sdmf(header) => header.checkstring(),
            Self::Mdmf(header) => header.checkstring(),
        }
    }

    /// The salt of the whole file, in SDMF.
    pub fn salt(&self) -> Option<[u8; 16]> {
        match self {
            Self::Sdmf(header) => Some(header.salt),
            Self::Mdmf(_) => None,
        }
    }

    /// Where the public key lies, in SubjectPublicKeyInfo DER.
    pub fn public_key_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        match self {
            Self::Sdmf(header) => header.public_key_range(),
            Self::Mdmf(header) => header.public_key_range(),
        }
    }

    /// Where the signature lies.
    pub fn signature_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        match self {
            Self::Sdmf(header) => header.signature_range(),
            Self::Mdmf(header) => header.signature_range(),
        }
    }

    /// Where the share hash chain lies.
    pub fn share_hash_chain_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        match self {
            Self::Sdmf(header) => header.share_hash_chain_range(),
            Self::Mdmf(header) => header.share_hash_chain_range(),
        }
    }

    /// Where the block hash tree lies; refuses a length other than the version's.
    pub fn block_hash_tree_range(
        &self,
        geometry: &MutableGeometry,
    ) -> Result<Range<u64>, MutableLayoutError> {
        let range = match self {
            Self::Sdmf(header) => header.block_hash_tree_range(),
            Self::Mdmf(header) => header.block_hash_tree_range(),
        }?;
        let length = range.end.saturating_sub(range.start);
        if length != geometry.block_tree_shape()?.stored_length() {
            return Err(MutableLayoutError::BadBlockHashTree { length });
        }
        Ok(range)
    }

    /// Where the encrypted private key lies.
    pub fn encrypted_private_key_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        match self {
            Self::Sdmf(header) => header.encrypted_private_key_range(),
            Self::Mdmf(header) => header.encrypted_private_key_range(),
        }
    }

    /// Where a segment's block lies, after its salt if it has one of its own.
    pub fn block_range(
        &self,
        geometry: &MutableGeometry,
        segment: u64,
    ) -> Result<Range<u64>, MutableLayoutError> {
        let data = match self {
            Self::Sdmf(header) => header.share_data_range(),
            Self::Mdmf(header) => header.share_data_range(),
        }?;
        let stored = geometry.stored_range(segment)?;
        let start = data.start.saturating_add(stored.start);
        let end = data.start.saturating_add(stored.end);
        if end > data.end {
            return part("block", end, data.end);
        }
        Ok(start..end)
    }
}
