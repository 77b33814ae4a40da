//! Puts segments together from their blocks, verifies them and deciphers what is wanted of them.
//!
//! A segment whose ciphertext has the proved hash proves its blocks: zfec maps k blocks one to one to
//! the ciphertext and its padding of zeros, so a wrong block would have made other ciphertext. Blocks
//! are compared with their own hashes only if the ciphertext is wrong, to find out whose fault it is.
//! That halves what is hashed.

use super::share::{Block, Corruption, Share};
use crate::padding::without_padding;
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tahoe_crypto::hash::{self, Hash};
use tahoe_crypto::{AesCtr, ImmutableReadKey};
use tahoe_share::SegmentGeometry;

/// Blocks of a segment, not yet verified, and what becomes of them.
pub(super) struct FoundSegment {
    /// k blocks of one size, of different shares, with the shares that gave them.
    pub(super) blocks: Vec<(Arc<Share>, Block)>,
    /// Where the segment lies in the file.
    pub(super) range: Range<u64>,
    /// Which of its bytes are wanted, counted from the segment's start.
    pub(super) wanted: Range<usize>,
}

/// What came of a segment.
pub(super) enum Decoded {
    /// The wanted bytes: the plaintext with a key, the ciphertext without.
    Verified(Bytes),
    /// Some blocks aren't those that the uploader encoded; the others are right.
    BadBlocks {
        good: Vec<(Arc<Share>, Block)>,
        bad: Vec<(Arc<Share>, Corruption)>,
    },
    /// The blocks are what the uploader encoded, but not of the ciphertext that it promised.
    BadCiphertext,
}

/// Decodes, verifies and deciphers each segment.
pub(super) fn decode_all(
    segments: Vec<FoundSegment>,
    geometry: &SegmentGeometry,
    decoder: &zfec::Decoder,
    key: Option<&ImmutableReadKey>,
) -> Vec<Decoded> {
    let decoded = segments.into_iter().map(|found| DecodedSegment {
        primary: found.primary_blocks(decoder),
        found,
    });
    let decoded: Vec<DecodedSegment> = decoded.collect();
    let ciphertexts: Vec<Vec<&[u8]>> = decoded.iter().map(DecodedSegment::ciphertext).collect();
    let hashes = hash::blocks_and_segments(&[], &ciphertexts).1;
    let pairs = decoded.into_iter().zip(hashes);
    let finished = pairs.map(|(segment, hash)| segment.finish(hash, geometry, key));
    finished.collect()
}

impl FoundSegment {
    /// The primary blocks in their order: those that came, and the others computed.
    fn primary_blocks(&self, decoder: &zfec::Decoder) -> Vec<Bytes> {
        let blocks = self.blocks.iter();
        let blocks = blocks.map(|(share, block)| (share.number.0, &block.data[..]));
        let blocks: Vec<(u8, &[u8])> = blocks.collect();
        let present: Vec<u8> = blocks.iter().map(|(number, _)| *number).collect();
        let missing = decoder.missing(&present);
        let size = blocks.first().map_or(0, |(_, block)| block.len());
        let new_block = || tahoe_buffers::take(size, 0);
        let mut computed: Vec<BytesMut> = missing.iter().map(|_| new_block()).collect();
        let mut places: Vec<&mut [u8]> = computed.iter_mut().map(|block| &mut block[..]).collect();
        decoder
            .reconstruct(&blocks, &missing, &mut places)
            .expect("k different blocks of one size were collected");
        let computed = computed.into_iter().map(tahoe_buffers::lend);
        let mut primary: BTreeMap<u8, Bytes> = missing.into_iter().zip(computed).collect();
        for (share, block) in &self.blocks {
            primary.insert(share.number.0, block.data.clone());
        }
        let needed = decoder.params().needed().into();
        primary.into_values().take(needed).collect()
    }
}

/// A segment with its ciphertext.
struct DecodedSegment {
    found: FoundSegment,
    /// The ciphertext in k pieces of one length, with padding after it.
    primary: Vec<Bytes>,
}

impl DecodedSegment {
    /// The pieces of the ciphertext, without the padding.
    fn ciphertext(&self) -> Vec<&[u8]> {
        let range = &self.found.range;
        let length = usize::try_from(range.end - range.start).expect("a segment fits in memory");
        without_padding(self.primary.iter().map(|block| &block[..]), length)
    }

    fn padding_is_zero(&self) -> bool {
        let ciphertext = self.ciphertext();
        let mut pairs = self.primary.iter().zip(ciphertext);
        pairs.all(|(block, used)| block[used.len()..].iter().all(|byte| *byte == 0))
    }

    fn finish(
        self,
        hash: Hash,
        geometry: &SegmentGeometry,
        key: Option<&ImmutableReadKey>,
    ) -> Decoded {
        let blocks = &self.found.blocks;
        let genuine = blocks.iter().all(|(_, block)| block.segment_hash == hash);
        // Some program may have padded with something else; its blocks are right by their own hashes.
        if genuine && self.padding_is_zero() {
            return Decoded::Verified(self.decipher(key));
        }
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (share, block) in blocks {
            match share.check_block(geometry, block) {
                Ok(()) => good.push((Arc::clone(share), block.clone())),
                Err(corruption) => bad.push((Arc::clone(share), corruption)),
            }
        }
        if !bad.is_empty() {
            Decoded::BadBlocks { good, bad }
        } else if genuine {
            Decoded::Verified(self.decipher(key))
        } else {
            Decoded::BadCiphertext
        }
    }

    /// Writes what is wanted where the reader gets it, deciphered if there is a key.
    fn decipher(&self, key: Option<&ImmutableReadKey>) -> Bytes {
        let wanted = &self.found.wanted;
        let start = self.found.range.start + wanted.start as u64;
        let mut cipher = key.map(|key| AesCtr::new(key.as_bytes(), start));
        let mut plaintext = tahoe_buffers::take(wanted.len(), 0);
        let (mut skip, mut rest) = (wanted.start, &mut plaintext[..]);
        for piece in self.ciphertext() {
            let from = &piece[skip.min(piece.len())..];
            skip -= piece.len() - from.len();
            let (to, later) = rest.split_at_mut(from.len().min(rest.len()));
            let from = &from[..to.len()];
            match &mut cipher {
                Some(cipher) => cipher.apply_to(from, to),
                None => to.copy_from_slice(from),
            }
            rest = later;
        }
        tahoe_buffers::lend(plaintext)
    }
}
