//! Turns plaintext into blocks and their hashes, a batch of segments at a time.
//!
//! Two steps, both for the CPU pool. [`Encryptor::next_batch`] must see the segments in order: the
//! cipher and the hash over the whole ciphertext run through the file. [`encode`] can work on
//! several batches at once.
//!
//! A batch has one buffer per share, with that share's blocks of the batch's segments one after the
//! other, as they lie in the share. The plaintext is read into the buffers of the first k shares,
//! whose blocks are the ciphertext itself, enciphered there, and never copied again.

use super::UploadError;
use super::receiver::Plaintext;
use crate::padding::without_padding;
use bytes::BytesMut;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use tahoe_crypto::hash::{self, Hash, TaggedHasher};
use tahoe_crypto::{AesCtr, ImmutableReadKey};
use tahoe_share::SegmentGeometry;

/// Reads and enciphers a file from its start to its end.
pub(super) struct Encryptor {
    geometry: SegmentGeometry,
    source: Plaintext,
    /// None if what is read is ciphertext already.
    cipher: Option<AesCtr>,
    hasher: TaggedHasher,
    next_segment: u64,
}

/// Some segments, enciphered but not encoded yet: only the first k buffers are filled.
pub(super) struct Batch {
    pub(super) segments: Range<u64>,
    geometry: SegmentGeometry,
    /// Bytes at the start of each buffer that come before the blocks.
    prefix_length: usize,
    /// By share number.
    shares: Vec<BytesMut>,
}

/// The blocks and hashes of some segments.
pub(super) struct EncodedBatch {
    pub(super) segments: Range<u64>,
    /// By share number; with room for the trailer if the batch is the file's last.
    pub(super) shares: Vec<BytesMut>,
    /// Of each segment's ciphertext.
    pub(super) segment_hashes: Vec<Hash>,
    /// By share number, of each segment's block.
    pub(super) block_hashes: Vec<Vec<Hash>>,
}

impl Encryptor {
    pub(super) fn new(
        geometry: SegmentGeometry,
        key: Option<&ImmutableReadKey>,
        source: Plaintext,
    ) -> Self {
        Self {
            geometry,
            source,
            cipher: key.map(|key| AesCtr::new(key.as_bytes(), 0)),
            hasher: TaggedHasher::new(hash::CIPHERTEXT_TAG),
            next_segment: 0,
        }
    }

    /// Says whether no segment has been read.
    pub(super) fn is_at_start(&self) -> bool {
        self.next_segment == 0
    }

    /// Says whether all segments have been read.
    pub(super) fn is_finished(&self) -> bool {
        self.next_segment == self.geometry.segment_count()
    }

    /// The hash over the whole ciphertext, once all of it has been read.
    pub(super) fn ciphertext_hash(self) -> Hash {
        self.hasher.finish()
    }

    /// Reads and enciphers up to `most` further segments. Each buffer begins with `prefix` and has
    /// spare capacity for `spare` bytes.
    pub(super) fn next_batch(
        &mut self,
        most: u64,
        prefix: &[u8],
        spare: usize,
    ) -> Result<Batch, UploadError> {
        let end = self.geometry.segment_count().min(self.next_segment + most);
        let segments = self.next_segment..end;
        let sizes = segments.clone().map(|s| block_size(&self.geometry, s));
        let length = prefix.len() + sizes.sum::<usize>();
        let new_buffer = || {
            let mut buffer = tahoe_buffers::take(length, spare);
            buffer[..prefix.len()].copy_from_slice(prefix);
            buffer
        };
        let shares = std::iter::repeat_with(new_buffer);
        let mut batch = Batch {
            segments: segments.clone(),
            geometry: self.geometry,
            prefix_length: prefix.len(),
            shares: shares.take(self.geometry.shares_total().into()).collect(),
        };
        let mut start = prefix.len();
        for segment in segments {
            let size = block_size(&self.geometry, segment);
            self.fill_segment(segment, start..start + size, &mut batch.shares)?;
            start += size;
        }
        self.next_segment = end;
        Ok(batch)
    }

    /// Puts a segment's ciphertext into `block` of the first k buffers, and zeros behind it.
    fn fill_segment(
        &mut self,
        segment: u64,
        block: Range<usize>,
        shares: &mut [BytesMut],
    ) -> Result<(), UploadError> {
        let mut rest = segment_size(&self.geometry, segment);
        for share in shares.iter_mut().take(self.geometry.shares_needed().into()) {
            let piece = &mut share[block.clone()];
            let length = rest.min(piece.len());
            let (piece, padding) = piece.split_at_mut(length);
            padding.fill(0);
            self.source.read_exact(piece)?;
            if let Some(cipher) = &mut self.cipher {
                cipher.apply(piece);
            }
            self.hasher.update(piece);
            rest -= length;
        }
        Ok(())
    }
}

impl Plaintext {
    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), UploadError> {
        match self {
            // The receiver counted the bytes.
            Self::Memory(rest) => {
                buffer.copy_from_slice(&rest.split_to(buffer.len()));
                Ok(())
            }
            Self::File(file) => read_file(file, buffer),
        }
    }
}

fn read_file(file: &mut File, buffer: &mut [u8]) -> Result<(), UploadError> {
    file.read_exact(buffer)
        .map_err(|source| UploadError::ReadSpool { source })
}

/// Computes the check blocks of a batch and hashes everything.
pub(super) fn encode(mut batch: Batch, encoder: &zfec::Encoder) -> EncodedBatch {
    let geometry = batch.geometry;
    let needed = usize::from(geometry.shares_needed());
    let check_numbers: Vec<u8> = (geometry.shares_needed()..geometry.shares_total())
        .filter_map(|number| u8::try_from(number).ok())
        .collect();
    let mut places = Vec::new();
    let mut start = batch.prefix_length;
    for segment in batch.segments.clone() {
        let place = start..start + block_size(&geometry, segment);
        let (primary, check) = batch.shares.split_at_mut(needed);
        let primary: Vec<&[u8]> = primary.iter().map(|share| &share[place.clone()]).collect();
        let mut check: Vec<&mut [u8]> = check
            .iter_mut()
            .map(|share| &mut share[place.clone()])
            .collect();
        encoder
            .encode(&primary, &check_numbers, &mut check)
            .expect("all blocks of a segment have one length");
        start = place.end;
        places.push(place);
    }
    let (block_hashes, segment_hashes) = hash_batch(&batch, &places);
    EncodedBatch {
        segments: batch.segments,
        shares: batch.shares,
        segment_hashes,
        block_hashes,
    }
}

/// Hashes the blocks, which lie in these places of each share, and the segments' ciphertext, all at
/// once. The blocks' hashes by share number.
fn hash_batch(batch: &Batch, places: &[Range<usize>]) -> (Vec<Vec<Hash>>, Vec<Hash>) {
    let shares = &batch.shares;
    let blocks_of = |place: &Range<usize>| {
        let place = place.clone();
        shares.iter().map(move |share| &share[place.clone()])
    };
    let blocks: Vec<&[u8]> = places.iter().flat_map(blocks_of).collect();
    let needed = usize::from(batch.geometry.shares_needed());
    let segments = batch.segments.clone().zip(places);
    let segments = segments.map(|(segment, place)| {
        let length = segment_size(&batch.geometry, segment);
        without_padding(blocks_of(place).take(needed), length)
    });
    let (hashes, segment_hashes) =
        hash::blocks_and_segments(&blocks, &segments.collect::<Vec<_>>());
    let of_share = |share| hashes.iter().skip(share).step_by(shares.len());
    let block_hashes = (0..shares.len()).map(|share| of_share(share).copied().collect());
    (block_hashes.collect(), segment_hashes)
}

fn segment_size(geometry: &SegmentGeometry, segment: u64) -> usize {
    let range = geometry.segment_range(segment);
    let range = range.expect("only existing segments are asked for");
    in_memory(range.end - range.start)
}

fn block_size(geometry: &SegmentGeometry, segment: u64) -> usize {
    let size = geometry.block_size_of(segment);
    in_memory(size.expect("only existing segments are asked for"))
}

/// Converts the size of something that is in memory.
fn in_memory(size: u64) -> usize {
    usize::try_from(size).expect("segments are at most 1 GiB and a bit")
}
