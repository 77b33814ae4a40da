//! What was removed or replaced, and how it comes back.

use super::connection::call;
use super::{Directory, Drive, Entry};
use crate::ids::{DirectoryId, Place};
use crate::limits::MAX_PAGE_ENTRIES;
use crate::name::EntryName;
use crate::record::{Contents, Record};
use crate::store::{StoredTrash, TrashId};
use crate::{DriveError, Version, wire};
use foolscap::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

impl Drive {
    /// At most `limit` of what lies in the trash, the last removed first, from the first one that
    /// was removed before `before`. What can't be read is left out.
    pub async fn trash(
        &self,
        before: Option<TrashId>,
        limit: usize,
    ) -> Result<Vec<TrashItem>, DriveError> {
        let root = self.0.root()?;
        let limit = u64::try_from(limit.min(MAX_PAGE_ENTRIES)).unwrap_or(u64::MAX);
        let before = before.map_or(Value::None, |before| Value::from(before.0));
        let answer = call(&root, "trash", vec![before, Value::from(limit)]).await?;
        let items = answer
            .as_sequence()
            .filter(|items| items.len() <= MAX_PAGE_ENTRIES);
        let items = items.and_then(|items| items.iter().map(wire::as_trash).collect());
        let items: Vec<StoredTrash> = items.ok_or(DriveError::BadAnswer("trash"))?;
        let shared = Arc::clone(self.shared());
        let open = move |stored: StoredTrash| {
            let opened = shared.open_one(&stored.place, stored.record.as_bytes());
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
