//! The introducer and its clients over real Foolscap connections.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod grid;
mod hostile;
mod introductions;
