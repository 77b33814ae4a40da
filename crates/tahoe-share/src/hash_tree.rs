//! Merkle trees over a file's blocks, segments and shares (`hashtree.py` by behaviour).
//!
//! Nodes are numbered from the root 0; the children of node `i` are `2i + 1` and `2i + 2`. Leaves
//! are filled up to a power of two with hashes of their own leaf numbers. Trees are stored as
//! their nodes in the order of these numbers.

use std::ops::Range;

use tahoe_crypto::hash::{self, Hash};

/// Most leaves a tree may have; a file of 2^52 bytes in segments of 1 MiB has as many.
pub const MAX_LEAVES: u64 = 1 << 32;

const INTERNAL_NODE_TAG: &[u8] = b"Merkle tree internal node";
const EMPTY_LEAF_TAG: &[u8] = b"Merkle tree empty leaf";

/// A hash tree can't be made, or hashes don't fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashTreeError {
    /// No leaves, or more than [`MAX_LEAVES`].
    #[error("a hash tree can't have {leaf_count} leaves")]
    BadLeafCount {
        /// How many were asked for.
        leaf_count: u64,
    },
    /// A leaf number past the last leaf.
    #[error("leaf {leaf} of a hash tree with {leaf_count}")]
    NoSuchLeaf {
        /// Counted from 0.
        leaf: u64,
        /// How many the tree has.
        leaf_count: u64,
    },
    /// A node number past the last node.
    #[error("node {node} of a hash tree with {node_count}")]
    NoSuchNode {
        /// Counted from the root, 0.
        node: u64,
        /// How many the tree has.
        node_count: u64,
    },
    /// A hash differs from what is known or from what its children give.
    #[error("hash of node {node} is wrong")]
    BadHash {
        /// Where the contradiction showed.
        node: u64,
    },
    /// A hash can't be checked because its sibling is unknown.
    #[error("not enough hashes to check node {node}")]
    NotEnoughHashes {
        /// Which node can't be checked.
        node: u64,
    },
}

/// Combines two sibling hashes into their parent's.
pub(crate) fn parent_hash(left: &Hash, right: &Hash) -> Hash {
    hash::tagged_pair(INTERNAL_NODE_TAG, left, right)
}

/// The hash that fills a place without a leaf.
pub(crate) fn empty_leaf_hash(leaf: u64) -> Hash {
    hash::tagged(EMPTY_LEAF_TAG, leaf.to_string().as_bytes())
}

/// Number of the parent of a node; the root is its own.
pub(crate) fn parent(node: u64) -> u64 {
    node.saturating_sub(1) >> 1
}

/// Number of the sibling of a node; the root is its own.
pub(crate) fn sibling(node: u64) -> u64 {
    match node {
        0 => 0,
        _ if node & 1 == 1 => node.saturating_add(1),
        _ => node.saturating_sub(1),
    }
}

/// How many leaves and nodes a tree has, and which nodes prove which leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeShape {
    leaf_count: u64,
    /// Leaves including the filling: the next power of two.
    width: u64,
}

impl TreeShape {
    /// Takes 1 to [`MAX_LEAVES`] leaves.
    pub fn new(leaf_count: u64) -> Result<Self, HashTreeError> {
        if leaf_count == 0 || leaf_count > MAX_LEAVES {
            return Err(HashTreeError::BadLeafCount { leaf_count });
        }
        Ok(Self {
            leaf_count,
            width: leaf_count.next_power_of_two(),
        })
    }

    /// Leaves without the filling.
    pub fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// Leaves with the filling.
    pub(crate) fn width(&self) -> u64 {
        self.width
    }

    /// All nodes, the filling included: 2·width − 1.
    pub fn node_count(&self) -> u64 {
        self.width.saturating_mul(2).saturating_sub(1)
    }

    /// Number of the node that is this leaf.
    pub fn leaf_node(&self, leaf: u64) -> Result<u64, HashTreeError> {
        if leaf >= self.leaf_count {
            return Err(HashTreeError::NoSuchLeaf {
                leaf,
                leaf_count: self.leaf_count,
            });
        }
        Ok(self.width.saturating_sub(1).saturating_add(leaf))
    }

    /// Numbers of the nodes that, with the leaf itself, prove the leaf against the root: the
    /// siblings along its path, from the bottom up.
    pub fn proof_of(&self, leaf: u64) -> Result<Vec<u64>, HashTreeError> {
        let mut node = self.leaf_node(leaf)?;
        let mut siblings = Vec::new();
        while node != 0 {
            siblings.push(sibling(node));
            node = parent(node);
        }
        Ok(siblings)
    }

    /// Refuses a node number that the tree doesn't have.
    pub fn check_node(&self, node: u64) -> Result<(), HashTreeError> {
        if node < self.node_count() {
            return Ok(());
        }
        Err(HashTreeError::NoSuchNode {
            node,
            node_count: self.node_count(),
        })
    }

    /// The steps in which a stored tree is checked: nodes that have children, so many at a time,
    /// and their children.
    pub fn families(
        &self,
        at_a_time: u64,
    ) -> impl Iterator<Item = (Range<u64>, Range<u64>)> + use<> {
        let with_children = self.node_count() / 2;
        let at_a_time = at_a_time.max(1);
        let first_child = |node: u64| node.saturating_mul(2).saturating_add(1);
        (0..with_children.div_ceil(at_a_time)).map(move |step| {
            let start = step.saturating_mul(at_a_time);
            let end = with_children.min(start.saturating_add(at_a_time));
            (start..end, first_child(start)..first_child(end))
        })
    }

    /// Where a node lies in the stored tree, in bytes from its start.
    pub fn stored_range_of(&self, node: u64) -> Result<Range<u64>, HashTreeError> {
        self.check_node(node)?;
        let length = hash::HASH_LENGTH as u64;
        let start = node.saturating_mul(length);
        Ok(start..start.saturating_add(length))
    }

    /// Bytes of the stored tree.
    pub fn stored_length(&self) -> u64 {
        self.node_count().saturating_mul(hash::HASH_LENGTH as u64)
    }
}

/// A tree whose leaves are all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTree {
    shape: TreeShape,
    /// All nodes by number; never empty.
    nodes: Vec<Hash>,
}

impl HashTree {
    /// Builds the tree over these leaves; takes as many pair hashes as there are leaves.
    pub fn from_leaves(leaves: &[Hash]) -> Result<Self, HashTreeError> {
        let shape = TreeShape::new(leaves.len() as u64)?;
        let width = leaves.len().next_power_of_two();
        // Rows from the bottom up, each the reverse of its final order, so that the whole is
        // turned round once at the end.
        let mut reversed = Vec::with_capacity(width.saturating_mul(2));
        reversed.extend((shape.leaf_count..shape.width).rev().map(empty_leaf_hash));
        reversed.extend(leaves.iter().rev());
        let mut row_start = 0;
        let mut row_length = width;
        while row_length > 1 {
            let row_end = reversed.len();
            for index in (row_start..row_end).step_by(2) {
                if let Some([right, left]) = reversed.get(index..index.saturating_add(2)) {
                    let above = parent_hash(left, right);
                    reversed.push(above);
                }
            }
            row_start = row_end;
            row_length >>= 1;
        }
        reversed.reverse();
        Ok(Self {
            shape,
            nodes: reversed,
        })
    }

    /// The tree that an empty mutable file's shares have: nothing but a filling leaf.
    pub fn of_empty_file() -> Self {
        Self {
            shape: TreeShape {
                leaf_count: 1,
                width: 1,
            },
            nodes: vec![empty_leaf_hash(0)],
        }
    }

    /// Leaf and node counts.
    pub fn shape(&self) -> TreeShape {
        self.shape
    }

    /// The hash that stands for all leaves.
    pub fn root(&self) -> Hash {
        self.nodes.first().copied().unwrap_or_default()
    }

    /// All nodes in the order in which they are stored.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// One node.
    pub fn node(&self, node: u64) -> Result<Hash, HashTreeError> {
        let found = usize::try_from(node).ok().and_then(|i| self.nodes.get(i));
        found.copied().ok_or(HashTreeError::NoSuchNode {
            node,
            node_count: self.shape.node_count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leaf_is_its_own_root() {
        let tree = HashTree::from_leaves(&[[7; 32]]).unwrap();
        assert_eq!((tree.root(), tree.nodes().len()), ([7; 32], 1));
        assert!(tree.shape().proof_of(0).unwrap().is_empty());
    }

    #[test]
    fn nodes_are_stored_from_the_root_down() {
        let leaves = [[1; 32], [2; 32], [3; 32]];
        let tree = HashTree::from_leaves(&leaves).unwrap();
        let filling = hash::tagged(b"Merkle tree empty leaf", b"3");
        let left = parent_hash(&[1; 32], &[2; 32]);
        let right = parent_hash(&[3; 32], &filling);
        let root = parent_hash(&left, &right);
        let expected = [root, left, right, [1; 32], [2; 32], [3; 32], filling];
        assert_eq!(tree.nodes(), expected);
        assert_eq!(tree.shape().proof_of(2).unwrap(), [6, 1]);
        assert_eq!(tree.shape().proof_of(1).unwrap(), [3, 2]);
        assert!(tree.shape().proof_of(3).is_err(), "filling is no leaf");
        assert_eq!(tree.shape().stored_length(), 7 * 32);
        assert_eq!(tree.shape().stored_range_of(6), Ok(192..224));
        assert!(tree.shape().stored_range_of(7).is_err());
        assert!(tree.node(7).is_err());
    }

    #[test]
    fn refuses_no_leaves_and_too_many() {
        assert!(HashTree::from_leaves(&[]).is_err());
        assert!(TreeShape::new(0).is_err());
        assert!(TreeShape::new(MAX_LEAVES).is_ok());
        assert!(TreeShape::new(MAX_LEAVES + 1).is_err());
        assert!(TreeShape::new(u64::MAX).is_err());
    }
}
