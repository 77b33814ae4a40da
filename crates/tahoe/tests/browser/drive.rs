//! The pages of a shared drive, at one node and at another.

use crate::ours;
use crate::page::Page;
use rusqlite::Connection;
use tahoe_test_support::{DriveGrid, Node, sample, wait_until};

/// A drive and two gateways that may change it.
struct Drive {
    one: Node,
    other: Node,
    grid: DriveGrid,
}

impl Drive {
    fn start() -> Self {
        let grid = DriveGrid::start(&ours());
        let [one, other] = ["one", "other"].map(|name| grid.writer(name));
        Self { one, other, grid }
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
    page.wait_for_text("in photos/2026");
    page.click("main [href='/vdrive/photos/2026/?t=trash']");
    page.wait_for_text("Trash of shared drive: photos/2026");
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

#[test]
fn a_page_shows_what_others_change() {
    let mut drive = Drive::start();
    for number in 10..40 {
        put(&drive.one, &format!("{number}.txt"), "some");
    }
    let page = Page::of(&drive.one);
    page.open("/vdrive/");
    let is_told = "document.querySelector('#news[role=status] span')?.innerText";
    let holds = |page: &Page, what: &str| assert!(page.now_holds(what), "{what}");

    // Somebody has selected, opened and focused something far down.
    page.click("[data-name='30.txt'] input[type=checkbox]");
    page.wait_for_text("1 selected");
    page.click("[data-name='35.txt'] summary");
    page.value("document.querySelector('[data-name=\"30.txt\"]').scrollIntoView()");
    page.value("document.querySelector('[data-name=\"35.txt\"] summary').focus()");
    let place = "document.querySelector('[data-name=\"30.txt\"]').getBoundingClientRect().top";
    let before = page.value(place).as_f64().unwrap();
    put(&drive.other, "20a.txt", "new");
    page.wait_for(&format!("{is_told} == '“20a.txt” was added.'"));
    page.wait_for_text("31 entries");
    let kept = [
        "document.querySelector('[data-name=\"30.txt\"] input').checked",
        "document.querySelector('#selection-count').innerText == '1 selected'",
        "document.querySelector('[data-name=\"35.txt\"] details').open",
        "document.activeElement.getAttribute('aria-label') == 'More for 35.txt'",
    ];
    kept.iter().for_each(|what| holds(&page, what));
    let moved = page.value(place).as_f64().unwrap() - before;
    assert!(moved.abs() < 4.0, "it moved by {moved} under the eyes");
    page.picture("drive-news");

    // What is selected or focused may be replaced, and may go.
    put(&drive.other, "30.txt", "replaced by somebody else");
    page.wait_for(&format!("{is_told} == '“30.txt” was changed.'"));
    kept.iter().for_each(|what| holds(&page, what));
    for gone in ["35.txt", "30.txt"] {
        let removed = drive
            .other
            .request("DELETE", &format!("/vdrive/{gone}"), b"");
        assert_eq!(removed.status, 200);
    }
    page.wait_for("document.querySelector('[data-name=\"30.txt\"]') == null");
    page.wait_for("document.querySelector('[data-name=\"35.txt\"]') == null");
    page.wait_for("document.activeElement.id == 'entries'");
    holds(&page, "document.querySelector('#selection').hidden");

    // Its own changes are told once.
    page.click("[data-name='10.txt'] summary");
    page.click("[aria-label='Delete 10.txt']");
    page.wait_for_text("“10.txt” deleted.");
    put(&drive.other, "50.txt", "the end");
    page.wait_for(&format!("{is_told} == '“50.txt” was added.'"));
    assert!(page.shown().contains("“10.txt” deleted."));

    // Without the drive's server, the page says so, and what it shows; and when it is back.
    drive.grid.vdrive.stop();
    page.wait_for_text("The vdrive server isn't connected");
    page.inspect("drive-old");
    drive.grid.vdrive.start();
    page.wait_for("document.querySelector('#state').innerText == ''");
    wait_until("the other node is connected again", || {
        let put = drive.other.request("PUT", "/vdrive/60.txt", b"again");
        put.status == 201
    });
    page.wait_for("document.querySelector('[data-name=\"60.txt\"]') != null");

    // An open page doesn't keep its node from stopping.
    assert!(drive.one.stop().success());
}

#[test]
fn a_dropped_folder_appears_at_another_node() {
    let drive = Drive::start();
    let album = drive.grid.folder().join("album");
    std::fs::create_dir_all(album.join("sea/deep")).unwrap();
    for number in 0..20 {
        let name = format!("sea/wave {number}.dat");
        std::fs::write(album.join(name), sample(number, 40_000)).unwrap();
    }
    std::fs::write(album.join("sea/deep/fish.txt"), "fish").unwrap();
    std::fs::write(album.join("index.txt"), "index").unwrap();
    let (page, there) = (Page::of(&drive.one), Page::of(&drive.other));
    page.open("/vdrive/");
    there.open("/vdrive/");
    page.drop_files("#drop", &[&album]);
    page.wait_for("!document.querySelector('#progress').hidden");
    page.picture("drive-uploads");
    page.wait_for_text("22 files stored");
    page.wait_for_names(&["album"]);

    // The other one sees it appear, goes into it and downloads it.
    there.wait_for_names(&["album"]);
    there.wait_for_text("“album” was added.");
    there.inspect("drive-appeared");
    there.click("[data-name=album] a");
    there.wait_for("document.querySelector('h1').innerText == 'album'");
    assert_eq!(there.names(), ["sea", "index.txt"]);
    for number in 0..20 {
        let path = format!("/vdrive/album/sea/wave%20{number}.dat");
        let got = drive.other.request("GET", &path, b"");
        assert!(got.body == sample(number, 40_000), "{path}");
    }
    let link = "document.querySelector('[data-name=\"index.txt\"] [href$=\"save=true\"]')";
    let downloaded = format!("fetch({link}.href).then(answer => answer.text())");
    assert_eq!(there.text(&downloaded), "index");
}

#[test]
fn entries_of_a_drive_are_moved_and_renamed() {
    let drive = Drive::start();
    put(&drive.one, "a.txt", "a");
    put(&drive.one, "b.txt", "b");
    put(&drive.one, "old/c.txt", "c");
    put(&drive.one, "work/deep/d.txt", "d");
    let (page, there) = (Page::of(&drive.one), Page::of(&drive.other));
    page.open("/vdrive/");
    there.open("/vdrive/");

    for name in ["a.txt", "b.txt", "old"] {
        page.click(&format!("[data-name='{name}'] input[type=checkbox]"));
    }
    page.wait_for_text("3 selected");
    page.click("#selection-move");
    page.click("#move-places li button");
    page.wait_for("document.querySelector('#move-place').innerText.endsWith('/ work')");
    page.click("#move-here");
    page.wait_for_text("3 entries moved to work.");
    page.wait_for_names(&["work"]);
    there.wait_for_names(&["work"]);
    page.click("#notice button");
    page.wait_for_text("3 entries moved back.");
    page.wait_for_names(&["old", "work", "a.txt", "b.txt"]);
    there.wait_for_names(&["old", "work", "a.txt", "b.txt"]);
    for name in ["a.txt", "b.txt", "old"] {
        let moved = format!("/vdrive/?t=relink&from_name={name}&to_dir=/vdrive/work");
        assert_eq!(drive.one.request("POST", &moved, b"").status, 200);
    }
    there.wait_for_names(&["work"]);
    assert_eq!(get(&drive.other, "work/old/c.txt"), "c");

    there.open("/vdrive/work/");
    page.open("/vdrive/work/");
    page.click("[data-name=old] summary");
    page.click("[aria-label='Rename or move old']");
    page.fill("#to", "new");
    page.press("Enter");
    page.wait_for_names(&["deep", "new", "a.txt", "b.txt"]);
    page.wait_for_text("“old” was renamed to “new”.");
    there.wait_for_names(&["deep", "new", "a.txt", "b.txt"]);
    // Names that are taken are said to be.
    let taken = page.text(
        "fetch('/vdrive/work/', {method: 'POST', body: new URLSearchParams(
            {t: 'relink', from_name: 'a.txt', to_name: 'b.txt', replace: 'false'}
        )}).then(answer => answer.text())",
    );
    assert!(taken.contains("already a child"), "{taken}");
}

#[test]
fn a_page_says_that_its_directory_was_removed() {
    let drive = Drive::start();
    put(&drive.one, "photos/2026/sea.txt", "waves");
    let page = Page::of(&drive.one);
    page.open("/vdrive/photos/2026/");
    page.wait_for_names(&["sea.txt"]);

    // Moved by somebody else, and above it.
    let moved = "/vdrive/?t=relink&from_name=photos&to_name=pictures";
    assert_eq!(drive.other.request("POST", moved, b"").status, 200);
    page.wait_for_text("No such child: photos");
    page.wait_for_text("It may have been removed, renamed or moved.");
    page.inspect("drive-gone");
    page.click("main a[href='/vdrive/']");
    page.wait_for_names(&["pictures"]);

    // Removed with all that is in it, and restored from where the page leads.
    page.open("/vdrive/pictures/2026/");
    page.wait_for_names(&["sea.txt"]);
    let gone = "/vdrive/pictures/2026?recursive=true";
    assert_eq!(drive.other.request("DELETE", gone, b"").status, 200);
    page.wait_for_text("No such child: 2026");
    page.click("main a[href='/vdrive/pictures/?t=trash']");
    page.click("[aria-label='Restore 2026']");
    page.wait_for_names(&["2026"]);
    assert_eq!(get(&drive.other, "pictures/2026/sea.txt"), "waves");
}

/// Changes a byte of these entries in the database of a vdrive server that doesn't run.
fn forge(vdrive: &Node, count: usize) {
    let path = vdrive.directory().join("private/vdrive.sqlite");
    let database = Connection::open(path).unwrap();
    let mut oldest = database
        .prepare("SELECT entry, record FROM entries ORDER BY revision LIMIT ?1")
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let rows = oldest.query_map([count], row).unwrap();
    let rows: Vec<(Vec<u8>, Vec<u8>)> = rows.collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), count);
    for (entry, mut record) in rows {
        record[60] ^= 1;
        let query = "UPDATE entries SET record = ?2 WHERE entry = ?1";
        assert_eq!(database.execute(query, (entry, record)).unwrap(), 1);
    }
}

#[test]
fn bad_entries_are_explained_and_deleted() {
    let mut drive = Drive::start();
    for name in ["bad.txt", "worse.txt", "good.txt"] {
        put(&drive.one, name, "some");
    }
    drive.grid.vdrive.stop();
    forge(&drive.grid.vdrive, 2);
    drive.grid.vdrive.start();
    let is_back = || get(&drive.one, "?t=json").contains("problem");
    wait_until("the drive is connected again", is_back);
    let page = Page::of(&drive.one);
    page.open("/vdrive/");
    page.wait_for_text("no valid signature");
    page.inspect("drive-bad-entry");
    let bad: Vec<String> = page
        .names()
        .into_iter()
        .filter(|name| name != "good.txt")
        .collect();
    assert_eq!(bad.len(), 2);
    assert!(bad.iter().all(|name| name.starts_with("unreadable entry ")));
    let delete = |name: &str| {
        page.click(&format!("[data-name='{name}'] summary"));
        let rename = format!("document.querySelector('[aria-label=\"Rename or move {name}\"]')");
        assert!(page.now_holds(&format!("{rename} == null")));
        page.click(&format!("[aria-label='Delete {name}']"));
    };

    // With scripts and without; nobody is promised that it can be undone.
    delete(&bad[0]);
    page.wait_for_text(&format!("“{}” deleted.", bad[0]));
    assert!(page.now_holds("document.querySelector('#notice button') == null"));
    page.without_scripts();
    page.open("/vdrive/");
    delete(&bad[1]);
    page.wait_for_names(&["good.txt"]);
    assert!(!page.shown().contains("Undo"));
}
