//! Verifies one share of a version: every byte of it that a reader or writer might rely on.
//!
//! Nothing that another share has proved is taken for granted: the share's own copies of the public
//! key and the signature, its proof of the root of its blocks, its stored hash tree node by node,
//! and all blocks. With the write key also the private key, which nobody else can check.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tahoe_caps::MutableVerifyCap;
use tahoe_crypto::hash::{HASH_LENGTH, Hash};
use tahoe_crypto::{RsaPrivateKey, RsaPublicKey, StorageIndex, WriteKey};
use tahoe_share::mutable::{MutableLayoutError, mutable_block_hash};
use tahoe_share::{
    HashTree, HashTreeError, IncompleteHashTree, ShareHashChainError, StreamedRoot,
    parse_share_hash_chain, wrong_parent,
};
use tahoe_storage_api::StorageError;

use crate::core::Core;
use crate::servermap::{KnownShare, read_range};

/// Most bytes of the blocks that are fetched and hashed at a time, unless one block has more.
const RUN_SIZE: u64 = 512 << 10;
/// Runs of one share that are under way: one is fetched while another is hashed.
const RUNS_AHEAD: usize = 2;
/// Nodes with children that are checked at a time.
const NODES_AT_A_TIME: u64 = 4096;
/// Largest part that holds a key, a signature or a proof, in bytes.
const MOST_OF_PART: u64 = 64 << 10;

/// What is wrong with a share.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShareFault {
    /// The server failed; the share may be good.
    #[error(transparent)]
    Server(#[from] StorageError),
    #[error("share ends before byte {end}")]
    Truncated { end: u64 },
    #[error(transparent)]
    Layout(#[from] MutableLayoutError),
    #[error("{part} of {length} bytes")]
    Oversized { part: &'static str, length: u64 },
    #[error("pubkey doesn't match fingerprint")]
    PublicKey,
    #[error("signature is invalid")]
    Signature,
    #[error("invalid privkey")]
    PrivateKey,
    #[error("bad share hash chain: {0}")]
    Chain(#[from] ShareHashChainError),
    #[error("corrupt hashes: {0}")]
    ShareTree(HashTreeError),
    #[error("block hash tree failure: {0}")]
    BlockTree(HashTreeError),
}

/// A share that is being verified.
pub(super) struct Verification<'a> {
    pub(super) core: &'a Core,
    pub(super) cap: &'a MutableVerifyCap,
    pub(super) share: &'a KnownShare,
}

/// Neighbouring blocks with their salts.
struct Run {
    segments: Range<u64>,
    data: Bytes,
}

impl Verification<'_> {
    pub(super) async fn run(&self, write_key: Option<&WriteKey>) -> Result<(), ShareFault> {
        self.check_signature().await?;
        if let Some(write_key) = write_key {
            self.check_private_key(write_key).await?;
        }
        let root = match self.share.header.geometry.segment_count() {
            0 => HashTree::of_empty_file().root(),
            _ => self.check_blocks().await?,
        };
        self.check_chain(root).await?;
        self.check_tree(root).await
    }

    async fn check_signature(&self) -> Result<(), ShareFault> {
        let header = &self.share.header.header;
        let key = self.part("public key", header.public_key_range()?).await?;
        let key = RsaPublicKey::from_der(key.to_vec());
        if key.fingerprint() != self.cap.fingerprint {
            return Err(ShareFault::PublicKey);
        }
        let signature = self.part("signature", header.signature_range()?).await?;
        let prefix = header.signed_prefix();
        let verify = move || key.verify(&prefix, &signature);
        let verified = self.core.pool.run(verify).await;
        verified.map_err(|_| ShareFault::Signature)
    }

    async fn check_private_key(&self, write_key: &WriteKey) -> Result<(), ShareFault> {
        let range = self.share.header.header.encrypted_private_key_range()?;
        let encrypted = self.part("private key", range).await?;
        let write_key = write_key.clone();
        let decrypt = move || RsaPrivateKey::decrypt(&encrypted, &write_key);
        let decrypted = self.core.pool.run(decrypt).await;
        decrypted.map(drop).map_err(|_| ShareFault::PrivateKey)
    }

    /// Hashes all blocks; returns the root of their tree.
    async fn check_blocks(&self) -> Result<Hash, ShareFault> {
        let geometry = self.share.header.geometry;
        let (count, block) = (geometry.segment_count(), geometry.block_size_of(0));
        let block = block.map_err(MutableLayoutError::from)?;
        let at_a_time = (RUN_SIZE / (block.saturating_add(geometry.salt_length()))).max(1);
        let runs = (0..count.div_ceil(at_a_time)).map(|run| {
            let start = run.saturating_mul(at_a_time);
            self.read_run(start..count.min(start.saturating_add(at_a_time)))
        });
        let mut runs = stream::iter(runs).buffered(RUNS_AHEAD);
        let mut root = StreamedRoot::new(geometry.block_tree_shape()?);
        while let Some(run) = runs.try_next().await? {
            let header = self.share.header;
            let hash = move || {
                let mut rest = run.data;
                for segment in run.segments {
                    let size = header.geometry.block_size_of(segment);
                    let size = size.map_err(MutableLayoutError::from)?;
                    let size = usize::try_from(size).unwrap_or(usize::MAX);
                    let salt = match header.geometry.salt_length() {
                        0 => None,
                        _ => rest.split_to(16.min(rest.len())).first_chunk().copied(),
                    };
                    let block = rest.split_to(size.min(rest.len()));
                    let hash = mutable_block_hash(salt.as_ref(), &block);
                    root.push(hash).map_err(ShareFault::BlockTree)?;
                }
                Ok::<_, ShareFault>(root)
            };
            root = self.core.pool.run(hash).await?;
        }
        root.finish().map_err(ShareFault::BlockTree)
    }

    async fn read_run(&self, segments: Range<u64>) -> Result<Run, ShareFault> {
        let (header, geometry) = (&self.share.header.header, &self.share.header.geometry);
        let first = header.block_range(geometry, segments.start)?;
        let last = header.block_range(geometry, segments.end.saturating_sub(1))?;
        Ok(Run {
            segments,
            data: self.read(first.start..last.end).await?,
        })
    }

    /// Checks that the share's proof leads from the root of its blocks to what was signed.
    async fn check_chain(&self, root: Hash) -> Result<(), ShareFault> {
        let header = &self.share.header;
        let range = header.header.share_hash_chain_range()?;
        let chain = self.part("share hash chain", range).await?;
        let chain = parse_share_hash_chain(&chain)?;
        let chain = chain
            .into_iter()
            .map(|(node, hash)| (u64::from(node), hash));
        let shape = header.geometry.share_tree_shape()?;
        let mut tree = IncompleteHashTree::new(shape, header.version.root_hash);
        let added = tree.add_leaf(self.share.number.0.into(), root, chain);
        added.map_err(ShareFault::ShareTree)
    }

    /// Checks every node of the stored tree against its root.
    async fn check_tree(&self, root: Hash) -> Result<(), ShareFault> {
        let (header, geometry) = (&self.share.header.header, &self.share.header.geometry);
        let start = header.block_hash_tree_range(geometry)?.start;
        let shape = geometry.block_tree_shape()?;
        let bad = |node: u64| ShareFault::BlockTree(HashTreeError::BadHash { node });
        if self.nodes(start, 0..1).await? != [root] {
            return Err(bad(0));
        }
        for (parents, children) in shape.families(NODES_AT_A_TIME) {
            let first = parents.start;
            let parents = self.nodes(start, parents).await?;
            let children = self.nodes(start, children).await?;
            let check = move || wrong_parent(&parents, &children);
            if let Some(wrong) = self.core.pool.run(check).await {
                return Err(bad(first.saturating_add(wrong as u64)));
            }
        }
        Ok(())
    }

    /// Nodes of the hash tree that is stored from `start` on.
    async fn nodes(&self, start: u64, nodes: Range<u64>) -> Result<Vec<Hash>, ShareFault> {
        let offset = |node: u64| start.saturating_add(node.saturating_mul(HASH_LENGTH as u64));
        let bytes = self.read(offset(nodes.start)..offset(nodes.end)).await?;
        let (hashes, _) = bytes.as_chunks();
        Ok(hashes.to_vec())
    }

    /// Reads a part that is never large.
    async fn part(&self, part: &'static str, range: Range<u64>) -> Result<Bytes, ShareFault> {
        let length = range.end.saturating_sub(range.start);
        if length > MOST_OF_PART {
            return Err(ShareFault::Oversized { part, length });
        }
        self.read(range).await
    }

    /// Reads exactly this range.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ShareFault> {
        let at_hand = &self.share.start;
        if let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end))
            && start <= end
            && end <= at_hand.len()
        {
            return Ok(at_hand.slice(start..end));
        }
        let (length, end) = (range.end.saturating_sub(range.start), range.end);
        let index: &StorageIndex = &self.cap.storage_index;
        let bytes = read_range(&self.share.server, index, self.share.number, range).await?;
        if (bytes.len() as u64) < length {
            return Err(ShareFault::Truncated { end });
        }
        Ok(bytes)
    }
}
