//! Why a store refuses or fails.

use crate::ids::Version;
use crate::limits::MAX_DEPTH;
use std::sync::Arc;

/// A database fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// SQLite says so.
    #[error("the drive's database fails")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL says so, or can't be reached.
    #[error("the drive's database fails")]
    Postgres(#[from] tokio_postgres::Error),
    /// It holds another format.
    #[error("the drive's database has format {0}, which this version doesn't know")]
    Format(i64),
    /// A row isn't what was written.
    #[error("the drive's database holds a row that can't be read: {0}")]
    BadRow(&'static str),
    /// Its writer can't be started.
    #[error("the drive's writer can't be started")]
    Thread(#[source] std::io::Error),
    /// The store is being stopped.
    #[error("the drive is being stopped")]
    Stopped,
    /// It failed at another change that was to be made together with this one.
    #[error(transparent)]
    Batch(Arc<Self>),
}

/// A store refuses a change, or fails.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory isn't there, or has been removed.
    #[error("there is no such directory")]
    NoSuchDirectory,
    /// The entry isn't there.
    #[error("there is no such entry")]
    NoSuchEntry,
    /// It isn't in the trash any more.
    #[error("it isn't in the trash")]
    NotInTrash,
    /// An entry, or a directory, is there already.
    #[error("the name is taken")]
    NameTaken,
    /// A directory has entries.
    #[error("the directory isn't empty")]
    NotEmpty,
    /// The entry isn't what the caller saw.
    #[error("the entry has changed")]
    Changed {
        /// Its version now; `None` if there is none.
        current: Option<Version>,
    },
    /// The new version isn't later than one that was there.
    #[error("the new version is not later than {latest}")]
    Stale {
        /// The latest that was there.
        latest: Version,
    },
    /// A directory can't go into itself.
    #[error("a directory can't be moved into itself")]
    Cycle,
    /// Too many levels.
    #[error("a directory has more than {MAX_DEPTH} levels above it")]
    TooDeep,
    /// The record isn't that of such a change.
    #[error("the sealed entry doesn't fit the change")]
    WrongRecord,
    /// The database fails; whether a change was made isn't known.
    #[error(transparent)]
    Database(Arc<DatabaseError>),
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(Arc::new(error))
    }
}
