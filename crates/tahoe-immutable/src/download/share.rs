//! One share on one server: what of it is needed, and what of that is proved.
//!
//! Everything in a share is checked against the capability before it is used: the URI extension
//! block by its hash, the share hash chain against the block's root, the block hashes against the
//! chain's leaf, the ciphertext hashes against the block's other root. What is proved is kept, so
//! that later ranges need no more than their blocks.
//!
//! A share that was never read is read as if its file had the usual segment size. If that is right,
//! and it mostly is, header, hashes and blocks come in one round trip.

use super::spans::Received;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tahoe_crypto::UriExtensionHash;
use tahoe_crypto::hash::{self, Hash};
use tahoe_share::immutable::{LayoutError, ShareLayout};
use tahoe_share::{
    EncodingParameters, HashTreeError, IncompleteHashTree, MAX_URI_EXTENSION_LENGTH,
    SegmentGeometry, TreeShape, UriExtension, parse_share_hash_chain,
};
use tahoe_storage_api::{Server, ShareNumber, StorageError};

/// Proved hashes that are kept per tree; when there are more the tree starts again from its root.
const MOST_KEPT_HASHES: u64 = 1 << 14;

/// A share that a server says it has.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) server: Arc<Server>,
    pub(super) number: ShareNumber,
    /// How long the server took to say so.
    pub(super) response_time: Duration,
    state: Mutex<ShareState>,
}

#[derive(Debug, Default)]
struct ShareState {
    layout: Option<ShareLayout>,
    block_hashes: Option<KeptTree>,
    dead: bool,
    /// How often it was overdue.
    overdue: u32,
    bad_segments: BTreeSet<u64>,
}

/// What the capability says of a file.
#[derive(Debug, Clone)]
pub(super) struct Promise {
    pub(super) uri_extension_hash: UriExtensionHash,
    pub(super) encoding: EncodingParameters,
    pub(super) file_size: u64,
}

/// What the URI extension block says of a file, and hashes that it proves for all shares.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) geometry: SegmentGeometry,
    /// The whole block.
    pub(super) uri_extension: Bytes,
    crypttext_hashes: KeptTree,
    share_hashes: IncompleteHashTree,
}

/// A part of a share, as advisories name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharePart {
    /// Version and offsets.
    Header,
    /// The URI extension block.
    UriExtension,
    /// The share hash chain.
    ShareHashes,
    /// The tree over all segments' ciphertext.
    CrypttextHashes,
    /// The tree over the share's blocks.
    BlockHashes,
    /// A block.
    Block,
}

impl std::fmt::Display for SharePart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::UriExtension => "URI extension block",
            Self::ShareHashes => "share hash chain",
            Self::CrypttextHashes => "crypttext hash tree",
            Self::BlockHashes => "block hash tree",
            Self::Block => "block",
        })
    }
}

/// Bytes of a share are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corruption in share[{}-{}): {part}: {reason}", .range.start, .range.end)]
pub(crate) struct Corruption {
    pub(crate) part: SharePart,
    pub(crate) range: Range<u64>,
    pub(crate) reason: String,
}

/// Why blocks could not be had from a share.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShareFault {
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    #[error("the share ends before byte {end}")]
    Truncated { end: u64 },
    #[error(transparent)]
    Server(#[from] StorageError),
}

/// What the bytes that have come are good for.
#[derive(Debug)]
pub(super) enum Absorbed {
    /// Something is missing.
    Incomplete,
    /// All blocks, in order.
    Blocks(Vec<Block>),
    /// The URI extension block shows that the segments aren't what the reader supposed.
    OtherGeometry,
    /// The URI extension block is genuine and makes no sense.
    BadFile(tahoe_share::UriExtensionError),
}

/// A block, not yet compared with its hash, and hashes that are proved.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) segment: u64,
    pub(super) data: Bytes,
    pub(super) hash: Hash,
    /// Of the segment's ciphertext.
    pub(super) segment_hash: Hash,
}

/// The segments that are read, and how they were counted.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// As known or supposed.
    pub(super) geometry: SegmentGeometry,
    /// Whose blocks are wanted.
    pub(super) segments: Range<u64>,
    /// Whose hashes are wanted, because their blocks will be next.
    pub(super) hashes: Range<u64>,
}

/// An incomplete hash tree that doesn't grow without bound.
#[derive(Debug)]
struct KeptTree {
    tree: IncompleteHashTree,
    root: Hash,
    /// At most how many hashes it holds.
    size: u64,
}

impl KeptTree {
    fn new(shape: TreeShape, root: Hash) -> Self {
        Self {
            tree: IncompleteHashTree::new(shape, root),
            root,
            size: 1,
        }
    }

    /// Proves hashes, each of which may give another one above it.
    fn add(&mut self, hashes: Vec<(u64, Hash)>) -> Result<(), HashTreeError> {
        self.size += 2 * hashes.len() as u64;
        self.tree.add_hashes(hashes)
    }

    /// Forgets what is proved if it has become too much.
    fn prune(&mut self) {
        if self.size > MOST_KEPT_HASHES {
            *self = Self::new(self.tree.shape(), self.root);
        }
    }
}

/// The nodes that prove these leaves, themselves included, without those that are proved already.
fn needed_nodes(
    shape: TreeShape,
    known: Option<&IncompleteHashTree>,
    leaves: &Range<u64>,
) -> Result<Vec<u64>, HashTreeError> {
    let Some(last) = leaves
        .end
        .checked_sub(1)
        .filter(|last| leaves.start <= *last)
    else {
        return Ok(Vec::new());
    };
    let is_known = |node: u64| known.is_some_and(|tree| tree.node(node).is_some());
    let (mut left, mut right) = (shape.leaf_node(leaves.start)?, shape.leaf_node(last)?);
    let mut nodes: Vec<u64> = (left..=right).filter(|node| !is_known(*node)).collect();
    if nodes.is_empty() {
        return Ok(nodes);
    }
    while left != 0 {
        // Left children have odd numbers.
        if left % 2 == 0 && !is_known(left - 1) {
            nodes.push(left - 1);
        }
        if right % 2 == 1 && !is_known(right + 1) {
            nodes.push(right + 1);
        }
        (left, right) = ((left - 1) / 2, (right - 1) / 2);
    }
    Ok(nodes)
}

impl Facts {
    fn new(
        geometry: SegmentGeometry,
        uri_extension: &UriExtension,
        bytes: Bytes,
    ) -> Result<Self, HashTreeError> {
        let segments = TreeShape::new(geometry.segment_count())?;
        let shares = TreeShape::new(geometry.shares_total().into())?;
        Ok(Self {
            geometry,
            uri_extension: bytes,
            crypttext_hashes: KeptTree::new(segments, uri_extension.crypttext_root_hash),
            share_hashes: IncompleteHashTree::new(shares, uri_extension.share_root_hash),
        })
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share(sh{}-on-{})", self.number, self.server.id.short())
    }
}

impl Share {
    pub(super) fn new(server: Arc<Server>, number: ShareNumber, response_time: Duration) -> Self {
        Self {
            server,
            number,
            response_time,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ShareState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether nothing more is to be had from it.
    pub(super) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    pub(super) fn set_dead(&self) {
        self.lock().dead = true;
    }

    /// How often it was overdue.
    pub(super) fn times_overdue(&self) -> u32 {
        self.lock().overdue
    }

    pub(super) fn note_overdue(&self) {
        let mut state = self.lock();
        state.overdue = state.overdue.saturating_add(1);
    }

    /// Says whether its block of a segment is known to be bad.
    pub(super) fn is_bad(&self, segment: u64) -> bool {
        self.lock().bad_segments.contains(&segment)
    }

    /// Says whether any of its blocks is known to be bad.
    pub(super) fn has_bad_blocks(&self) -> bool {
        !self.lock().bad_segments.is_empty()
    }

    /// Which bytes of the share are needed for a wish, as far as one can tell now.
    pub(super) fn wanted(
        &self,
        wish: &Wish,
        facts: Option<&Facts>,
    ) -> Result<Vec<Range<u64>>, LayoutError> {
        let state = self.lock();
        let geometry = facts.map_or(&wish.geometry, |facts| &facts.geometry);
        let mut wanted = Vec::new();
        let layout = match state.layout {
            Some(layout) => layout,
            None => {
                wanted.push(0..ShareLayout::MAX_HEADER_LENGTH);
                ShareLayout::for_upload(geometry)?
            }
        };
        if facts.is_none() {
            let length = layout.uri_extension_length_range()?;
            wanted.push(length.start..length.end.saturating_add(MAX_URI_EXTENSION_LENGTH));
        }
        let leaf = facts.and_then(|facts| facts.share_hashes.leaf(self.number.0.into()));
        if state.block_hashes.is_none() && leaf.is_none() {
            wanted.push(layout.share_hashes_range());
        }
        let shape = TreeShape::new(geometry.segment_count())?;
        let known = facts.map(|facts| &facts.crypttext_hashes.tree);
        for node in needed_nodes(shape, known, &wish.hashes)? {
            wanted.push(layout.crypttext_hash_range(&shape, node)?);
        }
        let known = state.block_hashes.as_ref().map(|kept| &kept.tree);
        for node in needed_nodes(shape, known, &wish.hashes)? {
            wanted.push(layout.block_hash_range(&shape, node)?);
        }
        for segment in wish.segments.clone() {
            wanted.push(layout.block_range(geometry, segment)?);
        }
        Ok(wanted)
    }

    /// Checks and keeps what has come; returns the blocks once all are there.
    pub(super) fn absorb(
        &self,
        wish: &Wish,
        received: &Received,
        promise: &Promise,
        facts: &mut Option<Facts>,
    ) -> Result<Absorbed, Corruption> {
        let mut state = self.lock();
        let Some(layout) = absorb_header(&mut state, received)? else {
            return Ok(Absorbed::Incomplete);
        };
        let facts = match facts {
            Some(facts) => facts,
            None => match absorb_uri_extension(&layout, received, promise)? {
                None => return Ok(Absorbed::Incomplete),
                Some(Err(error)) => return Ok(Absorbed::BadFile(error)),
                Some(Ok(new)) => facts.insert(new),
            },
        };
        if facts.geometry != wish.geometry {
            return Ok(Absorbed::OtherGeometry);
        }
        let tree = match &mut state.block_hashes {
            Some(tree) => tree,
            None => match absorb_share_hashes(self.number, &layout, received, facts)? {
                None => return Ok(Absorbed::Incomplete),
                Some(root) => {
                    let shape = facts.crypttext_hashes.tree.shape();
                    state.block_hashes.insert(KeptTree::new(shape, root))
                }
            },
        };
        let crypttext = (SharePart::CrypttextHashes, layout.crypttext_hash_tree);
        let blocks = (SharePart::BlockHashes, layout.block_hashes);
        if !absorb_tree(
            &mut facts.crypttext_hashes,
            &wish.hashes,
            received,
            crypttext,
        )? || !absorb_tree(tree, &wish.hashes, received, blocks)?
        {
            return Ok(Absorbed::Incomplete);
        }
        let mut found = Vec::new();
        for segment in wish.segments.clone() {
            let range = layout.block_range(&facts.geometry, segment);
            let range = range.map_err(|error| bad_header(&layout, &error))?;
            let hashes = (
                tree.tree.leaf(segment),
                facts.crypttext_hashes.tree.leaf(segment),
            );
            let (Some(data), (Some(hash), Some(segment_hash))) = (received.get(range), hashes)
            else {
                return Ok(Absorbed::Incomplete);
            };
            found.push(Block {
                segment,
                data,
                hash: *hash,
                segment_hash: *segment_hash,
            });
        }
        facts.crypttext_hashes.prune();
        tree.prune();
        Ok(Absorbed::Blocks(found))
    }

    /// Compares a block with its hash, and remembers it if it is bad.
    pub(super) fn check_block(
        &self,
        geometry: &SegmentGeometry,
        block: &Block,
    ) -> Result<(), Corruption> {
        if hash::block(&block.data) == block.hash {
            Ok(())
        } else {
            Err(self.note_bad_block(geometry, block.segment))
        }
    }

    fn note_bad_block(&self, geometry: &SegmentGeometry, segment: u64) -> Corruption {
        let mut state = self.lock();
        state.bad_segments.insert(segment);
        let range = state
            .layout
            .map(|layout| layout.block_range(geometry, segment));
        Corruption {
            part: SharePart::Block,
            range: range.and_then(Result::ok).unwrap_or(0..0),
            reason: format!("the hash of the block of segment {segment} is wrong"),
        }
    }
}

fn bad_header(layout: &ShareLayout, error: &dyn std::error::Error) -> Corruption {
    Corruption {
        part: SharePart::Header,
        range: 0..layout.version.header_length(),
        reason: error.to_string(),
    }
}

fn absorb_header(
    state: &mut ShareState,
    received: &Received,
) -> Result<Option<ShareLayout>, Corruption> {
    if state.layout.is_some() {
        return Ok(state.layout);
    }
    // Only a short share ends before the longer header would.
    let lengths = [ShareLayout::MAX_HEADER_LENGTH, 0x24];
    let Some(header) = lengths.iter().find_map(|length| received.get(0..*length)) else {
        return Ok(None);
    };
    let layout = ShareLayout::parse(&header).map_err(|error| Corruption {
        part: SharePart::Header,
        range: 0..header.len() as u64,
        reason: error.to_string(),
    })?;
    state.layout = Some(layout);
    Ok(Some(layout))
}

type ParsedFacts = Result<Facts, tahoe_share::UriExtensionError>;

fn absorb_uri_extension(
    layout: &ShareLayout,
    received: &Received,
    promise: &Promise,
) -> Result<Option<ParsedFacts>, Corruption> {
    let length_range = layout.uri_extension_length_range();
    let length_range = length_range.map_err(|error| bad_header(layout, &error))?;
    let Some(length) = received.get(length_range.clone()) else {
        return Ok(None);
    };
    let corrupt = |range: Range<u64>, reason: String| Corruption {
        part: SharePart::UriExtension,
        range: length_range.start..range.end,
        reason,
    };
    let range = layout
        .uri_extension_range(&length)
        .map_err(|error| corrupt(length_range.clone(), error.to_string()))?;
    let Some(bytes) = received.get(range.clone()) else {
        return Ok(None);
    };
    if UriExtension::hash_of(&bytes) != promise.uri_extension_hash {
        let reason = "its hash isn't the one in the capability".to_owned();
        return Err(corrupt(range, reason));
    }
    Ok(Some(understand(bytes, promise)))
}

/// Reads a block that is what the uploader wrote, be it good or bad.
fn understand(bytes: Bytes, promise: &Promise) -> ParsedFacts {
    let block = UriExtension::parse(&bytes)?;
    let geometry = SegmentGeometry::with_segment_size(
        promise.encoding,
        promise.file_size,
        block.segment_size,
    )?;
    let field = "num_segments";
    // What it is a slice of may be large.
    let bytes = Bytes::copy_from_slice(&bytes);
    Facts::new(geometry, &block, bytes)
        .map_err(|_| tahoe_share::UriExtensionError::Inconsistent { field })
}

/// Returns the root of the share's block hash tree once it is proved.
fn absorb_share_hashes(
    number: ShareNumber,
    layout: &ShareLayout,
    received: &Received,
    facts: &mut Facts,
) -> Result<Option<Hash>, Corruption> {
    let leaf = u64::from(number.0);
    if let Some(root) = facts.share_hashes.leaf(leaf) {
        return Ok(Some(*root));
    }
    let range = layout.share_hashes_range();
    let Some(bytes) = received.get(range.clone()) else {
        return Ok(None);
    };
    let corrupt = |reason: String| Corruption {
        part: SharePart::ShareHashes,
        range: range.clone(),
        reason,
    };
    let chain = parse_share_hash_chain(&bytes).map_err(|error| corrupt(error.to_string()))?;
    let chain = chain
        .into_iter()
        .map(|(node, hash)| (u64::from(node), hash));
    let added = facts.share_hashes.add_hashes(chain);
    added.map_err(|error| corrupt(error.to_string()))?;
    match facts.share_hashes.leaf(leaf) {
        Some(root) => Ok(Some(*root)),
        None => Err(corrupt("it doesn't prove the share".to_owned())),
    }
}

/// Proves the hashes of some leaves; says whether they are all proved now.
fn absorb_tree(
    kept: &mut KeptTree,
    leaves: &Range<u64>,
    received: &Received,
    (part, start): (SharePart, u64),
) -> Result<bool, Corruption> {
    let corrupt = |range: Range<u64>, error: HashTreeError| Corruption {
        part,
        range: start.saturating_add(range.start)..start.saturating_add(range.end),
        reason: error.to_string(),
    };
    let shape = kept.tree.shape();
    let nodes = needed_nodes(shape, Some(&kept.tree), leaves);
    let nodes = nodes.map_err(|error| corrupt(0..0, error))?;
    let mut hashes = Vec::with_capacity(nodes.len());
    for node in nodes {
        let range = shape.stored_range_of(node);
        let range = range.map_err(|error| corrupt(0..0, error))?;
        let (from, to) = (start.checked_add(range.start), start.checked_add(range.end));
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(false);
        };
        let bytes = received.get(from..to);
        let Some(hash) = bytes.and_then(|bytes| Hash::try_from(&bytes[..]).ok()) else {
            return Ok(false);
        };
        hashes.push((node, hash));
    }
    if hashes.is_empty() {
        return Ok(true);
    }
    let added = kept.add(hashes);
    added.map_err(|error| corrupt(0..shape.stored_length(), error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tahoe_share::HashTree;

    proptest! {
        #[test]
        fn needed_nodes_are_those_of_all_leaves_together(
            leaf_count in 1usize..70,
            ranges in proptest::collection::vec((0u64..70, 0u64..70), 1..5),
        ) {
            let leaves: Vec<Hash> = (0..leaf_count)
                .map(|leaf| hash::block(&leaf.to_be_bytes()))
                .collect();
            let tree = HashTree::from_leaves(&leaves).unwrap();
            let mut known = IncompleteHashTree::new(tree.shape(), tree.root());
            for (a, b) in ranges {
                let count = leaf_count as u64;
                let range = (a % count).min(b % count)..(a % count).max(b % count) + 1;
                let nodes = needed_nodes(tree.shape(), Some(&known), &range).unwrap();
                let hashes = nodes.iter().map(|node| (*node, tree.node(*node).unwrap()));
                prop_assert!(known.add_hashes(hashes).is_ok());
                for leaf in range.clone() {
                    let index = usize::try_from(leaf).unwrap();
                    prop_assert_eq!(known.leaf(leaf), Some(&leaves[index]));
                }
                let again = needed_nodes(tree.shape(), Some(&known), &range).unwrap();
                prop_assert!(again.is_empty());
            }
        }
    }

    #[test]
    fn a_range_needs_few_nodes_beside_its_leaves() {
        let shape = TreeShape::new(1024).unwrap();
        assert_eq!(needed_nodes(shape, None, &(500..501)).unwrap().len(), 11);
        assert_eq!(needed_nodes(shape, None, &(0..1024)).unwrap().len(), 1024);
        assert!(needed_nodes(shape, None, &(5..5)).unwrap().is_empty());
        assert!(needed_nodes(shape, None, &(1000..1025)).is_err());
    }
}
