//! What a client listed last, for when the server is down.

use super::Entry;
use crate::ids::{DirectoryId, EntryId};
use crate::limits::MAX_REMEMBERED_ENTRIES;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::SystemTime;

/// Directories as they were when they were last seen; those not used for longest go first.
#[derive(Default)]
pub(super) struct Listings {
    directories: HashMap<DirectoryId, Seen>,
    /// Entries of all of them.
    count: usize,
    /// Counts uses.
    time: u64,
}

#[derive(Default)]
struct Seen {
    entries: BTreeMap<EntryId, Entry>,
    /// When something of it was last seen.
    seen: Option<SystemTime>,
    /// When a page of it was last seen; without one, its entries are only some.
    listed: Option<SystemTime>,
    used: u64,
}

/// A page as it was.
pub(super) struct OldPage {
    pub(super) entries: Vec<(EntryId, Entry)>,
    /// Whether others follow.
    pub(super) more: bool,
    /// When the directory was last listed.
    pub(super) since: SystemTime,
}

impl Listings {
    /// Remembers a page: all that is good after an entry, up to another one or the end.
    pub(super) fn put_page(
        &mut self,
        directory: DirectoryId,
        after: Option<EntryId>,
        up_to: Option<EntryId>,
        entries: &[(EntryId, Entry)],
        now: SystemTime,
    ) {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let last = up_to.map_or(Bound::Unbounded, Bound::Included);
        self.change(directory, now, |seen| {
            let old = seen.entries.range((first, last)).map(|(id, _)| *id);
            for id in old.collect::<Vec<_>>() {
                seen.entries.remove(&id);
            }
            seen.entries.extend(entries.iter().cloned());
            seen.listed = Some(now);
        });
    }

    /// Remembers one entry, or that there is none.
    pub(super) fn put(
        &mut self,
        directory: DirectoryId,
        id: EntryId,
        entry: Option<&Entry>,
        now: SystemTime,
    ) {
        self.change(directory, now, |seen| match entry {
            Some(entry) => {
                seen.entries.insert(id, entry.clone());
            }
            None => {
                seen.entries.remove(&id);
            }
        });
    }

    /// At most `limit` entries after one.
    pub(super) fn page(
        &mut self,
        directory: DirectoryId,
        after: Option<EntryId>,
        limit: usize,
    ) -> Option<OldPage> {
        self.time += 1;
        let seen = self.directories.get_mut(&directory)?;
        seen.used = self.time;
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = seen.entries.range((first, Bound::Unbounded));
        let page = entries.by_ref().take(limit);
        let page = page.map(|(id, entry)| (*id, entry.clone())).collect();
        Some(OldPage {
            entries: page,
            more: entries.next().is_some(),
            since: seen.listed?,
        })
    }

    pub(super) fn entry(&self, directory: DirectoryId, id: EntryId) -> Option<(Entry, SystemTime)> {
        let seen = self.directories.get(&directory)?;
        Some((seen.entries.get(&id)?.clone(), seen.seen?))
    }

    fn change(&mut self, directory: DirectoryId, now: SystemTime, change: impl FnOnce(&mut Seen)) {
        self.time += 1;
        let seen = self.directories.entry(directory).or_default();
        let before = seen.entries.len();
        change(seen);
        seen.seen = Some(now);
        seen.used = self.time;
        self.count = self.count - before + seen.entries.len();
        while self.count > MAX_REMEMBERED_ENTRIES {
            let directories = self.directories.iter();
            let Some((&oldest, _)) = directories.min_by_key(|(_, seen)| seen.used) else {
                return;
            };
            let forgotten = self.directories.remove(&oldest);
            self.count -= forgotten.map_or(0, |seen| seen.entries.len());
        }
    }
}
