//! Share formats: segment geometry, hash trees, URI extension block, share layouts.
//!
//! A file's ciphertext is cut into segments, each segment is erasure-coded into one block per
//! share, and a share holds its blocks with the hashes that prove them. This crate knows sizes,
//! offsets and hashes; it neither encodes, enciphers nor talks to anybody.
//!
//! ```
//! use tahoe_share::{EncodingParameters, SegmentGeometry, immutable::ShareLayout};
//! let encoding = EncodingParameters::new(3, 10)?;
//! let geometry = SegmentGeometry::for_upload(encoding, 100_000, 1 << 20)?;
//! assert_eq!((geometry.segment_size(), geometry.segment_count()), (100_002, 1));
//! let layout = ShareLayout::for_upload(&geometry)?;
//! assert_eq!(layout.block_range(&geometry, 0)?, 0x24..0x24 + 33_334);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariant:** whatever the bytes, nothing here panics, overflows or allocates more than the
//! input implies. The formats are those of `docs/formats/immutable-share.md`, `sdmf.md`, `mdmf.md`,
//! `uri-extension.md` and `hash-trees.md`.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub mod describe;
mod geometry;
mod hash_tree;
pub mod immutable;
mod incomplete_tree;
pub mod mutable;
mod share_hash_chain;
mod streamed_tree;
mod uri_extension;

pub use geometry::{DEFAULT_MAX_SEGMENT_SIZE, EncodingParameters, GeometryError, SegmentGeometry};
pub use hash_tree::{HashTree, HashTreeError, MAX_LEAVES, TreeShape};
pub use incomplete_tree::IncompleteHashTree;
pub use share_hash_chain::{
    SHARE_HASH_ENTRY_LENGTH, ShareHash, ShareHashChainError, encode_share_hash_chain,
    mutable_share_hash_chain, parse_share_hash_chain, share_hash_chain,
};
pub use streamed_tree::{StreamedRoot, wrong_parent};
pub use uri_extension::{
    CodecParameters, FileHashes, MAX_URI_EXTENSION_LENGTH, UriExtension, UriExtensionError,
};
