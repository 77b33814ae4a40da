//! Shared drives: trees of names that vdrive servers keep, beside the directories on the grid.
//!
//! [`AnyDirectory`] is a directory of either sort, [`AnyDirectories`] what can be done with it, so
//! that a frontend needs to know only one sort.

mod any;
mod directory;
mod error;
mod metadata;

pub use any::{AnyChild, AnyDirectories, AnyDirectory, AnyListing, AnyNode};
pub use directory::{DriveDirectory, Removal};
pub use error::AnyDirectoryError;

use crate::Client;
use foolscap::Tub;
use std::collections::BTreeMap;
use std::sync::Arc;
use tahoe_vdrive::{Drive, DriveFurl, DriveOptions, DriveStatus};

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
    /// Connects to these drives, by name and FURL, each through a tub; must be called inside a tokio
    /// runtime, and once. The connections end with the tubs.
    pub fn use_drives(&self, drives: Vec<(String, DriveFurl, Tub)>) {
        let connect = |(name, furl, tub): (String, DriveFurl, Tub)| {
            let options = DriveOptions {
                cpu: self.pool().clone(),
                clock: Arc::clone(self.clock()),
            };
            (Arc::from(name), Drive::connect(&tub, furl, options))
        };
        self.drives
            .get_or_init(|| Drives(drives.into_iter().map(connect).collect()));
    }

    /// The shared drives that it knows.
    pub fn drives(&self) -> &Drives {
        self.drives.get_or_init(Drives::default)
    }
}
