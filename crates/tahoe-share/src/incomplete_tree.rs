//! A hash tree that learns its nodes from strangers and keeps only what its root proves.

use std::collections::{BTreeMap, BTreeSet};

use tahoe_crypto::hash::Hash;

use crate::hash_tree::{HashTreeError, TreeShape, parent, parent_hash, sibling};

/// A tree with a trusted root that grows by hashes which it has checked against that root.
///
/// **Invariant:** every node it holds is proved by the root. It takes memory for the nodes it has
/// been given, not for the leaves it might have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteHashTree {
    shape: TreeShape,
    proved: BTreeMap<u64, Hash>,
}

impl IncompleteHashTree {
    /// Starts with nothing but the root, which comes from a trusted source.
    pub fn new(shape: TreeShape, root: Hash) -> Self {
        Self {
            shape,
            proved: BTreeMap::from([(0, root)]),
        }
    }

    /// Leaf and node counts.
    pub fn shape(&self) -> TreeShape {
        self.shape
    }

    /// The proved hash of a node.
    pub fn node(&self, node: u64) -> Option<&Hash> {
        self.proved.get(&node)
    }

    /// The proved hash of a leaf.
    pub fn leaf(&self, leaf: u64) -> Option<&Hash> {
        self.proved.get(&self.shape.leaf_node(leaf).ok()?)
    }

    /// Numbers of the nodes that are still missing to prove this leaf once its hash is computed;
    /// empty once the leaf is proved.
    pub fn needed_hashes(&self, leaf: u64) -> Result<Vec<u64>, HashTreeError> {
        if self.leaf(leaf).is_some() {
            return Ok(Vec::new());
        }
        let proof = self.shape.proof_of(leaf)?;
        Ok(self.only_missing(proof))
    }

    /// As [`Self::needed_hashes`], with the leaf's own node as well: for a tree whose leaves come
    /// from the same stranger as its other nodes.
    pub fn needed_hashes_and_leaf(&self, leaf: u64) -> Result<Vec<u64>, HashTreeError> {
        if self.leaf(leaf).is_some() {
            return Ok(Vec::new());
        }
        let mut nodes = self.shape.proof_of(leaf)?;
        nodes.push(self.shape.leaf_node(leaf)?);
        Ok(self.only_missing(nodes))
    }

    fn only_missing(&self, nodes: Vec<u64>) -> Vec<u64> {
        let known = |node: &u64| self.proved.contains_key(node);
        nodes.into_iter().filter(|node| !known(node)).collect()
    }

    /// Checks hashes and keeps them; all are proved or, on an error, none is kept.
    pub fn add_hashes(
        &mut self,
        hashes: impl IntoIterator<Item = (u64, Hash)>,
    ) -> Result<(), HashTreeError> {
        let mut fresh = self.sort_out_known(hashes)?;
        let mut unchecked: BTreeSet<u64> = fresh.keys().copied().collect();
        // Deeper nodes have larger numbers, so a node's children always come before it.
        while let Some(node) = unchecked.pop_last() {
            let above = self.check_against_sibling(node, &fresh)?;
            unchecked.remove(&sibling(node));
            if let Some(hash) = above {
                fresh.insert(parent(node), hash);
                unchecked.insert(parent(node));
            }
        }
        self.proved.append(&mut fresh);
        Ok(())
    }

    /// Checks a leaf's computed hash with the hashes that prove it, and keeps all or none.
    pub fn add_leaf(
        &mut self,
        leaf: u64,
        leaf_hash: Hash,
        hashes: impl IntoIterator<Item = (u64, Hash)>,
    ) -> Result<(), HashTreeError> {
        let node = self.shape.leaf_node(leaf)?;
        self.add_hashes(hashes.into_iter().chain([(node, leaf_hash)]))
    }

    /// Drops hashes that are already proved and refuses those that contradict them or each other.
    fn sort_out_known(
        &self,
        hashes: impl IntoIterator<Item = (u64, Hash)>,
    ) -> Result<BTreeMap<u64, Hash>, HashTreeError> {
        let mut fresh = BTreeMap::new();
        for (node, hash) in hashes {
            self.shape.check_node(node)?;
            let known = self.proved.get(&node).or_else(|| fresh.get(&node));
            match known {
                Some(known) if *known != hash => return Err(HashTreeError::BadHash { node }),
                Some(_) => {}
                None => {
                    fresh.insert(node, hash);
                }
            }
        }
        Ok(fresh)
    }

    /// Hashes a node with its sibling; returns the parent's hash if nobody knew it yet.
    fn check_against_sibling(
        &self,
        node: u64,
        fresh: &BTreeMap<u64, Hash>,
    ) -> Result<Option<Hash>, HashTreeError> {
        let known = |node: u64| self.proved.get(&node).or_else(|| fresh.get(&node));
        let (left, right) = (node.min(sibling(node)), node.max(sibling(node)));
        let (Some(left), Some(right)) = (known(left), known(right)) else {
            return Err(HashTreeError::NotEnoughHashes { node });
        };
        let above = parent_hash(left, right);
        match known(parent(node)) {
            Some(expected) if *expected == above => Ok(None),
            Some(_) => Err(HashTreeError::BadHash { node: parent(node) }),
            None => Ok(Some(above)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HashTree;
    use proptest::prelude::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count)
            .map(|i| tahoe_crypto::hash::tagged(b"test leaf", &i.to_be_bytes()))
            .collect()
    }

    fn start(tree: &HashTree) -> IncompleteHashTree {
        IncompleteHashTree::new(tree.shape(), tree.root())
    }

    fn pick(tree: &HashTree, nodes: Vec<u64>) -> Vec<(u64, Hash)> {
        nodes
            .into_iter()
            .map(|node| (node, tree.node(node).unwrap()))
            .collect()
    }

    #[test]
    fn asks_for_less_as_it_learns() {
        let leaves = leaves(5);
        let tree = HashTree::from_leaves(&leaves).unwrap();
        let mut learning = start(&tree);
        assert_eq!(learning.needed_hashes(0).unwrap(), [8, 4, 2]);
        assert_eq!(learning.needed_hashes_and_leaf(0).unwrap(), [8, 4, 2, 7]);
        let hashes = pick(&tree, learning.needed_hashes(0).unwrap());
        learning.add_leaf(0, leaves[0], hashes).unwrap();
        assert_eq!(learning.leaf(0), Some(&leaves[0]));
        assert_eq!(
            learning.node(3),
            Some(&tree.nodes()[3]),
            "computed on the way"
        );
        assert!(learning.needed_hashes(0).unwrap().is_empty());
        assert!(learning.needed_hashes(1).unwrap().is_empty());
        assert_eq!(learning.needed_hashes(2).unwrap(), [10]);
        learning.add_leaf(1, leaves[1], []).unwrap();
        assert!(learning.needed_hashes(5).is_err());
    }

    #[test]
    fn refuses_a_wrong_leaf_and_stays_as_it_was() {
        let leaves = leaves(4);
        let tree = HashTree::from_leaves(&leaves).unwrap();
        let mut learning = start(&tree);
        let hashes = pick(&tree, vec![5, 1]);
        let before = learning.clone();
        assert_eq!(
            learning.add_leaf(3, [9; 32], hashes.clone()),
            Err(HashTreeError::BadHash { node: 0 })
        );
        assert_eq!(learning, before);
        learning.add_leaf(3, leaves[3], hashes).unwrap();
        assert_eq!(
            learning.add_leaf(3, [9; 32], []),
            Err(HashTreeError::BadHash { node: 6 })
        );
    }

    #[test]
    fn refuses_what_it_cannot_check() {
        let leaves = leaves(4);
        let tree = HashTree::from_leaves(&leaves).unwrap();
        let mut learning = start(&tree);
        let before = learning.clone();
        assert_eq!(
            learning.add_leaf(0, leaves[0], pick(&tree, vec![2])),
            Err(HashTreeError::NotEnoughHashes { node: 3 })
        );
        assert_eq!(
            learning.add_hashes([(7, [0; 32])]),
            Err(HashTreeError::NoSuchNode {
                node: 7,
                node_count: 7
            })
        );
        assert_eq!(
            learning.add_hashes([(5, [0; 32]), (5, [1; 32])]),
            Err(HashTreeError::BadHash { node: 5 })
        );
        assert_eq!(
            learning.add_hashes([(0, [0; 32])]),
            Err(HashTreeError::BadHash { node: 0 })
        );
        assert!(learning.add_leaf(4, [0; 32], []).is_err());
        assert_eq!(learning, before);
    }

    #[test]
    fn a_huge_tree_costs_nothing_until_it_is_filled() {
        let shape = TreeShape::new(crate::MAX_LEAVES).unwrap();
        let tree = IncompleteHashTree::new(shape, [0; 32]);
        assert_eq!(tree.needed_hashes(crate::MAX_LEAVES - 1).unwrap().len(), 32);
    }

    proptest! {
        #[test]
        fn every_leaf_is_proved_in_any_order(count in 1usize..40, order: [u8; 40]) {
            let leaves = leaves(count);
            let tree = HashTree::from_leaves(&leaves).unwrap();
            let mut learning = start(&tree);
            for leaf in order.iter().map(|b| usize::from(*b) % count) {
                let hashes = pick(&tree, learning.needed_hashes(leaf as u64).unwrap());
                learning.add_leaf(leaf as u64, leaves[leaf], hashes).unwrap();
            }
            for (&node, hash) in &learning.proved {
                prop_assert_eq!(*hash, tree.node(node).unwrap());
            }
        }

        #[test]
        fn one_flipped_bit_anywhere_is_refused(
            count in 2usize..40, leaf: u64, victim: usize, bit in 0usize..256,
        ) {
            let leaf = leaf % count as u64;
            let tree = HashTree::from_leaves(&leaves(count)).unwrap();
            let mut learning = start(&tree);
            let before = learning.clone();
            let mut hashes = pick(&tree, learning.needed_hashes_and_leaf(leaf).unwrap());
            let victim = victim % hashes.len();
            hashes[victim].1[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(learning.add_hashes(hashes).is_err());
            prop_assert_eq!(learning, before);
        }

        #[test]
        fn nothing_unproved_is_ever_kept(
            count in 1usize..20,
            given in proptest::collection::vec((0u64..50, any::<bool>()), 0..60),
        ) {
            let tree = HashTree::from_leaves(&leaves(count)).unwrap();
            let mut learning = start(&tree);
            let hashes = given.into_iter().map(|(node, good)| {
                (node, tree.node(node).ok().filter(|_| good).unwrap_or([1; 32]))
            });
            let _ = learning.add_hashes(hashes).is_ok();
            for (&node, hash) in &learning.proved {
                prop_assert_eq!(*hash, tree.node(node).unwrap());
            }
        }
    }
}
