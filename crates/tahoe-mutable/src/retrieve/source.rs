//! One share that is read: fetches blocks and the hashes that prove them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::{try_join, try_join_all};
use tahoe_crypto::StorageIndex;
use tahoe_crypto::hash::{HASH_LENGTH, Hash};
use tahoe_share::mutable::{MutableLayoutError, mutable_block_hash};
use tahoe_share::{
    HashTree, HashTreeError, IncompleteHashTree, ShareHashChainError, TreeShape,
    parse_share_hash_chain,
};
use tahoe_storage_api::{Server, ShareNumber, StorageError};
use tokio::time::Instant;

use crate::servermap::{KnownShare, Place, read_range};
use crate::status::{MutableStage, MutableStatus};
use crate::version::ShareHeader;

/// Nodes of a hash tree that are read along with wanted ones rather than apart from them.
const LARGEST_GAP: u64 = 64;

/// A share of the version that is being read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) server: Arc<Server>,
    pub(crate) number: ShareNumber,
    pub(crate) header: ShareHeader,
    /// The share's first bytes, if they are at hand.
    start: Bytes,
    dead: AtomicBool,
    block_tree: Mutex<Option<IncompleteHashTree>>,
}

/// Why a share gave no good block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceFault {
    /// The server failed; the share may be good.
    #[error(transparent)]
    Server(#[from] StorageError),
    #[error("share ends before byte {end}")]
    Truncated { end: u64 },
    #[error(transparent)]
    Layout(#[from] MutableLayoutError),
    #[error("bad share hash chain: {0}")]
    Chain(#[from] ShareHashChainError),
    #[error("block hash tree failure: {0}")]
    BlockTree(HashTreeError),
    #[error("corrupt hashes: {0}")]
    ShareTree(HashTreeError),
}

/// What was read of a share for some segments, not yet checked.
#[derive(Debug)]
pub(crate) struct Fetched {
    segments: Range<u64>,
    /// Salts and blocks, one after the other.
    blocks: Bytes,
    nodes: Vec<(u64, Hash)>,
    chain: Option<Bytes>,
}

/// A block that is proved to belong to the version.
#[derive(Debug, Clone)]
pub(crate) struct VerifiedBlock {
    pub(crate) salt: [u8; 16],
    pub(crate) block: Bytes,
}

impl Source {
    pub(crate) fn new(share: &KnownShare) -> Self {
        Self {
            server: Arc::clone(&share.server),
            number: share.number,
            header: share.header,
            start: share.start.clone(),
            dead: AtomicBool::new(false),
            block_tree: Mutex::default(),
        }
    }

    pub(crate) fn place(&self) -> Place {
        (self.server.id.clone(), self.number)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub(crate) fn give_up(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    fn block_tree(&self) -> MutexGuard<'_, Option<IncompleteHashTree>> {
        self.block_tree
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the blocks of neighbouring segments and what is missing to prove them.
    pub(crate) async fn fetch(
        &self,
        storage_index: &StorageIndex,
        segments: Range<u64>,
        chain_is_known: bool,
        status: &Arc<MutableStatus>,
    ) -> Result<Fetched, SourceFault> {
        let ShareHeader {
            header, geometry, ..
        } = &self.header;
        let first = header.block_range(geometry, segments.start)?;
        let last = header.block_range(geometry, segments.end.saturating_sub(1))?;
        let status = Some(status);
        let blocks = self.read(storage_index, first.start..last.end, status);
        let hashes = async {
            let chain = async {
                let range = header.share_hash_chain_range()?;
                Ok(match chain_is_known {
                    true => None,
                    false => Some(self.read(storage_index, range, status).await?),
                })
            };
            try_join(self.nodes(storage_index, &segments, status), chain).await
        };
        let (blocks, (nodes, chain)) = try_join(blocks, hashes).await?;
        Ok(Fetched {
            segments,
            blocks,
            nodes,
            chain,
        })
    }

    /// The block hash tree's nodes that are missing to prove these segments.
    async fn nodes(
        &self,
        storage_index: &StorageIndex,
        segments: &Range<u64>,
        status: Option<&Arc<MutableStatus>>,
    ) -> Result<Vec<(u64, Hash)>, SourceFault> {
        let ShareHeader {
            header, geometry, ..
        } = &self.header;
        let shape = geometry.block_tree_shape()?;
        let wanted = self
            .wanted_nodes(shape, segments)
            .map_err(SourceFault::BlockTree)?;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let tree = header.block_hash_tree_range(geometry)?;
        let reads = runs(&wanted).into_iter().map(|run| async move {
            let length = HASH_LENGTH as u64;
            let range = tree.start + run.start * length..tree.start + run.end * length;
            let bytes = self.read(storage_index, range, status).await?;
            let (hashes, _) = bytes.as_chunks();
            Ok::<_, SourceFault>(run.zip(hashes.to_vec()).collect::<Vec<_>>())
        });
        let nodes = try_join_all(reads).await?.into_iter().flatten();
        Ok(nodes.filter(|(node, _)| wanted.contains(node)).collect())
    }

    fn wanted_nodes(
        &self,
        shape: TreeShape,
        segments: &Range<u64>,
    ) -> Result<BTreeSet<u64>, HashTreeError> {
        if shape.leaf_count() == 1 {
            // The only block's hash is the root.
            return Ok(BTreeSet::new());
        }
        let known = self.block_tree();
        let mut wanted = BTreeSet::new();
        for segment in segments.clone() {
            match &*known {
                Some(tree) => wanted.extend(tree.needed_hashes(segment)?),
                None => wanted.extend(shape.proof_of(segment)?),
            }
        }
        for segment in segments.clone() {
            wanted.remove(&shape.leaf_node(segment)?);
        }
        if known.is_none() {
            wanted.insert(0);
        }
        Ok(wanted)
    }

    /// Checks blocks against the version's root hash; hashes a lot.
    pub(crate) fn verify(
        &self,
        fetched: &Fetched,
        share_tree: &Mutex<IncompleteHashTree>,
    ) -> Result<Vec<VerifiedBlock>, SourceFault> {
        let blocks = self.split(fetched)?;
        let salted = self.header.geometry.salt_length() > 0;
        let hash =
            |block: &VerifiedBlock| mutable_block_hash(salted.then_some(&block.salt), &block.block);
        let leaves: Vec<Hash> = blocks.iter().map(hash).collect();
        let shape = self.header.geometry.block_tree_shape()?;
        let root = match shape.leaf_count() {
            1 => leaves.first(),
            _ => fetched.nodes.iter().find(|(n, _)| *n == 0).map(|(_, h)| h),
        };
        let mut block_tree = self.block_tree();
        if block_tree.is_none()
            && let Some(root) = root
        {
            self.prove_root(root, fetched.chain.as_ref(), share_tree)?;
            *block_tree = Some(IncompleteHashTree::new(shape, *root));
        }
        let Some(tree) = &mut *block_tree else {
            let missing = HashTreeError::NotEnoughHashes { node: 0 };
            return Err(SourceFault::BlockTree(missing));
        };
        let mut hashes = fetched.nodes.clone();
        for (segment, leaf) in fetched.segments.clone().zip(leaves) {
            let node = shape.leaf_node(segment).map_err(SourceFault::BlockTree)?;
            hashes.push((node, leaf));
        }
        tree.add_hashes(hashes).map_err(SourceFault::BlockTree)?;
        Ok(blocks)
    }

    /// All hashes of the share's blocks, proved.
    pub(crate) async fn all_leaves(
        &self,
        storage_index: &StorageIndex,
        share_tree: &Mutex<IncompleteHashTree>,
    ) -> Result<Vec<Hash>, SourceFault> {
        let ShareHeader {
            header, geometry, ..
        } = &self.header;
        let shape = geometry.block_tree_shape()?;
        let tree = header.block_hash_tree_range(geometry)?;
        let tree = self.read(storage_index, tree, None);
        let chain = self.read(storage_index, header.share_hash_chain_range()?, None);
        let (tree, chain) = try_join(tree, chain).await?;
        let (nodes, _) = tree.as_chunks();
        let first = usize::try_from(shape.leaf_node(0).map_err(SourceFault::BlockTree)?);
        let count = usize::try_from(shape.leaf_count());
        let (first, count) = (first.unwrap_or(usize::MAX), count.unwrap_or(usize::MAX));
        let leaves: Vec<Hash> = nodes.iter().skip(first).take(count).copied().collect();
        let computed = HashTree::from_leaves(&leaves).map_err(SourceFault::BlockTree)?;
        if computed.shape() != shape {
            let missing = HashTreeError::NotEnoughHashes { node: 0 };
            return Err(SourceFault::BlockTree(missing));
        }
        self.prove_root(&computed.root(), Some(&chain), share_tree)?;
        Ok(leaves)
    }

    fn prove_root(
        &self,
        root: &Hash,
        chain: Option<&Bytes>,
        share_tree: &Mutex<IncompleteHashTree>,
    ) -> Result<(), SourceFault> {
        let mut tree = share_tree.lock().unwrap_or_else(PoisonError::into_inner);
        let share = u64::from(self.number.0);
        let needed = tree.needed_hashes(share).map_err(SourceFault::ShareTree)?;
        let chain = parse_share_hash_chain(chain.map(|chain| &chain[..]).unwrap_or_default())?;
        let chain = chain
            .into_iter()
            .map(|(node, hash)| (u64::from(node), hash));
        let chain = chain.filter(|(node, _)| needed.contains(node));
        tree.add_leaf(share, *root, chain)
            .map_err(SourceFault::ShareTree)
    }

    /// Cuts what was read into salts and blocks.
    fn split(&self, fetched: &Fetched) -> Result<Vec<VerifiedBlock>, SourceFault> {
        let geometry = &self.header.geometry;
        let file_salt = self.header.header.salt();
        let mut rest = fetched.blocks.clone();
        let mut blocks = Vec::new();
        for segment in fetched.segments.clone() {
            let size = geometry.block_size_of(segment);
            let size = usize::try_from(size.map_err(MutableLayoutError::from)?)
                .expect("the block was read into memory");
            let salt = match file_salt {
                Some(salt) => salt,
                None => {
                    let salt = rest.split_to(16);
                    *salt.first_chunk().expect("16 bytes were split off")
                }
            };
            let block = rest.split_to(size);
            blocks.push(VerifiedBlock { salt, block });
        }
        Ok(blocks)
    }

    /// Reads bytes of the share, all of them or none; if the server is asked for them, `status` is
    /// told how long that took.
    async fn read(
        &self,
        storage_index: &StorageIndex,
        range: Range<u64>,
        status: Option<&Arc<MutableStatus>>,
    ) -> Result<Bytes, SourceFault> {
        if let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end))
            && start <= end
            && end <= self.start.len()
        {
            return Ok(self.start.slice(start..end));
        }
        let length = range.end.saturating_sub(range.start);
        let end = range.end;
        let asked = Instant::now();
        let _fetching = status.map(|status| status.during(MutableStage::Fetch));
        let bytes = read_range(&self.server, storage_index, self.number, range).await;
        if let Some(status) = status {
            status.answered(&self.server.id, asked.elapsed());
        }
        let bytes = bytes?;
        if (bytes.len() as u64) < length {
            return Err(SourceFault::Truncated { end });
        }
        Ok(bytes)
    }
}

impl SourceFault {
    /// Whether the share itself is to blame, which its server should know.
    pub(crate) fn is_corruption(&self) -> bool {
        !matches!(
            self,
            Self::Server(error) if !matches!(error, StorageError::CorruptContainer { .. })
        )
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "share {} of {}", self.number, self.server.id.short())
    }
}

/// Ranges that hold these numbers and little else.
fn runs(numbers: &BTreeSet<u64>) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some(run) if number - run.end <= LARGEST_GAP => run.end = number + 1,
            _ => runs.push(number..number + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_numbers_are_read_together() {
        assert!(runs(&BTreeSet::new()).is_empty());
        let numbers = BTreeSet::from([0, 1, 5, 200, 264, 400]);
        assert_eq!(runs(&numbers), [0..6, 200..265, 400..401]);
    }
}
