//! The hashes that prove one share's block tree against the root in the URI extension block.
//!
//! A share stores the leaf of its own number and the siblings along its path, each as
//!
//! ```text
//! 0x00   2  node number  u16, big-endian, in the share hash tree
//! 0x02  32  hash
//! ```
//!
//! The reference collects the node numbers in a Python set and writes them in the set's order.
//! Readers don't care, but a share is only the same byte for byte if its entries are in that
//! order, so [`share_hash_chain`] reproduces it.

use tahoe_crypto::hash::Hash;
use tahoe_encoding::Reader;

use crate::hash_tree::{HashTree, HashTreeError, TreeShape};

/// Bytes of one stored entry.
pub const SHARE_HASH_ENTRY_LENGTH: u64 = 34;

/// Most entries a reader takes: the nodes of the largest share hash tree, that of 256 shares.
const MAX_ENTRIES: u64 = 511;

/// A stored chain is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareHashChainError {
    /// Not a whole number of entries.
    #[error("share hash chain of {length} bytes is no multiple of {SHARE_HASH_ENTRY_LENGTH}")]
    BadLength {
        /// In bytes.
        length: u64,
    },
    /// More entries than the largest tree has nodes.
    #[error("share hash chain of {length} bytes is too long")]
    TooLong {
        /// In bytes.
        length: u64,
    },
}

/// One stored entry: a node number in the share hash tree and the hash of that node.
pub type ShareHash = (u16, Hash);

impl TreeShape {
    /// Entries of the chain of every share: the path's siblings and the leaf itself.
    pub fn share_hash_count(&self) -> u64 {
        self.node_count().ilog2().saturating_add(1).into()
    }
}

/// Picks the entries for one share out of the whole share hash tree, in the reference's order.
pub fn share_hash_chain(
    tree: &HashTree,
    share_number: u8,
) -> Result<Vec<ShareHash>, HashTreeError> {
    let mut nodes = tree.shape().proof_of(share_number.into())?;
    nodes.push(tree.shape().leaf_node(share_number.into())?);
    let nodes = python_set_order(&nodes).into_iter();
    nodes.map(|node| entry(tree, node)).collect()
}

/// Picks the entries for one share of a mutable file: the siblings along its path without the leaf
/// itself, in the order of their numbers.
pub fn mutable_share_hash_chain(
    tree: &HashTree,
    share_number: u8,
) -> Result<Vec<ShareHash>, HashTreeError> {
    let mut nodes = tree.shape().proof_of(share_number.into())?;
    nodes.sort_unstable();
    nodes.into_iter().map(|node| entry(tree, node)).collect()
}

fn entry(tree: &HashTree, node: u64) -> Result<ShareHash, HashTreeError> {
    let number = u16::try_from(node).map_err(|_| HashTreeError::NoSuchNode {
        node,
        node_count: tree.shape().node_count(),
    })?;
    Ok((number, tree.node(node)?))
}

/// Writes entries as they are stored.
pub fn encode_share_hash_chain(entries: &[ShareHash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len().saturating_mul(34));
    for (node, hash) in entries {
        bytes.extend_from_slice(&node.to_be_bytes());
        bytes.extend_from_slice(hash);
    }
    bytes
}

/// Refuses a length that no chain has, before anything of it is fetched.
pub(crate) fn check_chain_length(length: u64) -> Result<(), ShareHashChainError> {
    if length.checked_rem(SHARE_HASH_ENTRY_LENGTH) != Some(0) {
        return Err(ShareHashChainError::BadLength { length });
    }
    if length > MAX_ENTRIES.saturating_mul(SHARE_HASH_ENTRY_LENGTH) {
        return Err(ShareHashChainError::TooLong { length });
    }
    Ok(())
}

/// Reads stored entries. Whether they fit and prove anything is for the hash tree to say.
pub fn parse_share_hash_chain(bytes: &[u8]) -> Result<Vec<ShareHash>, ShareHashChainError> {
    let length = bytes.len() as u64;
    check_chain_length(length)?;
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::new();
    while let (Ok(node), Ok(hash)) = (reader.u16(), reader.array()) {
        entries.push((node, hash));
    }
    Ok(entries)
}

/// Orders distinct small numbers as CPython iterates over a set into which they were put one after
/// the other.
///
/// The set is a hash table in which a number's hash is the number itself. It has 8 places until
/// the fifth number is put in and then, up to the most that a chain has, 32; a taken place is left
/// for one of the next nine if these exist, else for one that a recurrence chooses.
fn python_set_order(numbers: &[u64]) -> Vec<u64> {
    let mut table = vec![None; 8];
    for (index, &number) in numbers.iter().enumerate() {
        put_in_python_set(&mut table, number);
        if index == 4 {
            let small = std::mem::replace(&mut table, vec![None; 32]);
            for number in small.into_iter().flatten() {
                put_in_python_set(&mut table, number);
            }
        }
    }
    table.into_iter().flatten().collect()
}

fn put_in_python_set(table: &mut [Option<u64>], number: u64) {
    const NEIGHBOURS: u64 = 9;
    let mask = (table.len() as u64).saturating_sub(1);
    let mut place = number & mask;
    let mut perturbation = number;
    loop {
        let last = match place.saturating_add(NEIGHBOURS) {
            last if last <= mask => last,
            _ => place,
        };
        for candidate in place..=last {
            let slot = usize::try_from(candidate)
                .ok()
                .and_then(|i| table.get_mut(i));
            if let Some(free @ None) = slot {
                *free = Some(number);
                return;
            }
        }
        perturbation >>= 5;
        place = place
            .wrapping_mul(5)
            .wrapping_add(1)
            .wrapping_add(perturbation)
            & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_iterated_as_cpython_does() {
        // From CPython 3.11: s = set(numbers[:-1]); s.add(numbers[-1]); list(s).
        for (numbers, expected) in [
            (vec![0], vec![0]),
            (vec![2, 1], vec![1, 2]),
            (vec![8, 4, 2, 7], vec![8, 2, 4, 7]),
        ] {
            assert_eq!(python_set_order(&numbers), expected, "{numbers:?}");
        }
    }

    #[test]
    fn a_chain_of_one_share_is_its_leaf() {
        let tree = HashTree::from_leaves(&[[5; 32]]).unwrap();
        assert_eq!(share_hash_chain(&tree, 0).unwrap(), [(0, [5; 32])]);
        assert_eq!(tree.shape().share_hash_count(), 1);
        assert!(share_hash_chain(&tree, 1).is_err());
    }

    #[test]
    fn every_chain_has_the_announced_length_and_round_trips() {
        for shares in 1..=256 {
            let leaves: Vec<Hash> = (0..shares)
                .map(|i| [u8::try_from(i).unwrap(); 32])
                .collect();
            let tree = HashTree::from_leaves(&leaves).unwrap();
            for share in 0..shares {
                let chain = share_hash_chain(&tree, u8::try_from(share).unwrap()).unwrap();
                assert_eq!(chain.len() as u64, tree.shape().share_hash_count());
                let bytes = encode_share_hash_chain(&chain);
                assert_eq!(parse_share_hash_chain(&bytes).unwrap(), chain);
            }
        }
    }

    #[test]
    fn refuses_half_entries_and_endless_chains() {
        assert_eq!(
            parse_share_hash_chain(&[0; 33]),
            Err(ShareHashChainError::BadLength { length: 33 })
        );
        assert!(parse_share_hash_chain(&vec![0; 34 * 511]).is_ok());
        assert_eq!(
            parse_share_hash_chain(&vec![0; 34 * 512]),
            Err(ShareHashChainError::TooLong { length: 34 * 512 })
        );
    }
}
