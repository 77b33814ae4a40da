//! Checks of whole trees.

use crate::grid::Grid;
use serde_json::Value;
use std::time::Duration;
use tahoe_storage_api::testing::{Call, Fault};
use tokio::time::{Instant, sleep, timeout};

/// Makes a directory with so many small files; returns its capability.
async fn plant(grid: &Grid, files: usize) -> String {
    let answer = grid.ask("PUT", "/uri?t=mkdir").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let root = answer.text().to_owned();
    for number in 0..files {
        let uri = format!("/uri/{root}/file{number:03}");
        let content = format!("{number} is the number of a file that isn't literal; {number:080}");
        let answer = grid.ask_with("PUT", &uri, &[], content).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    root
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn many_objects_are_checked_at_once_and_told_in_order() {
    let grid = Grid::new().await;
    let root = plant(&grid, 100).await;
    for service in &grid.services {
        service.add(Fault::Delay(Duration::from_millis(200)).on(Call::ListShares));
    }
    let started = Instant::now();
    let answer = grid
        .ask("POST", &format!("/uri/{root}?t=stream-deep-check"))
        .await;
    // One after the other they would take more than twenty seconds.
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    let lines = lines(answer.text());
    assert_eq!(lines.len(), 102);
    assert_eq!(lines[0]["type"], "directory");
    for (number, line) in lines[1..101].iter().enumerate() {
        assert_eq!(line["path"][0], format!("file{number:03}"));
        assert_eq!(line["check-results"]["results"]["healthy"], true, "{line}");
    }
    assert_eq!(lines[101]["stats"]["count-immutable-files"], 100);
}

/// Asks for an operation until it has finished.
async fn finished(grid: &Grid, handle: &str) -> Value {
    let look = async {
        loop {
            let found = grid
                .get(&format!("/operations/{handle}?output=json"))
                .await
                .json();
            if found["finished"] == true {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(120), look).await.unwrap()
}

#[tokio::test]
async fn an_operation_keeps_the_report_of_every_object() {
    let grid = Grid::new().await;
    let root = plant(&grid, 20).await;
    grid.services[0].add(Fault::Vanish.on(Call::ListShares));
    let start = format!("/uri/{root}?t=start-deep-check&ophandle=h");
    let answer = grid.ask("POST", &start).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), "/operations/h");
    let found = finished(&grid, "h").await;
    assert_eq!(found["count-objects-checked"], 21, "{found}");
    let unhealthy = found["list-unhealthy-files"].as_array().unwrap();
    assert_eq!(found["count-objects-unhealthy"], unhealthy.len());
    assert!(
        unhealthy.len() >= 20,
        "a server with a share of each is gone"
    );
    let first = &unhealthy[unhealthy.len() - 20][1];
    let index = first["storage-index"].as_str().unwrap();
    let details = grid
        .get(&format!("/operations/h/{index}?output=json"))
        .await
        .json();
    assert_eq!(details, *first);
    let page = grid.get("/operations/h").await;
    assert!(
        page.text().contains("Deep-Check Results for root SI="),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains(&format!("/operations/h/{index}")),
        "{}",
        page.text()
    );
    assert_eq!(grid.get("/operations/h/nonsense").await.status, 404);
    assert_eq!(grid.ask("POST", "/operations/h?t=cancel").await.status, 200);
    assert_eq!(grid.get("/operations/h").await.status, 404);
}

#[tokio::test]
async fn a_tree_is_repaired_and_what_can_not_be_is_only_counted() {
    let grid = Grid::with(5, 3, 1, 5).await;
    let root = plant(&grid, 3).await;
    // A file of which nobody has a share.
    let gone = format!("URI:CHK:{}:{}:3:5:100", "a".repeat(26), "a".repeat(52));
    let uri = format!("/uri/{root}/gone?t=uri");
    assert_eq!(grid.ask_with("PUT", &uri, &[], gone).await.status, 200);
    let start = format!("/uri/{root}?t=start-deep-check&ophandle=r&repair=true");
    assert_eq!(grid.ask("POST", &start).await.status, 302);
    let found = finished(&grid, "r").await;
    assert_eq!(found["count-objects-checked"], 5, "{found}");
    assert_eq!(found["count-objects-unhealthy-pre-repair"], 1);
    assert_eq!(found["count-repairs-attempted"], 1);
    assert_eq!(found["count-repairs-unsuccessful"], 1);
    assert_eq!(found["count-objects-unhealthy-post-repair"], 1);
}
