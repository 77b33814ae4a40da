//! Files and directories that are dropped or chosen, many at once.

use crate::page::Page;
use crate::{directory, grid};
use std::path::Path;
use tahoe_test_support::sample;

#[test]
fn five_hundred_dropped_files_arrive_whole() {
    let grid = grid();
    let directory = directory(&grid);
    let folder = grid.folder().join("dropped");
    let mut expected = Vec::new();
    for number in 0..500 {
        let name = format!("dropped/{}/{}/file {number}.dat", number % 5, number % 3);
        let contents = sample(number, 100 + 7 * usize::try_from(number).unwrap());
        write(&grid.folder().join(&name), &contents);
        expected.push((name.replace(' ', "%20"), contents));
    }
    std::fs::create_dir(folder.join("nothing inside")).unwrap();
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    page.drop_files("#drop", &[&folder]);
    page.wait_for("document.querySelectorAll('#progress-files li').length > 0");
    page.picture("uploads");
    // Each hundred may take as long as anything else.
    let ended = "parseInt(document.querySelector('#progress-text').innerText)";
    for number in [100, 200, 300, 400, 500] {
        page.wait_for(&format!("{ended} >= {number}"));
    }
    page.wait_for_text("500 files stored");
    page.wait_for_names(&["dropped"]);
    page.inspect("uploads-done");
    let gateway = grid.gateway(0);
    for (name, contents) in expected {
        let stored = gateway.request("GET", &format!("{directory}{name}"), b"");
        assert!(stored.status == 200 && stored.body == contents, "{name}");
    }
    let empty = gateway.request(
        "GET",
        &format!("{directory}dropped/nothing%20inside?t=json"),
        b"",
    );
    assert_eq!(empty.json()[1]["children"], serde_json::json!({}));
}

#[test]
fn what_is_there_is_replaced_only_if_asked() {
    let grid = grid();
    let directory = directory(&grid);
    let file = grid.folder().join("notes #1.txt");
    write(&file, b"new");
    let put = grid
        .gateway(0)
        .request("PUT", &format!("{directory}notes%20%231.txt"), b"old");
    assert_eq!(put.status, 201);
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    page.choose_files("#choose-files", &[&file]);
    page.wait_for_text("There was already a child by that name");
    let contents = || {
        let path = format!("{directory}notes%20%231.txt");
        grid.gateway(0).request("GET", &path, b"").text()
    };
    assert_eq!(contents(), "old");
    page.click("[aria-label='Replace notes #1.txt']");
    page.wait_for_text("1 file stored");
    assert_eq!(contents(), "new");
    page.click("#dismiss");
    page.wait_for("document.querySelector('#progress').hidden");
}

#[test]
fn uploads_are_cancelled() {
    let grid = grid();
    let directory = directory(&grid);
    let large = grid.folder().join("large.bin");
    let file = std::fs::File::create(&large).unwrap();
    file.set_len(2 << 30).unwrap();
    let small = grid.folder().join("small.bin");
    write(&small, b"small");
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    page.drop_files("#drop", &[&large, &small]);
    page.wait_for_text("left");
    page.wait_for_text("1 of 2 files");
    page.inspect("uploads-going");
    page.click("[aria-label='Cancel large.bin']");
    page.wait_for_text("1 file stored, 1 file cancelled");
    page.wait_for_names(&["small.bin"]);
}

#[test]
fn uploads_are_tried_again() {
    let mut grid = grid();
    let directory = directory(&grid);
    let file = grid.folder().join("patient.txt");
    write(&file, &sample(1, 10_000));
    let page = Page::of(grid.gateway(0));
    page.open(&directory);
    for server in &mut grid.servers {
        server.kill();
    }
    page.choose_files("#choose-files", &[&file]);
    page.wait_for_text("1 file failed");
    assert!(page.shown().contains("Try again"));
    page.inspect("uploads-failed");
    grid.start_servers();
    grid.wait_until_connected();
    page.click("[aria-label='Try again patient.txt']");
    page.wait_for_text("1 file stored");
    page.wait_for_names(&["patient.txt"]);
}

fn write(path: &Path, contents: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, contents).unwrap();
}
