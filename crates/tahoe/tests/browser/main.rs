//! The pages of a node in a real browser: headless Chromium before a grid of our own nodes.
//!
//! [`page::Page`] is a tab. Pictures of the pages are kept in `target/screenshots`.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod attacks;
mod chromium;
mod directories;
mod drive;
mod hostile;
mod page;
mod pages;
mod uploads;
mod without_scripts;

use tahoe_test_support::{Encoding, Grid, Program};

fn ours() -> Program {
    Program::ours(env!("CARGO_BIN_EXE_tahoe"))
}

/// A gateway before two storage servers.
fn grid() -> Grid {
    let ours = ours();
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 2,
    };
    Grid::start(&[&ours, &ours], &[&ours], encoding)
}

/// A new directory; returns the path of its page.
fn directory(grid: &Grid) -> String {
    let made = grid.gateway(0).request("POST", "/uri?t=mkdir", b"");
    assert_eq!(made.status, 200, "{}", made.text());
    format!("/uri/{}/", made.text().replace(':', "%3A"))
}
