//! Compares hash trees, share hash chains, layouts and URI extension blocks with those that
//! Tahoe-LAFS computes (`vectors/share/`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tahoe_crypto::hash::{self, Hash};
use tahoe_share::immutable::ShareLayout;
use tahoe_share::{
    EncodingParameters, FileHashes, HashTree, SegmentGeometry, UriExtension, share_hash_chain,
};

#[derive(Deserialize)]
struct Vectors {
    hash_trees: Vec<Vec<String>>,
    chain_orders: Vec<ChainOrder>,
    all_chain_orders_sha256: String,
    files: Vec<FileVector>,
}

#[derive(Deserialize)]
struct ChainOrder {
    shares: usize,
    share: u8,
    nodes: Vec<u16>,
}

#[derive(Debug, Deserialize)]
struct FileVector {
    shares_needed: u64,
    shares_total: u64,
    file_size: u64,
    max_segment_size: u64,
    header: String,
    allocated_size: u64,
    uri_extension: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../vectors/share/share.json")).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn numbered_tree(leaf_count: usize) -> HashTree {
    let leaf = |i: usize| hash::tagged(b"test leaf", i.to_string().as_bytes());
    let leaves: Vec<Hash> = (0..leaf_count).map(leaf).collect();
    HashTree::from_leaves(&leaves).unwrap()
}

fn order_of(tree: &HashTree, share: u8) -> Vec<u16> {
    let chain = share_hash_chain(tree, share).unwrap();
    chain.into_iter().map(|(node, _)| node).collect()
}

#[test]
fn hash_trees_have_the_same_nodes() {
    for (index, expected) in vectors().hash_trees.iter().enumerate() {
        let tree = numbered_tree(index + 1);
        let found: Vec<String> = tree.nodes().iter().map(|node| hex(node)).collect();
        assert_eq!(&found, expected, "{} leaves", index + 1);
    }
}

#[test]
fn share_hash_chains_have_the_same_order() {
    for vector in vectors().chain_orders {
        let found = order_of(&numbered_tree(vector.shares), vector.share);
        assert_eq!(found, vector.nodes, "{} of {}", vector.share, vector.shares);
    }
}

#[test]
fn all_share_hash_chains_have_the_same_order() {
    let mut digest = Sha256::new();
    for shares in 1..=256 {
        let tree = numbered_tree(shares);
        for share in 0..shares {
            let order = order_of(&tree, u8::try_from(share).unwrap());
            let order: Vec<String> = order.iter().map(u16::to_string).collect();
            digest.update(format!("{shares} {share}: {}\n", order.join(",")));
        }
    }
    assert_eq!(hex(&digest.finalize()), vectors().all_chain_orders_sha256);
}

#[test]
fn shares_have_the_same_layout_and_uri_extension() {
    for vector in vectors().files {
        let encoding = EncodingParameters::new(vector.shares_needed, vector.shares_total).unwrap();
        let geometry =
            SegmentGeometry::for_upload(encoding, vector.file_size, vector.max_segment_size)
                .unwrap();
        let layout = ShareLayout::for_upload(&geometry).unwrap();
        assert_eq!(hex(&layout.header()), vector.header, "{vector:?}");
        let allocated = layout.allocated_size(&geometry);
        assert_eq!(allocated, vector.allocated_size, "{vector:?}");
        let hashes = FileHashes {
            crypttext_hash: [1; 32],
            crypttext_root_hash: [2; 32],
            share_root_hash: [3; 32],
        };
        let block = UriExtension::new(&geometry, hashes).to_bytes();
        assert_eq!(hex(&block), vector.uri_extension, "{vector:?}");
    }
}
