//! Mutable files on grids of servers in memory.
#![allow(clippy::unwrap_used, reason = "this is a test")]

mod checks;
mod faults;
mod forgery;
mod grid;
mod large;
mod model;
mod status;
mod transfers;
mod writers;
