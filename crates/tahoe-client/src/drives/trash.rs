//! What was removed from a shared drive or replaced in it, and how it comes back.

use super::directory::{DriveDirectory, entry_name};
use super::error::AnyDirectoryError;
use std::collections::HashMap;
use std::time::SystemTime;
use tahoe_directory::{ChildName, Node};
use tahoe_vdrive::limits::TRASH_TIME;
use tahoe_vdrive::store::TrashId;
use tahoe_vdrive::{DirectoryId, DriveError, EntryName, Target, TrashItem, TrashQuery};

/// Something that was removed or replaced.
#[derive(Debug, Clone)]
pub struct TrashedChild {
    /// What it is called in the trash.
    pub id: u64,
    /// What it was called.
    pub name: ChildName,
    /// What it was; none for a directory of the drive.
    pub node: Option<Node>,
    /// When it was removed or replaced, as the server says.
    pub removed: SystemTime,
    /// Until when it can be restored.
    pub kept_until: SystemTime,
    /// Whether it was in the directory that was asked about, not elsewhere in the drive.
    pub was_here: bool,
    /// The names that lead to the directory that it was in, or that did until that was removed
    /// itself; none if nobody can say.
    pub was_in: Option<Vec<ChildName>>,
}

/// A page of the trash.
#[derive(Debug, Clone)]
pub struct Trash {
    /// The last removed first.
    pub children: Vec<TrashedChild>,
    /// What the next page is before; none after the last one.
    pub next: Option<u64>,
}

/// What is to be restored.
#[derive(Debug, Clone)]
pub enum Trashed {
    /// By what it is called in the trash.
    Id(u64),
    /// The last that was removed from the directory, or replaced there, under a name.
    LastOf(ChildName),
}

impl DriveDirectory {
    /// What was removed from here or replaced here; of the root, what was anywhere in the drive. At
    /// most `limit`, removed before `before`.
    pub async fn trash(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Trash, AnyDirectoryError> {
        self.check_changeable()?;
        let query = TrashQuery {
            directory: (!self.path().is_empty()).then(|| self.directory().id()),
            name: None,
            before: before.map(TrashId),
            limit,
        };
        let page = self.drive().search_trash(&query).await?;
        let mut ways = HashMap::from([(self.directory().id(), Some(self.path().to_vec()))]);
        let mut children = Vec::with_capacity(page.items.len());
        for item in &page.items {
            let was_in = match ways.get(&item.directory) {
                Some(way) => way.clone(),
                None => {
                    let way = self.way_to(item.directory).await?;
                    ways.insert(item.directory, way.clone());
                    way
                }
            };
            children.push(self.trashed(item, was_in)?);
        }
        let next = page.next.map(|next| next.0);
        Ok(Trash { children, next })
    }

    async fn way_to(
        &self,
        directory: DirectoryId,
    ) -> Result<Option<Vec<ChildName>>, AnyDirectoryError> {
        match self.drive().way_to(directory).await {
            Ok(way) => {
                let names = way.iter().map(|name| ChildName::new(name.as_str()));
                Ok(Some(names.collect()))
            }
            Err(
                error @ (DriveError::NotConnected | DriveError::Lost(_) | DriveError::TimedOut),
            ) => Err(error.into()),
            Err(problem) => {
                tracing::debug!(%directory, %problem, "where something was isn't known");
                Ok(None)
            }
        }
    }

    fn trashed(
        &self,
        item: &TrashItem,
        was_in: Option<Vec<ChildName>>,
    ) -> Result<TrashedChild, AnyDirectoryError> {
        let node = match &item.entry.target {
            Target::Directory(_) => None,
            Target::File(cap) => Some(self.node(cap)?),
        };
        Ok(TrashedChild {
            id: item.id.0,
            name: ChildName::new(item.entry.name.as_str()),
            node,
            removed: item.removed,
            kept_until: item.removed.checked_add(TRASH_TIME).unwrap_or(item.removed),
            was_here: item.directory == self.directory().id(),
            was_in,
        })
    }

    /// Puts something out of the trash here, under its own name or another one; nothing is replaced.
    /// Returns the name.
    pub async fn restore(
        &self,
        trashed: &Trashed,
        name: Option<&ChildName>,
    ) -> Result<ChildName, AnyDirectoryError> {
        self.check_changeable()?;
        let item = self.find_trashed(trashed).await?;
        let item = item.ok_or(DriveError::NotInTrash)?;
        let name = match name {
            Some(name) => entry_name(name)?,
            None => item.entry.name.clone(),
        };
        let shown = ChildName::new(name.as_str());
        let restored = self.drive().restore(&item, self.directory(), &name).await;
        restored.map_err(|error| AnyDirectoryError::about(&shown, error))?;
        Ok(shown)
    }

    async fn find_trashed(&self, trashed: &Trashed) -> Result<Option<TrashItem>, DriveError> {
        let mut query = TrashQuery {
            limit: 1,
            ..TrashQuery::default()
        };
        match trashed {
            Trashed::Id(id) => query.before = Some(TrashId(id.saturating_add(1))),
            Trashed::LastOf(name) => {
                let Ok(name) = EntryName::new(name.as_str()) else {
                    return Ok(None);
                };
                query.directory = Some(self.directory().id());
                query.name = Some(name);
            }
        }
        let page = self.drive().search_trash(&query).await?;
        let mut items = page.items.into_iter();
        Ok(match trashed {
            Trashed::Id(id) => items.find(|item| item.id.0 == *id),
            Trashed::LastOf(_) => items.next(),
        })
    }
}
