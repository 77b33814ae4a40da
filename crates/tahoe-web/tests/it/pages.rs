//! The status page, statistics, static files.

use crate::grid::{Grid, noise};
use std::time::Duration;
use tahoe_storage_api::testing::Fault;

#[tokio::test]
async fn the_state_of_the_grid_as_json() {
    let grid = Grid::with(2, 1, 1, 1).await;
    let answer = grid.get("/?t=json").await;
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    let json = answer.json();
    assert_eq!(json["introducers"]["statuses"], serde_json::json!([]));
    assert_eq!(json["servers"].as_array().unwrap().len(), 2);
    let server = json["servers"][0].as_object().unwrap();
    let keys: Vec<_> = server.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "nodeid",
            "connection_status",
            "available_space",
            "nickname",
            "version",
            "last_received_data",
            "connected",
            "connected_since",
            "problem",
            "protocol",
            "hint",
            "handler"
        ]
    );
    assert_eq!(server["nodeid"], "v0-server0");
    assert_eq!(server["connection_status"], "connected");
    assert_eq!(server["connected"], true);
    assert_eq!(server["protocol"], "HTTPS");
    assert!(server["connected_since"].as_f64().unwrap() > 1e9 && server["problem"].is_null());
    assert_eq!(server["nickname"], "nick0 <b>");
    assert!(server["available_space"].is_u64() && server["version"].is_string());
    assert!(server["last_received_data"].as_f64().unwrap() > 1e9);
}

#[tokio::test]
async fn the_page_tells_the_truth() {
    let grid = Grid::with(2, 1, 2, 2).await;
    for method in ["GET", "POST", "PUT"] {
        let page = grid.ask(method, "/").await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, "text/html")
        );
    }
    let page = grid.get("/").await;
    assert!(
        page.text()
            .contains("Connected to 2 of 2 known storage servers")
    );
    assert!(page.text().contains("nick0 &lt;b&gt;") && page.text().contains("gateway &amp; co"));
    assert!(page.text().contains("Files can be stored and read."));
    assert!(!page.text().contains("secret"), "no swissnums");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
    assert!(!page.text().contains("style="));
    let script = "<script type=\"module\" src=\"/assets/upload_form.js\"></script>";
    assert_eq!(
        page.text().replace(script, "").matches("<script").count(),
        0
    );
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));

    grid.services[0].add(Fault::Vanish.always());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let page = grid.get("/").await;
        if page
            .text()
            .contains("Connected to 1 of 2 known storage servers")
        {
            assert!(page.text().contains("Disconnected"));
            assert!(
                page.text()
                    .contains("too few servers are connected to store new ones")
            );
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let json = grid.get("/?t=json").await.json();
    let status = json["servers"][0]["connection_status"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(status.starts_with("failure: "), "{status}");
    let server = &json["servers"][0];
    assert_eq!(
        format!("failure: {}", server["problem"].as_str().unwrap()),
        status
    );
    assert!(server["connected"] == false && server["connected_since"].is_null());
}

#[tokio::test]
async fn a_node_without_servers() {
    let grid = Grid::with(0, 1, 1, 1).await;
    let page = grid.get("/").await;
    assert!(page.text().contains("No storage servers are known yet."));
    assert_eq!(
        grid.get("/?t=json").await.json()["servers"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn formats_of_pages() {
    let grid = Grid::with(1, 1, 1, 1).await;
    for path in ["/", "/statistics"] {
        for t in ["json", "JSON", "html"] {
            assert_eq!(grid.get(&format!("{path}?t={t}")).await.status, 200);
        }
        for (t, shown) in [("bogus", "&#39;bogus&#39;"), ("", "&#39;&#39;")] {
            let answer = grid.get(&format!("{path}?t={t}")).await;
            assert_eq!(answer.status, 400);
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            assert!(answer.text().contains("<title>400 - Bad Format</title>"));
            assert!(answer.text().contains(&format!("Unknown t value: {shown}")));
        }
    }
}

#[tokio::test]
async fn statistics_count_transfers() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let cap = grid.put(&noise(1000)).await;
    let url = format!("/uri/{cap}");
    grid.get(&url).await;
    grid.ask_with("GET", &url, &[("range", "bytes=0-9")], "")
        .await;
    let answer = grid.ask("POST", "/statistics?t=json").await;
    assert_eq!(answer.header("content-type"), "text/plain");
    let counters = answer.json()["counters"].clone();
    assert_eq!(counters["uploader.files_uploaded"], 1);
    assert_eq!(counters["uploader.bytes_uploaded"], 1000);
    assert_eq!(counters["downloader.files_downloaded"], 2);
    assert_eq!(counters["downloader.bytes_downloaded"], 1010);
    let metrics = grid.get("/statistics?t=openmetrics").await;
    assert_eq!(
        metrics.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(
        metrics
            .text()
            .contains("tahoe_counters_uploader_bytes_uploaded 1000\n")
    );
    assert!(metrics.text().ends_with("\n# EOF\n"));
    let page = grid.get("/statistics").await;
    assert!(page.text().contains("1 files / 1000 bytes (1000B)"));
}

#[tokio::test]
async fn static_files() {
    let grid = Grid::with(1, 1, 1, 1).await;
    assert_eq!(
        grid.get("/static/a.html").await.status,
        404,
        "no directory is no error"
    );
    let root = grid.dir.path().join("static");
    std::fs::create_dir_all(root.join("sub/.hidden")).unwrap();
    let content = noise(600_000);
    std::fs::write(root.join("a.png"), &content).unwrap();
    std::fs::write(root.join("sub/index.html"), "index").unwrap();
    std::fs::write(root.join("sub/.hidden/x"), "hidden").unwrap();
    std::fs::write(grid.dir.path().join("private"), "private").unwrap();

    let file = grid.get("/static/a.png").await;
    assert_eq!(
        (file.status.as_u16(), file.header("content-type")),
        (200, "image/png")
    );
    assert_eq!(file.body, content);
    let part = grid
        .ask_with("GET", "/static/a.png", &[("range", "bytes=5-9")], "")
        .await;
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-range"), "bytes 5-9/600000");
    assert_eq!(part.body, content[5..10]);
    assert_eq!(
        grid.ask("HEAD", "/static/a.png")
            .await
            .header("content-length"),
        "600000"
    );
    for uri in ["/static/sub", "/static/sub/", "/static/sub/index.html"] {
        let index = grid.get(uri).await;
        assert_eq!(
            (index.status.as_u16(), index.text()),
            (200, "index"),
            "{uri}"
        );
        assert_eq!(index.header("content-type"), "text/html");
    }
    for uri in [
        "/static",
        "/static/",
        "/static/nosuch",
        "/static/../private",
        "/static/%2e%2e/private",
        "/static/..%2fprivate",
        "/static/sub/.hidden/x",
        "/static//a.png",
        "/static/a.png/x",
        "/static/%00",
        "/static/%ff",
    ] {
        let answer = grid.get(uri).await;
        assert_eq!(answer.status, 404, "{uri}");
        assert!(answer.text().contains("File not found."));
    }
    assert_eq!(grid.ask("PUT", "/static/a.png").await.status, 501);
    assert_eq!(grid.ask("POST", "/static/a.png").await.status, 405);
}

#[tokio::test]
async fn our_own_assets() {
    let grid = Grid::with(1, 1, 1, 1).await;
    for (uri, content_type) in [
        ("/tahoe.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/assets/directory.js", "text/javascript"),
    ] {
        let answer = grid.get(uri).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(grid.ask("HEAD", uri).await.status, 200);
        assert_eq!(grid.ask("DELETE", uri).await.status, 501);
    }
    assert_eq!(grid.get("/assets/frob.js").await.status, 404);
}
