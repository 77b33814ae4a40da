//! Verifies one share: every byte of it that a reader might rely on.
//!
//! Nothing that another share or an earlier check has proved is taken for granted, so that each
//! share is judged by itself. In order: the header, the URI extension block against the capability,
//! the share hash chain, both stored hash trees node by node, and all blocks. The blocks' own hashes
//! are also joined into the root that the chain promises, so a server must have the blocks.
//!
//! Memory: [`MOST_KEPT`] for the share's small parts, two runs of blocks, and a few hashes per level
//! of its trees.

use super::reader::{MOST_KEPT, ShareReader, corrupt};
use crate::download::{ShareFault, SharePart};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::ops::Range;
use tahoe_caps::ChkVerifyCap;
use tahoe_crypto::hash::{self, HASH_LENGTH, Hash};
use tahoe_share::immutable::{LayoutError, ShareLayout};
use tahoe_share::{
    DEFAULT_MAX_SEGMENT_SIZE, EncodingParameters, IncompleteHashTree, MAX_URI_EXTENSION_LENGTH,
    SegmentGeometry, StreamedRoot, TreeShape, UriExtension, parse_share_hash_chain, wrong_parent,
};
use tahoe_tasks::CpuPool;

/// Most bytes of the blocks that are fetched and hashed at a time, unless one block has more.
const RUN_SIZE: u64 = 512 * 1024;
/// Runs of one share that are under way: one is fetched while another is hashed.
const RUNS_AHEAD: usize = 2;
/// Nodes with children that are checked at a time.
const NODES_AT_A_TIME: u64 = 4096;
/// So many bytes are hashed without leaving the runtime's thread.
const FEW_BYTES: usize = 4096;
/// Trees of fewer nodes are checked without leaving the runtime's thread.
const FEW_NODES: u64 = 64;

/// What a check of one share comes to, unless the server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it is as the uploader wrote it.
    Good,
    /// Its version is unknown.
    Incompatible,
}

/// What a share's blocks must be.
struct Promise {
    geometry: SegmentGeometry,
    layout: ShareLayout,
    crypttext_root: Hash,
    /// Of this share's blocks.
    block_root: Hash,
}

/// How much of a share is worth fetching at first: all of it, if it is small and of the usual shape.
pub(super) fn first_read(cap: &ChkVerifyCap, encoding: EncodingParameters) -> u64 {
    let usual = SegmentGeometry::for_upload(encoding, cap.size, DEFAULT_MAX_SEGMENT_SIZE).ok();
    let whole = usual.and_then(|geometry| {
        let layout = ShareLayout::for_upload(&geometry).ok()?;
        Some(layout.allocated_size(&geometry))
    });
    match whole {
        // A byte more shows that the share ends where it should.
        Some(whole) if whole < MOST_KEPT => whole.saturating_add(1),
        Some(_) | None => ShareLayout::MAX_HEADER_LENGTH,
    }
}

/// Verifies a share.
pub(super) async fn verify(
    mut reader: ShareReader,
    cap: &ChkVerifyCap,
    encoding: EncodingParameters,
    pool: &CpuPool,
) -> Result<Verdict, ShareFault> {
    reader.keep(0..first_read(cap, encoding)).await?;
    let header = reader.read_up_to(0..ShareLayout::MAX_HEADER_LENGTH).await?;
    let layout = match ShareLayout::parse(&header) {
        Ok(layout) => layout,
        Err(LayoutError::UnknownVersion { .. }) => return Ok(Verdict::Incompatible),
        Err(error) => {
            let range = 0..header.len() as u64;
            return Err(corrupt(SharePart::Header, range, error));
        }
    };
    keep_trailer(&mut reader, &layout).await?;
    let promise = read_promise(&reader, layout, cap, encoding).await?;
    let shape = shape_of(&promise.geometry)?;
    let part = SharePart::BlockHashes;
    check_tree(
        &reader,
        pool,
        shape,
        promise.block_root,
        layout.block_hashes,
        part,
    )
    .await?;
    let part = SharePart::CrypttextHashes;
    let start = layout.crypttext_hash_tree;
    check_tree(&reader, pool, shape, promise.crypttext_root, start, part).await?;
    check_blocks(&reader, pool, &promise, shape).await?;
    Ok(Verdict::Good)
}

/// Keeps all that follows the blocks, if it is small.
async fn keep_trailer(reader: &mut ShareReader, layout: &ShareLayout) -> Result<(), ShareFault> {
    let start = layout.crypttext_hash_tree;
    let end = layout
        .uri_extension
        .saturating_add(layout.version.field_length());
    let end = end.saturating_add(MAX_URI_EXTENSION_LENGTH);
    match end.checked_sub(start) {
        Some(length) if length <= MOST_KEPT => reader.keep(start..end).await,
        Some(_) | None => Ok(()),
    }
}

fn shape_of(geometry: &SegmentGeometry) -> Result<TreeShape, ShareFault> {
    let shape = TreeShape::new(geometry.segment_count());
    shape.map_err(|error| corrupt(SharePart::UriExtension, 0..0, error))
}

/// Reads what proves the rest of the share: the URI extension block and the share hash chain.
async fn read_promise(
    reader: &ShareReader,
    layout: ShareLayout,
    cap: &ChkVerifyCap,
    encoding: EncodingParameters,
) -> Result<Promise, ShareFault> {
    let length_range = layout.uri_extension_length_range();
    let length_range = length_range.map_err(|error| corrupt(SharePart::Header, 0..0, error))?;
    let bad_block = |end: u64, error: &dyn std::error::Error| {
        corrupt(SharePart::UriExtension, length_range.start..end, error)
    };
    let length = reader.read(length_range.clone()).await?;
    let range = layout.uri_extension_range(&length);
    let range = range.map_err(|error| bad_block(length_range.end, &error))?;
    let bytes = reader.read(range.clone()).await?;
    if UriExtension::hash_of(&bytes) != cap.uri_extension_hash {
        let reason = "its hash isn't the one in the capability";
        let range = length_range.start..range.end;
        return Err(corrupt(SharePart::UriExtension, range, reason));
    }
    let block = UriExtension::parse(&bytes).map_err(|error| bad_block(range.end, &error))?;
    let geometry = SegmentGeometry::with_segment_size(encoding, cap.size, block.segment_size);
    let geometry = geometry.map_err(|error| bad_block(range.end, &error))?;
    let agrees = block.check_against(&geometry);
    agrees.map_err(|error| bad_block(range.end, &error))?;
    Ok(Promise {
        block_root: read_chain(reader, &layout, encoding, block.share_root_hash).await?,
        crypttext_root: block.crypttext_root_hash,
        geometry,
        layout,
    })
}

/// Returns the root of the block hash tree that the share hash chain proves.
async fn read_chain(
    reader: &ShareReader,
    layout: &ShareLayout,
    encoding: EncodingParameters,
    root: Hash,
) -> Result<Hash, ShareFault> {
    let range = layout.share_hashes_range();
    let wrong =
        |reason: &dyn std::fmt::Display| corrupt(SharePart::ShareHashes, range.clone(), reason);
    let bytes = reader.read(range.clone()).await?;
    let chain = parse_share_hash_chain(&bytes).map_err(|error| wrong(&error))?;
    let shape = TreeShape::new(encoding.shares_total().into()).map_err(|error| wrong(&error))?;
    let mut tree = IncompleteHashTree::new(shape, root);
    let chain = chain
        .into_iter()
        .map(|(node, hash)| (u64::from(node), hash));
    tree.add_hashes(chain).map_err(|error| wrong(&error))?;
    let leaf = tree.leaf(reader.number.0.into());
    leaf.copied()
        .ok_or_else(|| wrong(&"it doesn't prove the share"))
}

/// Checks every node of a stored tree against its root.
async fn check_tree(
    reader: &ShareReader,
    pool: &CpuPool,
    shape: TreeShape,
    root: Hash,
    start: u64,
    part: SharePart,
) -> Result<(), ShareFault> {
    let nodes = |nodes: Range<u64>| node_range(start, nodes);
    let stored_root = hashes(&reader.read(nodes(0..1)).await?);
    if stored_root != [root] {
        return Err(corrupt(part, nodes(0..1), "the root of the tree is wrong"));
    }
    for (parents, children) in shape.families(NODES_AT_A_TIME) {
        let (first, few) = (parents.start, children.end < FEW_NODES);
        let parents = hashes(&reader.read(nodes(parents)).await?);
        let bytes = reader.read(nodes(children)).await?;
        let check = move || wrong_parent(&parents, &hashes(&bytes));
        if let Some(wrong) = if few { check() } else { pool.run(check).await } {
            let node = first.saturating_add(wrong as u64);
            let reason = format!("node {node} isn't the hash of its children");
            return Err(corrupt(part, nodes(node..node.saturating_add(1)), reason));
        }
    }
    Ok(())
}

/// Where nodes of a tree that is stored at `start` lie.
fn node_range(start: u64, nodes: Range<u64>) -> Range<u64> {
    let offset = |node: u64| start.saturating_add(node.saturating_mul(HASH_LENGTH as u64));
    offset(nodes.start)..offset(nodes.end)
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, _) = bytes.as_chunks::<HASH_LENGTH>();
    hashes.to_vec()
}

/// Some neighbouring blocks and the hashes that the share has for them.
struct Run {
    segments: Range<u64>,
    data: Bytes,
    leaves: Vec<Hash>,
}

async fn check_blocks(
    reader: &ShareReader,
    pool: &CpuPool,
    promise: &Promise,
    shape: TreeShape,
) -> Result<(), ShareFault> {
    let segments = promise.geometry.segment_count();
    let at_a_time = (RUN_SIZE / promise.geometry.block_size()).max(1);
    let runs = (0..segments.div_ceil(at_a_time)).map(|run| {
        let start = run.saturating_mul(at_a_time);
        let run = start..segments.min(start.saturating_add(at_a_time));
        read_run(reader, promise, shape, run)
    });
    let mut runs = stream::iter(runs).buffered(RUNS_AHEAD);
    let mut root = StreamedRoot::new(shape);
    while let Some(run) = runs.try_next().await? {
        let (geometry, layout) = (promise.geometry, promise.layout);
        let few = run.data.len() <= FEW_BYTES;
        let check = move || check_run(&run, &geometry, &layout, root);
        root = if few { check() } else { pool.run(check).await }?;
    }
    let whole = node_range(promise.layout.block_hashes, 0..shape.node_count());
    match root.finish() {
        Ok(root) if root == promise.block_root => Ok(()),
        Ok(_) => {
            let reason = "the blocks' hashes don't give the root of their tree";
            Err(corrupt(SharePart::BlockHashes, whole, reason))
        }
        Err(error) => Err(corrupt(SharePart::BlockHashes, whole, error)),
    }
}

async fn read_run(
    reader: &ShareReader,
    promise: &Promise,
    shape: TreeShape,
    segments: Range<u64>,
) -> Result<Run, ShareFault> {
    let Promise {
        geometry, layout, ..
    } = promise;
    let bad_header = |error: LayoutError| corrupt(SharePart::Header, 0..0, error);
    let last = segments.end.saturating_sub(1);
    let first_block = layout
        .block_range(geometry, segments.start)
        .map_err(bad_header)?;
    let last_block = layout.block_range(geometry, last).map_err(bad_header)?;
    let first_leaf = layout.block_hash_range(&shape, leaf(shape, segments.start)?);
    let last_leaf = layout.block_hash_range(&shape, leaf(shape, last)?);
    let leaves = first_leaf.map_err(bad_header)?.start..last_leaf.map_err(bad_header)?.end;
    Ok(Run {
        segments,
        data: reader.read(first_block.start..last_block.end).await?,
        leaves: hashes(&reader.read(leaves).await?),
    })
}

fn leaf(shape: TreeShape, segment: u64) -> Result<u64, ShareFault> {
    let node = shape.leaf_node(segment);
    node.map_err(|error| corrupt(SharePart::BlockHashes, 0..0, error))
}

/// Compares each block with its hash and adds it to the root of all.
fn check_run(
    run: &Run,
    geometry: &SegmentGeometry,
    layout: &ShareLayout,
    mut root: StreamedRoot,
) -> Result<StreamedRoot, ShareFault> {
    let bad_header = |error: LayoutError| corrupt(SharePart::Header, 0..0, error);
    let mut rest = run.data.clone();
    for (segment, stored) in run.segments.clone().zip(&run.leaves) {
        let range = layout.block_range(geometry, segment).map_err(bad_header)?;
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let hash = hash::block(&rest.split_to(length.min(rest.len())));
        if hash != *stored {
            let reason = format!("the hash of the block of segment {segment} is wrong");
            return Err(corrupt(SharePart::Block, range, reason));
        }
        let added = root.push(hash);
        added.map_err(|error| corrupt(SharePart::BlockHashes, 0..0, error))?;
    }
    Ok(root)
}
