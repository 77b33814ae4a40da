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
    Changes, Directory, Drive, DriveOptions, DriveStatus, Entry, Found, Freshness, Listing,
    PageMark, RemoveMode, Replace, TrashItem,
};
pub use error::DriveError;
pub use furl::{BadDriveFurl, DriveFurl};
pub use ids::{DirectoryId, EntryId, Place, Revision, Version};
pub use keys::{BadKey, DriveKeys, ReadKeys, WriteKeys};
pub use name::{BadName, EntryName};
pub use record::{BadRecord, CapText, Contents, Forged, Metadata, Record, Target};
pub use server::{Clock, ServeError, VdriveServer};
