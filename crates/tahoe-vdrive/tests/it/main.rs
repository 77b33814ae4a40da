//! A drive's store, server and client together.
#![expect(clippy::unwrap_used, reason = "a test's helper may fail as a test may")]

mod drive;
mod hostile;
mod kills;
mod model;
mod postgres;
mod processes;
mod store;
mod support;
