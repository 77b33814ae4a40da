//! A tree that is given good and bad hashes in any order only ever holds good ones.
#![no_main]

use tahoe_share::{HashTree, IncompleteHashTree};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&leaf_count, steps)) = data.split_first() else {
        return;
    };
    let leaves: Vec<_> = (0..leaf_count.clamp(1, 40)).map(|i| [i; 32]).collect();
    let tree = HashTree::from_leaves(&leaves).expect("at least one leaf");
    let mut learning = IncompleteHashTree::new(tree.shape(), tree.root());
    // Each step gives up to 15 hashes at once; an odd byte spoils its hash.
    for step in steps.chunks(15) {
        let hashes = step.iter().map(|byte| {
            let node = u64::from(byte >> 1);
            let mut hash = tree.node(node).unwrap_or_default();
            hash[0] ^= byte & 1;
            (node, hash)
        });
        let before = learning.clone();
        if learning.add_hashes(hashes).is_err() {
            assert_eq!(learning, before);
        }
    }
    for node in 0..tree.shape().node_count() {
        assert!(
            learning
                .node(node)
                .is_none_or(|hash| tree.node(node) == Ok(*hash))
        );
    }
});
