//! How operations on directories of either sort fail.

use tahoe_directory::{ChildName, DirectoryError, EditError};
use tahoe_vdrive::{BadName, DriveError};

/// An operation on a directory of the grid or of a shared drive failed.
///
/// What can happen in both is a [`DirectoryError`], also if it happened in a drive.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AnyDirectoryError {
    /// What can happen in a directory of the grid.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// What can only happen in a shared drive.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// A shared drive takes fewer names than the grid.
    #[error("a name that a shared drive doesn't take")]
    BadName(#[source] BadName),
    /// A shared drive takes shorter capabilities than the grid.
    #[error("a capability that is too long for a shared drive")]
    CapTooLong,
    /// A directory of a drive has no capability: it can't be linked elsewhere.
    #[error("a directory of a shared drive can't leave the drive")]
    StaysInDrive,
    /// What the server gave is no capability that may stand in a directory.
    #[error("an entry of the shared drive holds no capability")]
    BadEntry,
}

impl AnyDirectoryError {
    /// What a drive says about a name.
    pub(super) fn about(name: &ChildName, error: DriveError) -> Self {
        match error {
            DriveError::NoSuchEntry => EditError::NoSuchChild(name.clone()).into(),
            DriveError::NameTaken => EditError::ChildExists(name.clone()).into(),
            DriveError::NotADirectory => DirectoryError::NotADirectory(name.clone()).into(),
            DriveError::ReadOnly => DirectoryError::NotWritable.into(),
            other => Self::Drive(other),
        }
    }

    /// Whether it says that there is no child of the name that was asked for.
    pub fn is_no_such_child(&self) -> bool {
        matches!(
            self,
            Self::Directory(DirectoryError::Edit(EditError::NoSuchChild(_)))
        )
    }

    /// Whether it says that what the drive's server gave isn't an entry as it should be.
    pub fn is_bad_entry(&self) -> bool {
        matches!(
            self,
            Self::BadEntry | Self::Drive(DriveError::Forged(_) | DriveError::RolledBack { .. })
        )
    }

    /// Whether it says that a name was taken.
    pub fn is_child_exists(&self) -> bool {
        matches!(
            self,
            Self::Directory(DirectoryError::Edit(EditError::ChildExists(_)))
        )
    }
}

impl From<EditError> for AnyDirectoryError {
    fn from(error: EditError) -> Self {
        Self::Directory(error.into())
    }
}
