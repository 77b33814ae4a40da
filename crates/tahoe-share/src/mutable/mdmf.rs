//! Medium distributed mutable files: many segments, any of which can be read or replaced alone.
//!
//! ```text
//! big-endian
//! 0x00   1  version             u8, 1
//! 0x01   8  sequence number     u64
//! 0x09  32  root hash           of the share hash tree; the checkstring ends here, at 0x29
//! 0x29   1  k                   u8
//! 0x2a   1  N                   u8
//! 0x2b   8  segment size        u64
//! 0x33   8  data length         u64; the signed prefix ends here, at 0x3b
//! 0x3b   8  offset of encrypted private key   u64, 0x7b
//! 0x43   8  offset of share hash chain        u64
//! 0x4b   8  offset of signature               u64
//! 0x53   8  offset of public key              u64
//! 0x5b   8  end of public key                 u64
//! 0x63   8  offset of share data              u64, 0x877
//! 0x6b   8  offset of block hash tree         u64
//! 0x73   8  end of the share                  u64
//! 0x7b      encrypted private key, then the parts in the order of their offsets
//! ```
//!
//! Writers place the share data where the largest possible parts before it would end, so that its
//! place doesn't depend on them; the gap after the public key is never written. Before every block
//! lies its 16-byte salt.

use std::ops::Range;

use tahoe_encoding::Reader;

use super::{MutableLayoutError, SignedFields, expect_version, part};

/// The header of an MDMF share; offsets count from the first byte of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MdmfHeader {
    /// What is signed.
    pub signed: SignedFields,
    /// Offset of the encrypted private key.
    pub encrypted_private_key: u64,
    /// Offset of the share hash chain.
    pub share_hash_chain: u64,
    /// Offset of the signature.
    pub signature: u64,
    /// Offset of the public key.
    pub public_key: u64,
    /// Where the public key ends.
    pub public_key_end: u64,
    /// Offset of the first block's salt.
    pub share_data: u64,
    /// Offset of the block hash tree.
    pub block_hash_tree: u64,
    /// Bytes of the whole share.
    pub end: u64,
}

impl MdmfHeader {
    /// The first byte.
    pub const VERSION: u8 = 1;

    /// Bytes of the header.
    pub const LENGTH: u64 = 0x7b;

    /// Reads the header from the first bytes of a share.
    pub fn parse(share: &[u8]) -> Result<Self, MutableLayoutError> {
        let mut reader = Reader::new(share);
        expect_version(&mut reader, Self::VERSION)?;
        let version = SignedFields::read_version(&mut reader)?;
        Ok(Self {
            signed: SignedFields::read_encoding(&mut reader, version)?,
            encrypted_private_key: reader.u64()?,
            share_hash_chain: reader.u64()?,
            signature: reader.u64()?,
            public_key: reader.u64()?,
            public_key_end: reader.u64()?,
            share_data: reader.u64()?,
            block_hash_tree: reader.u64()?,
            end: reader.u64()?,
        })
    }

    /// Writes the header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.signed_prefix();
        for offset in [
            self.encrypted_private_key,
            self.share_hash_chain,
            self.signature,
            self.public_key,
            self.public_key_end,
            self.share_data,
            self.block_hash_tree,
            self.end,
        ] {
            bytes.extend_from_slice(&offset.to_be_bytes());
        }
        bytes
    }

    /// The first 59 bytes, over which the signature is made.
    pub fn signed_prefix(&self) -> Vec<u8> {
        let mut bytes = self.checkstring();
        self.signed.push_encoding(&mut bytes);
        bytes
    }

    /// The first 41 bytes, by which a writer recognises the version that it means to replace.
    pub fn checkstring(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        self.signed.push_version(&mut bytes);
        bytes
    }

    /// Where the encrypted private key lies.
    pub fn encrypted_private_key_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        let (start, end) = (self.encrypted_private_key, self.share_hash_chain);
        part("encrypted private key", start, end)
    }

    /// Where the share hash chain lies.
    pub fn share_hash_chain_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part("share hash chain", self.share_hash_chain, self.signature)
    }

    /// Where the signature lies.
    pub fn signature_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part("signature", self.signature, self.public_key)
    }

    /// Where the public key lies, in SubjectPublicKeyInfo DER.
    pub fn public_key_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part("public key", self.public_key, self.public_key_end)
    }

    /// Where the blocks lie, each after its salt.
    pub fn share_data_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part("share data", self.share_data, self.block_hash_tree)
    }

    /// Where the block hash tree lies.
    pub fn block_hash_tree_range(&self) -> Result<Range<u64>, MutableLayoutError> {
        part("block hash tree", self.block_hash_tree, self.end)
    }
}
