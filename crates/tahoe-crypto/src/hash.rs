//! Tahoe's tagged hashes: SHA-256 twice over a netstring of the tag and the data.
//!
//! `tagged(T, x) = SHA256d(netstring(T) ‖ x)` and
//! `pair(T, a, b) = SHA256d(netstring(T) ‖ netstring(a) ‖ netstring(b))`, where SHA256d is SHA-256
//! applied twice. A shorter value is a prefix of the 32 bytes.

mod many;

use many::Message;
use sha2::{Digest as _, Sha256};
use tahoe_encoding::netstring;

/// Bytes of a whole tagged hash.
pub const HASH_LENGTH: usize = 32;

/// A tagged hash of something.
pub type Hash = [u8; HASH_LENGTH];

/// Tag of the hash over one block of a share.
pub const BLOCK_TAG: &[u8] = b"allmydata_encoded_subshare_v1";
/// Tag of the hash over a URI extension block.
pub const URI_EXTENSION_TAG: &[u8] = b"allmydata_uri_extension_v1";
/// Tag of the hash over a file's whole ciphertext.
pub const CIPHERTEXT_TAG: &[u8] = b"allmydata_crypttext_v1";
/// Tag of the hash over one segment's ciphertext.
pub const CIPHERTEXT_SEGMENT_TAG: &[u8] = b"allmydata_crypttext_segment_v1";

/// Hashes a stream under a tag.
#[derive(Clone)]
pub struct TaggedHasher(Sha256);

impl TaggedHasher {
    /// Starts with nothing but the tag.
    pub fn new(tag: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(netstring::encode(tag)))
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Ends the stream.
    pub fn finish(self) -> Hash {
        Sha256::digest(self.0.finalize()).into()
    }

    /// Ends the stream and keeps the first `N ≤ 32` bytes.
    pub fn finish_truncated<const N: usize>(self) -> [u8; N] {
        truncate(self.finish())
    }
}

impl std::fmt::Debug for TaggedHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TaggedHasher")
    }
}

/// Hashes data under a tag.
pub fn tagged(tag: &[u8], data: &[u8]) -> Hash {
    let mut hasher = TaggedHasher::new(tag);
    hasher.update(data);
    hasher.finish()
}

/// Hashes two values under a tag.
pub fn tagged_pair(tag: &[u8], first: &[u8], second: &[u8]) -> Hash {
    let mut hasher = TaggedHasher::new(tag);
    hasher.update(&netstring::encode(first));
    hasher.update(&netstring::encode(second));
    hasher.finish()
}

/// Hashes one block of a share.
pub fn block(data: &[u8]) -> Hash {
    tagged(BLOCK_TAG, data)
}

/// Hashes blocks, and segments' ciphertext given in pieces, all at the same time. The more of similar
/// length there are the less time each takes, up to 16.
pub fn blocks_and_segments(blocks: &[&[u8]], segments: &[Vec<&[u8]>]) -> (Vec<Hash>, Vec<Hash>) {
    let prefixes = [BLOCK_TAG, CIPHERTEXT_SEGMENT_TAG].map(netstring::encode);
    let [of_blocks, of_segments] = &prefixes;
    let blocks_tagged = blocks.iter().map(|block| vec![&of_blocks[..], block]);
    let segments = segments.iter();
    let segments_tagged = segments.map(|pieces| [&[&of_segments[..]], &pieces[..]].concat());
    let messages: Vec<Message<'_>> = blocks_tagged.chain(segments_tagged).collect();
    let digests = many::digests(&messages);
    let twice = digests.iter().map(|digest| Sha256::digest(digest).into());
    let mut of_blocks: Vec<Hash> = twice.collect();
    let of_segments = of_blocks.split_off(blocks.len());
    (of_blocks, of_segments)
}

/// Hashes one segment's ciphertext.
pub fn ciphertext_segment(data: &[u8]) -> Hash {
    tagged(CIPHERTEXT_SEGMENT_TAG, data)
}

/// Hashes a serialised URI extension block.
pub fn uri_extension(data: &[u8]) -> Hash {
    tagged(URI_EXTENSION_TAG, data)
}

/// Keeps the first `N ≤ 32` bytes of a hash.
pub(crate) fn truncate<const N: usize>(hash: Hash) -> [u8; N] {
    *hash
        .first_chunk()
        .expect("callers ask for at most 32 bytes")
}

/// Six characters that tell secrets apart in a log without revealing them.
pub(crate) fn log_fingerprint(secret: &[u8]) -> String {
    let hash = tagged(b"tahoe-rust log fingerprint", secret);
    tahoe_encoding::base32::encode(&hash[..4])[..6].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_are_hashed_as_one_by_one() {
        let data: Vec<u8> = (0..3000_u32).map(|i| i.to_le_bytes()[0]).collect();
        let values: Vec<&[u8]> = (0..20).map(|i| &data[i..i + i * 140]).collect();
        let segments: Vec<Vec<&[u8]>> = values
            .iter()
            .map(|value| <[&[u8]; 2]>::from(value.split_at(value.len() / 2)).to_vec())
            .collect();
        let of_blocks: Vec<Hash> = values.iter().map(|value| block(value)).collect();
        let of_segments: Vec<Hash> = values.iter().map(|v| ciphertext_segment(v)).collect();
        let hashes = blocks_and_segments(&values, &segments);
        assert_eq!(hashes, (of_blocks, of_segments));
        assert_eq!(blocks_and_segments(&[], &[]), (Vec::new(), Vec::new()));
    }
}
