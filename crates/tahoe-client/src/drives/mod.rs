//! Shared drives: trees of names that vdrive servers keep, beside the directories on the grid.
//!
//! [`AnyDirectory`] is a directory of either sort, [`AnyDirectories`] what can be done with it, so
//! that a frontend needs to know only one sort.

mod any;
mod changes;
mod directory;
mod error;
mod metadata;
mod trash;

pub use any::{AnyChild, AnyChildren, AnyDirectories, AnyDirectory, AnyListing, AnyNode};
pub use changes::{DriveChanges, DriveNews};
pub use directory::{DriveDirectory, Removal};
pub use error::AnyDirectoryError;
pub use trash::{Trash, Trashed, TrashedChild};

use crate::Client;
use foolscap::Tub;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tahoe_vdrive::{Drive, DriveFurl, DriveOptions, DriveStatus};

/// A shared drive that a client is to use.
#[derive(Debug)]
pub struct UsedDrive {
    /// What its owner calls it.
    pub name: String,
    /// Where it is, and its key.
    pub furl: DriveFurl,
    /// What connects to it; the connection ends with it.
    pub tub: Tub,
    /// Where the client keeps what it has seen ([`DriveOptions::seen`]).
    pub seen: PathBuf,
}

/// The shared drives that a client knows, by the names that its owner gave them.
#[derive(Debug, Default)]
pub struct Drives(BTreeMap<Arc<str>, Drive>);

impl Drives {
    /// The drive that needn't be named.
    pub const DEFAULT: &str = "default";

    /// The root directory of a drive; none if there is no drive of that name.
    pub fn root(&self, name: &str) -> Option<DriveDirectory> {
        let (name, drive) = self.0.get_key_value(name)?;
        Some(DriveDirectory::root(Arc::clone(name), drive))
    }

    /// The drives and whether their servers can be reached, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, DriveStatus)> {
        let drives = self.0.iter();
        drives.map(|(name, drive)| (&**name, drive.status()))
    }
}

impl Client {
    /// Connects to these drives; must be called inside a tokio runtime, and once. Fails if what was
    /// seen of one can't be read.
    pub fn use_drives(&self, drives: Vec<UsedDrive>) -> std::io::Result<()> {
        let connect = |drive: UsedDrive| {
            let options = DriveOptions {
                cpu: self.pool().clone(),
                clock: Arc::clone(self.clock()),
                seen: Some(drive.seen),
            };
            let connected = Drive::connect(&drive.tub, drive.furl, options)?;
            Ok((Arc::from(drive.name), connected))
        };
        let drives: std::io::Result<_> = drives.into_iter().map(connect).collect();
        let drives = Drives(drives?);
        self.drives.get_or_init(|| drives);
        Ok(())
    }

    /// The shared drives that it knows.
    pub fn drives(&self) -> &Drives {
        self.drives.get_or_init(Drives::default)
    }
}
