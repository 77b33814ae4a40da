//! Checks and repairs of files whose shares are lost, cut, damaged, old or of several versions.

use crate::grid::{FORMATS, Grid, KEY, content};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use tahoe_caps::{MutableFormat, MutableWriteCap};
use tahoe_mutable::{MutableCheck, MutableFiles, MutableRepairError};
use tahoe_share::mutable::{MutableGeometry, MutableHeader};
use tahoe_storage_api::ShareNumber;
use tahoe_storage_api::testing::{Call, Fault};

/// A 3-of-5 file on five servers, one share on each.
struct Stored {
    grid: Grid,
    gateway: MutableFiles,
    cap: MutableWriteCap,
    /// The server of each share.
    server_of: Vec<usize>,
}

impl Stored {
    async fn new(format: MutableFormat, size: usize) -> Self {
        let grid = Grid::new(5);
        let gateway = grid.gateway_to(&[0, 1, 2, 3, 4], 3, 5).await;
        let key = Some(KEY.clone());
        let cap = gateway.create(format, key, content(size, 1)).await.unwrap();
        let places = grid.places(&cap.storage_index()).await;
        let holder = |share| {
            places
                .iter()
                .find(|(_, number)| *number == share)
                .unwrap()
                .0
        };
        Self {
            server_of: (0..5).map(holder).collect(),
            grid,
            gateway,
            cap,
        }
    }

    async fn check(&self) -> MutableCheck {
        self.gateway.check(&self.cap.to_read().to_verify()).await
    }

    async fn verify(&self) -> MutableCheck {
        let verify_cap = self.cap.to_read().to_verify();
        self.gateway
            .verify(&verify_cap, Some(&self.cap.write_key))
            .await
    }

    fn share(&self, share: u8) -> Bytes {
        let store = &self.grid.stores[self.server_of[usize::from(share)]];
        store
            .share(&self.cap.storage_index(), ShareNumber(share))
            .unwrap()
    }

    fn shares(&self) -> Vec<Bytes> {
        (0..5).map(|share| self.share(share)).collect()
    }

    fn replace(&self, share: u8, bytes: impl Into<Bytes>) {
        let store = &self.grid.stores[self.server_of[usize::from(share)]];
        assert!(store.replace_share(&self.cap.storage_index(), ShareNumber(share), bytes.into()));
    }

    fn remove(&self, share: u8) {
        let store = &self.grid.stores[self.server_of[usize::from(share)]];
        assert!(store.remove_share(&self.cap.storage_index(), ShareNumber(share)));
    }

    async fn repair(&self) -> Result<tahoe_mutable::MutableRepair, MutableRepairError> {
        let before = self.verify().await;
        assert!(before.needs_repair());
        self.gateway
            .repair(&self.cap, &before, &std::env::temp_dir())
            .await
    }
}

/// How many different shares of each version there are, by their labels' sequence numbers.
fn counts(check: &MutableCheck) -> BTreeMap<u64, usize> {
    let versions = check.map.versions();
    let counts = versions
        .keys()
        .map(|version| (version.sequence_number, check.map.distinct_shares(version)));
    counts.collect()
}

fn corrupt(check: &MutableCheck) -> Vec<(u8, &str)> {
    let shares = check.corrupt_shares.iter();
    shares
        .map(|corrupt| (corrupt.share.0, corrupt.reason.as_str()))
        .collect()
}

#[tokio::test]
async fn a_whole_file_is_healthy() {
    for format in FORMATS {
        for size in [0, 1, 1000, 700_000] {
            let stored = Stored::new(format, size).await;
            for check in [stored.check().await, stored.verify().await] {
                assert_eq!(
                    counts(&check),
                    BTreeMap::from([(1, 5)]),
                    "{format:?} {size}"
                );
                assert_eq!(corrupt(&check), []);
                assert!(!check.needs_repair());
                assert_eq!(check.map.reachable_servers().len(), 5);
            }
        }
    }
}

#[tokio::test]
async fn a_check_reads_no_more_than_the_start_of_a_share() {
    let stored = Stored::new(MutableFormat::Mdmf, 700_000).await;
    let reads = stored.grid.count(Call::ReadShare);
    stored.check().await;
    assert_eq!(stored.grid.count(Call::ReadShare) - reads, 5);
    assert_eq!(stored.grid.count(Call::AddLease), 0);
    stored.gateway.add_leases(&stored.cap.storage_index()).await;
    assert_eq!(stored.grid.count(Call::AddLease), 5);
}

/// Where the parts of a share lie that anybody relies on.
fn parts(share: &[u8]) -> Vec<Range<u64>> {
    let header = MutableHeader::parse(share).unwrap();
    let geometry = MutableGeometry::of(&header).unwrap();
    let header_length = match header {
        MutableHeader::Sdmf(_) => 107,
        MutableHeader::Mdmf(_) => 123,
    };
    let blocks = (0..geometry.segment_count())
        .map(|segment| header.block_range(&geometry, segment).unwrap());
    let mut parts: Vec<_> = blocks.collect();
    parts.extend([
        0..header_length,
        header.public_key_range().unwrap(),
        header.signature_range().unwrap(),
        header.share_hash_chain_range().unwrap(),
        header.block_hash_tree_range(&geometry).unwrap(),
        header.encrypted_private_key_range().unwrap(),
    ]);
    parts
}

#[tokio::test]
async fn every_byte_that_matters_is_verified() {
    for (format, size) in [(MutableFormat::Sdmf, 40), (MutableFormat::Mdmf, 131_100)] {
        let stored = Stored::new(format, size).await;
        let share = stored.share(2);
        let parts = parts(&share);
        // The blocks of MDMF are large: one byte in a thousand will do, but every byte elsewhere.
        let of_blocks = 2000..share.len().saturating_sub(200);
        for offset in 0..share.len() {
            let at = offset as u64;
            if of_blocks.contains(&offset) && offset % 997 != 0 {
                continue;
            }
            let mut bytes = share.to_vec();
            bytes[offset] ^= 0x10;
            stored.replace(2, bytes);
            let check = stored.verify().await;
            let matters = parts.iter().any(|part| part.contains(&at));
            let good = counts(&check).get(&1).copied();
            assert_eq!(
                good,
                Some(5 - usize::from(matters)),
                "{format:?}: byte {offset}"
            );
            assert!(check.corrupt_shares.len() <= usize::from(matters));
        }
    }
}

#[tokio::test]
async fn a_share_that_is_cut_is_not_good() {
    for format in FORMATS {
        let stored = Stored::new(format, 1000).await;
        let share = stored.share(3);
        for length in (0..share.len()).step_by(13) {
            stored.replace(3, share.slice(..length));
            let check = stored.verify().await;
            assert_eq!(
                counts(&check),
                BTreeMap::from([(1, 4)]),
                "{format:?}: {length} bytes"
            );
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_and_the_server_is_told() {
    for format in FORMATS {
        let stored = Stored::new(format, 1000).await;
        let mut bytes = stored.share(1).to_vec();
        let header = MutableHeader::parse(&bytes).unwrap();
        let block = header
            .block_range(&MutableGeometry::of(&header).unwrap(), 0)
            .unwrap();
        bytes[usize::try_from(block.end - 1).unwrap()] ^= 1;
        stored.replace(1, bytes);
        assert_eq!(corrupt(&stored.check().await), [], "nobody has looked");
        let check = stored.verify().await;
        let [(1, reason)] = corrupt(&check)[..] else {
            panic!("{check:?}");
        };
        assert!(reason.starts_with("corrupt hashes: "), "{reason}");
        stored.gateway.advisories_settled().await;
        let told = stored.grid.stores[stored.server_of[1]].advisories();
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

#[tokio::test]
async fn a_repair_restores_lost_and_bad_and_old_shares() {
    for (format, size) in [
        (MutableFormat::Sdmf, 1000),
        (MutableFormat::Mdmf, 1000),
        (MutableFormat::Mdmf, 1_500_000),
    ] {
        let stored = Stored::new(format, size).await;
        let old = stored.share(4);
        let new = content(size, 2);
        stored
            .gateway
            .overwrite(&stored.cap, new.clone())
            .await
            .unwrap();
        stored.replace(4, old);
        let mut bytes = stored.share(3).to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        stored.replace(3, bytes);
        let before = stored.verify().await;
        assert_eq!(counts(&before).get(&1), Some(&1));
        let repaired = stored.repair().await.unwrap();
        assert!(repaired.published);
        assert_eq!(counts(&repaired.after), BTreeMap::from([(3, 5)]));
        let after = stored.verify().await;
        assert_eq!(counts(&after), BTreeMap::from([(3, 5)]));
        assert!(!after.needs_repair());
        let (_, read) = stored
            .gateway
            .read_all(&stored.cap.to_read())
            .await
            .unwrap();
        assert_eq!(read, new);
    }
}

#[tokio::test]
async fn a_lost_share_is_made_again() {
    let stored = Stored::new(MutableFormat::Sdmf, 1000).await;
    stored.remove(0);
    let repaired = stored.repair().await.unwrap();
    assert_eq!(counts(&repaired.after), BTreeMap::from([(2, 5)]));
    assert_eq!(counts(&stored.verify().await), BTreeMap::from([(2, 5)]));
}

#[tokio::test]
async fn what_can_not_be_read_is_not_published() {
    let stored = Stored::new(MutableFormat::Sdmf, 1000).await;
    (0..3).for_each(|share| stored.remove(share));
    let shares = [stored.share(3), stored.share(4)];
    let repaired = stored.repair().await.unwrap();
    assert!(!repaired.published);
    assert_eq!(counts(&repaired.after), BTreeMap::from([(1, 2)]));
    assert_eq!([stored.share(3), stored.share(4)], shares);
}

#[tokio::test]
async fn a_repair_does_not_undo_a_newer_version_nor_choose_between_two() {
    for format in FORMATS {
        let stored = Stored::new(format, 1000).await;
        let first = stored.shares();
        stored
            .gateway
            .overwrite(&stored.cap, content(500, 2))
            .await
            .unwrap();
        let second = stored.shares();
        (0..3).for_each(|share| stored.replace(share, first[usize::from(share)].clone()));
        let check = stored.check().await;
        assert_eq!(counts(&check), BTreeMap::from([(1, 3), (2, 2)]));
        let refused = stored.repair().await.unwrap_err();
        assert!(
            matches!(refused, MutableRepairError::NewerVersion),
            "{refused:?}"
        );

        // Another writer's second version, which has the same number.
        (0..5).for_each(|share| stored.replace(share, first[usize::from(share)].clone()));
        let other = stored.grid.gateway_to(&[0, 1, 2, 3, 4], 1, 5).await;
        other.overwrite(&stored.cap, content(700, 3)).await.unwrap();
        (0..3).for_each(|share| stored.replace(share, second[usize::from(share)].clone()));
        let check = stored.check().await;
        assert_eq!(check.map.recoverable_versions().len(), 2, "{format:?}");
        let refused = stored.repair().await.unwrap_err();
        assert!(
            matches!(refused, MutableRepairError::SeveralVersions),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_left_out() {
    let stored = Stored::new(MutableFormat::Mdmf, 1000).await;
    stored.grid.faults[stored.server_of[0]].add(Fault::Vanish.always());
    let check = stored.verify().await;
    assert_eq!(counts(&check), BTreeMap::from([(1, 4)]));
    assert_eq!(check.map.reachable_servers().len(), 4);
    assert_eq!(corrupt(&check), []);
}
