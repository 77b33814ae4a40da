//! Hash trees that are too large to hold: their roots from leaves as they come, and stored trees
//! checked piece by piece.

use tahoe_crypto::hash::Hash;

use crate::hash_tree::{HashTreeError, TreeShape, empty_leaf_hash, parent_hash};

/// Computes the root of a tree from its leaves in order, with a few hashes in memory.
#[derive(Debug, Clone)]
pub struct StreamedRoot {
    shape: TreeShape,
    /// Leaves that have come.
    count: u64,
    /// Roots of complete subtrees with their heights, the highest first.
    complete: Vec<(u32, Hash)>,
}

impl StreamedRoot {
    /// Starts with no leaf.
    pub fn new(shape: TreeShape) -> Self {
        Self {
            shape,
            count: 0,
            complete: Vec::new(),
        }
    }

    /// Adds the next leaf; one too many is an error.
    pub fn push(&mut self, leaf: Hash) -> Result<(), HashTreeError> {
        if self.count >= self.shape.leaf_count() {
            return Err(HashTreeError::NoSuchLeaf {
                leaf: self.count,
                leaf_count: self.shape.leaf_count(),
            });
        }
        self.count = self.count.saturating_add(1);
        self.join(leaf);
        Ok(())
    }

    /// The root, once all leaves have come.
    pub fn finish(mut self) -> Result<Hash, HashTreeError> {
        if self.count < self.shape.leaf_count() {
            let node = self.shape.leaf_node(self.count)?;
            return Err(HashTreeError::NotEnoughHashes { node });
        }
        for filling in self.shape.leaf_count()..self.shape.width() {
            self.join(empty_leaf_hash(filling));
        }
        let root = self.complete.first().map(|(_, root)| *root);
        root.ok_or(HashTreeError::BadLeafCount { leaf_count: 0 })
    }

    fn join(&mut self, leaf: Hash) {
        let (mut height, mut hash) = (0, leaf);
        while let Some((_, left)) = self.complete.pop_if(|(left, _)| *left == height) {
            hash = parent_hash(&left, &hash);
            height = height.saturating_add(1);
        }
        self.complete.push((height, hash));
    }
}

/// Compares parents with what their children give; returns the index of the first that is wrong.
///
/// A whole stored tree is right if its root is, and this holds for all its nodes that have children.
/// Children that are missing count as wrong.
pub fn wrong_parent(parents: &[Hash], children: &[Hash]) -> Option<usize> {
    let mut pairs = children.chunks_exact(2);
    parents.iter().position(|parent| match pairs.next() {
        Some([left, right]) => parent_hash(left, right) != *parent,
        Some(_) | None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HashTree;
    use tahoe_crypto::hash;

    fn leaves(count: u64) -> Vec<Hash> {
        let leaves = (0..count).map(|leaf| hash::block(&leaf.to_be_bytes()));
        leaves.collect()
    }

    #[test]
    fn the_root_is_that_of_the_whole_tree() {
        for count in (1..40).chain([63, 64, 65, 1000]) {
            let leaves = leaves(count);
            let tree = HashTree::from_leaves(&leaves).unwrap();
            let mut root = StreamedRoot::new(tree.shape());
            for leaf in &leaves {
                assert!(root.clone().finish().is_err(), "{count}");
                root.push(*leaf).unwrap();
            }
            assert!(root.clone().push([0; 32]).is_err(), "{count}");
            assert_eq!(root.finish(), Ok(tree.root()), "{count}");
        }
    }

    #[test]
    fn a_tree_is_checked_in_steps() {
        for count in [1, 2, 3, 8, 21] {
            let tree = HashTree::from_leaves(&leaves(count)).unwrap();
            let mut seen = vec![0];
            for (parents, children) in tree.shape().families(4) {
                let nodes = |range: std::ops::Range<u64>| {
                    let hashes = range.map(|node| tree.node(node).unwrap());
                    hashes.collect::<Vec<_>>()
                };
                assert_eq!(
                    wrong_parent(&nodes(parents), &nodes(children.clone())),
                    None
                );
                seen.extend(children);
            }
            let all: Vec<u64> = (0..tree.shape().node_count()).collect();
            assert_eq!(seen, all, "{count}");
        }
    }

    #[test]
    fn every_wrong_node_of_a_stored_tree_is_found() {
        let tree = HashTree::from_leaves(&leaves(11)).unwrap();
        let right = tree.nodes();
        let internal = right.len() / 2;
        let check = |nodes: &[Hash]| wrong_parent(&nodes[..internal], &nodes[1..]);
        assert_eq!(check(right), None);
        for node in 1..right.len() {
            let mut nodes = right.to_vec();
            nodes[node][31] ^= 1;
            assert_eq!(check(&nodes), Some((node - 1) / 2), "{node}");
        }
        assert_eq!(wrong_parent(&right[..3], &right[1..5]), Some(2));
    }
}
