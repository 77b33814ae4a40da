//! Repairs: the shares that are made again are those that were lost.

use crate::check::{Stored, VERIFY, map};
use crate::grid::Grid;
use bytes::Bytes;
use std::sync::Arc;
use tahoe_immutable::{CheckOptions, CheckResults, DownloadError, RepairError, UploadError};
use tahoe_share::immutable::ShareLayout;
use tahoe_share::{HashTree, UriExtension, encode_share_hash_chain, share_hash_chain};
use tahoe_storage_api::ShareNumber;
use tahoe_storage_api::testing::{Call, Fault};

impl Stored {
    async fn repair(&self, options: CheckOptions) -> Result<CheckResults, RepairError> {
        let before = self.check(options).await;
        let file = self.grid.repairer.fetch(&self.cap).await?;
        self.grid
            .repairer
            .restore(file, before, &Arc::default())
            .await
    }

    /// All copies of a share, wherever they are.
    fn copies(&self, share: u8) -> Vec<Bytes> {
        let copy = |store: &Arc<_>| Grid::share_of(store, &self.cap.storage_index, share);
        self.grid.stores.iter().filter_map(copy).collect()
    }
}

#[tokio::test]
async fn lost_shares_come_back_byte_for_byte() {
    for (size, segment_size) in [(10_000, 1 << 20), (100_000, 10_000), (1_500_000, 131_072)] {
        let stored = Stored::new(size, segment_size).await;
        stored.remove(0);
        stored.remove(4);
        let results = stored.repair(CheckOptions::default()).await.unwrap();
        assert!(results.is_healthy(), "{results:?}");
        let after = results;
        assert_eq!((after.good_shares(), after.happiness()), (5, 5));
        assert_eq!(after.good_share_hosts(), 5);
        for (share, original) in (0..).zip(&stored.shares) {
            assert_eq!(stored.copies(share), [original], "share {share}");
        }
        assert!(stored.check(VERIFY).await.is_healthy());
    }
}

#[tokio::test]
async fn a_spoilt_share_is_stored_again_elsewhere() {
    let stored = Stored::new(10_000, 1000).await;
    let mut bytes = stored.shares[2].to_vec();
    bytes[0x24] ^= 1;
    stored.replace(2, bytes.clone());
    let results = stored.repair(VERIFY).await.unwrap();
    assert_eq!(results.corrupt_shares.len(), 1);
    assert!(results.is_healthy(), "{results:?}");
    let copies = stored.copies(2);
    assert_eq!(copies.len(), 2, "a server doesn't replace what it has");
    assert!(copies.contains(&stored.shares[2]) && copies.contains(&Bytes::from(bytes)));
    let again = stored.check(VERIFY).await;
    assert_eq!((again.good_shares(), again.corrupt_shares.len()), (5, 1));
}

#[tokio::test]
async fn a_file_that_can_not_be_read_can_not_be_repaired() {
    let stored = Stored::new(10_000, 1 << 20).await;
    (0..3).for_each(|share| stored.remove(share));
    let error = stored.repair(CheckOptions::default()).await.unwrap_err();
    let RepairError::Download(DownloadError::NotEnoughShares(_)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(stored.grid.unfinished_uploads(), 0);
    // Five calls were those of the upload.
    assert_eq!(stored.grid.calls(Call::AllocateShares), 5);
}

#[tokio::test]
async fn what_finds_no_server_stays_away_and_the_rest_is_repaired() {
    let stored = Stored::new(10_000, 1 << 20).await;
    stored.remove(0);
    stored.remove(1);
    for (number, faulty) in stored.grid.faults.iter().enumerate() {
        let full = Fault::NoSpace.on(Call::AllocateShares);
        // One has room for a share, but not when it is asked for another.
        let room = usize::from(number == stored.server_of[0]);
        faulty.add(full.after(room));
    }
    let results = stored.repair(CheckOptions::default()).await.unwrap();
    assert!(!results.is_healthy());
    let after = map(&results);
    assert_eq!(after.len(), 4, "{after:?}");
    stored.grid.faults.iter().for_each(|faulty| faulty.heal());
    assert_eq!(map(&stored.check(VERIFY).await), after);
}

#[tokio::test]
async fn a_server_that_goes_during_the_repair_costs_only_its_shares() {
    let stored = Stored::new(10_000, 1 << 20).await;
    stored.remove(0);
    stored.remove(1);
    let written = stored.grid.calls(Call::WriteShare);
    for server in [stored.server_of[0], stored.server_of[1]] {
        let rule = Fault::Vanish.on(Call::WriteShare).for_share(ShareNumber(0));
        stored.grid.faults[server].add(rule);
    }
    let results = stored.repair(CheckOptions::default()).await.unwrap();
    assert!(stored.grid.calls(Call::WriteShare) > written);
    assert_eq!(
        map(&results).keys().copied().collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert!(!results.is_healthy());
}

/// The share with another URI extension block.
fn with_block(share: &[u8], block: &[u8]) -> Vec<u8> {
    let layout = ShareLayout::parse(share).unwrap();
    let start = usize::try_from(layout.uri_extension).unwrap();
    let mut bytes = share[..start].to_vec();
    bytes.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(block);
    bytes
}

fn block_of(share: &[u8]) -> UriExtension {
    let layout = ShareLayout::parse(share).unwrap();
    let start = usize::try_from(layout.uri_extension).unwrap();
    UriExtension::parse(&share[start + 4..]).unwrap()
}

impl Stored {
    /// As if the uploader had written this block.
    fn rewrite(&mut self, block: &UriExtension) {
        let block = block.to_bytes();
        for share in 0..5 {
            let bytes = with_block(&self.shares[usize::from(share)], &block);
            self.replace(share, bytes.clone());
            self.shares[usize::from(share)] = bytes.into();
        }
        self.cap.uri_extension_hash = UriExtension::hash_of(&block);
    }
}

#[tokio::test]
async fn the_block_of_another_program_is_kept_as_it_is() {
    let mut stored = Stored::new(10_000, 1000).await;
    let mut block = block_of(&stored.shares[0]);
    block.other.insert("plaintext_hash".to_owned(), vec![7; 32]);
    block.codec_name = None;
    stored.rewrite(&block);
    stored.remove(1);
    let results = stored.repair(VERIFY).await.unwrap();
    assert!(results.is_healthy());
    assert_eq!(stored.copies(1), [&stored.shares[1]]);
}

#[tokio::test]
async fn shares_that_their_block_does_not_prove_are_not_stored() {
    let mut stored = Stored::new(10_000, 1 << 20).await;
    // Each share still proves itself, but by another tree than that of all shares.
    let mut block = block_of(&stored.shares[0]);
    let leaf = |share: &[u8]| {
        let layout = ShareLayout::parse(share).unwrap();
        let start = usize::try_from(layout.block_hashes).unwrap();
        <[u8; 32]>::try_from(&share[start..start + 32]).unwrap()
    };
    let mut leaves: Vec<_> = stored.shares.iter().map(|share| leaf(share)).collect();
    leaves[4] = [9; 32];
    let tree = HashTree::from_leaves(&leaves).unwrap();
    block.share_root_hash = tree.root();
    for (number, share) in (0..).zip(&mut stored.shares) {
        let layout = ShareLayout::parse(share).unwrap();
        let range = layout.share_hashes_range();
        let chain = encode_share_hash_chain(&share_hash_chain(&tree, number).unwrap());
        let mut bytes = share.to_vec();
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        bytes[range].copy_from_slice(&chain);
        *share = bytes.into();
    }
    stored.rewrite(&block);
    let results = stored.check(VERIFY).await;
    assert_eq!(
        map(&results).keys().copied().collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    let error = stored.repair(VERIFY).await.unwrap_err();
    assert!(
        matches!(error, RepairError::Upload(UploadError::OtherShares)),
        "{error:?}"
    );
    stored.grid.uploader.aborts_settled().await;
    assert_eq!(stored.grid.unfinished_uploads(), 0);
}
