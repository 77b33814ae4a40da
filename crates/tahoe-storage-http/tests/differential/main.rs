//! The same requests, good and bad, to the reference's server and to ours, answer by answer.
//!
//! A row is a request; its answers must have the same status, the same headers that matter and the
//! same body (CBOR compared by meaning, texts for people not at all), unless the row says how ours
//! differs. Rows of one test go to the same two servers in order, so they build on each other.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod immutable;
mod pair;
mod paths;
mod requests;
mod slots;
