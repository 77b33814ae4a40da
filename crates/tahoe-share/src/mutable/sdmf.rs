//! Small distributed mutable files: one segment, so a share is one block with its proofs.
//!
//! ```text
//! big-endian
//! 0x00   1  version             u8, 0
//! 0x01   8  sequence number     u64
//! 0x09  32  root hash           of the share hash tree
//! 0x29  16  salt                of the segment; the checkstring ends here, at 0x39
//! 0x39   1  k                   u8
//! 0x3a   1  N                   u8
//! 0x3b   8  segment size        u64
//! 0x43   8  data length         u64; the signed prefix ends here, at 0x4b
//! 0x4b   4  offset of signature            u32
//! 0x4f   4  offset of share hash chain     u32
//! 0x53   4  offset of block hash tree      u32
//! 0x57   4  offset of share data           u32
//! 0x5b   8  offset of encrypted private key  u64
//! 0x63   8  end of the share               u64
//! 0x6b      public key, then the parts in the order of their offsets
//! ```

use std::ops::Range;

use tahoe_crypto::hash::Hash;
use tahoe_encoding::Reader;

use super::{MutableLayoutError, SignedFields, expect_version, part};
use crate::share_hash_chain::{ShareHash, parse_share_hash_chain};

/// The header of an SDMF share; offsets count from the first byte of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdmfHeader {
    /// What is signed, beside the salt.
    pub signed: SignedFields,
    /// With the read key gives the key of the segment; signed too.
    pub salt: [u8; 16],
    /// Offset of the signature; the public key ends here.
    pub signature: u32,
    /// Offset of the share hash chain.
    pub share_hash_chain: u32,
    /// Offset of the block hash tree.
    pub block_hash_tree: u32,
    /// Offset of the block.
    pub share_data: u32,
    /// Offset of the encrypted private key.
    pub encrypted_private_key: u64,
    /// Bytes of the whole share.
    pub end: u64,
}

impl SdmfHeader {
    /// The first byte.
    pub const VERSION: u8 = 0;

    /// Bytes of the header.
    pub const LENGTH: u64 = 0x6b;

    /// Reads the header from the first bytes of a share.
    pub fn parse(share: &[u8]) -> Result<Self, MutableLayoutError> {
        let mut reader = Reader::new(share);
        expect_version(&mut reader, Self::VERSION)?;
        let version = SignedFields::read_version(&mut reader)?;
        let salt = reader.array()?;
        Ok(Self {
            signed: SignedFields::read_encoding(&mut reader, version)?,
            salt,
            signature: reader.u32()?,
            share_hash_chain: reader.u32()?,
            block_hash_tree: reader.u32()?,
            share_data: reader.u32()?,
            encrypted_private_key: reader.u64()?,
            end: reader.u64()?,
        })
    }

    /// Writes the header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.signed_prefix();
        for offset in [
            self.signature,
            self.share_hash_chain,
            self.block_hash_tree,
            self.share_data,
        ] {
            bytes.extend_from_slice(&offset.to_be_bytes());
        }
        bytes.extend_from_slice(&self.encrypted_private_key.to_be_bytes());
        bytes.extend_from_slice(&self.end.to_be_bytes());
        bytes
    }

    /// The first 75 bytes, over which the signature is made.
    pub fn signed_prefix(&self) -> Vec<u8> {
        let mut bytes = self.checkstring();
        self.signed.push_encoding(&mut bytes);
        bytes
    }

    /// The first 57 bytes, by which a writer recognises the version that it means to replace.
    pub fn checkstring(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        self.signed.push_version(&mut bytes);
        bytes.extend_from_slice(&self.salt);
        bytes
    }

    /// Where the public key lies, in SubjectPublicKeyInfo DER.
    pub fn public_key_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part("public key", Self::LENGTH, self.signature.into())
    }

    /// Where the signature lies.
    pub fn signature_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part(
            "signature",
            self.signature.into(),
            self.share_hash_chain.into(),
        )
    }

    /// Where the share hash chain lies.
    pub fn share_hash_chain_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        let (start, end) = (self.share_hash_chain, self.block_hash_tree);
        part("share hash chain", start.into(), end.into())
    }

    /// Where the block hash tree lies.
    pub fn block_hash_tree_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part(
            "block hash tree",
            self.block_hash_tree.into(),
            self.share_data.into(),
        )
    }

    /// Where the block lies.
    pub fn share_data_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part(
            "share data",
            self.share_data.into(),
            self.encrypted_private_key,
        )
    }

    /// Where the encrypted private key lies.
    pub fn encrypted_private_key_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part(
            "encrypted private key",
            self.encrypted_private_key,
            self.end,
        )
    }
}

/// A whole SDMF share, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdmfShare<'a> {
    /// Signed fields and offsets.
    pub header: SdmfHeader,
    /// In SubjectPublicKeyInfo DER.
    pub public_key: &'a [u8],
    /// Over the signed prefix.
    pub signature: &'a [u8],
    /// Proves the block hash tree's root against the root hash.
    pub share_hash_chain: Vec<ShareHash>,
    /// All nodes; the file has one block, so there is one.
    pub block_hash_tree: Vec<Hash>,
    /// The block.
    pub share_data: &'a [u8],
    /// PKCS #8 DER, enciphered with the write key.
    pub encrypted_private_key: &'a [u8],
}

impl<'a> SdmfShare<'a> {
    /// Takes a whole payload apart; bytes past its stated end are ignored.
    pub fn parse(share: &'a [u8]) -> Result<Self, MutableLayoutError> {
        let header = SdmfHeader::parse(share)?;
        let slice = |range: Range<u64>| slice_of(share, range);
        Ok(Self {
            public_key: slice(header.public_key_range()?)?,
            signature: slice(header.signature_range()?)?,
            share_hash_chain: parse_share_hash_chain(slice(header.share_hash_chain_range()?)?)?,
            block_hash_tree: split_hashes(slice(header.block_hash_tree_range()?)?)?,
            share_data: slice(header.share_data_range()?)?,
            encrypted_private_key: slice(header.encrypted_private_key_range()?)?,
            header,
        })
    }
}

fn slice_of(share: &[u8], range: Range<u64>) -> Result<&[u8], MutableLayoutError> {
    let mut reader = Reader::new(share);
    let cut_short = |_| tahoe_encoding::UnexpectedEnd {
        offset: 0,
        length: share.len(),
    };
    let length = range.end.saturating_sub(range.start);
    reader.bytes(usize::try_from(range.start).map_err(cut_short)?)?;
    Ok(reader.bytes(usize::try_from(length).map_err(cut_short)?)?)
}

fn split_hashes(bytes: &[u8]) -> Result<Vec<Hash>, MutableLayoutError> {
    let (hashes, rest) = bytes.as_chunks();
    if rest.is_empty() {
        return Ok(hashes.to_vec());
    }
    Err(MutableLayoutError::BadBlockHashTree {
        length: bytes.len() as u64,
    })
}
