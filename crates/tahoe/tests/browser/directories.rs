//! What the scripts of a directory's page add: dialogs, several entries at once, undoing.

use crate::page::Page;
use crate::{directory, grid};
use tahoe_test_support::Grid;

/// Files that can be looked at, and some that can't.
fn fill(grid: &Grid, directory: &str) {
    let gateway = grid.gateway(0);
    let sound = wav();
    for (name, contents) in [
        ("picture.svg", PICTURE.as_bytes()),
        ("notes.txt", b"First line\nSecond <b>line</b>\n"),
        ("sound.wav", &sound),
        ("paper.pdf", PAPER.as_bytes()),
        ("archive.bin", b"\x00\x01"),
        ("photos/summer.txt", b"sun"),
        ("work/empty/none.txt", b"none"),
    ] {
        let put = gateway.request("PUT", &format!("{directory}{name}"), contents);
        assert_eq!(put.status, 201, "{name}: {}", put.text());
    }
}

const PICTURE: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='300' height='200'>\
    <rect width='300' height='200' fill='teal'/><circle cx='150' cy='100' r='60' fill='gold'/></svg>";

/// The smallest that a viewer shows; it forgives the missing table of offsets.
const PAPER: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
    2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>endobj\n\
    trailer<</Root 1 0 R>>\n";

/// A tenth of a second of silence.
fn wav() -> Vec<u8> {
    let (rate, length): (u32, u32) = (8000, 800);
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(rate.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend(b"\x01\0\x08\0data");
    file.extend(length.to_le_bytes());
    file.extend(vec![128; 800]);
    file
}

fn select(page: &Page, name: &str) {
    page.click(&format!("[data-name='{name}'] input[type=checkbox]"));
}

#[test]
fn entries_are_deleted_restored_and_moved() {
    let grid = grid();
    let directory = directory(&grid);
    fill(&grid, &directory);
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    let all = [
        "photos",
        "work",
        "archive.bin",
        "notes.txt",
        "paper.pdf",
        "picture.svg",
        "sound.wav",
    ];
    assert_eq!(page.names(), all);
    page.inspect("directory");
    let before = grid
        .gateway(0)
        .request("GET", &format!("{directory}?t=json"), b"")
        .json();

    // One by its menu, several by their boxes.
    page.click("[data-name='notes.txt'] summary");
    page.click("[aria-label='Delete notes.txt']");
    page.wait_for_text("“notes.txt” deleted.");
    select(&page, "photos");
    select(&page, "sound.wav");
    page.wait_for_text("2 selected");
    page.click("#selection-delete");
    page.wait_for_text("2 entries deleted.");
    assert_eq!(
        page.names(),
        ["work", "archive.bin", "paper.pdf", "picture.svg"]
    );
    page.inspect("directory-deleted");
    page.click("#notice button");
    page.wait_for_text("2 entries restored.");
    let put = grid
        .gateway(0)
        .request("GET", &format!("{directory}?t=json"), b"")
        .json();
    let children = |listing: &serde_json::Value, name: &str| {
        let mut child = listing[1]["children"][name].clone();
        // When the link was made is noted anew.
        child[1]["metadata"]["tahoe"].take();
        child
    };
    for name in ["photos", "sound.wav"] {
        assert_eq!(children(&put, name), children(&before, name), "{name}");
    }

    // Into a directory in another one.
    select(&page, "archive.bin");
    select(&page, "paper.pdf");
    page.click("#selection-move");
    page.wait_for("document.querySelector('#move').open");
    page.click("#move-places li:nth-child(2) button");
    page.wait_for("document.querySelector('#move-place').innerText.endsWith('/ work')");
    page.click("#move-places li:nth-child(2) button");
    page.wait_for("document.querySelector('#move-place').innerText.endsWith('/ empty')");
    page.picture("move-dialog");
    page.click("#move-here");
    page.wait_for_text("2 entries moved to empty.");
    assert_eq!(page.names(), ["photos", "work", "picture.svg", "sound.wav"]);
    page.click("#notice button");
    page.wait_for_text("2 entries moved back.");
    let names = [
        "photos",
        "work",
        "archive.bin",
        "paper.pdf",
        "picture.svg",
        "sound.wav",
    ];
    page.wait_for_names(&names);
    for path in ["archive.bin", "paper.pdf"] {
        let moved = format!("t=relink&from_name={path}&to_dir={}", {
            let cap = directory.trim_start_matches("/uri/").trim_end_matches('/');
            format!("{cap}/work/empty")
        });
        let moved = grid
            .gateway(0)
            .request("POST", &format!("{directory}?{moved}"), b"");
        assert_eq!(moved.status, 200, "{}", moved.text());
    }
    page.open(&format!("{directory}work/empty/"));
    assert_eq!(page.names(), ["archive.bin", "none.txt", "paper.pdf"]);
    page.click(".trail li:nth-child(2) a");
    page.wait_for("document.querySelector('h1').innerText == 'work'");
}

#[test]
fn files_are_shown_on_top_of_the_page() {
    let grid = grid();
    let directory = directory(&grid);
    fill(&grid, &directory);
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    for (name, is_shown) in [
        (
            "picture.svg",
            "document.querySelector('dialog img')?.naturalWidth == 300",
        ),
        (
            "sound.wav",
            "document.querySelector('dialog audio')?.duration == 0.1",
        ),
        (
            "notes.txt",
            "document.querySelector('dialog iframe')?.sandbox.length == 0",
        ),
        (
            "paper.pdf",
            "document.querySelector('dialog iframe') != null",
        ),
    ] {
        page.click(&format!("[aria-label='Preview {name}']"));
        page.wait_for(is_shown);
        page.wait_for("document.querySelector('dialog.page').matches(':modal')");
        assert!(page.shown().contains(name));
        page.picture(&format!("preview-{name}"));
        // A reader's focus goes into the dialog and comes back.
        assert!(
            page.now_holds(
                "document.querySelector('dialog.page').contains(document.activeElement)"
            )
        );
        page.press("Escape");
        page.wait_for("document.querySelector('dialog.page') == null");
        let focused = page.text("document.activeElement.getAttribute('aria-label')");
        assert_eq!(focused, format!("Preview {name}"));
    }
    assert!(
        page.value("document.querySelector('[aria-label=\"Preview archive.bin\"]')")
            .is_null()
    );
    // The same pages stand alone.
    page.open(&format!("{directory}notes.txt?t=preview"));
    page.wait_for("document.querySelector('iframe') != null");
    page.inspect("preview-alone");
}

#[test]
fn sharing_is_explained() {
    let grid = grid();
    let directory = directory(&grid);
    fill(&grid, &directory);
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    page.click(".toolbar [href$='t=share']");
    page.wait_for_text("To read and change");
    let shown = page.shown();
    assert!(shown.contains("they can't change it") && shown.contains("URI:DIR2-RO:"));
    assert_eq!(
        page.value("document.querySelectorAll('dialog svg.code').length"),
        2
    );
    page.picture("share-dialog");
    page.click("[data-copy=share-read]");
    page.wait_for(
        "/Cop|Selected/.test(document.querySelector('[data-copy=share-read]').innerText)",
    );
    page.open(&format!("{directory}?t=share"));
    page.inspect("share");
    // Who may only read has only that to share, and can change nothing.
    let reader = page.text("document.querySelector('#share-read').innerText");
    page.open(&format!("/uri/{}/", reader.replace(':', "%3A")));
    assert!(page.shown().contains("(read-only)"));
    assert!(
        page.value("document.querySelector('#drop, .inline, input[type=checkbox]')")
            .is_null()
    );
    page.click(".toolbar [href$='t=share']");
    page.wait_for_text("To read");
    assert!(!page.shown().contains("To read and change"));
}

#[test]
fn a_directory_is_used_by_keyboard() {
    let grid = grid();
    let directory = directory(&grid);
    fill(&grid, &directory);
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    page.press("Tab");
    assert_eq!(
        page.text("document.activeElement.innerText"),
        "Skip to the content"
    );
    page.fill("#find", "notes");
    page.wait_for_names(&["notes.txt"]);
    let is_focused =
        |what: &str| page.now_holds(&format!("document.activeElement.matches({what:?})"));
    // To the box of the only row that is left, and on to its menu.
    for _ in 0..20 {
        if is_focused("[data-name='notes.txt'] input") {
            break;
        }
        page.press("Tab");
    }
    page.press(" ");
    page.wait_for_text("1 selected");
    for _ in 0..20 {
        if is_focused("[data-name='notes.txt'] summary") {
            break;
        }
        page.press("Tab");
    }
    page.press("Enter");
    page.wait_for("document.querySelector('[data-name=\"notes.txt\"] details').open");
    page.picture("menu");
    for _ in 0..10 {
        if is_focused("[aria-label='Delete notes.txt']") {
            break;
        }
        page.press("Tab");
    }
    page.press("Enter");
    page.wait_for_text("“notes.txt” deleted.");
}
