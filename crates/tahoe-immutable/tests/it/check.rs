//! Checks of files whose shares are lost, cut, damaged or swapped.

use crate::grid::{Grid, content, parameters};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tahoe_caps::{ChkVerifyCap, ReadFileCap};
use tahoe_immutable::{CheckOptions, CheckResults};
use tahoe_share::immutable::ShareLayout;
use tahoe_storage_api::ShareNumber;
use tahoe_storage_api::testing::{Call, Fault};
use tokio::time::Instant;

pub(crate) const VERIFY: CheckOptions = CheckOptions {
    verify: true,
    add_lease: false,
};

/// A file on five servers, one share on each.
pub(crate) struct Stored {
    pub(crate) grid: Grid,
    pub(crate) cap: ChkVerifyCap,
    /// The server of each share.
    pub(crate) server_of: Vec<usize>,
    /// Its shares as they were uploaded.
    pub(crate) shares: Vec<Bytes>,
}

impl Stored {
    /// 3-of-5 with segments of at most so many bytes.
    pub(crate) async fn new(size: usize, max_segment_size: u64) -> Self {
        let grid = Grid::new(5).await;
        let parameters = parameters(3, 5, 5, max_segment_size);
        let results = grid.upload(parameters, &content(size)).await.unwrap();
        let ReadFileCap::Chk(cap) = results.cap.file else {
            panic!("a literal file");
        };
        let cap = cap.to_verify();
        let stored = grid.stored(&cap.storage_index).await;
        let holder = |share| stored.iter().position(|s| s.contains(&ShareNumber(share)));
        let server_of: Vec<usize> = (0..5).map(|share| holder(share).unwrap()).collect();
        let bytes = |(share, server): (u8, &usize)| {
            let store = &grid.stores[*server];
            store.share(&cap.storage_index, ShareNumber(share)).unwrap()
        };
        let shares = (0..5).zip(&server_of).map(bytes).collect();
        Self {
            grid,
            cap,
            server_of,
            shares,
        }
    }

    pub(crate) async fn check(&self, options: CheckOptions) -> CheckResults {
        self.grid.checker.check(&self.cap, options).await.unwrap()
    }

    /// Puts other bytes into a share.
    pub(crate) fn replace(&self, share: u8, bytes: Vec<u8>) {
        let store = &self.grid.stores[self.server_of[usize::from(share)]];
        let bytes = Bytes::from(bytes);
        assert!(store.replace_share(&self.cap.storage_index, ShareNumber(share), bytes));
    }

    pub(crate) fn remove(&self, share: u8) {
        let store = &self.grid.stores[self.server_of[usize::from(share)]];
        assert!(store.remove_share(&self.cap.storage_index, ShareNumber(share)));
    }

    fn id(&self, share: u8) -> String {
        format!("v0-server{}", self.server_of[usize::from(share)])
    }
}

/// Share numbers and the servers that have them.
pub(crate) fn map(results: &CheckResults) -> BTreeMap<u8, Vec<&str>> {
    let shares = results.share_map.iter();
    let shares = shares.map(|(share, servers)| {
        let mut servers: Vec<_> = servers.iter().map(|server| server.id.as_str()).collect();
        servers.sort_unstable();
        (share.0, servers)
    });
    shares.collect()
}

fn numbers(locations: &[tahoe_immutable::ShareLocation]) -> Vec<u8> {
    locations.iter().map(|location| location.share.0).collect()
}

#[tokio::test]
async fn a_healthy_file_costs_one_question_per_server() {
    let stored = Stored::new(10_000, 1 << 20).await;
    let asked = stored.grid.calls(Call::ListShares);
    let results = stored.check(CheckOptions::default()).await;
    assert_eq!(stored.grid.calls(Call::ListShares) - asked, 5);
    assert_eq!(stored.grid.calls(Call::ReadShare), 0);
    assert_eq!(stored.grid.calls(Call::AddLease), 0);
    assert!(results.is_healthy() && results.is_recoverable());
    let counts = (
        results.good_shares(),
        results.good_share_hosts(),
        results.happiness(),
    );
    assert_eq!(counts, (5, 5, 5));
    assert_eq!(results.servers_responding.len(), 5);
    for share in 0..5 {
        assert_eq!(map(&results)[&share], [stored.id(share)]);
    }
}

#[tokio::test]
async fn a_small_share_is_verified_with_one_read() {
    for segment_size in [1 << 20, 100] {
        let stored = Stored::new(10_000, segment_size).await;
        let results = stored.check(VERIFY).await;
        assert!(results.is_healthy());
        assert_eq!(results.corrupt_shares.len(), 0);
        let reads = stored.grid.calls(Call::ReadShare);
        // More than the usual number of segments needs more hashes than the first read has.
        assert!(reads == 5 || segment_size == 100, "{reads} reads");
    }
}

#[tokio::test]
async fn large_shares_are_verified_piece_by_piece() {
    // Many segments, whose trees are checked in several steps, and few large ones.
    for (size, segment_size) in [(3_000_000, 300), (6_000_000, 1 << 20)] {
        let stored = Stored::new(size, segment_size).await;
        assert!(stored.check(VERIFY).await.is_healthy(), "{segment_size}");
        let layout = ShareLayout::parse(&stored.shares[4]).unwrap();
        let places = [
            layout.plaintext_hash_tree - 1,
            layout.crypttext_hash_tree + 40,
            layout.block_hashes - 1,
            layout.share_hashes - 1,
        ];
        for (share, place) in (0..).zip(places) {
            let mut bytes = stored.shares[usize::from(share)].to_vec();
            bytes[usize::try_from(place).unwrap()] ^= 1;
            stored.replace(share, bytes);
        }
        let results = stored.check(VERIFY).await;
        let mut corrupt = numbers(&results.corrupt_shares);
        corrupt.sort_unstable();
        assert_eq!(corrupt, [0, 1, 2, 3], "{segment_size}");
        assert_eq!(map(&results).keys().copied().collect::<Vec<_>>(), [4]);
        assert!(!results.is_recoverable());
    }
}

#[tokio::test]
async fn a_server_that_is_gone_or_silent_is_left_out() {
    let stored = Stored::new(10_000, 1 << 20).await;
    stored.grid.faults[stored.server_of[0]].add(Fault::Vanish.always());
    let results = stored.check(VERIFY).await;
    assert_eq!(results.servers_responding.len(), 4);
    assert_eq!(results.good_shares(), 4);
    assert!(!results.is_healthy() && results.is_recoverable());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_not_waited_for_for_ever() {
    let stored = Stored::new(10_000, 1 << 20).await;
    stored.grid.faults[stored.server_of[1]].add(Fault::Hang.on(Call::ListShares));
    stored.grid.faults[stored.server_of[2]].add(Fault::Hang.on(Call::ReadShare));
    let started = Instant::now();
    let results = stored.check(VERIFY).await;
    assert!(started.elapsed() <= Duration::from_secs(300));
    assert_eq!(results.servers_responding.len(), 4);
    assert_eq!(map(&results).keys().copied().collect::<Vec<_>>(), [0, 3, 4]);
    // A server that fails while it is read hasn't shown a corrupt share.
    assert_eq!(results.corrupt_shares.len(), 0);
}

/// Bytes of a share that no reader relies on: sizes for old readers and the unused tree.
fn is_ignored(layout: &ShareLayout, offset: u64) -> bool {
    (0x04..0x0c).contains(&offset)
        || (0x10..0x14).contains(&offset)
        || (layout.plaintext_hash_tree..layout.crypttext_hash_tree).contains(&offset)
}

#[tokio::test]
async fn every_byte_that_matters_is_checked() {
    let stored = Stored::new(400, 100).await;
    let share = stored.shares[2].to_vec();
    let layout = ShareLayout::parse(&share).unwrap();
    for offset in 0..share.len() {
        let mut bytes = share.clone();
        bytes[offset] ^= 0x10;
        stored.replace(2, bytes);
        let results = stored.check(VERIFY).await;
        let found = (
            numbers(&results.corrupt_shares),
            numbers(&results.incompatible_shares),
            results.good_shares(),
        );
        let expected = if offset < 4 {
            (vec![], vec![2], 4)
        } else if is_ignored(&layout, offset as u64) {
            (vec![], vec![], 5)
        } else {
            (vec![2], vec![], 4)
        };
        assert_eq!(found, expected, "byte {offset} of {}", share.len());
    }
}

#[tokio::test]
async fn a_share_that_is_cut_anywhere_is_corrupt() {
    let stored = Stored::new(400, 100).await;
    let share = stored.shares[3].to_vec();
    for length in 0..share.len() {
        stored.replace(3, share[..length].to_vec());
        let results = stored.check(VERIFY).await;
        assert_eq!(numbers(&results.corrupt_shares), [3], "{length} bytes");
        assert_eq!(results.good_shares(), 4);
    }
}

#[tokio::test]
async fn a_share_in_the_place_of_another_is_corrupt() {
    let stored = Stored::new(10_000, 1000).await;
    stored.replace(1, stored.shares[2].to_vec());
    let other = Stored::new(10_001, 1000).await;
    stored.replace(4, other.shares[4].to_vec());
    let results = stored.check(VERIFY).await;
    let corrupt: BTreeSet<u8> = numbers(&results.corrupt_shares).into_iter().collect();
    assert_eq!(corrupt, BTreeSet::from([1, 4]));
}

#[tokio::test]
async fn the_server_of_a_corrupt_share_is_told() {
    let stored = Stored::new(10_000, 1000).await;
    let mut bytes = stored.shares[0].to_vec();
    bytes[0x24 + 700] ^= 1;
    stored.replace(0, bytes);
    stored.check(CheckOptions::default()).await;
    assert_eq!(
        stored.grid.stores[stored.server_of[0]].advisories().len(),
        0
    );
    stored.check(VERIFY).await;
    let told = stored.grid.stores[stored.server_of[0]].advisories();
    let [told] = &told[..] else {
        panic!("{told:?}");
    };
    let start = format!(
        "immutable {} 0: corruption in share[",
        stored.cap.storage_index
    );
    assert!(told.starts_with(&start), "{told}");
    assert!(
        told.ends_with("block: the hash of the block of segment 2 is wrong"),
        "{told}"
    );
}

#[tokio::test]
async fn leases_are_added_everywhere_and_need_not_succeed() {
    let stored = Stored::new(10_000, 1 << 20).await;
    stored
        .grid
        .stores
        .iter()
        .for_each(|store| store.set_time(1000));
    stored.remove(4);
    let vanish = Fault::Vanish.on(Call::AddLease);
    stored.grid.faults[stored.server_of[3]].add(vanish);
    let options = CheckOptions {
        add_lease: true,
        ..CheckOptions::default()
    };
    let results = stored.check(options).await;
    assert_eq!(
        (results.good_shares(), results.servers_responding.len()),
        (4, 5)
    );
    let expires = |share: u8| {
        let store = &stored.grid.stores[stored.server_of[usize::from(share)]];
        store.leases(&stored.cap.storage_index, ShareNumber(share))[0].expires
    };
    let month = 31 * 24 * 3600;
    let found: Vec<u64> = (0..4).map(expires).collect();
    assert_eq!(found, [1000 + month, 1000 + month, 1000 + month, month]);
}

#[tokio::test]
async fn shares_that_the_file_cannot_have_do_not_count() {
    let stored = Stored::new(10_000, 1 << 20).await;
    let (index, bytes) = (stored.cap.storage_index, stored.shares[0].clone());
    stored
        .grid
        .put_share(0, &index, ShareNumber(5), bytes)
        .await;
    for options in [CheckOptions::default(), VERIFY] {
        let results = stored.check(options).await;
        assert_eq!(
            (results.good_shares(), results.corrupt_shares.len()),
            (5, 0)
        );
    }
    let impossible = ChkVerifyCap {
        shares_needed: 9,
        ..stored.cap
    };
    let refused = stored.grid.checker.check(&impossible, VERIFY).await;
    assert!(refused.is_err());
}
