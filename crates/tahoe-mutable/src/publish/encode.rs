//! Turns plaintext into the blocks, hashes and headers of a new version. Runs on the CPU pool.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tahoe_caps::MutableFormat;
use tahoe_crypto::hash::{self, Hash};
use tahoe_crypto::{AesCtr, ReadKey, RsaPrivateKey, RsaPublicKey};
use tahoe_share::mutable::{
    MdmfHeader, MutableGeometry, MutableHeader, MutableLayoutError, SdmfHeader, ShareParts,
    mdmf_signed_prefix, sdmf_signed_prefix,
};
use tahoe_share::{HashTree, mutable_share_hash_chain};
use tahoe_storage_api::{ShareNumber, WriteVector};

use crate::contents::Contents;
use crate::error::PublishError;
use crate::status::{MutableStage, MutableStatus};
use crate::version::ShareHeader;

/// Most segments that are encoded as one piece of work.
const SEGMENTS_AT_ONCE: u64 = 16;
/// Bytes of all blocks of a piece, unless a single segment has more.
const PIECE_LENGTH: u64 = 4 << 20;

/// The plaintext of some neighbouring segments: new bytes, and old ones around them that fill the
/// first and the last segment.
#[derive(Debug, Clone)]
pub(crate) struct Plaintext {
    /// Where it begins in the file.
    pub(crate) start: u64,
    pub(crate) before: Bytes,
    pub(crate) contents: Contents,
    pub(crate) after: Bytes,
}

impl Plaintext {
    /// Of a whole file.
    pub(crate) fn whole(contents: Contents) -> Self {
        Self {
            start: 0,
            before: Bytes::new(),
            contents,
            after: Bytes::new(),
        }
    }

    /// Bytes of all segments together.
    pub(crate) fn length(&self) -> u64 {
        let around = self.before.len() as u64 + self.after.len() as u64;
        self.contents.length() + around
    }

    /// Fills the buffer with the file's bytes from `offset` on.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), PublishError> {
        let mut done = 0;
        let mut part_start = self.start;
        let lengths = [
            self.before.len() as u64,
            self.contents.length(),
            self.after.len() as u64,
        ];
        for (part, length) in lengths.into_iter().enumerate() {
            let part_end = part_start + length;
            let at = offset + done as u64;
            if at < part_end && done < buffer.len() {
                let inside = at - part_start;
                let rest = usize::try_from(part_end - at).unwrap_or(usize::MAX);
                let end = buffer.len().min(done.saturating_add(rest));
                let target = &mut buffer[done..end];
                match part {
                    0 => Contents::from(self.before.clone()).read_at(inside, target)?,
                    1 => self.contents.read_at(inside, target)?,
                    _ => Contents::from(self.after.clone()).read_at(inside, target)?,
                }
                done = end;
            }
            part_start = part_end;
        }
        debug_assert_eq!(done, buffer.len(), "the segments lie in the plaintext");
        Ok(())
    }
}

/// A version that is being made.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) format: MutableFormat,
    pub(crate) geometry: MutableGeometry,
    pub(crate) sequence_number: u64,
    pub(crate) plaintext: Plaintext,
    /// The segments that are written; the others stay as they are.
    pub(crate) segments: Range<u64>,
    /// Of the written segments; an SDMF file has exactly one, also if it is empty.
    pub(crate) salts: Vec<[u8; 16]>,
    pub(crate) read_key: ReadKey,
    pub(crate) private_key: Arc<RsaPrivateKey>,
    pub(crate) public_key: RsaPublicKey,
    /// By share number, the hashes of the blocks that stay, and anything for the others.
    pub(crate) old_leaves: Vec<Vec<Hash>>,
}

/// Blocks, with their salts in MDMF, of some segments one after the other, by share number.
pub(crate) type Blocks = BTreeMap<ShareNumber, Bytes>;

impl Draft {
    /// Bytes of the written segments' blocks of all shares together.
    pub(crate) fn blocks_length(&self) -> Result<u64, PublishError> {
        if self.segments.is_empty() {
            return Ok(0);
        }
        let first = self.geometry.stored_range(self.segments.start)?;
        let last = self.geometry.stored_range(self.segments.end - 1)?;
        let shares = u64::from(self.shares_total());
        Ok(last.end.saturating_sub(first.start).saturating_mul(shares))
    }

    pub(crate) fn shares_total(&self) -> u16 {
        self.geometry.encoding().shares_total()
    }

    /// Of all shares.
    pub(crate) fn share_numbers(&self) -> impl Iterator<Item = ShareNumber> + use<> {
        let numbers = (0..=u8::MAX).take(self.shares_total().into());
        numbers.map(ShareNumber)
    }

    /// The written segments, cut into pieces that are encoded and hashed at once.
    pub(crate) fn pieces(&self) -> Result<Vec<Range<u64>>, PublishError> {
        let Range { start, end } = self.segments;
        let count = end.saturating_sub(start).max(1);
        let length = (self.blocks_length()? / count).max(1);
        let step = (PIECE_LENGTH / length).clamp(1, SEGMENTS_AT_ONCE);
        let mut pieces = Vec::new();
        let mut first = start;
        while first < end {
            let next = end.min(first + step);
            pieces.push(first..next);
            first = next;
        }
        Ok(pieces)
    }

    /// Enciphers and encodes some of the written segments, for these shares.
    pub(crate) fn encode(
        &self,
        segments: Range<u64>,
        shares: &BTreeSet<ShareNumber>,
        status: &Arc<MutableStatus>,
    ) -> Result<Blocks, PublishError> {
        let encoding = self.geometry.encoding();
        let (k, n) = (encoding.shares_needed(), encoding.shares_total());
        let encoder = zfec::Encoder::new(k, n).expect("both crates allow the same k and N");
        let numbers: Vec<u8> = shares.iter().map(|share| share.0).collect();
        let ranges = self.stored_ranges(segments.clone())?;
        let length = ranges.last().map_or(0, |last| last.end);
        let mut stored: Vec<BytesMut> = numbers
            .iter()
            .map(|_| tahoe_buffers::take(length, 0))
            .collect();
        let mut ciphertext = Vec::new();
        for (segment, range) in segments.zip(ranges) {
            let salt = self.salt_of(segment);
            let block_size = self.encipher(segment, &salt, &mut ciphertext, status)?;
            let own_salt = &salt[..range.len() - block_size];
            let mut blocks: Vec<&mut [u8]> = stored
                .iter_mut()
                .map(|stored| {
                    let (place, block) = stored[range.clone()].split_at_mut(own_salt.len());
                    place.copy_from_slice(own_salt);
                    block
                })
                .collect();
            let _encoding = status.during(MutableStage::Encode);
            let primary: Vec<&[u8]> = ciphertext.chunks_exact(block_size).collect();
            encoder
                .encode(&primary, &numbers, &mut blocks)
                .expect("all blocks of a segment have one length");
        }
        let stored = stored.into_iter().map(tahoe_buffers::lend);
        Ok(shares.iter().copied().zip(stored).collect())
    }

    /// Hashes blocks that [`Self::encode`] made of these segments: for each of its shares in turn,
    /// one hash a segment.
    pub(crate) fn hash(
        &self,
        segments: Range<u64>,
        blocks: &Blocks,
        status: &Arc<MutableStatus>,
    ) -> Result<Vec<Vec<Hash>>, PublishError> {
        let _hashing = status.during(MutableStage::Hash);
        let ranges = self.stored_ranges(segments)?;
        let stored: Vec<&[u8]> = blocks
            .values()
            .flat_map(|stored| ranges.iter().map(|range| &stored[range.clone()]))
            .collect();
        // The salt is hashed before its block, as it is stored.
        let (hashes, _) = hash::blocks_and_segments(&stored, &[]);
        Ok(hashes.chunks(ranges.len()).map(<[Hash]>::to_vec).collect())
    }

    /// Where the salts and blocks of neighbouring segments lie, counted from the first one's.
    fn stored_ranges(&self, segments: Range<u64>) -> Result<Vec<Range<usize>>, PublishError> {
        let start = self.geometry.stored_range(segments.start)?.start;
        let ranges = segments.map(|segment| {
            let range = self.geometry.stored_range(segment)?;
            let within = |at: u64| usize::try_from(at - start).expect("they fit in memory");
            Ok(within(range.start)..within(range.end))
        });
        ranges.collect()
    }

    fn salt_of(&self, segment: u64) -> [u8; 16] {
        let index = usize::try_from(segment - self.segments.start).ok();
        let salt = index.and_then(|index| self.salts.get(index));
        *salt.expect("a salt was drawn for each segment")
    }

    /// Puts the ciphertext of a segment, with zeros up to k whole blocks, in place of what `buffer`
    /// holds. Returns the size of a block.
    fn encipher(
        &self,
        segment: u64,
        salt: &[u8; 16],
        buffer: &mut Vec<u8>,
        status: &Arc<MutableStatus>,
    ) -> Result<usize, PublishError> {
        let range = self.geometry.segment_range(segment)?;
        let length = usize::try_from(range.end - range.start).expect("a segment fits in memory");
        let block_size = self.geometry.block_size_of(segment)?;
        let block_size = usize::try_from(block_size).expect("a block fits in memory");
        let needed = usize::from(self.geometry.encoding().shares_needed());
        buffer.resize(block_size * needed, 0);
        let (ciphertext, padding) = buffer.split_at_mut(length);
        self.plaintext.read_at(range.start, ciphertext)?;
        let _encrypting = status.during(MutableStage::Encrypt);
        AesCtr::new(self.read_key.data_key(salt).as_bytes(), 0).apply(ciphertext);
        padding.fill(0);
        Ok(block_size)
    }

    /// Builds the hash trees over the old and the new blocks and signs the version.
    pub(crate) fn sign(
        &self,
        new_leaves: Vec<Vec<Hash>>,
        status: &Arc<MutableStatus>,
    ) -> Result<SignedVersion, PublishError> {
        let _packing = status.during(MutableStage::Pack);
        let trees = self.block_trees(new_leaves)?;
        let roots: Vec<Hash> = trees.iter().map(HashTree::root).collect();
        let share_tree = HashTree::from_leaves(&roots).map_err(MutableLayoutError::from)?;
        let signed = self
            .geometry
            .signed_fields(self.sequence_number, share_tree.root())?;
        let prefix = match self.format {
            MutableFormat::Sdmf => sdmf_signed_prefix(signed, self.file_salt()),
            MutableFormat::Mdmf => mdmf_signed_prefix(signed),
        };
        let signing = status.during(MutableStage::Sign);
        let signature = self.private_key.sign(&prefix)?;
        drop(signing);
        let encrypted_private_key = self.private_key.encrypt();
        let mut shares = Vec::new();
        for (number, tree) in (0..=u8::MAX).zip(&trees) {
            let chain = mutable_share_hash_chain(&share_tree, number);
            let chain = chain.map_err(MutableLayoutError::from)?;
            let parts = ShareParts {
                public_key: self.public_key.as_der(),
                signature: &signature,
                encrypted_private_key: &encrypted_private_key,
                share_hash_chain: &chain,
                block_hash_tree: tree.nodes(),
            };
            shares.push(self.seal(signed, &parts)?);
        }
        Ok(SignedVersion { shares })
    }

    fn file_salt(&self) -> [u8; 16] {
        self.salts.first().copied().unwrap_or_default()
    }

    fn block_trees(&self, new_leaves: Vec<Vec<Hash>>) -> Result<Vec<HashTree>, PublishError> {
        let count = usize::try_from(self.geometry.segment_count()).unwrap_or(usize::MAX);
        let start = usize::try_from(self.segments.start).unwrap_or(usize::MAX);
        let mut old = self.old_leaves.iter();
        let trees = new_leaves.into_iter().map(|new| {
            let mut leaves = old.next().cloned().unwrap_or_default();
            leaves.resize(count, [0; 32]);
            for (leaf, new) in leaves.iter_mut().skip(start).zip(new) {
                *leaf = new;
            }
            match leaves.is_empty() {
                true => Ok(HashTree::of_empty_file()),
                false => HashTree::from_leaves(&leaves).map_err(MutableLayoutError::from),
            }
        });
        Ok(trees.collect::<Result<_, _>>()?)
    }

    fn seal(
        &self,
        signed: tahoe_share::mutable::SignedFields,
        parts: &ShareParts<'_>,
    ) -> Result<SealedShare, PublishError> {
        let tree: Vec<u8> = parts.block_hash_tree.as_flattened().to_vec();
        Ok(match self.format {
            MutableFormat::Sdmf => {
                let block = self.geometry.share_data_length();
                let header = SdmfHeader::for_share(signed, self.file_salt(), parts, block)?;
                // The block lies between the two; see `writes`.
                let mut leading = header.share_bytes(parts, &[]);
                let key = leading.split_off(leading.len() - parts.encrypted_private_key.len());
                SealedShare {
                    header: ShareHeader::new(MutableHeader::Sdmf(header))?,
                    leading: leading.into(),
                    trailing: key.into(),
                    data_offset: header.share_data.into(),
                    trailing_offset: header.encrypted_private_key,
                }
            }
            MutableFormat::Mdmf => {
                let header = MdmfHeader::for_share(signed, parts, &self.geometry)?;
                SealedShare {
                    header: ShareHeader::new(MutableHeader::Mdmf(header))?,
                    leading: header.leading_bytes(parts).into(),
                    trailing: tree.into(),
                    data_offset: header.share_data,
                    trailing_offset: header.block_hash_tree,
                }
            }
        })
    }
}

/// Everything of a version but its blocks.
#[derive(Debug)]
pub(crate) struct SignedVersion {
    /// By share number.
    pub(crate) shares: Vec<SealedShare>,
}

/// What a share has before and behind its blocks.
#[derive(Debug, Clone)]
pub(crate) struct SealedShare {
    pub(crate) header: ShareHeader,
    leading: Bytes,
    trailing: Bytes,
    data_offset: u64,
    trailing_offset: u64,
}

impl SealedShare {
    /// By which the version is recognised.
    pub(crate) fn checkstring(&self) -> Bytes {
        self.header.header.checkstring().into()
    }

    /// Writes the header, the signature and the other parts before the blocks.
    pub(crate) fn leading_write(&self) -> WriteVector {
        WriteVector {
            offset: 0,
            data: self.leading.clone(),
        }
    }

    /// Writes what lies behind the blocks.
    pub(crate) fn trailing_write(&self) -> WriteVector {
        WriteVector {
            offset: self.trailing_offset,
            data: self.trailing.clone(),
        }
    }

    /// Writes the blocks of segments from this one on.
    pub(crate) fn block_write(
        &self,
        first_segment: u64,
        blocks: Bytes,
    ) -> Result<WriteVector, PublishError> {
        let within = self.header.geometry.stored_range(first_segment)?;
        Ok(WriteVector {
            offset: self.data_offset + within.start,
            data: blocks,
        })
    }
}
