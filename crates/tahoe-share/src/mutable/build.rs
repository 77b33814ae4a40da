//! Whole shares and headers as writers lay them out.

use tahoe_crypto::hash::Hash;

use super::geometry::MutableGeometry;
use super::{MdmfHeader, MutableLayoutError, SdmfHeader, SignedFields};
use crate::share_hash_chain::{ShareHash, encode_share_hash_chain};

/// Where MDMF writers put the share data: after the most that the parts before it may take, which
/// are 1220 bytes of private key, 260 of signature, 292 of public key and 272 of share hash chain.
pub const MDMF_SHARE_DATA: u64 = MdmfHeader::LENGTH + 1220 + 260 + 292 + 272;

/// What every share of a version has in front of, or behind, its blocks.
#[derive(Debug, Clone, Copy)]
pub struct ShareParts<'a> {
    /// In SubjectPublicKeyInfo DER.
    pub public_key: &'a [u8],
    /// Over the signed prefix.
    pub signature: &'a [u8],
    /// PKCS #8 DER, enciphered with the write key.
    pub encrypted_private_key: &'a [u8],
    /// Proves this share's block hash tree.
    pub share_hash_chain: &'a [ShareHash],
    /// All nodes of this share's block hash tree.
    pub block_hash_tree: &'a [Hash],
}

/// What is signed of a new SDMF version.
pub fn sdmf_signed_prefix(signed: SignedFields, salt: [u8; 16]) -> Vec<u8> {
    SdmfHeader {
        signed,
        salt,
        signature: 0,
        share_hash_chain: 0,
        block_hash_tree: 0,
        share_data: 0,
        encrypted_private_key: 0,
        end: 0,
    }
    .signed_prefix()
}

/// What is signed of a new MDMF version.
pub fn mdmf_signed_prefix(signed: SignedFields) -> Vec<u8> {
    MdmfHeader {
        signed,
        encrypted_private_key: 0,
        share_hash_chain: 0,
        signature: 0,
        public_key: 0,
        public_key_end: 0,
        share_data: 0,
        block_hash_tree: 0,
        end: 0,
    }
    .signed_prefix()
}

impl SdmfHeader {
    /// Lays out a share whose block has `block_length` bytes; the parts follow each other.
    pub fn for_share(
        signed: SignedFields,
        salt: [u8; 16],
        parts: &ShareParts<'_>,
        block_length: u64,
    ) -> Result<Self, MutableLayoutError> {
        let chain = (parts.share_hash_chain.len() as u64).saturating_mul(34);
        let tree = (parts.block_hash_tree.len() as u64).saturating_mul(32);
        let signature = Self::LENGTH.saturating_add(parts.public_key.len() as u64);
        let share_hash_chain = signature.saturating_add(parts.signature.len() as u64);
        let block_hash_tree = share_hash_chain.saturating_add(chain);
        let share_data = block_hash_tree.saturating_add(tree);
        let encrypted_private_key = share_data.saturating_add(block_length);
        let private_key_length = parts.encrypted_private_key.len() as u64;
        let end = encrypted_private_key.saturating_add(private_key_length);
        let short = |offset: u64| {
            u32::try_from(offset).map_err(|_| MutableLayoutError::OffsetTooLarge { offset })
        };
        Ok(Self {
            signed,
            salt,
            signature: short(signature)?,
            share_hash_chain: short(share_hash_chain)?,
            block_hash_tree: short(block_hash_tree)?,
            share_data: short(share_data)?,
            encrypted_private_key,
            end,
        })
    }

    /// The whole share.
    pub fn share_bytes(&self, parts: &ShareParts<'_>, block: &[u8]) -> Vec<u8> {
        let mut share = self.to_bytes();
        share.extend_from_slice(parts.public_key);
        share.extend_from_slice(parts.signature);
        share.extend(encode_share_hash_chain(parts.share_hash_chain));
        share.extend_from_slice(parts.block_hash_tree.as_flattened());
        share.extend_from_slice(block);
        share.extend_from_slice(parts.encrypted_private_key);
        share
    }
}

impl MdmfHeader {
    /// Lays out a share: the parts before the share data follow each other, the share data begins
    /// at [`MDMF_SHARE_DATA`] and the block hash tree comes last.
    pub fn for_share(
        signed: SignedFields,
        parts: &ShareParts<'_>,
        geometry: &MutableGeometry,
    ) -> Result<Self, MutableLayoutError> {
        let chain = (parts.share_hash_chain.len() as u64).saturating_mul(34);
        let tree = (parts.block_hash_tree.len() as u64).saturating_mul(32);
        let private_key_length = parts.encrypted_private_key.len() as u64;
        let share_hash_chain = Self::LENGTH.saturating_add(private_key_length);
        let signature = share_hash_chain.saturating_add(chain);
        let public_key = signature.saturating_add(parts.signature.len() as u64);
        let public_key_end = public_key.saturating_add(parts.public_key.len() as u64);
        if public_key_end > MDMF_SHARE_DATA {
            let offset = public_key_end;
            return Err(MutableLayoutError::OffsetTooLarge { offset });
        }
        let block_hash_tree = MDMF_SHARE_DATA.saturating_add(geometry.share_data_length());
        Ok(Self {
            signed,
            encrypted_private_key: Self::LENGTH,
            share_hash_chain,
            signature,
            public_key,
            public_key_end,
            share_data: MDMF_SHARE_DATA,
            block_hash_tree,
            end: block_hash_tree.saturating_add(tree),
        })
    }

    /// Everything before the share data, without the gap in front of it.
    pub fn leading_bytes(&self, parts: &ShareParts<'_>) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        bytes.extend_from_slice(parts.encrypted_private_key);
        bytes.extend(encode_share_hash_chain(parts.share_hash_chain));
        bytes.extend_from_slice(parts.signature);
        bytes.extend_from_slice(parts.public_key);
        bytes
    }
}
