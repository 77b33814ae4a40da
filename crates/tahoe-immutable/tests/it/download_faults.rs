//! Downloads from servers that are gone, go, hang, are slow, or hold bad shares.

use crate::grid::{Grid, content, parameters, read};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;
use tahoe_crypto::StorageIndex;
use tahoe_immutable::{DownloadError, File, SharePart};
use tahoe_share::immutable::ShareLayout;
use tahoe_storage_api::testing::{Call, Fault, Rule};
use tahoe_storage_api::{ShareNumber, StorageError};
use tokio::time::Instant;

/// A 3-of-5 file of ten segments on five servers, one share on each.
struct Stored {
    grid: Grid,
    data: Bytes,
    file: File,
    storage_index: StorageIndex,
    /// The server of each share.
    server_of: Vec<usize>,
}

impl Stored {
    async fn new() -> Self {
        let grid = Grid::new(5).await;
        let data = content(100_000);
        let results = grid
            .upload(parameters(3, 5, 5, 1 << 20), &data)
            .await
            .unwrap();
        Self::of(grid, data, results).await
    }

    /// Segments are smaller than a reader supposes.
    async fn in_segments() -> Self {
        let grid = Grid::new(5).await;
        let data = content(100_000);
        let results = grid
            .upload(parameters(3, 5, 5, 10_000), &data)
            .await
            .unwrap();
        Self::of(grid, data, results).await
    }

    async fn of(grid: Grid, data: Bytes, results: tahoe_immutable::UploadResults) -> Self {
        let storage_index = results.cap.storage_index().unwrap();
        let stored = grid.stored(&storage_index).await;
        let holder = |share| {
            stored
                .iter()
                .position(|s| s.contains(&ShareNumber(share)))
                .unwrap()
        };
        Self {
            file: grid.open(&results.cap),
            server_of: (0..5).map(holder).collect(),
            grid,
            data,
            storage_index,
        }
    }

    /// Lets the servers of these shares suffer a fault.
    fn hit(&self, shares: Range<usize>, rule: &Rule) {
        for share in shares {
            self.grid.faults[self.server_of[share]].add(rule.clone());
        }
    }

    fn layout(&self, share: usize) -> ShareLayout {
        let number = ShareNumber(u8::try_from(share).unwrap());
        let bytes = self.grid.stores[self.server_of[share]].share(&self.storage_index, number);
        ShareLayout::parse(&bytes.unwrap()).unwrap()
    }

    async fn read_all(&self) -> Result<Bytes, DownloadError> {
        read(&self.file, 0..self.file.size()).await
    }

    async fn assert_readable(&self) {
        assert_eq!(self.read_all().await.unwrap(), self.data);
    }

    /// Reports of corruption that a share's server has got.
    async fn advisories(&self, share: usize) -> Vec<String> {
        self.grid.downloader.advisories_settled().await;
        self.grid.stores[self.server_of[share]].advisories()
    }
}

#[tokio::test(start_paused = true)]
async fn any_k_shares_suffice() {
    for lost in 0..3 {
        for kept in 0..5usize {
            let stored = Stored::in_segments().await;
            for share in (0..lost).map(|n| (kept + n) % 5) {
                stored.hit(share..share + 1, &Fault::Vanish.always());
            }
            stored.assert_readable().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_fewer_than_k_shares_the_error_counts_them() {
    let stored = Stored::new().await;
    stored.hit(0..3, &Fault::Vanish.always());
    let error = stored.read_all().await.unwrap_err();
    let DownloadError::NotEnoughShares(found) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(found.complete.len() + found.pending.len(), 2);
    assert_eq!(found.needed, 3);
    let text = error.to_string();
    assert!(text.starts_with("ran out of shares: complete="), "{text}");
    let end = " overdue= unused= need 3. Last failure: from server";
    assert!(
        text.contains(end) && text.contains("sh3") && text.contains("sh4"),
        "{text}"
    );

    let stored = Stored::new().await;
    stored.hit(0..5, &Fault::Vanish.always());
    let text = stored.read_all().await.unwrap_err().to_string();
    assert!(
        text.starts_with("no shares (need 3). Last failure: from server"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_that_nobody_has_is_missed() {
    let stored = Stored::new().await;
    for (share, server) in stored.server_of.iter().enumerate() {
        let number = ShareNumber(u8::try_from(share).unwrap());
        stored.grid.stores[*server].remove_share(&stored.storage_index, number);
    }
    let text = stored.read_all().await.unwrap_err().to_string();
    assert_eq!(text, "no shares (need 3). Last failure: None");
}

#[tokio::test(start_paused = true)]
async fn a_server_lost_on_the_way_is_replaced() {
    for after in 0..4 {
        let stored = Stored::in_segments().await;
        stored.hit(0..2, &Fault::Vanish.on(Call::ReadShare).after(after));
        stored.assert_readable().await;
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_hang_are_replaced_soon() {
    for (rule, most) in [
        (Fault::Hang.on(Call::ListShares), Duration::from_millis(10)),
        (Fault::Hang.on(Call::ReadShare), Duration::from_secs(11)),
        (
            Fault::Hang.on(Call::ReadShare).after(3),
            Duration::from_secs(11),
        ),
        (
            Fault::Delay(Duration::from_secs(30)).on(Call::ReadShare),
            Duration::from_secs(11),
        ),
    ] {
        for shares in [0..1, 0..2, 1..3] {
            let stored = Stored::in_segments().await;
            stored.hit(shares.clone(), &rule);
            let started = Instant::now();
            stored.assert_readable().await;
            let time = started.elapsed();
            assert!(time <= most, "{time:?} with {rule:?} on {shares:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_servers_are_waited_for_if_there_is_no_other() {
    let stored = Stored::in_segments().await;
    stored.hit(
        0..5,
        &Fault::Delay(Duration::from_secs(20)).on(Call::ReadShare),
    );
    stored.assert_readable().await;
    assert_eq!(stored.file.corrupt_shares(), []);
}

#[tokio::test(start_paused = true)]
async fn a_read_from_servers_that_all_hang_ends() {
    let stored = Stored::new().await;
    stored.hit(0..5, &Fault::Hang.on(Call::ReadShare));
    let started = Instant::now();
    let error = stored.read_all().await.unwrap_err();
    assert!(
        matches!(error, DownloadError::NotEnoughShares(_)),
        "{error:?}"
    );
    assert!(
        started.elapsed() <= Duration::from_secs(1000),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_a_file_can_be_read_once_its_servers_are_back() {
    let stored = Stored::new().await;
    stored.hit(0..4, &Fault::Vanish.always());
    stored.read_all().await.unwrap_err();
    for faulty in &stored.grid.faults {
        faulty.heal();
    }
    tokio::time::sleep(Duration::from_secs(31)).await;
    stored.assert_readable().await;
}

/// Parts of a share that matter, and where they are.
fn regions(layout: &ShareLayout) -> [(SharePart, Range<u64>); 9] {
    [
        (SharePart::Header, 0..4),
        (SharePart::Header, 0x18..0x24),
        (SharePart::Block, layout.data..layout.plaintext_hash_tree),
        (SharePart::Block, layout.data + 5000..layout.data + 5001),
        (
            SharePart::CrypttextHashes,
            layout.crypttext_hash_tree..layout.block_hashes,
        ),
        (
            SharePart::BlockHashes,
            layout.block_hashes..layout.share_hashes,
        ),
        (
            SharePart::ShareHashes,
            layout.share_hashes..layout.uri_extension,
        ),
        (
            SharePart::UriExtension,
            layout.uri_extension..layout.uri_extension + 4,
        ),
        (SharePart::UriExtension, layout.uri_extension + 4..u64::MAX),
    ]
}

#[tokio::test(start_paused = true)]
async fn one_damaged_share_is_worked_around() {
    let layout = Stored::in_segments().await.layout(0);
    for (part, region) in regions(&layout) {
        for damaged in 0..5 {
            let stored = Stored::in_segments().await;
            let rule = Fault::FlipBits(region.clone()).on(Call::ReadShare);
            stored.hit(damaged..damaged + 1, &rule);
            let gone = (damaged + 2) % 5;
            stored.hit(gone..gone + 1, &Fault::Vanish.always());
            stored.assert_readable().await;
            // If the part came from another share first, nobody looked at this one's.
            let found = stored.file.corrupt_shares();
            for corrupt in &found {
                assert_eq!(
                    (usize::from(corrupt.share.0), corrupt.part),
                    (damaged, part)
                );
            }
            let advisories = stored.advisories(damaged).await;
            assert_eq!(advisories.len(), found.len());
            assert!(
                advisories
                    .iter()
                    .all(|text| text.contains("corruption in share["))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn damage_in_every_share_is_noticed_and_advised() {
    let layout = Stored::in_segments().await.layout(0);
    for (part, region) in regions(&layout) {
        let stored = Stored::in_segments().await;
        stored.hit(0..5, &Fault::FlipBits(region.clone()).on(Call::ReadShare));
        stored.read_all().await.unwrap_err();
        let found = stored.file.corrupt_shares();
        assert!(found.len() >= 3, "{part} {region:?}: {found:?}");
        assert!(
            found.iter().all(|corrupt| corrupt.part == part),
            "{part}: {found:?}"
        );
        let reported = found.iter().map(|corrupt| usize::from(corrupt.share.0));
        for share in BTreeSet::from_iter(reported) {
            assert!(!stored.advisories(share).await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn damage_in_unused_parts_does_not_matter() {
    let stored = Stored::in_segments().await;
    let layout = stored.layout(0);
    let unused = layout.plaintext_hash_tree..layout.crypttext_hash_tree;
    stored.hit(0..5, &Fault::FlipBits(unused).on(Call::ReadShare));
    stored.hit(0..5, &Fault::FlipBits(4..12).on(Call::ReadShare));
    stored.assert_readable().await;
    assert_eq!(stored.file.corrupt_shares(), []);
}

#[tokio::test(start_paused = true)]
async fn shares_damaged_in_different_blocks_make_a_whole_file() {
    let stored = Stored::in_segments().await;
    for share in 0..5 {
        // Each share has bad blocks in two segments of the ten, and each segment in one share.
        let block = stored.layout(share).data + share as u64 * 2 * 3334;
        let region = block + 10..block + 3334 + 10;
        stored.hit(
            share..share + 1,
            &Fault::FlipBits(region).on(Call::ReadShare),
        );
    }
    stored.assert_readable().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_bad_everywhere_is_an_error() {
    let stored = Stored::in_segments().await;
    let block = stored.layout(0).data + 4 * 3334;
    stored.hit(0..3, &Fault::FlipBits(block..block + 1).on(Call::ReadShare));
    let error = stored.read_all().await.unwrap_err();
    let DownloadError::NotEnoughShares(found) = error else {
        panic!("{error:?}");
    };
    assert_eq!(found.complete.len() + found.pending.len(), 2);
    // What lies before it can be read.
    assert_eq!(
        read(&stored.file, 0..40_000).await.unwrap(),
        stored.data[..40_000]
    );
    assert_eq!(
        read(&stored.file, 50_010..100_000).await.unwrap(),
        stored.data[50_010..]
    );
}

#[tokio::test(start_paused = true)]
async fn another_share_in_the_place_of_one_is_noticed() {
    let stored = Stored::new().await;
    let other = stored
        .grid
        .upload(parameters(3, 5, 5, 1 << 20), &content(100_001))
        .await
        .unwrap();
    let other_index = other.cap.storage_index().unwrap();
    for share in 0..2u8 {
        let server = stored.server_of[usize::from(share)];
        let shares = stored.grid.stored(&other_index).await;
        let foreign = *shares[server].first().unwrap();
        let swap = Fault::OtherShare(other_index, foreign).on(Call::ReadShare);
        stored.grid.faults[server].add(swap);
    }
    stored.assert_readable().await;

    // Another share of the same file has the right URI extension block and the wrong place.
    let stored = Stored::new().await;
    let bytes =
        stored.grid.stores[stored.server_of[1]].share(&stored.storage_index, ShareNumber(1));
    let store = &stored.grid.stores[stored.server_of[0]];
    assert!(store.replace_share(&stored.storage_index, ShareNumber(0), bytes.unwrap()));
    stored.hit(3..5, &Fault::Vanish.always());
    stored.read_all().await.unwrap_err();
    let found = stored.file.corrupt_shares();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].share, ShareNumber(0));
}

#[tokio::test(start_paused = true)]
async fn truncated_shares_are_noticed_and_worked_around() {
    let stored = Stored::in_segments().await;
    let layout = stored.layout(0);
    for length in [
        0,
        3,
        0x24,
        1000,
        layout.block_hashes,
        layout.uri_extension + 10,
    ] {
        let stored = Stored::in_segments().await;
        stored.hit(0..2, &Fault::Truncate(length).on(Call::ReadShare));
        stored.assert_readable().await;

        let stored = Stored::in_segments().await;
        stored.hit(0..5, &Fault::Truncate(length).on(Call::ReadShare));
        stored.read_all().await.unwrap_err();
        assert!(!stored.file.corrupt_shares().is_empty(), "at {length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_protocol_is_replaced() {
    let endless = || StorageError::PeerMisbehaved {
        reason: "an endless body".to_owned(),
    };
    let stored = Stored::in_segments().await;
    stored.hit(0..2, &Fault::Fail(endless).on(Call::ReadShare).after(1));
    stored.assert_readable().await;
    assert_eq!(stored.file.corrupt_shares(), []);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_does_not_fill_the_memory() {
    let grid = Grid::new(5).await;
    let data = content(60_000_000);
    let results = grid
        .upload(parameters(3, 5, 5, 1 << 20), &data)
        .await
        .unwrap();
    let file = grid.open(&results.cap);
    let mut stream = file.read(0..60_000_000);
    let first = stream.next_piece().await.unwrap().unwrap();
    assert_eq!(first, data[..first.len()]);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let progress = file.status().unwrap().progress();
    assert!(progress.fetched <= 20_000_000, "{progress:?}");
    drop(stream);
    assert_eq!(
        read(&file, 59_000_000..60_000_000).await.unwrap(),
        data[59_000_000..]
    );
}

/// Leaves only the shares of a 3-of-3 file on the servers at these places of the permuted order.
async fn only_at(places: [usize; 3]) -> (Grid, Vec<usize>, tahoe_caps::ReadCap) {
    let grid = Grid::new(25).await;
    let results = grid
        .upload(parameters(3, 3, 3, 1 << 20), &content(1000))
        .await
        .unwrap();
    let storage_index = results.cap.storage_index().unwrap();
    let order = grid.permuted(&storage_index);
    for (share, place) in (0..3u8).zip(places) {
        let store = &grid.stores[order[usize::from(share)]];
        let number = ShareNumber(share);
        let bytes = store.share(&storage_index, number).unwrap();
        store.remove_share(&storage_index, number);
        grid.put_share(order[place], &storage_index, number, bytes)
            .await;
    }
    (grid, order, results.cap)
}

#[tokio::test(start_paused = true)]
async fn no_more_servers_are_asked_than_needed() {
    let (grid, order, cap) = only_at([3, 5, 9]).await;
    let before: Vec<usize> = grid
        .faults
        .iter()
        .map(|f| f.count(Call::ListShares))
        .collect();
    let file = grid.open(&cap);
    assert_eq!(read(&file, 0..1000).await.unwrap(), content(1000));
    for (place, server) in order.into_iter().enumerate() {
        let asked = grid.faults[server].count(Call::ListShares) - before[server];
        // While a share is missing more are asked; nobody is asked twice.
        assert!(
            asked <= 1 && (asked == 1 || place >= 10),
            "place {place}: {asked}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_hang_delay_the_search_by_ten_seconds() {
    let (grid, order, cap) = only_at([12, 15, 19]).await;
    for server in &order[..10] {
        grid.faults[*server].add(Fault::Hang.on(Call::ListShares));
    }
    let file = grid.open(&cap);
    let started = Instant::now();
    assert_eq!(read(&file, 0..1000).await.unwrap(), content(1000));
    let time = started.elapsed();
    let expected = Duration::from_secs(10)..Duration::from_secs(11);
    assert!(expected.contains(&time), "{time:?}");
}
