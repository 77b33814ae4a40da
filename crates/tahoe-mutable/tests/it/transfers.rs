//! Files that are written and read back.

use crate::grid::{FORMATS, Grid, KEY, content, storage_index};
use tahoe_caps::MutableFormat;
use tahoe_mutable::{PublishError, ServermapMode};
use tahoe_storage_api::testing::Call;

const SIZES: [usize; 9] = [0, 1, 55, 56, 10_240, 131_072, 131_073, 131_074, 1_500_000];

#[tokio::test]
async fn contents_come_back_through_the_same_and_another_gateway() {
    for format in FORMATS {
        let grid = Grid::new(5);
        for (seed, size) in (0..).zip(SIZES) {
            let (ours, theirs) = (grid.gateway().await, grid.gateway().await);
            let contents = content(size, seed);
            let cap = ours.create(format, None, contents.clone()).await.unwrap();
            for gateway in [&ours, &theirs, &theirs] {
                let (version, read) = gateway.read_all(&cap.to_read()).await.unwrap();
                assert_eq!(read, contents, "{format:?} {size}");
                assert_eq!(version.sequence_number, 1);
                assert_eq!(version.data_length, size as u64);
            }
        }
    }
}

#[tokio::test]
async fn any_range_can_be_read() {
    for format in FORMATS {
        let grid = Grid::new(4);
        let contents = content(400_000, 0);
        let cap = grid
            .gateway()
            .await
            .create(format, Some(KEY.clone()), contents.clone())
            .await
            .unwrap();
        let gateway = grid.gateway().await;
        for range in [
            0..1,
            0..400_000,
            131_070..131_080,
            399_999..400_000,
            5..5,
            262_146..399_000,
        ] {
            let wanted = range.start as u64..range.end as u64;
            let (_, mut stream, ()) = gateway
                .read(&cap.to_read(), |_| wanted.clone(), |_| async {})
                .await
                .unwrap();
            let mut read = Vec::new();
            while let Some(piece) = stream.next_piece().await.unwrap() {
                read.extend_from_slice(&piece);
            }
            assert_eq!(read, contents[range.clone()], "{format:?} {range:?}");
        }
    }
}

#[tokio::test]
async fn shares_are_spread_over_the_servers_in_turn() {
    let grid = Grid::new(4);
    let gateway = grid.gateway().await;
    let cap = gateway
        .create(MutableFormat::Sdmf, Some(KEY.clone()), content(100, 0))
        .await
        .unwrap();
    let places = grid.places(&storage_index(&cap)).await;
    let mut counts = [0; 4];
    let mut numbers: Vec<u8> = places.iter().map(|(_, share)| *share).collect();
    for (server, _) in places {
        counts[server] += 1;
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    counts.sort_unstable();
    assert_eq!(counts, [2, 2, 3, 3]);
    assert_eq!(
        grid.count(Call::ReadTestWrite),
        4,
        "one call for each server"
    );
}

#[tokio::test]
async fn an_overwrite_replaces_longer_and_shorter_contents() {
    for format in FORMATS {
        let grid = Grid::new(5);
        let gateway = grid.gateway().await;
        let cap = gateway
            .create(format, None, content(300_000, 0))
            .await
            .unwrap();
        for (number, size) in (2..).zip([10, 500_000, 0, 131_073]) {
            let contents = content(size, number);
            let written = gateway.overwrite(&cap, contents.clone()).await.unwrap();
            assert_eq!(written.version.sequence_number, number);
            for reader in [&gateway, &grid.gateway().await] {
                let (version, read) = reader.read_all(&cap.to_read()).await.unwrap();
                assert_eq!((version, read), (written.version, contents.clone()));
            }
        }
        // Through a gateway that knows nothing of the file.
        let fresh = grid.gateway().await;
        let contents = content(999, 9);
        fresh.overwrite(&cap, contents.clone()).await.unwrap();
        let (version, read) = gateway.read_all(&cap.to_read()).await.unwrap();
        assert_eq!((version.sequence_number, read), (6, contents));
        assert_eq!(grid.places(&storage_index(&cap)).await.len(), 10);
    }
}

#[tokio::test]
async fn a_modification_gets_the_contents_and_may_refuse_them() {
    for format in FORMATS {
        let grid = Grid::new(5);
        let (ours, theirs) = (grid.gateway().await, grid.gateway().await);
        let cap = ours.create(format, None, content(0, 0)).await.unwrap();
        for number in 0..10_u8 {
            let gateway = [&ours, &theirs][usize::from(number % 2)];
            let append = move |old: &[u8]| Ok::<_, ()>(Some([old, &[number]].concat()));
            let modified = gateway.modify(&cap, append).await.unwrap();
            assert!(modified.changed);
            assert_eq!(modified.contents, (0..=number).collect::<Vec<_>>());
        }
        let unchanged = ours.modify(&cap, |_| Ok::<_, ()>(None)).await.unwrap();
        assert_eq!(
            (unchanged.changed, unchanged.version.sequence_number),
            (false, 11)
        );
        let refused = ours.modify(&cap, |_| Err::<_, &str>("no")).await;
        assert!(matches!(
            refused,
            Err(tahoe_mutable::ModifyError::Refused("no"))
        ));
    }
}

#[tokio::test]
async fn an_update_in_place_sends_only_what_it_touches() {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    let mut expected = content(1_000_000, 0).to_vec();
    let cap = gateway
        .create(MutableFormat::Mdmf, None, expected.clone())
        .await
        .unwrap();
    for (offset, length) in [
        (0_usize, 10_usize),
        (131_073, 131_073),
        (500_000, 3),
        (131_072, 2),
        (999_990, 10),
        (999_990, 500_000),
        (1_499_990, 0),
        (1_499_990, 1),
        (0, 1_600_000),
    ] {
        let data = content(length, offset as u64 + 77);
        let result = gateway.update(&cap, offset as u64, data.clone()).await;
        result.unwrap();
        let end = offset + length;
        expected.resize(expected.len().max(end), 0);
        expected[offset..end].copy_from_slice(&data);
        for reader in [&gateway, &grid.gateway().await] {
            let (_, read) = reader.read_all(&cap.to_read()).await.unwrap();
            assert!(read == expected, "{offset} {length}");
        }
    }
    let past = gateway.update(&cap, 1_600_001, content(1, 0)).await;
    assert!(matches!(
        past,
        Err(PublishError::OffsetPastEnd {
            size: 1_600_000,
            ..
        })
    ));
}

#[tokio::test]
async fn an_update_of_an_sdmf_file_or_one_with_lost_shares_writes_all_of_it() {
    for format in FORMATS {
        let grid = Grid::new(10);
        let gateway = grid.gateway().await;
        let mut expected = content(300_000, 0).to_vec();
        let cap = gateway
            .create(format, None, expected.clone())
            .await
            .unwrap();
        let others: Vec<u8> = (1..10).collect();
        let gateway = grid.gateway_to(&others, 3, 10).await;
        gateway.update(&cap, 150_000, content(5, 1)).await.unwrap();
        expected[150_000..150_005].copy_from_slice(&content(5, 1));
        let (version, read) = gateway.read_all(&cap.to_read()).await.unwrap();
        assert_eq!(version.sequence_number, 2);
        assert!(read == expected);
    }
}

#[tokio::test]
async fn a_servermap_shows_versions_and_servers() {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    let cap = gateway
        .create(MutableFormat::Sdmf, None, content(100, 0))
        .await
        .unwrap();
    let verify_cap = cap.to_read().to_verify();
    for mode in [
        ServermapMode::Check,
        ServermapMode::Anything,
        ServermapMode::Read,
        ServermapMode::Write,
        ServermapMode::Repair,
    ] {
        let map = grid.gateway().await.servermap(&verify_cap, mode).await;
        assert_eq!(map.recoverable_versions().len(), 1, "{mode:?}");
        let best = map.best_recoverable_version().unwrap();
        assert!(best.label().starts_with("seq1-"));
        assert!(map.unrecoverable_versions().is_empty());
        assert!(!map.needs_merge());
        if mode == ServermapMode::Check {
            assert_eq!(map.versions()[&best].len(), 10);
            assert_eq!(map.reachable_servers().len(), 5);
        }
    }
}
