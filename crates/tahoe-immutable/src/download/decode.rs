//! Puts segments together from their blocks, verifies them and deciphers what is wanted of them.
//!
//! A segment whose ciphertext has the proved hash proves its blocks: zfec maps k blocks one to one to
//! the ciphertext and its padding of zeros, so a wrong block would have made other ciphertext. Blocks
//! are compared with their own hashes only if the ciphertext is wrong, to find out whose fault it is.
//! That halves what is hashed.

use super::share::{Block, Corruption, Share};
use crate::buffers::Buffers;
use bytes::{Bytes, BytesMut};
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
    buffers: &Buffers,
) -> Vec<Decoded> {
    let joined = segments
        .iter()
        .map(|segment| segment.join(decoder, buffers));
    let joined: Vec<BytesMut> = joined.collect();
    let ciphertexts = segments.iter().zip(&joined);
    let ciphertexts = ciphertexts.map(|(segment, joined)| &joined[..segment.length()]);
    let hashes = hash::ciphertext_segments(&ciphertexts.collect::<Vec<&[u8]>>());
    let segments = segments.into_iter().zip(joined).zip(hashes);
    let decoded = segments
        .map(|((segment, joined), hash)| segment.finish(joined, hash, geometry, key, buffers));
    decoded.collect()
}

impl FoundSegment {
    fn length(&self) -> usize {
        usize::try_from(self.range.end - self.range.start).expect("a segment fits in memory")
    }

    /// Copies or computes the primary blocks in their order: the ciphertext and its padding.
    fn join(&self, decoder: &zfec::Decoder, buffers: &Buffers) -> BytesMut {
        let blocks = self.blocks.iter();
        let blocks = blocks.map(|(share, block)| (share.number.0, &block.data[..]));
        let blocks: Vec<(u8, &[u8])> = blocks.collect();
        let block_size = blocks.first().map_or(0, |(_, block)| block.len());
        let mut segment = buffers.take(block_size * blocks.len(), 0);
        let mut places: Vec<&mut [u8]> = segment.chunks_exact_mut(block_size).collect();
        decoder
            .decode(&blocks, &mut places)
            .expect("k different blocks of one size were collected");
        segment
    }

    fn finish(
        self,
        joined: BytesMut,
        hash: Hash,
        geometry: &SegmentGeometry,
        key: Option<&ImmutableReadKey>,
        buffers: &Buffers,
    ) -> Decoded {
        let genuine = self
            .blocks
            .iter()
            .all(|(_, block)| block.segment_hash == hash);
        let padding_is_zero = joined[self.length()..].iter().all(|byte| *byte == 0);
        if genuine && padding_is_zero {
            return Decoded::Verified(self.decipher(joined, key, buffers));
        }
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (share, block) in &self.blocks {
            match share.check_block(geometry, block) {
                Ok(()) => good.push((Arc::clone(share), block.clone())),
                Err(corruption) => bad.push((Arc::clone(share), corruption)),
            }
        }
        if !bad.is_empty() {
            Decoded::BadBlocks { good, bad }
        } else if genuine {
            // Padded with something else, by a program that wanted it so.
            Decoded::Verified(self.decipher(joined, key, buffers))
        } else {
            Decoded::BadCiphertext
        }
    }

    fn decipher(
        self,
        mut segment: BytesMut,
        key: Option<&ImmutableReadKey>,
        buffers: &Buffers,
    ) -> Bytes {
        if let Some(key) = key {
            let start = self.range.start + self.wanted.start as u64;
            AesCtr::new(key.as_bytes(), start).apply(&mut segment[self.wanted.clone()]);
        }
        buffers.lend(segment).slice(self.wanted)
    }
}
