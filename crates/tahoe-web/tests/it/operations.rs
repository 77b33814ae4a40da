//! The pages of operations on mutable files; those of uploads and downloads are compared with the
//! reference's by the tests of the nodes.

use crate::grid::Grid;
use serde_json::json;
use std::time::Duration;
use tahoe_caps::{MutableFormat, Target, WriteCap};
use tahoe_client::{CheckOptions, Checkable};
use tahoe_storage_api::testing::{Call, Fault};

#[tokio::test]
async fn what_happens_to_mutable_files_is_listed() {
    let grid = Grid::new().await;
    let contents = vec![7; 1000].into();
    let created = grid
        .client
        .create_mutable(MutableFormat::Sdmf, None, contents);
    let cap = created.await.unwrap();
    let read_cap = cap.to_read();
    let reading = grid.client.read_mutable(&read_cap, |size| 0..size);
    let mut download = reading.await.unwrap();
    let active = grid.get("/status?t=json").await.json()["active"].clone();
    assert_eq!(active[0]["status"], "Retrieving Shares");
    while download.next_piece().await.unwrap().is_some() {}
    drop(download);
    let answer = grid.get("/status?t=json").await.json();
    assert_eq!(answer["active"], json!([]));
    let operation = |kind: &str| {
        json!({
            "storage-index-string": cap.storage_index().to_string(),
            "total-size": 1000,
            "status": "Finished",
            "type": kind,
        })
    };
    assert_eq!(
        answer["recent"],
        json!([operation("retrieve"), operation("publish")])
    );
    for (path, title) in [
        ("/status/publish-0", "Mutable File Publish Status"),
        ("/status/retrieve-0", "Mutable File Retrieve Status"),
    ] {
        let page = grid.get(path).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(title) && page.text().contains("100.0%"));
        let (stages, absent) = match title.contains("Publish") {
            true => (
                &["Setup", "Encrypting", "Pushing", "0 -&gt; Placed on ["][..],
                "Fetching",
            ),
            // The writer remembers what it wrote.
            false => (&[][..], "Fetching"),
        };
        for words in stages.iter().chain(&["3 of 5", "Total"]) {
            assert!(page.text().contains(words), "{words}: {}", page.text());
        }
        assert!(!page.text().contains(absent), "{}", page.text());
    }
    assert_eq!(grid.get("/status/publish-1").await.status, 404);
    assert_eq!(grid.get("/status/mapupdate-0").await.status, 404);
    let huge = "/status/up-999999999999999999999";
    assert_eq!(grid.get(huge).await.status, 404);
    let text = WriteCap {
        target: Target::File,
        file: cap.clone(),
    }
    .to_text();
    let checked = grid.ask("POST", &format!("/uri/{text}?t=check")).await;
    assert_eq!(checked.status, 200);
    let page = grid.get("/status/mapupdate-0").await;
    for words in ["MODE_CHECK", "100.0%", "[server3]"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
}

#[tokio::test]
async fn a_write_goes_on_when_nobody_waits_for_it() {
    let grid = Grid::new().await;
    let contents = |byte: u8| vec![byte; 1000].into();
    let create = |byte| {
        let format = MutableFormat::Sdmf;
        grid.client.create_mutable(format, None, contents(byte))
    };
    let cap = create(1).await.unwrap();
    for slow in &grid.services[2..] {
        let delay = Fault::Delay(Duration::from_millis(500));
        slow.add(delay.on(Call::ReadTestWrite));
    }
    let before = grid.services[0].count(Call::ReadTestWrite);
    let given_up = async {
        while grid.services[0].count(Call::ReadTestWrite) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        _ = grid.client.overwrite_mutable(&cap, contents(2)) => panic!("it isn't that fast"),
        () = given_up => {}
    }
    let publishes = || grid.client.history().publishes();
    while publishes()[1].status.is_active() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(publishes()[1].doing(), "Finished");
    let file = Checkable::Writable(cap);
    let report = grid.client.check(&file, CheckOptions::default()).await;
    assert!(report.unwrap().healthy);
}
