//! The storage service over Foolscap: `RIStorageServer` and its writers and readers.
//!
//! [`FoolscapStorageClient`] is a server that is reached by its FURL; [`FoolscapStorageServer`]
//! is an object for a tub that serves any [`StorageService`](tahoe_storage_api::StorageService).
//!
//! Over Foolscap an upload is an object of the server, and ends with the connection: when the
//! client goes away before `close`, its incomplete shares are removed. A share exists once it is
//! closed.
//!
//! **Invariants:** what a peer sends is checked as it is taken apart, in `wire` and nowhere else;
//! its secrets appear in no log. Each table has a limit. The protocol is described in
//! `docs/protocols/storage-over-foolscap.md`.

mod client;
mod failure;
mod server;
mod wire;

pub use client::{FoolscapStorageClient, client_limits};
pub use server::{FoolscapStorageServer, server_limits};
