//! What was removed or replaced, and how it comes back.

use super::connection::call;
use super::{Directory, Drive, Entry};
use crate::ids::{DirectoryId, Place};
use crate::limits::{MAX_PAGE_ENTRIES, MAX_TRASH_ENTRIES, MAX_WAY};
use crate::name::EntryName;
use crate::record::{Contents, Record, Target};
use crate::store::{StoredLink, StoredTrash, TrashId};
use crate::{DriveError, Version, wire};
use foolscap::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many items a server may tell of before it isn't believed; sweeping is a little late.
const MAX_SEEN: usize = 2 * MAX_TRASH_ENTRIES;

/// Something in the trash.
#[derive(Debug, Clone)]
pub struct TrashItem {
    /// What it is called there.
    pub id: TrashId,
    /// In which directory it was; that may be gone itself.
    pub directory: DirectoryId,
    /// What it was.
    pub entry: Entry,
    /// When it was removed or replaced, as the server says.
    pub removed: SystemTime,
}

/// Of what in the trash somebody wants to know.
#[derive(Debug, Clone, Default)]
pub struct TrashQuery {
    /// Only of what was in this directory.
    pub directory: Option<DirectoryId>,
    /// Only of what had this name; it needs a directory.
    pub name: Option<EntryName>,
    /// Only of what was removed before this.
    pub before: Option<TrashId>,
    /// How many items at most.
    pub limit: usize,
}

/// A page of what lies in the trash.
#[derive(Debug, Clone)]
pub struct TrashPage {
    /// The last removed first.
    pub items: Vec<TrashItem>,
    /// What the next page is before; `None` after the last one.
    pub next: Option<TrashId>,
}

impl Drive {
    /// Looks through the trash. What can't be read is left out.
    pub async fn search_trash(&self, query: &TrashQuery) -> Result<TrashPage, DriveError> {
        let place = query.directory.zip(query.name.as_ref());
        let place = place.map(|(directory, name)| self.root().at(directory).place(name));
        let is_wanted = |item: &StoredTrash| {
            query.directory.is_none_or(|id| item.place.directory == id)
                && place.is_none_or(|place| item.place == place)
        };
        let (mut found, mut before) = (Vec::new(), query.before);
        let mut seen = 0;
        // One more tells whether there is another page.
        while found.len() <= query.limit {
            let missing = match query.directory {
                None => query.limit.saturating_add(1) - found.len(),
                Some(_) => MAX_PAGE_ENTRIES,
            };
            let page = self.stored_trash(before, missing).await?;
            seen += page.len();
            let Some(last) = page.last().map(|last| last.id) else {
                break;
            };
            if before.is_some_and(|before| before <= last) || seen > MAX_SEEN {
                return Err(DriveError::BadAnswer("trash"));
            }
            before = Some(last);
            found.extend(page.into_iter().filter(is_wanted));
        }
        let is_last = found.len() <= query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| !is_last).map(|last| last.id);
        let items = self.open_trash(found).await?;
        Ok(TrashPage { items, next })
    }

    async fn stored_trash(
        &self,
        before: Option<TrashId>,
        limit: usize,
    ) -> Result<Vec<StoredTrash>, DriveError> {
        let root = self.0.root()?;
        let limit = u64::try_from(limit.min(MAX_PAGE_ENTRIES)).unwrap_or(u64::MAX);
        let before = before.map_or(Value::None, |before| Value::from(before.0));
        let answer = call(&root, "trash", vec![before, Value::from(limit)]).await?;
        let items = answer
            .as_sequence()
            .filter(|items| items.len() <= MAX_PAGE_ENTRIES);
        let items = items.and_then(|items| items.iter().map(wire::as_trash).collect());
        items.ok_or(DriveError::BadAnswer("trash"))
    }

    async fn open_trash(&self, items: Vec<StoredTrash>) -> Result<Vec<TrashItem>, DriveError> {
        let shared = Arc::clone(self.shared());
        let open = move |stored: StoredTrash| {
            let opened = shared.open_one(&stored.place, &stored.bytes);
            if let Err(problem) = &opened {
                tracing::warn!(id = stored.id.0, %problem, "something in the trash can't be read");
            }
            let entry = opened.ok()?;
            Some(TrashItem {
                id: stored.id,
                directory: stored.place.directory,
                entry,
                removed: UNIX_EPOCH
                    .checked_add(Duration::from_millis(stored.removed))
                    .unwrap_or(UNIX_EPOCH),
            })
        };
        let work = move || items.into_iter().filter_map(open).collect();
        Ok(self.shared().cpu.run(work).await)
    }

    /// The names that lead from the root to a directory; if it or one above it is in the trash, those
    /// that led there.
    pub async fn way_to(&self, directory: DirectoryId) -> Result<Vec<EntryName>, DriveError> {
        let root = self.0.root()?;
        let arguments = vec![wire::id(directory.as_bytes())];
        let answer = call(&root, "way_to", arguments).await?;
        let way = answer.as_sequence().filter(|way| way.len() <= MAX_WAY);
        let way = way.and_then(|way| way.iter().map(wire::as_link).collect());
        let way: Vec<StoredLink> = way.ok_or(DriveError::BadAnswer("way_to"))?;
        let shared = Arc::clone(self.shared());
        let open = move || {
            let mut names = Vec::with_capacity(way.len());
            let mut reached = directory;
            for link in way {
                let entry = shared.open_one(&link.place, &link.bytes)?;
                if entry.target != Target::Directory(reached) {
                    return Err(DriveError::BadAnswer("way_to"));
                }
                names.push(entry.name);
                reached = link.place.directory;
            }
            names.reverse();
            match reached {
                DirectoryId::ROOT => Ok(names),
                _ => Err(DriveError::BadAnswer("way_to")),
            }
        };
        self.shared().cpu.run(open).await
    }

    /// Takes something out of the trash and puts it where nothing is; returns its new version.
    pub async fn restore(
        &self,
        item: &TrashItem,
        directory: &Directory,
        name: &EntryName,
    ) -> Result<Version, DriveError> {
        let root = self.0.root()?;
        let contents = Contents {
            name: name.clone(),
            target: item.entry.target.clone(),
            metadata: item.entry.metadata.clone(),
        };
        let arguments = |place: Place, record: &Record| {
            vec![
                Value::from(item.id.0),
                wire::id(place.directory.as_bytes()),
                wire::id(place.entry.as_bytes()),
                wire::record(record),
            ]
        };
        directory
            .change(&contents, &root, "restore", arguments)
            .await
    }
}
