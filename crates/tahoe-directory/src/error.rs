//! How operations on directories fail.

use crate::{ChildName, EditError, TableError};
use std::sync::Arc;
use tahoe_immutable::{DownloadError, UploadError};
use tahoe_mutable::{PublishError, ReadError};

/// An operation on a directory failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The capability doesn't allow changes.
    #[error("the directory can't be changed with this capability")]
    NotWritable,
    /// On the way along a path something isn't a directory.
    #[error("something on the path isn't a directory")]
    NotADirectory(ChildName),
    /// The change was refused; the directory is as it was.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The content of the directory's file isn't a directory.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The mutable file that holds the directory can't be read.
    #[error(transparent)]
    Read(Arc<ReadError>),
    /// The mutable file that holds the directory can't be written. Several changes may share this.
    #[error(transparent)]
    Publish(Arc<PublishError>),
    /// The immutable file that holds the directory can't be read.
    #[error(transparent)]
    Download(Arc<DownloadError>),
    /// The immutable file that is to hold the directory can't be stored.
    #[error(transparent)]
    Upload(Arc<UploadError>),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// A walk came upon more objects than it can keep apart.
    #[error("there are more than {most} objects below the directory")]
    TooManyObjects {
        /// How many can be kept apart.
        most: usize,
    },
}

impl From<ReadError> for DirectoryError {
    fn from(error: ReadError) -> Self {
        Self::Read(Arc::new(error))
    }
}

impl From<PublishError> for DirectoryError {
    fn from(error: PublishError) -> Self {
        Self::Publish(Arc::new(error))
    }
}

impl From<DownloadError> for DirectoryError {
    fn from(error: DownloadError) -> Self {
        Self::Download(Arc::new(error))
    }
}

impl From<UploadError> for DirectoryError {
    fn from(error: UploadError) -> Self {
        Self::Upload(Arc::new(error))
    }
}
