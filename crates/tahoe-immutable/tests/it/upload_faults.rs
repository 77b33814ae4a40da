//! Uploads to servers that are gone, go, hang, are slow, full or read-only.

use crate::grid::{Grid, MASTER, content, parameters, read, test_id};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tahoe_immutable::{UploadError, UploadResults, UploadStage, UploadStatus};
use tahoe_storage_api::ShareNumber;
use tahoe_storage_api::testing::{Call, Fault, Rule};
use tokio::time::Instant;

/// Large enough for several writes to each server.
const SIZE: usize = 14_000_000;

async fn assert_readable(grid: &Grid, results: &UploadResults, data: &Bytes) {
    for faulty in &grid.faults {
        faulty.heal();
    }
    let file = grid.open(&results.cap);
    assert_eq!(read(&file, 0..file.size()).await.unwrap(), data);
}

fn unhappy(result: Result<UploadResults, UploadError>) -> String {
    match result {
        Err(UploadError::Unhappy(unhappy)) => unhappy.to_string(),
        other => panic!("expected unhappiness: {other:?}"),
    }
}

/// Uploads 3-of-5 to five servers of which one or two suffer a fault; returns who got shares.
async fn upload_with(
    rules: &[(usize, Rule)],
    happy: u16,
) -> (Grid, Result<UploadResults, UploadError>) {
    let grid = Grid::new(5).await;
    for (server, rule) in rules {
        grid.faults[*server].add(rule.clone());
    }
    let data = content(SIZE);
    let result = grid.upload(parameters(3, happy, 5, 1 << 20), &data).await;
    if let Ok(results) = &result {
        assert_readable(&grid, results, &data).await;
    }
    grid.uploader.aborts_settled().await;
    (grid, result)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_left_out() {
    let gone = Fault::Vanish.always();
    let (_, result) = upload_with(&[(2, gone)], 4).await;
    let results = result.unwrap();
    assert_eq!(results.pushed_shares, 5);
    assert!(!results.server_map().contains_key(&test_id(2)));
}

#[tokio::test(start_paused = true)]
async fn too_few_servers_are_refused_before_anything_is_sent() {
    let gone: Vec<_> = (0..3)
        .map(|server| (server, Fault::Vanish.always()))
        .collect();
    let (grid, result) = upload_with(&gone, 3).await;
    let text = unhappy(result);
    for expected in [
        "shares could be placed or found on only 2 server(s). We were asked to place shares on at \
         least 3 server(s) such that any 3 of them have enough shares to recover the file.",
        "placed all 5 shares, want to place shares on at least 3 servers such that any 3 of them \
         have enough shares to recover the file, sent 5 queries to 5 servers, 2 queries placed \
         some shares, 3 placed none (of which 0 placed none due to the server being full and 3 \
         placed none due to an error)",
        "merged=sh0: ",
        "connection lost",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(grid.calls(Call::WriteShare), 0);
    assert_eq!(grid.unfinished_uploads(), 0);
}

#[tokio::test]
async fn without_servers_there_is_no_upload() {
    let grid = Grid::new(0).await;
    let error = grid
        .upload(parameters(3, 1, 5, 1 << 20), &content(100))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "client gave us zero servers");
}

#[tokio::test(start_paused = true)]
async fn a_server_lost_on_the_way_is_left_out() {
    for after in 0..3 {
        let lost = Fault::Vanish.on(Call::WriteShare).after(after);
        let (grid, result) = upload_with(&[(1, lost)], 4).await;
        let results = result.unwrap();
        assert_eq!(results.pushed_shares, 4, "after {after} writes");
        assert!(!results.server_map().contains_key(&test_id(1)));
        assert_eq!(grid.unfinished_uploads(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_servers_lost_on_the_way_end_the_upload() {
    let lost = || Fault::Vanish.on(Call::WriteShare).after(1);
    let (grid, result) = upload_with(&[(1, lost()), (3, lost())], 4).await;
    let text = unhappy(result);
    let expected = "shares could be placed on only 3 server(s) such that any 3 of them have enough \
                    shares to recover the file, but we were asked to place shares on at least 4 \
                    such servers.: share ";
    assert!(text.starts_with(expected), "{text}");
    // The servers that are still there were told to forget their unfinished shares.
    assert_eq!(grid.unfinished_uploads(), 0);
}

/// A gateway that is killed tells no server to forget its shares. Once it is started again it goes
/// on with them, as with an upload of its own.
#[tokio::test(start_paused = true)]
async fn what_a_killed_gateway_left_behind_is_taken_up_by_the_next() {
    let grid = Grid::new(5).await;
    for faulty in &grid.faults {
        faulty.add(Fault::Vanish.on(Call::WriteShare).after(1));
        faulty.add(Fault::Vanish.on(Call::AbortShare));
    }
    let data = content(SIZE);
    let parameters = parameters(3, 5, 5, 1 << 20);
    unhappy(grid.upload(parameters, &data).await);
    grid.uploader.aborts_settled().await;
    for faulty in &grid.faults {
        faulty.heal();
    }
    let status = Arc::new(UploadStatus::default());

    let stranger = grid.uploader_of([8; 32]);
    let received = grid.receive(parameters, &data).await;
    unhappy(stranger.upload(received, &status).await);

    let next = grid.uploader_of(MASTER);
    let received = grid.receive(parameters, &data).await;
    let results = next.upload(received, &status).await.unwrap();
    assert_eq!(results.pushed_shares, 5);
    assert_readable(&grid, &results, &data).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_left_out_in_time() {
    for (rule, pushed, seconds) in [
        (Fault::Hang.on(Call::ListShares), 5, 15),
        (Fault::Hang.on(Call::AllocateShares), 4, 15),
        (Fault::Hang.on(Call::WriteShare), 4, 300),
        (Fault::Hang.on(Call::WriteShare).after(2), 4, 300),
    ] {
        let started = Instant::now();
        let (_, result) = upload_with(&[(4, rule.clone())], 4).await;
        assert_eq!(result.unwrap().pushed_shares, pushed, "{rule:?}");
        let time = started.elapsed().as_secs();
        assert!(
            (seconds..=seconds + 1).contains(&time),
            "{time} s for {rule:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_keeps_its_share() {
    let slow = Fault::Delay(Duration::from_secs(10)).always();
    let (_, result) = upload_with(&[(0, slow)], 5).await;
    assert_eq!(result.unwrap().pushed_shares, 5);
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_share_does_not_count() {
    let lost_answer = Fault::LoseAnswer.on(Call::WriteShare);
    let (_, result) = upload_with(&[(0, lost_answer.clone())], 4).await;
    assert_eq!(result.unwrap().pushed_shares, 4);
    let (_, result) = upload_with(&[(0, lost_answer)], 5).await;
    unhappy(result);
}

#[tokio::test(start_paused = true)]
async fn the_share_of_a_full_server_goes_to_another_one() {
    for full in [
        Fault::NoSpace.on(Call::AllocateShares),
        Fault::Vanish.on(Call::AllocateShares),
    ] {
        let grid = Grid::new(6).await;
        let data = content(10_000);
        let parameters = parameters(3, 5, 5, 1 << 20);
        grid.faults[0].add(full.clone());
        grid.faults[1].add(full);
        let text = unhappy(grid.upload(parameters, &data).await);
        assert!(
            text.contains("2 placed none") || text.contains("1 placed none"),
            "{text}"
        );
        grid.uploader.aborts_settled().await;
        assert_eq!(grid.unfinished_uploads(), 0);

        grid.faults[1].heal();
        let results = grid.upload(parameters, &data).await.unwrap();
        assert_eq!(results.server_map().len(), 5);
        assert!(!results.server_map().contains_key(&test_id(0)));
        assert_readable(&grid, &results, &data).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_up_on_the_way_loses_the_share() {
    let full = Fault::NoSpace.on(Call::WriteShare).after(1);
    let (grid, result) = upload_with(&[(2, full)], 4).await;
    assert_eq!(result.unwrap().pushed_shares, 4);
    assert_eq!(grid.unfinished_uploads(), 0);
}

#[tokio::test]
async fn shares_on_read_only_servers_count_and_get_no_company() {
    let grid = Grid::new(5).await;
    let data = content(10_000);
    let parameters = parameters(3, 5, 5, 1 << 20);
    let first = grid.upload(parameters, &data).await.unwrap();
    let storage_index = first.cap.storage_index().unwrap();
    let stored = grid.stored(&storage_index).await;
    let lost = *stored[4].first().unwrap();
    grid.stores[4].remove_share(&storage_index, lost);
    for store in &grid.stores[..2] {
        store.set_read_only(true);
    }
    let grid = Grid::over(grid.stores.clone()).await;
    let again = grid.upload(parameters, &data).await.unwrap();
    assert_eq!(again.preexisting_shares, 4);
    let now = grid.stored(&storage_index).await;
    assert_eq!(now[..2], stored[..2]);
    // As in the original, a writable server may be asked for a share that another one has.
    for (before, now) in stored.iter().zip(&now).take(4) {
        assert!(before.is_subset(now));
    }
    assert!(now.iter().all(|shares| !shares.is_empty()));
    assert_eq!(now.into_iter().flatten().collect::<BTreeSet<_>>().len(), 5);
    assert_readable(&grid, &again, &data).await;
}

#[tokio::test]
async fn leases_on_existing_shares_are_renewed() {
    let grid = Grid::new(3).await;
    let data = content(10_000);
    let parameters = parameters(2, 3, 3, 1 << 20);
    let first = grid.upload(parameters, &data).await.unwrap();
    let storage_index = first.cap.storage_index().unwrap();
    let leases = |grid: &Grid| -> BTreeSet<u64> {
        let stores = grid.stores.iter().flat_map(|store| {
            (0..3).flat_map(|share| store.leases(&storage_index, ShareNumber(share)))
        });
        stores.map(|lease| lease.expires).collect()
    };
    let before = leases(&grid);
    for store in &grid.stores {
        store.set_time(1_000_000);
    }
    grid.upload(parameters, &data).await.unwrap();
    let after = leases(&grid);
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!(
        after.first(),
        before.first().map(|time| time + 1_000_000).as_ref()
    );
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_upload_leaves_nothing_behind() {
    let grid = Grid::new(5).await;
    grid.faults[3].add(Fault::Hang.on(Call::WriteShare));
    let parameters = parameters(3, 4, 5, 1 << 20);
    let data = content(SIZE);
    let upload = grid.upload(parameters, &data);
    let abandoned = tokio::time::timeout(Duration::from_secs(5), upload).await;
    assert!(abandoned.is_err(), "one server hangs for minutes");
    grid.uploader.aborts_settled().await;
    assert_eq!(grid.unfinished_uploads(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_does_not_fill_the_memory() {
    let grid = Grid::new(5).await;
    grid.faults[3].add(Fault::Hang.on(Call::WriteShare));
    let file = grid
        .receive(parameters(3, 4, 5, 1 << 20), &content(40_000_000))
        .await;
    let status = Arc::new(UploadStatus::default());
    let upload = grid.uploader.upload(file, &status);
    let still_hanging = tokio::time::timeout(Duration::from_secs(299), upload).await;
    assert!(still_hanging.is_err());
    let progress = status.progress();
    assert!(progress.encoded <= 10_000_000, "{progress:?}");
    assert_eq!(progress.stage, UploadStage::Sending);
}
