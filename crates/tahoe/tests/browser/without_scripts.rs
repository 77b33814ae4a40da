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
    page.click("form:has([value=rename-form]):has([value='notes.txt']) button");
    page.fill("#to", "renamed.txt");
    page.click("form:has(#to) button");
    page.wait_for_text("renamed.txt");
    page.click("form:has([value=unlink]):has([value=folder]) button");
    page.wait_for("![...document.querySelectorAll('th')].some(th => th.innerText == 'folder')");
    assert!(!page.shown().contains("notes.txt"));
    let contents = grid
        .gateway(0)
        .request("GET", &format!("{directory}renamed.txt"), b"");
    assert_eq!(contents.text(), "some notes");
}
