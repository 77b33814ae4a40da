//! Every page that can be looked at, on every screen.

use crate::page::Page;
use crate::{directory, grid, ours};
use tahoe_test_support::{Node, sample, wait_until};

#[test]
fn every_page_can_be_read_by_everybody() {
    let grid = grid();
    let gateway = grid.gateway(0);
    let page = Page::of(gateway);
    page.open("/");
    assert!(
        page.shown()
            .contains("Connected to 2 of 2 known storage servers")
    );
    page.inspect("welcome");
    let directory = directory(&grid);
    page.open(&directory);
    page.inspect("directory-empty");

    let cap = gateway.put(&sample(1, 300_000)).replace(':', "%3A");
    assert_eq!(gateway.get(&cap.replace("%3A", ":")).len(), 300_000);
    let checked = gateway.request("POST", &format!("{directory}?t=check"), b"");
    assert_eq!(checked.status, 200);
    for (name, path, words) in [
        ("file", format!("/uri/{cap}?t=info"), "Servers and shares"),
        (
            "directory-details",
            format!("{directory}?t=info"),
            "Check and repair",
        ),
        ("operations", "/status".to_owned(), "Recent Operations"),
        ("upload", "/status/up-0".to_owned(), "Encoding and sending"),
        ("download", "/status/down-0".to_owned(), "Timeline: "),
        ("publish", "/status/publish-0".to_owned(), "RSA Signature"),
        (
            "retrieve",
            "/status/retrieve-0".to_owned(),
            "Retrieve Results",
        ),
        (
            "mapupdate",
            "/status/mapupdate-0".to_owned(),
            "Per-Server Response Times",
        ),
        (
            "statistics",
            "/statistics".to_owned(),
            "Bytes since the start",
        ),
        ("helper", "/helper_status".to_owned(), "Helper"),
        (
            "not-found",
            format!("{directory}nothing"),
            "What you can do",
        ),
        (
            "bad-request",
            format!("{directory}?t=frob"),
            "What you can do",
        ),
    ] {
        page.open(&path);
        assert!(page.shown().contains(words), "{path}: {}", page.shown());
        page.inspect(name);
    }
}

#[test]
fn what_is_found_in_a_tree_can_be_read_by_everybody() {
    let grid = grid();
    let gateway = grid.gateway(0);
    let directory = directory(&grid);
    let put = gateway.request("PUT", &format!("{directory}a/b.dat"), &sample(4, 50_000));
    assert_eq!(put.status, 201);
    grid.servers[0].delete_shares();
    let page = Page::of(gateway);
    for (name, t, words) in [
        ("deep-check", "start-deep-check", "All Results"),
        ("manifest", "start-manifest", "Manifest of"),
    ] {
        let start = format!("{directory}?t={t}&ophandle={name}");
        assert_eq!(gateway.request("POST", &start, b"").status, 302);
        let status = format!("/operations/{name}?t=status&output=JSON");
        wait_until("it is finished", || {
            gateway.request("GET", &status, b"").json()["finished"] == true
        });
        page.open(&format!("/operations/{name}"));
        page.wait_for_text(words);
        page.wait_for_text("b.dat");
        page.inspect(name);
    }
}

#[test]
fn a_file_is_checked_and_repaired_from_its_page() {
    let grid = grid();
    let cap = grid.gateway(0).put(&sample(2, 100_000)).replace(':', "%3A");
    let page = Page::of(grid.gateway(0));
    page.open(&format!("/uri/{cap}?t=info"));
    assert!(page.shown().contains("Healthy"), "{}", page.shown());
    assert_eq!(
        page.value("document.querySelectorAll('.share.good').length"),
        2
    );
    grid.servers[0].delete_shares();
    page.click("[name=repair]");
    page.click("form:has([name=repair]) button");
    page.wait_for_text("Repair successful");
    page.inspect("repaired");
    page.click("main a[href*='t=info']");
    page.wait_for_text("Check and repair");
    assert_eq!(
        page.value("document.querySelectorAll('.share.good').length"),
        2
    );
}

#[test]
fn an_upload_shows_where_its_shares_went() {
    let grid = grid();
    let file = grid.folder().join("file.dat");
    std::fs::write(&file, sample(3, 200_000)).unwrap();
    let page = Page::of(grid.gateway(0));
    page.open("/");
    page.choose_files("#upload-file", &[&file]);
    page.click("form:has(#upload-file) button");
    page.wait_for_text("Upload Results:");
    assert_eq!(
        page.text("document.activeElement.tagName"),
        "H1",
        "a reader hears of it"
    );
    assert_eq!(
        page.value("document.querySelectorAll('.share.good').length"),
        2
    );
    assert!(page.shown().contains("Encoding and sending"));
    page.inspect("upload-results");
}

#[test]
fn servers_and_introducers_have_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Node::create_server(&ours(), &folder.path().join("server"));
    server.give_web_port();
    server.start();
    let page = Page::of(&server);
    page.open("/storage");
    assert!(page.shown().contains("% used"), "{}", page.shown());
    page.inspect("storage");
    let mut introducer = Node::create_introducer(&ours(), &folder.path().join("introducer"));
    introducer.start();
    page.open(&format!("{}/", introducer.url()));
    assert!(page.shown().contains("Service announcements"));
    page.inspect("introducer");
}
