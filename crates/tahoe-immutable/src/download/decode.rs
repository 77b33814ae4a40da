//! Puts segments together from their blocks, checks them and deciphers what is wanted of them.

use crate::buffers::Buffers;
use bytes::{Bytes, BytesMut};
use std::ops::Range;
use tahoe_crypto::hash::{self, Hash};
use tahoe_crypto::{AesCtr, ImmutableReadKey};
use tahoe_storage_api::ShareNumber;

/// Blocks that were compared with their hashes, and what becomes of them.
pub(super) struct VerifiedSegment {
    /// k blocks of one size, of different shares.
    pub(super) blocks: Vec<(ShareNumber, Bytes)>,
    /// Hash that the ciphertext must have.
    pub(super) hash: Hash,
    /// Where the segment lies in the file.
    pub(super) range: Range<u64>,
    /// Which of its bytes are wanted, counted from the segment's start.
    pub(super) wanted: Range<usize>,
}

/// The blocks are what the uploader encoded, but not of the ciphertext that it promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadCiphertext {
    /// Which of the segments it is, counted from the first of them.
    pub(super) index: usize,
}

/// Returns the wanted bytes of each segment: the plaintext with a key, the ciphertext without.
pub(super) fn decode_all(
    segments: Vec<VerifiedSegment>,
    decoder: &zfec::Decoder,
    key: Option<&ImmutableReadKey>,
    buffers: &Buffers,
) -> Result<Vec<Bytes>, BadCiphertext> {
    let joined = segments
        .iter()
        .map(|segment| segment.join(decoder, buffers));
    let joined: Vec<BytesMut> = joined.collect();
    let views: Vec<&[u8]> = joined.iter().map(|ciphertext| &ciphertext[..]).collect();
    let hashes = hash::ciphertext_segments(&views);
    let mut pairs = segments.iter().zip(&hashes);
    if let Some(index) = pairs.position(|(segment, hash)| segment.hash != *hash) {
        return Err(BadCiphertext { index });
    }
    let pairs = segments.into_iter().zip(joined);
    let wanted = pairs.map(|(segment, ciphertext)| segment.decipher(ciphertext, key, buffers));
    Ok(wanted.collect())
}

impl VerifiedSegment {
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

    /// Copies or computes the primary blocks in their order, without the padding.
    fn join(&self, decoder: &zfec::Decoder, buffers: &Buffers) -> BytesMut {
        let block_size = self.blocks.first().map_or(0, |(_, block)| block.len());
        let length = usize::try_from(self.range.end - self.range.start);
        let length = length.expect("a segment fits in memory");
        let blocks: Vec<(u8, &[u8])> = self
            .blocks
            .iter()
            .map(|(n, data)| (n.0, &data[..]))
            .collect();
        let mut segment = buffers.take(block_size * blocks.len(), 0);
        let mut places: Vec<&mut [u8]> = segment.chunks_exact_mut(block_size).collect();
        decoder
            .decode(&blocks, &mut places)
            .expect("k different blocks of one size were collected");
        segment.truncate(length);
        segment
    }
}
