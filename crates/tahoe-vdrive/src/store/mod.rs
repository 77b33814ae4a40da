//! The tree that a server keeps: sealed entries by directory and entry id, and a trash.
//!
//! One writer takes changes from a bounded queue and commits all that wait as one transaction, so
//! that an acknowledged change is durable and many of them share the disk's one flush. Reads go
//! their own way beside it and see what is committed.
//!
//! What a change does is written once (`apply`), over the few words of SQL that SQLite and
//! PostgreSQL share (`sql::Database`).

mod apply;
mod error;
mod postgres;
mod read;
mod schema;
mod sql;
mod sqlite;
mod sweep;
mod writer;

pub use error::{DatabaseError, StoreError};

use crate::ids::{DirectoryId, EntryId, Place, Revision, Version};
use crate::limits::{MAX_ANNOUNCED_CHANGES, MAX_WAITING_CHANGES};
use crate::record::Record;
use bytes::Bytes;
use sql::Reader;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{broadcast, mpsc, oneshot};
use zeroize::Zeroizing;

/// What an entry has to be before a change for the change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything but a directory.
    Any,
    /// Not there.
    Absent,
    /// A file's, of this version.
    Version(Version),
}

/// A change of a drive. It is made whole or not at all.
#[derive(Debug, Clone)]
pub enum Change {
    /// Makes a directory where no entry is; the record says its id.
    AddDirectory {
        /// Where.
        place: Place,
        /// Its entry.
        record: Record,
    },
    /// Puts a file, or puts one in the place of another, which goes to the trash.
    AddFile {
        /// Where.
        place: Place,
        /// Its entry.
        record: Record,
        /// What has to be there.
        expected: Expected,
    },
    /// Puts an entry into the trash.
    Remove {
        /// Which.
        place: Place,
        /// The version that it must have; any if `None`.
        version: Option<Version>,
        /// Whether a directory may have entries.
        recursive: bool,
    },
    /// Takes an entry away and puts it elsewhere, under another name or not.
    Move {
        /// From where.
        from: Place,
        /// The version that it must have there: the record was made from that one.
        version: Version,
        /// To where.
        to: Place,
        /// Its entry there.
        record: Record,
        /// What has to be there.
        expected: Expected,
    },
    /// Takes an entry out of the trash and puts it where none is.
    Restore {
        /// Which.
        trash: TrashId,
        /// To where.
        place: Place,
        /// Its entry there.
        record: Record,
    },
}

/// An entry as the database has it, so that one that was damaged there stands in nobody's way.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// What it is known by in its directory.
    pub entry: EntryId,
    /// The last change of it.
    pub revision: Revision,
    /// What should be its sealed bytes.
    pub bytes: Bytes,
}

/// Sealed bytes say nothing to people.
impl std::fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (entry, bytes) = (self.entry, self.bytes.len());
        write!(f, "StoredEntry({entry}, {bytes} bytes)")
    }
}

/// Some entries of a directory, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The last change of the directory.
    pub revision: Revision,
    /// The entries.
    pub entries: Vec<StoredEntry>,
    /// Whether others follow.
    pub more: bool,
}

/// Names what lies in the trash: the revision that put it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrashId(pub u64);

/// What lies in the trash, as the database has it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredTrash {
    /// Which.
    pub id: TrashId,
    /// Where it was.
    pub place: Place,
    /// When it was removed or replaced, in milliseconds since 1970.
    pub removed: u64,
    /// What should be its sealed bytes.
    pub bytes: Bytes,
}

impl std::fmt::Debug for StoredTrash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (TrashId(id), bytes) = (self.id, self.bytes.len());
        write!(f, "StoredTrash({id}, {bytes} bytes)")
    }
}

/// An entry that leads to a directory, as the database has it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredLink {
    /// Where it is, or was, if it is in the trash.
    pub place: Place,
    /// What should be its sealed bytes.
    pub bytes: Bytes,
}

impl std::fmt::Debug for StoredLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (place, bytes) = (self.place, self.bytes.len());
        write!(f, "StoredLink({place:?}, {bytes} bytes)")
    }
}

/// What servers of one drive have in common, and keep with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveNames {
    /// The root's name in the tub for who may change the drive.
    pub read_write: SecretName,
    /// For who may read it.
    pub read_only: SecretName,
}

/// A name in a tub that is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretName(pub(crate) Zeroizing<String>);

impl SecretName {
    /// The name: never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretName(..)")
    }
}

/// Directories whose entries have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// This one.
    Directory(DirectoryId),
    /// Any of them may have.
    All,
}

/// A drive's tree, in a database. Clones are the same one; the last to be dropped ends its writer.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    reader: Arc<dyn Reader>,
    changes: broadcast::Sender<Changed>,
}

/// Work for the writer.
enum Job {
    Change {
        change: Change,
        now: SystemTime,
        reply: oneshot::Sender<Result<Revision, StoreError>>,
    },
    /// Removes from the trash what is too old or too much; answers whether more is to be done.
    Sweep {
        now: SystemTime,
        reply: oneshot::Sender<Result<bool, StoreError>>,
    },
}

impl Store {
    /// Opens or makes the database in a file, for one server.
    pub async fn open_sqlite(path: &Path) -> Result<Self, DatabaseError> {
        let reader = Arc::new(sqlite::Readers::new(path));
        let path = path.to_owned();
        let changes = broadcast::Sender::new(MAX_ANNOUNCED_CHANGES);
        Self::open(async move || sqlite::open(&path), reader, changes).await
    }

    /// Opens or makes the drive in a database of PostgreSQL, for any number of servers; `parameters`
    /// say where it is, such as `host=/run/postgresql user=vdrive dbname=vdrive`.
    pub async fn open_postgres(parameters: &str) -> Result<Self, DatabaseError> {
        let server = postgres::Server::new(parameters)?;
        let changes = broadcast::Sender::new(MAX_ANNOUNCED_CHANGES);
        let reader = Arc::new(postgres::Readers::start(&server, changes.clone()));
        let connect = async move || postgres::Postgres::connect(server).await;
        Self::open(connect, reader, changes).await
    }

    async fn open<D: sql::Database + 'static>(
        connect: impl AsyncFnOnce() -> Result<D, DatabaseError> + Send + 'static,
        reader: Arc<dyn Reader>,
        changes: broadcast::Sender<Changed>,
    ) -> Result<Self, DatabaseError> {
        let (jobs, receiver) = mpsc::channel(MAX_WAITING_CHANGES);
        writer::start(connect, receiver, changes.clone()).await?;
        Ok(Self {
            jobs,
            reader,
            changes,
        })
    }

    /// Makes a change; returns when it is durable.
    pub async fn apply(&self, change: Change, now: SystemTime) -> Result<Revision, StoreError> {
        self.ask(|reply| Job::Change { change, now, reply }).await
    }

    /// Removes a bounded part of what is too old or too much in the trash; says whether more is
    /// left to be done.
    pub async fn sweep(&self, now: SystemTime) -> Result<bool, StoreError> {
        self.ask(|reply| Job::Sweep { now, reply }).await
    }

    /// Follows the changes of this and all other servers of the drive.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    /// The names of the drive's root: those that are kept, or else these, which are kept then.
    pub async fn names(&self, proposed: &DriveNames) -> Result<DriveNames, StoreError> {
        read::names(&*self.reader, proposed).await
    }

    /// The key that checks the drive's entries, if a server said which one it is.
    pub async fn key(&self) -> Result<Option<[u8; 32]>, StoreError> {
        read::key(&*self.reader).await
    }

    /// The key that checks the drive's entries: the one that is kept, or else this, which is kept
    /// then. So of servers that are started at once with keys of their own, one has the drive's.
    pub async fn keep_key(&self, proposed: &[u8; 32]) -> Result<[u8; 32], StoreError> {
        read::keep_key(&*self.reader, proposed).await
    }

    /// Says whether a directory is there, be it in the trash.
    pub async fn has_directory(&self, directory: DirectoryId) -> Result<bool, StoreError> {
        read::has_directory(&*self.reader, directory).await
    }

    /// An entry.
    pub async fn entry(&self, place: Place) -> Result<StoredEntry, StoreError> {
        read::entry(&*self.reader, place).await
    }

    /// At most `limit` entries of a directory, from the first one after `after`.
    pub async fn list(
        &self,
        directory: DirectoryId,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        read::list(&*self.reader, directory, after, limit).await
    }

    /// At most `limit` of what lies in the trash, the last removed first, older than `before`.
    pub async fn trash(
        &self,
        before: Option<TrashId>,
        limit: usize,
    ) -> Result<Vec<StoredTrash>, StoreError> {
        read::trash(&*self.reader, before, limit).await
    }

    /// The entries that lead to a directory, its own first and that in the root last; those of what
    /// was removed are in the trash.
    pub async fn way_to(&self, directory: DirectoryId) -> Result<Vec<StoredLink>, StoreError> {
        read::way_to(&*self.reader, directory).await
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::Database(DatabaseError::Stopped.into());
        self.jobs.send(job(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
