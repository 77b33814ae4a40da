//! The shared drive: one tree of names for all who have its FURL, kept by a *vdrive server*.
//!
//! - [`DriveFurl`]: the line of a `vdrive.furl` file: where the drive is, and the key to its entries.
//! - [`Drive`], [`Directory`]: the drive as a client sees it.
//! - [`VdriveServer`]: serves a drive in a Foolscap tub.
//! - [`store::Store`]: the drive's tree in a database.
//!
//! An entry leads to a file of the grid, by its capability, or to a directory of the drive. Clients
//! seal entries: the server keeps the tree, but reads neither names nor capabilities.
//!
//! ```
//! use foolscap::{Tub, TubIdentity, TubOptions};
//! use std::{num::NonZeroUsize, sync::Arc, time::SystemTime};
//! use tahoe_vdrive::{
//!     CapText, Caps, Drive, DriveFurl, DriveOptions, EntryName, Metadata, Replace, Target,
//!     VdriveServer,
//!     store::Store,
//! };
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let place = tempfile::tempdir()?;
//! let store = Store::open_sqlite(&place.path().join("vdrive.sqlite")).await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let hint = format!("tcp:127.0.0.1:{}", listener.local_addr()?.port());
//! let options = TubOptions { location: vec![hint], ..TubOptions::default() };
//! let tub = Tub::new(TubIdentity::generate()?, options)?;
//! let server = VdriveServer::start(store, &tub, Arc::new(SystemTime::now)).await?;
//! tub.listen(listener);
//!
//! // What is in `vdrive.furl` and `vdrive-readonly.furl`; the secret is random bytes.
//! let (read_write, read_only) = server.furls();
//! let secret = [7; 32];
//! let (furl, _) = DriveFurl::of_new_drive(read_write.clone(), read_only.clone(), secret);
//!
//! let client = Tub::new(TubIdentity::generate()?, TubOptions::default())?;
//! let cpu = tahoe_tasks::CpuPool::new(NonZeroUsize::MIN);
//! let options = DriveOptions { cpu, clock: Arc::new(SystemTime::now), seen: None };
//! let drive = Drive::connect(&client, furl, options)?;
//! drive.connected().await;
//! let cap = CapText::new("URI:LIT:nbswy3dp").unwrap();
//! let (name, caps) = (EntryName::new("greeting")?, Caps::read_only(cap));
//! let root = drive.root();
//! root.set_file(&name, caps.clone(), Metadata::default(), Replace::Never).await?;
//! assert_eq!(root.get(&name).await?.entry.target, Target::File(caps));
//! client.stop().await;
//! server.stop().await;
//! tub.stop().await;
//! # Ok(()) }
//! ```
//!
//! **Invariants:** what a client delivers was signed by a writer of the drive, for that place; a
//! client that has seen an entry isn't given an older one as if it were the present one; an
//! acknowledged change is durable; with a read-only FURL nothing can be changed. The server can
//! withhold entries and changes, and sees sizes, times and the tree's shape.
//!
//! The protocol is described in `docs/protocols/vdrive.md`, what is stored in
//! `docs/formats/vdrive.md`.

mod client;
mod error;
mod furl;
mod ids;
mod keys;
pub mod limits;
mod name;
mod record;
mod server;
pub mod store;
mod wire;

pub use client::{
    BadEntry, Changes, Directory, Drive, DriveOptions, DriveStatus, Entry, Found, Freshness,
    Listing, PageMark, RemoveMode, Replace, TrashItem, TrashPage, TrashQuery,
};
pub use error::DriveError;
pub use furl::{BadDriveFurl, DriveFurl};
pub use ids::{DirectoryId, EntryId, Place, Revision, Version};
pub use keys::{BadKey, DriveKeys, ReadKeys, WriteKeys};
pub use name::{BadName, EntryName};
pub use record::{BadRecord, CapText, Caps, Contents, Forged, Metadata, Record, Target};
pub use server::{Clock, ServeError, VdriveServer};
