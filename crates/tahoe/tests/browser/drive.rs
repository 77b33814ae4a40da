//! The pages of a shared drive, at one node and at another.

use crate::ours;
use crate::page::Page;
use tahoe_test_support::{Node, wait_until, write_servers};

const SHARES: [&str; 3] = ["--shares-needed=1", "--shares-happy=1", "--shares-total=1"];

/// A vdrive server, a storage server, and two gateways that may change the drive.
struct Drive {
    _folder: tempfile::TempDir,
    _vdrive: Node,
    _server: Node,
    one: Node,
    other: Node,
}

impl Drive {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let program = ours();
        let mut vdrive = Node::create_service(&program, &at("vdrive"), &["create-vdrive"]);
        let mut server = Node::create_server(&program, &at("server"));
        vdrive.start();
        server.start();
        let furl = std::fs::read_to_string(vdrive.directory().join("vdrive.furl")).unwrap();
        let [one, other] = ["one", "other"].map(|name| {
            let mut node = Node::create_gateway(&program, &at(name), &SHARES);
            write_servers(&node, &[server.server_entry()]);
            node.set("client", "vdrive.furl", furl.trim());
            node.start();
            node.wait_for_servers(1);
            let what = "the drive is connected";
            wait_until(what, || node.request("GET", "/vdrive/", b"").status == 200);
            node
        });
        Self {
            _folder: folder,
            _vdrive: vdrive,
            _server: server,
            one,
            other,
        }
    }
}

fn put(node: &Node, path: &str, contents: &str) {
    let put = node.request("PUT", &format!("/vdrive/{path}"), contents.as_bytes());
    assert!([200, 201].contains(&put.status), "{path}: {}", put.text());
}

fn get(node: &Node, path: &str) -> String {
    node.request("GET", &format!("/vdrive/{path}"), b"").text()
}

#[test]
fn what_was_removed_is_restored_by_forms() {
    let drive = Drive::start();
    put(&drive.one, "notes.txt", "first");
    put(&drive.one, "notes.txt", "second");
    put(&drive.one, "photos/2026/sea.txt", "waves");
    let page = Page::of(&drive.one);
    page.without_scripts();
    page.open("/vdrive/");
    assert!(page.now_holds("document.querySelector('#mkdir-format') == null"));

    // A directory goes with all that is in it, and comes back so.
    page.click("[data-name=photos] summary");
    page.click("[aria-label='Delete photos']");
    page.wait_for_text("“photos” was deleted.");
    assert_eq!(page.names(), ["notes.txt"]);
    page.click("form.summary button");
    page.wait_for_names(&["photos", "notes.txt"]);
    assert_eq!(get(&drive.other, "photos/2026/sea.txt"), "waves");

    // What was replaced is restored beside what took its place.
    page.click(".toolbar [href$='t=trash']");
    page.wait_for_text("Trash of shared drive");
    page.fill("[aria-label='New name for notes.txt']", "old notes.txt");
    page.click("[aria-label='Restore notes.txt']");
    page.wait_for_names(&["photos", "notes.txt", "old notes.txt"]);
    assert_eq!(get(&drive.other, "old%20notes.txt"), "first");

    // Each directory has its own trash; that of the root shows everything.
    page.open("/vdrive/photos/2026/");
    page.click("[data-name='sea.txt'] summary");
    page.click("[aria-label='Delete sea.txt']");
    page.wait_for_text("“sea.txt” was deleted.");
    page.open("/vdrive/?t=trash");
    page.wait_for_text("in other directories");
    page.open("/vdrive/photos/2026/?t=trash");
    page.click("[aria-label='Restore sea.txt']");
    page.wait_for_names(&["sea.txt"]);
    page.open("/vdrive/?t=trash");
    page.wait_for_text("Nothing that could be restored.");
}

#[test]
fn what_was_deleted_is_restored_by_scripts() {
    let drive = Drive::start();
    put(&drive.one, "notes.txt", "some");
    put(&drive.one, "photos/2026/sea.txt", "waves");
    let page = Page::of(&drive.one);
    page.open("/vdrive/");
    page.inspect("drive");
    page.click("#select-all");
    page.click("#selection-delete");
    page.wait_for_text("2 entries deleted.");
    page.wait_for_names(&[]);
    assert_eq!(get(&drive.other, "?t=json").matches("node\"").count(), 1);
    page.click("#notice button");
    page.wait_for_text("2 entries restored.");
    page.wait_for_names(&["photos", "notes.txt"]);
    assert_eq!(get(&drive.other, "photos/2026/sea.txt"), "waves");
    for gone in ["photos/2026/sea.txt", "notes.txt"] {
        let removed = drive
            .other
            .request("DELETE", &format!("/vdrive/{gone}"), b"");
        assert_eq!(removed.status, 200);
    }
    page.open("/vdrive/?t=trash");
    page.wait_for_text("in other directories");
    page.inspect("trash");
}
