//! Tubs of ours with each other, and with those of Python's foolscap.
#![expect(clippy::unwrap_used, reason = "a test's helper may fail as a test may")]

mod cuts;
mod echo;
mod gifts;
mod hostile;
mod objects;
mod python;
mod sam;
mod socks;
mod tubs;
