//! The web API over a grid of servers in memory: through the router, and over real connections.
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

mod deep_checks;
mod directories;
mod directory_reference;
mod files;
mod grid;
mod large_directories;
mod mutable;
mod mutable_rows;
mod operations;
mod pages;
mod reference;
mod refusals;
mod serving;
mod uploads;
mod vectors;
