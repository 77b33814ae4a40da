//! The storage service over HTTPS and CBOR ("Great Black Swamp"), client and server side.
//!
//! [`HttpStorageClient`] is the storage service that a [`Nurl`] names; [`StorageHttpServer`] serves
//! any [`StorageService`](tahoe_storage_api::StorageService). Paths, statuses, headers and messages
//! are those of Tahoe-LAFS 1.20; `docs/protocols/storage-over-https.md` has them in tables, with
//! the limits and the differences.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tahoe_storage_api::StorageService as _;
//! use tahoe_storage_http::{ClientOptions, HttpStorageClient, Nurl};
//! let nurl: Nurl = std::fs::read_to_string("nurl.txt")?.trim().parse()?;
//! let server = HttpStorageClient::new(nurl, ClientOptions::default())?;
//! println!("{}", server.version().await?.application_version);
//! # Ok(())
//! # }
//! ```
//!
//! **Invariants:** a server is whoever has the key that its NURL pins; nothing else about its
//! certificate counts. Neither side believes the other: every body, header, wait and queue has a
//! limit. What is retried was either never sent or changes nothing. Secrets never reach logs.

mod client;
mod nurl;
mod pace;
mod server;
mod stream;
mod tls;
pub mod wire;

pub use client::{BoxStream, ClientOptions, Connector, HttpStorageClient, Stream};
pub use nurl::{Nurl, NurlError, NurlNetwork, SpkiHash, Swissnum};
pub use server::{ServerHandle, ServerLimits, StorageHttpServer};
pub use tls::{ServerTls, TlsError, certificate_key_hash};
