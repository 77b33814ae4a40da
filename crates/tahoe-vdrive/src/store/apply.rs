//! What a change does.
//!
//! Each change first looks at everything that could refuse it and only then writes, so that many of
//! them share a transaction and one that is refused leaves no trace.

use super::sql::{Cell, Cells, Database};
use super::{Change, Changed, DatabaseError, Expected, StoreError, TrashId};
use crate::ids::{DirectoryId, EntryId, Place, Version};
use crate::limits::MAX_DEPTH;
use crate::record::Record;

/// A transaction in which changes are made.
pub(super) struct Applier<'a> {
    database: &'a mut dyn Database,
    /// The revision of the change that is being made.
    revision: u64,
    /// Milliseconds since 1970.
    now: u64,
    /// The directories whose entries have changed.
    changed: Vec<Changed>,
}

/// An entry that is there.
struct Existing {
    version: Version,
    child: Option<DirectoryId>,
    record: Vec<u8>,
}

impl<'a> Applier<'a> {
    /// Begins with the first revision that is free.
    pub(super) fn new(database: &'a mut dyn Database, revision: u64) -> Self {
        Self {
            database,
            revision,
            now: 0,
            changed: Vec::new(),
        }
    }

    /// The directories that have changed.
    pub(super) fn finish(self) -> Vec<Changed> {
        self.changed
    }

    /// Makes a change, as of this time; returns its revision.
    pub(super) async fn apply(&mut self, change: &Change, now: u64) -> Result<u64, StoreError> {
        self.now = now;
        match change {
            Change::AddDirectory { place, record } => self.add_directory(place, record).await,
            Change::AddFile {
                place,
                record,
                expected,
            } => self.add_file(place, record, *expected).await,
            Change::Remove {
                place,
                version,
                recursive,
            } => self.remove(place, *version, *recursive).await,
            Change::Move {
                from,
                version,
                to,
                record,
                expected,
            } => self.relocate(from, *version, to, record, *expected).await,
            Change::Restore {
                trash,
                place,
                record,
            } => self.restore(*trash, place, record).await,
        }?;
        let made = self.revision;
        self.revision += 1;
        Ok(made)
    }

    async fn add_directory(&mut self, place: &Place, record: &Record) -> Result<(), StoreError> {
        let child = record.child().ok_or(StoreError::WrongRecord)?;
        let ancestors = self.live_ancestors(place.directory).await?;
        if let Some(existing) = self.entry(place).await? {
            return existing.is_repeated(record).ok_or(StoreError::NameTaken);
        }
        if ancestors.count >= MAX_DEPTH {
            return Err(StoreError::TooDeep);
        }
        ancestors.check_later(record.version(), None)?;
        let known = "SELECT 1 FROM directories WHERE id = $1";
        if !self.query(known, &[id(child)]).await?.is_empty() {
            return Err(StoreError::NameTaken);
        }
        let insert =
            "INSERT INTO directories (id, parent, removed, revision) VALUES ($1, $2, 0, $3)";
        let revision = Cell::number(self.revision);
        self.query(insert, &[id(child), id(place.directory), revision])
            .await?;
        self.put(place, record).await
    }

    async fn add_file(
        &mut self,
        place: &Place,
        record: &Record,
        expected: Expected,
    ) -> Result<(), StoreError> {
        if record.child().is_some() {
            return Err(StoreError::WrongRecord);
        }
        let ancestors = self.live_ancestors(place.directory).await?;
        let existing = self.entry(place).await?;
        if let Some(repeated) = existing
            .as_ref()
            .and_then(|entry| entry.is_repeated(record))
        {
            return Ok(repeated);
        }
        check_expected(existing.as_ref(), expected)?;
        ancestors.check_later(record.version(), existing.as_ref())?;
        if let Some(existing) = existing {
            self.trash(place, &existing).await?;
        }
        self.put(place, record).await
    }

    async fn remove(
        &mut self,
        place: &Place,
        version: Option<Version>,
        recursive: bool,
    ) -> Result<(), StoreError> {
        self.live_ancestors(place.directory).await?;
        let existing = self.entry(place).await?.ok_or(StoreError::NoSuchEntry)?;
        check_version(&existing, version)?;
        if let Some(child) = existing.child {
            let any = "SELECT 1 FROM entries WHERE directory = $1 LIMIT 1";
            if !recursive && !self.query(any, &[id(child)]).await?.is_empty() {
                return Err(StoreError::NotEmpty);
            }
        }
        self.trash(place, &existing).await?;
        self.set_parent(existing.child, None).await?;
        self.take_away(place, existing.version).await
    }

    async fn relocate(
        &mut self,
        from: &Place,
        version: Version,
        to: &Place,
        record: &Record,
        expected: Expected,
    ) -> Result<(), StoreError> {
        self.live_ancestors(from.directory).await?;
        let ancestors = self.live_ancestors(to.directory).await?;
        let source = self.entry(from).await?.ok_or(StoreError::NoSuchEntry)?;
        check_version(&source, Some(version))?;
        if source.child != record.child() {
            return Err(StoreError::WrongRecord);
        }
        if source
            .child
            .is_some_and(|child| ancestors.ids.contains(&child))
        {
            return Err(StoreError::Cycle);
        }
        if source.child.is_some() && ancestors.count >= MAX_DEPTH {
            return Err(StoreError::TooDeep);
        }
        let target = match from == to {
            true => None,
            false => self.entry(to).await?,
        };
        check_expected(target.as_ref(), expected)?;
        ancestors.check_later(record.version(), target.as_ref())?;
        if from == to && record.version() <= source.version {
            let latest = source.version;
            return Err(StoreError::Stale { latest });
        }
        if let Some(target) = target {
            self.trash(to, &target).await?;
        }
        self.take_away(from, source.version).await?;
        self.set_parent(source.child, Some(to.directory)).await?;
        self.put(to, record).await
    }

    async fn restore(
        &mut self,
        trash: TrashId,
        place: &Place,
        record: &Record,
    ) -> Result<(), StoreError> {
        let select = "SELECT child FROM trash WHERE id = $1";
        let rows = self.query(select, &[Cell::number(trash.0)]).await?;
        let row = rows.into_iter().next().ok_or(StoreError::NotInTrash)?;
        let child = Cells::of(row).optional_id()?.map(DirectoryId::from_bytes);
        if child != record.child() {
            return Err(StoreError::WrongRecord);
        }
        let ancestors = self.live_ancestors(place.directory).await?;
        if self.entry(place).await?.is_some() {
            return Err(StoreError::NameTaken);
        }
        if child.is_some() && ancestors.count >= MAX_DEPTH {
            return Err(StoreError::TooDeep);
        }
        ancestors.check_later(record.version(), None)?;
        let delete = "DELETE FROM trash WHERE id = $1";
        self.query(delete, &[Cell::number(trash.0)]).await?;
        self.set_parent(child, Some(place.directory)).await?;
        self.put(place, record).await
    }

    /// The directory and all above it, if it can be reached from the root.
    async fn live_ancestors(&mut self, directory: DirectoryId) -> Result<Ancestors, StoreError> {
        let select = "WITH RECURSIVE up (id, parent, removed, level) AS ( \
             SELECT id, parent, removed, 0 FROM directories WHERE id = $1 UNION ALL \
             SELECT d.id, d.parent, d.removed, level + 1 FROM directories d \
             JOIN up ON d.id = up.parent WHERE level < $2) \
             SELECT id, removed FROM up ORDER BY level";
        let parameters = [id(directory), Cell::count(MAX_DEPTH)];
        let rows = self.query(select, &parameters).await?;
        let mut removed = None;
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let mut cells = Cells::of(row);
            ids.push(DirectoryId::from_bytes(cells.id()?));
            removed = removed.or(Some(cells.number()?));
        }
        match (ids.last(), removed) {
            (Some(&DirectoryId::ROOT), Some(removed)) => Ok(Ancestors {
                count: ids.len(),
                ids,
                removed: Version(removed),
            }),
            (Some(_), _) if ids.len() > MAX_DEPTH => Err(StoreError::TooDeep),
            _ => Err(StoreError::NoSuchDirectory),
        }
    }

    async fn entry(&mut self, place: &Place) -> Result<Option<Existing>, DatabaseError> {
        let select =
            "SELECT version, child, record FROM entries WHERE directory = $1 AND entry = $2";
        let rows = self.query(select, &place_cells(place)).await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let mut cells = Cells::of(row);
        Ok(Some(Existing {
            version: Version(cells.number()?),
            child: cells.optional_id()?.map(DirectoryId::from_bytes),
            record: cells.bytes()?,
        }))
    }

    async fn put(&mut self, place: &Place, record: &Record) -> Result<(), StoreError> {
        let upsert = "INSERT INTO entries (directory, entry, child, version, revision, record) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (directory, entry) DO UPDATE SET \
             child = excluded.child, version = excluded.version, \
             revision = excluded.revision, record = excluded.record";
        let [directory, entry] = place_cells(place);
        let parameters = [
            directory,
            entry,
            record.child().map_or(Cell::Null, id),
            Cell::number(record.version().0),
            Cell::number(self.revision),
            Cell::bytes(record.as_bytes()),
        ];
        self.query(upsert, &parameters).await?;
        self.touch(place.directory, Version(0)).await
    }

    async fn take_away(&mut self, place: &Place, version: Version) -> Result<(), StoreError> {
        let delete = "DELETE FROM entries WHERE directory = $1 AND entry = $2";
        self.query(delete, &place_cells(place)).await?;
        self.touch(place.directory, version).await
    }

    /// Notes that the entries of a directory have changed, and a version that is gone.
    async fn touch(&mut self, directory: DirectoryId, gone: Version) -> Result<(), StoreError> {
        let update = "UPDATE directories SET revision = $1, \
             removed = CASE WHEN removed < $2 THEN $2 ELSE removed END WHERE id = $3";
        let parameters = [
            Cell::number(self.revision),
            Cell::number(gone.0),
            id(directory),
        ];
        self.query(update, &parameters).await?;
        let changed = Changed::Directory(directory);
        if !self.changed.contains(&changed) {
            self.changed.push(changed);
        }
        Ok(())
    }

    async fn set_parent(
        &mut self,
        child: Option<DirectoryId>,
        parent: Option<DirectoryId>,
    ) -> Result<(), StoreError> {
        if let Some(child) = child {
            let update = "UPDATE directories SET parent = $1 WHERE id = $2";
            let parent = parent.map_or(Cell::Null, id);
            self.query(update, &[parent, id(child)]).await?;
        }
        Ok(())
    }

    /// Keeps what is about to be removed or replaced.
    async fn trash(&mut self, place: &Place, existing: &Existing) -> Result<(), StoreError> {
        let insert = "INSERT INTO trash (id, directory, entry, child, removed, record) \
                      VALUES ($1, $2, $3, $4, $5, $6)";
        let [directory, entry] = place_cells(place);
        let parameters = [
            Cell::number(self.revision),
            directory,
            entry,
            existing.child.map_or(Cell::Null, id),
            Cell::number(self.now),
            Cell::bytes(&existing.record),
        ];
        self.query(insert, &parameters).await?;
        Ok(())
    }

    async fn query(
        &mut self,
        statement: &'static str,
        parameters: &[Cell],
    ) -> Result<Vec<super::sql::Row>, DatabaseError> {
        self.database.query(statement, parameters).await
    }
}

/// A directory's way up to the root.
struct Ancestors {
    ids: Vec<DirectoryId>,
    count: usize,
    /// The latest version that an entry of the directory had which is gone.
    removed: Version,
}

impl Ancestors {
    /// Checks that a version is later than all that its place can have had.
    fn check_later(&self, version: Version, existing: Option<&Existing>) -> Result<(), StoreError> {
        // A place that is taken has had later versions than any that is gone from it.
        let latest = existing.map_or(self.removed, |existing| existing.version);
        match version > latest {
            true => Ok(()),
            false => Err(StoreError::Stale { latest }),
        }
    }
}

impl Existing {
    /// The same change again, whose answer may have been lost: it is done already.
    fn is_repeated(&self, record: &Record) -> Option<()> {
        (self.record == **record.as_bytes()).then_some(())
    }
}

fn check_expected(existing: Option<&Existing>, expected: Expected) -> Result<(), StoreError> {
    match (existing, expected) {
        (None, Expected::Any | Expected::Absent) => Ok(()),
        (None, Expected::Version(_)) => Err(StoreError::Changed { current: None }),
        (Some(_), Expected::Absent) => Err(StoreError::NameTaken),
        (Some(existing), _) if existing.child.is_some() => Err(StoreError::NameTaken),
        (Some(_), Expected::Any) => Ok(()),
        (Some(existing), Expected::Version(version)) => check_version(existing, Some(version)),
    }
}

fn check_version(existing: &Existing, version: Option<Version>) -> Result<(), StoreError> {
    let current = Some(existing.version);
    match version.is_none() || version == current {
        true => Ok(()),
        false => Err(StoreError::Changed { current }),
    }
}

fn id(id: DirectoryId) -> Cell {
    Cell::bytes(id.as_bytes())
}

fn place_cells(place: &Place) -> [Cell; 2] {
    let entry: &EntryId = &place.entry;
    [id(place.directory), Cell::bytes(entry.as_bytes())]
}
