//! What was uploaded comes back: sizes, encodings, ranges.

use crate::grid::{Grid, content, parameters, read, secret, test_id};
use bytes::Bytes;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tahoe_caps::{ChkReadCap, ReadFileCap};
use tahoe_crypto::AesCtr;
use tahoe_immutable::{DownloadError, MAX_LITERAL_SIZE};
use tahoe_storage_api::ShareNumber;
use tahoe_storage_api::testing::{Call, Fault};

#[tokio::test]
async fn files_of_all_sizes_come_back() {
    let segment = 3000;
    let grid = Grid::new(5).await;
    for size in [0, 1, 55, 56, 57, 2999, 3000, 3001, 6000, 6001, 50_000] {
        let data = content(size);
        let results = grid
            .upload(parameters(3, 5, 5, segment), &data)
            .await
            .unwrap();
        assert_eq!(results.file_size, size as u64);
        let file = grid.open(&results.cap);
        assert_eq!(file.size(), size as u64);
        assert_eq!(
            file.storage_index().is_none(),
            size as u64 <= MAX_LITERAL_SIZE
        );
        assert_eq!(
            read(&file, 0..size as u64).await.unwrap(),
            data,
            "{size} bytes"
        );
    }
}

#[tokio::test]
async fn shares_go_round_the_servers_in_the_permuted_order() {
    let grid = Grid::new(4).await;
    let results = grid
        .upload(parameters(3, 4, 10, 1 << 20), &content(1000))
        .await
        .unwrap();
    let storage_index = results.cap.storage_index().unwrap();
    let stored = grid.stored(&storage_index).await;
    let expected = grid.permuted(&storage_index);
    for (place, server) in expected.into_iter().enumerate() {
        let shares = (0..10u8).filter(|share| usize::from(*share) % 4 == place);
        assert_eq!(stored[server], shares.map(ShareNumber).collect());
        let listed = &results.server_map()[&test_id(server)];
        assert_eq!(*listed, stored[server]);
    }
}

#[tokio::test]
async fn any_encoding_works_on_few_servers() {
    for (needed, total) in [
        (1, 1),
        (1, 2),
        (2, 3),
        (3, 10),
        (7, 8),
        (25, 100),
        (256, 256),
    ] {
        let grid = Grid::new(5).await;
        let data = content(100_001);
        let parameters = parameters(needed, 1, total, 30_000);
        let results = grid.upload(parameters, &data).await.unwrap();
        assert_eq!(results.pushed_shares, usize::from(total));
        let file = grid.open(&results.cap);
        assert_eq!(
            read(&file, 0..100_001).await.unwrap(),
            data,
            "{needed}-of-{total}"
        );
    }
}

#[tokio::test]
async fn the_plaintext_may_arrive_in_any_pieces() {
    let grid = Grid::new(1).await;
    let data = content(3_000_000);
    let parameters = parameters(1, 1, 1, 1 << 20);
    let whole = grid.upload(parameters, &data).await.unwrap();
    for piece in [10_000, 65_536, 1 << 20, 2_999_999] {
        let mut receiver = grid.receiver(parameters, secret());
        for chunk in data.chunks(piece) {
            receiver.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        let file = receiver.finish().await.unwrap();
        let results = grid
            .uploader
            .upload(file, &Default::default())
            .await
            .unwrap();
        assert_eq!(results.cap.to_text(), whole.cap.to_text());
    }
}

#[tokio::test]
async fn what_exists_is_found_and_not_sent_again() {
    let grid = Grid::new(5).await;
    let data = content(100_000);
    let first = grid
        .upload(parameters(3, 5, 5, 1 << 20), &data)
        .await
        .unwrap();
    let writes =
        |grid: &Grid| -> usize { grid.faults.iter().map(|f| f.count(Call::WriteShare)).sum() };
    let before = writes(&grid);
    let again = grid
        .upload(parameters(3, 5, 5, 1 << 20), &data)
        .await
        .unwrap();
    assert_eq!(again.cap.to_text(), first.cap.to_text());
    assert_eq!((again.preexisting_shares, again.pushed_shares), (5, 0));
    assert_eq!(grid.calls(Call::WriteShare), before);
}

#[tokio::test]
async fn any_range_is_the_slice() {
    let grid = Grid::new(5).await;
    let mut random = StdRng::seed_from_u64(0);
    for (size, segment) in [
        (200, 1 << 20),
        (100_000, 1000),
        (100_000, 7777),
        (3_000_000, 1 << 20),
    ] {
        let data = content(size);
        let stored = grid
            .upload(parameters(3, 5, 5, segment), &data)
            .await
            .unwrap();
        let kept_open = grid.open(&stored.cap);
        for round in 0..40 {
            let (a, b) = (random.random_range(0..=size), random.random_range(0..=size));
            let (start, end) = (a.min(b), a.max(b));
            let file = if round % 2 == 0 {
                &kept_open
            } else {
                &grid.open(&stored.cap)
            };
            let bytes = read(file, start as u64..end as u64).await.unwrap();
            assert_eq!(
                bytes,
                data[start..end],
                "{start}..{end} of {size} in {segment}"
            );
        }
        let (end, beyond) = (size as u64 - 10, size as u64 + 10);
        assert_eq!(
            read(&kept_open, end..beyond).await.unwrap(),
            data[size - 10..]
        );
        assert!(read(&kept_open, beyond..u64::MAX).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn several_readers_share_a_file() {
    let grid = Grid::new(5).await;
    let data = content(1_000_000);
    let stored = grid
        .upload(parameters(3, 5, 5, 10_000), &data)
        .await
        .unwrap();
    let file = grid.open(&stored.cap);
    let reads = (0..10).map(|part| {
        let (file, data) = (&file, &data);
        async move {
            let range = part * 100_000..part * 100_000 + 70_000;
            let bytes = read(file, range.start as u64..range.end as u64).await;
            assert_eq!(bytes.unwrap(), data[range]);
        }
    });
    join_all(reads).await;
}

#[tokio::test]
async fn a_small_file_takes_few_round_trips() {
    let grid = Grid::new(5).await;
    let data = content(10_240);
    let stored = grid
        .upload(parameters(3, 5, 5, 1 << 20), &data)
        .await
        .unwrap();
    let calls = [
        Call::ListShares,
        Call::AllocateShares,
        Call::WriteShare,
        Call::ReadShare,
    ];
    assert_eq!(calls.map(|call| grid.calls(call)), [5, 5, 5, 0]);
    let file = grid.open(&stored.cap);
    assert_eq!(read(&file, 0..10_240).await.unwrap(), data);
    assert_eq!(calls.map(|call| grid.calls(call)), [10, 5, 5, 3]);
    // What was learned once isn't asked again.
    assert_eq!(read(&file, 100..200).await.unwrap(), data[100..200]);
    assert_eq!(calls.map(|call| grid.calls(call)), [10, 5, 5, 6]);
}

#[tokio::test]
async fn a_range_fetches_little_more_than_its_segments() {
    let grid = Grid::new(5).await;
    let data = content(60 << 20);
    let stored = grid
        .upload(parameters(3, 5, 5, 1 << 20), &data)
        .await
        .unwrap();
    let file = grid.open(&stored.cap);
    let middle = 30 << 20;
    let fetched = || file.status().unwrap().progress().fetched;
    assert_eq!(
        read(&file, middle..middle + 10).await.unwrap(),
        data[30 << 20..][..10]
    );
    let first = fetched();
    assert!(first < (1 << 20) + 50_000, "{first} bytes");
    let again = middle + (5 << 20);
    assert_eq!(
        read(&file, again..again + 10).await.unwrap(),
        data[35 << 20..][..10]
    );
    let second = fetched() - first;
    assert!(second < (1 << 20) + 50_000, "{second} bytes");
}

#[tokio::test]
async fn equal_files_uploaded_at_once_are_stored_once() {
    let grid = Grid::new(5).await;
    let data = content(3_000_000);
    let uploads = (0..4).map(|_| grid.upload(parameters(3, 5, 5, 1 << 20), &data));
    let results = join_all(uploads).await;
    let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().map(|r| r.pushed_shares).sum::<usize>(), 5);
    assert!(
        results
            .iter()
            .all(|r| r.cap.to_text() == results[0].cap.to_text())
    );
}

#[tokio::test]
async fn a_verify_capability_reads_the_ciphertext() {
    let grid = Grid::new(5).await;
    let data = content(100_000);
    let stored = grid.upload(parameters(3, 5, 5, 9000), &data).await.unwrap();
    let ReadFileCap::Chk(cap) = &stored.cap.file else {
        panic!("the file is on servers");
    };
    let file = grid.downloader.open_ciphertext(&cap.to_verify()).unwrap();
    let mut bytes = read(&file, 0..100_000).await.unwrap().to_vec();
    assert_ne!(bytes, data);
    AesCtr::new(cap.key.as_bytes(), 0).apply(&mut bytes);
    assert_eq!(bytes, data);
}

#[tokio::test]
async fn a_copy_of_a_share_serves_as_well() {
    let grid = Grid::new(2).await;
    let data = content(10_000);
    let stored = grid
        .upload(parameters(1, 1, 1, 1 << 20), &data)
        .await
        .unwrap();
    let storage_index = stored.cap.storage_index().unwrap();
    let holder = grid.permuted(&storage_index)[0];
    let share = grid.stores[holder]
        .share(&storage_index, ShareNumber(0))
        .unwrap();
    grid.put_share(1 - holder, &storage_index, ShareNumber(0), share)
        .await;
    grid.faults[holder].add(Fault::Vanish.on(Call::ReadShare));
    let file = grid.open(&stored.cap);
    assert_eq!(read(&file, 0..10_000).await.unwrap(), data);
}

#[tokio::test]
async fn impossible_capabilities_are_refused_before_any_server_is_asked() {
    let grid = Grid::new(1).await;
    let stored = grid
        .upload(parameters(1, 1, 1, 1 << 20), &content(100))
        .await
        .unwrap();
    let ReadFileCap::Chk(cap) = stored.cap.file else {
        panic!("the file is on servers");
    };
    for (needed, total, size) in [(0, 1, 100), (2, 1, 100), (1, 257, 100), (1, 1, 0)] {
        let cap = ChkReadCap {
            shares_needed: needed,
            shares_total: total,
            size,
            ..cap.clone()
        };
        let error = grid.downloader.open(&cap).unwrap_err();
        assert!(
            matches!(error, DownloadError::BadCapability(_)),
            "{error:?}"
        );
    }
    // A size that is only wrong shows in the shares.
    let cap = ChkReadCap {
        size: u64::MAX - 5,
        ..cap
    };
    let file = grid.downloader.open(&cap).unwrap();
    read(&file, 0..10).await.unwrap_err();
}
