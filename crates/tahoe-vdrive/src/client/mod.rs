//! A drive as a client sees it.
//!
//! [`Drive`] keeps the connection, [`Directory`] has the operations. What the server says is
//! checked here: signatures, places, and that no entry is older than one that was seen before.

mod changes;
mod connection;
mod directory;
mod listings;
mod memory;
mod seen;
mod trash;

pub use changes::Changes;
pub use connection::DriveStatus;
pub use directory::{Directory, RemoveMode, Replace};
pub use trash::{TrashItem, TrashPage, TrashQuery};

use crate::ids::{EntryId, Version};
use crate::name::EntryName;
use crate::record::{Metadata, Target};
use crate::{Clock, DirectoryId, DriveError, DriveFurl, DriveKeys};
use connection::{Connection, Shared, call};
use foolscap::{Furl, Tub};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_tasks::CpuPool;

/// What a drive's client needs of its program.
#[derive(Clone)]
pub struct DriveOptions {
    /// Where signatures and ciphers are worked at.
    pub cpu: CpuPool,
    /// Tells the time.
    pub clock: Clock,
    /// Where the client keeps which versions it has seen, in two files of this name with `.new` and
    /// `.old`, so that also after a restart nobody can make it believe in something older. Nobody
    /// else may use them at the same time. Without it, that lasts as long as the client runs.
    pub seen: Option<PathBuf>,
}

/// A shared drive, connected or not. Clones are the same; the connection's upkeep ends with the
/// last one.
#[derive(Clone, Debug)]
pub struct Drive(Arc<Connection>);

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is called.
    pub name: EntryName,
    /// Where it leads.
    pub target: Target,
    /// Its version.
    pub version: Version,
    /// What else it says.
    pub metadata: Metadata,
}

/// Whether what is shown is so now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It was just read from the server.
    Fresh,
    /// The server can't be reached; it was so then.
    Old {
        /// When it was read.
        since: SystemTime,
    },
}

/// An entry that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry.
    pub entry: Entry,
    /// Whether it is so now.
    pub freshness: Freshness,
}

/// An entry in a listing that isn't what it should be.
#[derive(Debug, Clone)]
pub struct BadEntry {
    /// By what the server knows it.
    pub id: EntryId,
    /// What it is called, if it was signed by a writer of the drive and can be read.
    pub name: Option<EntryName>,
    /// What is wrong with it.
    pub problem: DriveError,
}

/// Entries of a directory.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The entries: of a page in the drive's own order, of a whole directory by name.
    pub entries: Vec<Entry>,
    /// Those that aren't what they should be, of which only that is known.
    pub bad: Vec<BadEntry>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<PageMark>,
    /// Whether it is so now.
    pub freshness: Freshness,
}

/// Where a page of a listing begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageMark(EntryId);

impl PageMark {
    /// The form in which a page's link may carry it.
    pub fn to_text(self) -> String {
        self.0.to_string()
    }

    /// Reads that form.
    pub fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl Drive {
    /// Begins to connect; must be called inside a tokio runtime. Fails if what was seen before can't
    /// be read.
    pub fn connect(tub: &Tub, furl: DriveFurl, options: DriveOptions) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Connection::start(tub, furl, options)?)))
    }

    /// Whether the server can be reached.
    pub fn status(&self) -> DriveStatus {
        self.0.status()
    }

    /// Waits until the server is connected.
    pub async fn connected(&self) {
        self.0.connected().await;
    }

    /// Says whether the drive can only be read.
    pub fn is_read_only(&self) -> bool {
        self.shared().keys.write_keys().is_none()
    }

    /// The drive's root.
    pub fn root(&self) -> Directory {
        self.directory(DirectoryId::ROOT)
    }

    /// A directory by its id, as a [`Target`] says it; whether it is there, its operations show.
    pub fn directory(&self, id: DirectoryId) -> Directory {
        Directory::new(Arc::clone(&self.0), id)
    }

    /// Follows names from the root.
    pub async fn open(&self, path: &[EntryName]) -> Result<Directory, DriveError> {
        self.root().open(path).await
    }

    /// The line of a file for those who shall only read the drive: a secret.
    pub async fn read_only_furl(&self) -> Result<DriveFurl, DriveError> {
        let root = self.0.root()?;
        let answer = call(&root, "read_only", Vec::new()).await?;
        let reference = answer
            .as_reference()
            .and_then(|reference| reference.remote());
        let furl = reference.and_then(|root| Furl::parse(root.url()?).ok());
        Ok(DriveFurl {
            furl: furl.ok_or(DriveError::BadAnswer("read_only"))?,
            keys: DriveKeys::ReadOnly(Box::new(self.shared().keys.read_keys().clone())),
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
}

impl std::fmt::Debug for DriveOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DriveOptions").finish_non_exhaustive()
    }
}
