//! Mutable files through the web API, over servers in memory.

use crate::grid::{Grid, noise};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use std::time::Duration;
use tahoe_storage_api::testing::{Call, Fault};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(120);

async fn put(grid: &Grid, uri: &str, content: &[u8]) -> String {
    let body = Bytes::copy_from_slice(content);
    let answer = grid.ask_with("PUT", uri, &[], body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_owned()
}

#[tokio::test]
async fn a_large_file_goes_through_the_disk_and_comes_back() {
    let grid = Grid::new().await;
    let content = noise(5_000_000);
    let cap = put(&grid, "/uri?format=MDMF", &content).await;
    let answer = grid.get(&format!("/uri/{cap}")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == content);
    let range = [("range", "bytes=1000000-1999999")];
    let part = grid
        .ask_with("GET", &format!("/uri/{cap}"), &range, "")
        .await;
    assert_eq!(part.status, 206);
    assert!(part.body == content[1_000_000..2_000_000]);
}

#[tokio::test]
async fn statistics_count_files_and_bytes() {
    let grid = Grid::new().await;
    let cap = put(&grid, "/uri?format=SDMF", b"12345").await;
    put(&grid, &format!("/uri/{cap}"), b"1234567").await;
    grid.get(&format!("/uri/{cap}")).await;
    let counters = grid.client.statistics().snapshot().counters;
    assert_eq!(counters["mutable.files_published"], 2);
    assert_eq!(counters["mutable.bytes_published"], 12);
    assert_eq!(counters["mutable.files_retrieved"], 1);
    assert_eq!(counters["mutable.bytes_retrieved"], 7);
}

#[tokio::test]
async fn a_form_without_a_file_changes_nothing() {
    let grid = Grid::new().await;
    let cap = put(&grid, "/uri?format=SDMF", b"old").await;
    let uri = format!("/uri/{cap}?t=upload");
    let answer = grid.post_form(&uri, &[("other", "x")]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("no field named \"file\""));
    assert_eq!(grid.get(&format!("/uri/{cap}")).await.body, "old");
}

#[tokio::test]
async fn a_write_that_no_server_takes_is_a_500_that_names_the_error() {
    let grid = Grid::new().await;
    for service in &grid.services {
        service.add(Fault::NoSpace.on(Call::ReadTestWrite));
    }
    let accept = [("accept", "text/plain, application/octet-stream")];
    let answer = grid.ask_with("PUT", "/uri?format=SDMF", &accept, "x").await;
    assert_eq!(answer.status, 500);
    let text = answer.text();
    let class = "allmydata.mutable.common.NotEnoughServersError: ";
    assert!(text.starts_with(class), "{text}");
    assert!(text.contains("no space left"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_delays_a_reader_little() {
    let grid = Grid::new().await;
    let content = noise(400_000);
    let cap = put(&grid, "/uri?format=MDMF", &content).await;
    grid.services[0].add(Fault::Hang.always());
    let uri = format!("/uri/{cap}");
    let read = grid.get(&uri);
    let answer = timeout(Duration::from_secs(60), read).await;
    assert!(answer.unwrap().body == content);
}

#[tokio::test]
async fn slow_readers_of_large_sdmf_files_take_turns() {
    let grid = Grid::new().await;
    // The file and the blocks it is made of; of those, eight fit in the memory for downloads.
    let content = noise(8_000_000);
    let cap = put(&grid, "/uri?format=SDMF", &content).await;
    let uri = format!("/uri/{cap}");
    let mut reading = Vec::new();
    let began = Instant::now();
    for _ in 0..8 {
        reading.push(timeout(PATIENCE, grid.begin(&uri)).await.unwrap());
    }
    let mut next = Box::pin(grid.begin(&uri));
    // As long as all the others took together.
    let waiting = timeout(began.elapsed(), &mut next).await;
    assert!(waiting.is_err(), "there is no room for a ninth");
    reading.pop();
    let answer = timeout(PATIENCE, next).await.unwrap();
    let body = answer.into_body().collect().await.unwrap();
    assert!(body.to_bytes() == content);
    // What one reader has left, and what was begun and given up, is free for others.
    reading.clear();
    for _ in 0..8 {
        reading.push(timeout(PATIENCE, grid.begin(&uri)).await.unwrap());
    }
}
