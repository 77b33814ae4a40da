//! Every page that can be looked at, on every screen.

use crate::page::Page;
use crate::{directory, grid};

#[test]
fn every_page_can_be_read_by_everybody() {
    let grid = grid();
    let page = Page::of(grid.gateway(0));
    page.open("/");
    assert!(
        page.shown()
            .contains("Connected to 2 of 2 known storage servers")
    );
    page.inspect("welcome");
    let directory = directory(&grid);
    page.open(&directory);
    page.inspect("directory-empty");
}
