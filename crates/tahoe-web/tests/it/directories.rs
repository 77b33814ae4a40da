//! Directories through the router: what the comparison with the reference doesn't show.

use crate::grid::Grid;
use http::StatusCode;
use tahoe_storage_api::testing::Fault;

async fn make(grid: &Grid) -> String {
    let answer = grid.ask("PUT", "/uri?t=mkdir").await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.text().to_owned()
}

async fn put(grid: &Grid, uri: &str, body: &'static str) -> String {
    let answer = grid.ask_with("PUT", uri, &[], body).await;
    assert!(answer.status.is_success(), "{uri}: {}", answer.text());
    answer.text().to_owned()
}

#[tokio::test]
async fn pages_of_directories_escape_names_and_run_only_our_scripts() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let directory = make(&grid).await;
    let name = "%3Cscript%3E%22'%26.html";
    put(&grid, &format!("/uri/{directory}/{name}"), "x").await;
    let page = grid.get(&format!("/uri/{directory}/")).await;
    let text = page.text();
    let scripts = text.matches("<script").count();
    let ours = "<script type=\"module\" src=\"/assets/";
    assert_eq!(text.matches(ours).count(), scripts, "{text}");
    assert!(
        text.contains("&lt;script&gt;&quot;&#39;&amp;.html</a>"),
        "{text}"
    );
    assert!(
        text.contains("/@@named=/%3Cscript%3E%22%27%26.html"),
        "{text}"
    );
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    for form in [
        "value=\"unlink\"",
        "?t=rename-form&amp;name=%3Cscript%3E",
        "value=\"upload\"",
        "value=\"mkdir\"",
    ] {
        assert!(text.contains(form), "{form} in {text}");
    }
    let form = grid
        .get(&format!("/uri/{directory}/?t=rename-form&name={name}"))
        .await;
    assert!(
        form.text()
            .contains("value=\"&lt;script&gt;&quot;&#39;&amp;.html\"")
    );
}

#[tokio::test]
async fn a_reader_sees_no_write_capability_and_no_forms() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let directory = make(&grid).await;
    let inner = put(&grid, &format!("/uri/{directory}/inner?t=mkdir"), "").await;
    let reader = grid.get(&format!("/uri/{directory}?t=readonly-uri")).await;
    let reader = reader.text();
    for uri in [
        "",
        "?t=json",
        "?t=info",
        "/inner?t=json",
        "/inner?t=uri",
        "/inner",
    ] {
        let answer = grid.get(&format!("/uri/{reader}{uri}")).await;
        let text = answer.text().replace("%3A", ":");
        for cap in [&directory, &inner] {
            let key = cap.split(':').nth(2).unwrap();
            assert!(!text.contains(key), "{uri}: {text}");
        }
        assert!(!text.contains("<form class=\"inline\""), "{uri}");
    }
    let manifest = grid
        .ask("POST", &format!("/uri/{reader}?t=stream-manifest"))
        .await;
    assert!(
        !manifest.text().contains("URI:DIR2:"),
        "{}",
        manifest.text()
    );
}

#[tokio::test]
async fn the_page_shows_results_of_its_forms() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let redirected = grid
        .ask("POST", "/uri?t=mkdir&redirect_to_result=true")
        .await;
    assert_eq!(redirected.status, StatusCode::SEE_OTHER);
    assert!(
        redirected
            .header("location")
            .starts_with("uri/URI%3ADIR2%3A")
    );
    let directory = format!("/{}", redirected.header("location"));
    let done = grid
        .ask("POST", &format!("{directory}/?t=mkdir&name=x&when_done=."))
        .await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::FOUND, ".")
    );
    let uri = format!("{directory}/?t=unlink&name=x&when_done=javascript:x");
    let script = grid.ask("POST", &uri).await;
    assert_eq!(script.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn immutable_directories_have_tags() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let children = format!(
        "{{\"{}\": [\"filenode\", {{\"ro_uri\": \"URI:LIT:nbswy3dp\"}}]}}",
        "a long name".repeat(5)
    );
    let made = grid
        .ask_with("POST", "/uri?t=mkdir-immutable", &[], children)
        .await;
    let uri = format!("/uri/{}?t=json", made.text());
    let first = grid.get(&uri).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("DIR:") && tag.ends_with("-json"), "{tag}");
    let again = grid
        .ask_with("GET", &uri, &[("if-none-match", &tag)], "")
        .await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let mutable = grid
        .get(&format!("/uri/{}?t=json", make(&grid).await))
        .await;
    assert_eq!(mutable.header("etag"), "");
}

#[tokio::test]
async fn operations_are_cancelled_and_limited() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let directory = make(&grid).await;
    put(&grid, &format!("/uri/{directory}/sub?t=mkdir"), "").await;
    let start = |handle: String| {
        let uri = format!("/uri/{directory}/?t=start-manifest&ophandle={handle}");
        let grid = &grid;
        async move { grid.ask("POST", &uri).await }
    };
    grid.services[0].add(Fault::Hang.always());
    assert_eq!(start("running".to_owned()).await.status, StatusCode::FOUND);
    let running = grid.get("/operations/running?output=json").await;
    assert!(
        running.text().contains("\"finished\": false"),
        "{}",
        running.text()
    );
    assert!(running.json().get("manifest").is_none());
    let page = grid.get("/operations/running").await;
    assert!(page.text().contains("Operation still running"));
    assert_eq!(page.header("refresh"), "60");
    let cancelled = grid.ask("POST", "/operations/running?t=cancel").await;
    assert_eq!(cancelled.status, StatusCode::OK);
    assert_eq!(
        grid.get("/operations/running").await.status,
        StatusCode::NOT_FOUND
    );
    let bad = grid.get("/operations/running?retain-for=x").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    for number in 0..256 {
        assert_eq!(start(number.to_string()).await.status, StatusCode::FOUND);
    }
    let refused = start("one more".replace(' ', "+")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        start("255".to_owned()).await.status,
        StatusCode::FOUND,
        "replaces one"
    );
}

#[tokio::test]
async fn names_that_are_made_at_once_all_stay() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let directory = make(&grid).await;
    let puts = (0..20).map(|number| {
        let uri = format!("/uri/{directory}/new/deeper/{number}");
        let grid = &grid;
        async move { grid.ask_with("PUT", &uri, &[], "x").await.status }
    });
    for status in futures_util::future::join_all(puts).await {
        assert_eq!(status, StatusCode::CREATED);
    }
    let listed = grid
        .get(&format!("/uri/{directory}/new/deeper?t=json"))
        .await;
    assert_eq!(listed.json()[1]["children"].as_object().unwrap().len(), 20);
}

#[tokio::test]
async fn bodies_with_children_are_checked() {
    let grid = Grid::with(1, 1, 1, 1).await;
    for body in [
        "[]",
        "{",
        "{\"x\": 1}",
        "{\"x\": []}",
        "{\"x\": [\"filenode\", 1]}",
        "{\"x\": [\"filenode\", {\"ro_uri\": 1}]}",
        "{\"x\": [\"filenode\", {\"ro_uri\": \"URI:LIT:\", \"metadata\": []}]}",
        "{\"x\": [\"filenode\", {\"ro_uri\": \"URI:CHK:oops\"}]}",
    ] {
        let answer = grid
            .ask_with("POST", "/uri?t=mkdir-with-children", &[], body)
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
}
