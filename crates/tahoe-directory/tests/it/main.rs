//! Directories on a grid of servers in memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod grid;
mod operations;
mod walks;
mod writers;
