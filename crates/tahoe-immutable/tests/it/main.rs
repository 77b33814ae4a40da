//! Uploads, downloads, checks and repairs over grids of servers in memory, and against Tahoe-LAFS itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod download_faults;
mod grid;
mod oracle;
mod placement;
mod repair;
mod selection;
mod share_bytes;
mod transfers;
mod upload_faults;
mod vectors;
