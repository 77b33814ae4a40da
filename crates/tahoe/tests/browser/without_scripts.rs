//! Everything that a person does with files, in a browser that runs no scripts.

use crate::page::Page;
use crate::{directory, grid};

#[test]
fn a_directory_is_used_by_its_forms() {
    let grid = grid();
    let directory = directory(&grid);
    let file = grid.folder().join("notes.txt");
    std::fs::write(&file, "some notes").unwrap();
    let page = Page::of(grid.gateway(0));
    page.without_scripts();
    page.open(&directory);

    page.fill("#mkdir-name", "folder");
    page.click("form:has(#mkdir-name) button");
    page.wait_for_text("folder");
    page.choose_files("#upload-file", &[&file]);
    page.click("form:has(#upload-file) button");
    page.wait_for_text("notes.txt");
    open_menu(&page, "notes.txt");
    page.click("[aria-label='Rename or move notes.txt']");
    page.fill("#to", "renamed.txt");
    page.click("form:has(#to) button");
    page.wait_for_text("“notes.txt” was renamed to “renamed.txt”.");
    assert_eq!(page.names(), ["folder", "renamed.txt"]);
    page.click("form.summary button");
    page.wait_for_names(&["folder", "notes.txt"]);
    open_menu(&page, "notes.txt");
    page.click("[aria-label='Rename or move notes.txt']");
    page.fill("#to", "renamed.txt");
    page.click("form:has(#to) button");
    page.wait_for_names(&["folder", "renamed.txt"]);

    open_menu(&page, "renamed.txt");
    page.click("[aria-label='Delete renamed.txt']");
    page.wait_for_text("“renamed.txt” was deleted.");
    assert_eq!(page.names(), ["folder"]);
    page.click("form.summary button");
    page.wait_for_text("renamed.txt");
    open_menu(&page, "renamed.txt");
    page.click("[aria-label='Rename or move renamed.txt']");
    page.click("form:has(#to-dir) button");
    page.wait_for_text("“renamed.txt” was moved.");
    page.click("form.summary button");
    page.wait_for_names(&["folder", "renamed.txt"]);
    open_menu(&page, "renamed.txt");
    page.click("[aria-label='Rename or move renamed.txt']");
    page.click("form:has(#to-dir) button");
    page.wait_for_text("1 entry");
    page.click("[data-name=folder] a");
    page.wait_for("document.querySelector('.trail [aria-current]').innerText == 'folder'");
    assert_eq!(page.names(), ["renamed.txt"]);
    let contents = grid
        .gateway(0)
        .request("GET", &format!("{directory}folder/renamed.txt"), b"");
    assert_eq!(contents.text(), "some notes");
}

fn open_menu(page: &Page, name: &str) {
    page.click(&format!("[data-name='{name}'] summary"));
}

#[test]
fn a_directory_is_sorted_and_searched() {
    let grid = grid();
    let directory = directory(&grid);
    for (name, contents) in [("b.txt", "1"), ("A.txt", "333"), ("c.dat", "22")] {
        let put =
            grid.gateway(0)
                .request("PUT", &format!("{directory}{name}"), contents.as_bytes());
        assert_eq!(put.status, 201);
    }
    let page = Page::of(grid.gateway(0));
    page.without_scripts();
    page.open(&directory);
    assert_eq!(page.names(), ["A.txt", "b.txt", "c.dat"]);
    page.click("thead a[href*='sort=size']");
    page.wait_for("document.querySelector('[aria-sort=ascending]')?.innerText.startsWith('Size')");
    assert_eq!(page.names(), ["b.txt", "c.dat", "A.txt"]);
    page.click("thead a[href*='sort=size']");
    page.wait_for("document.querySelector('[aria-sort=descending]') != null");
    assert_eq!(page.names(), ["A.txt", "c.dat", "b.txt"]);
    page.fill("#find", "TXT");
    page.press("Enter");
    page.wait_for_text("2 of 3 entries");
    assert_eq!(page.names(), ["A.txt", "b.txt"]);
}
