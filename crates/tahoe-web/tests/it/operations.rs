//! The pages of operations on mutable files; those of uploads and downloads are compared with the
//! reference's by the tests of the nodes.

use crate::grid::Grid;
use serde_json::json;
use tahoe_caps::MutableFormat;

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
    }
    assert_eq!(grid.get("/status/publish-1").await.status, 404);
    assert_eq!(grid.get("/status/mapupdate-0").await.status, 404);
}
