//! What is read, beside the writer.

use super::TrashId;
use super::sql::{Cell, Cells, Reader, Row};
use super::{
    DatabaseError, DriveNames, Page, SecretName, StoreError, StoredEntry, StoredLink, StoredTrash,
};
use crate::ids::{DirectoryId, EntryId, Place, Revision};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, MAX_WAY};
use zeroize::Zeroizing;

const NAMES: [&[u8]; 2] = [b"read-write name", b"read-only name"];
const KEY: &[u8] = b"verifying key";

/// The names that are kept. The first server of a drive, at its first start, finds none and keeps
/// those that it proposes, both in one step. This and [`keep_key`] are all that is written here.
pub(super) async fn names(
    reader: &dyn Reader,
    proposed: &DriveNames,
) -> Result<DriveNames, StoreError> {
    let insert = "INSERT INTO drive (name, value) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING";
    let proposed = [&proposed.read_write, &proposed.read_only];
    let parameters = NAMES.into_iter().zip(proposed);
    let parameters = parameters
        .flat_map(|(key, name)| [Cell::bytes(key), Cell::bytes(name.as_str().as_bytes())]);
    reader.query(insert, parameters.collect()).await?;
    let [read_write, read_only] = NAMES;
    Ok(DriveNames {
        read_write: name(reader, read_write).await?,
        read_only: name(reader, read_only).await?,
    })
}

async fn name(reader: &dyn Reader, key: &[u8]) -> Result<SecretName, StoreError> {
    let value = kept(reader, key).await?;
    let value = value.ok_or(DatabaseError::BadRow("a name is missing"))?;
    let value = String::from_utf8(value).map_err(|_| DatabaseError::BadRow("a name"))?;
    Ok(SecretName(Zeroizing::new(value)))
}

async fn kept(reader: &dyn Reader, key: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
    let select = "SELECT value FROM drive WHERE name = $1";
    let row = one(reader.query(select, vec![Cell::bytes(key)]).await?);
    row.map(|row| Cells::of(row).bytes()).transpose()
}

pub(super) async fn key(reader: &dyn Reader) -> Result<Option<[u8; 32]>, StoreError> {
    let key = kept(reader, KEY).await?;
    let key = key.map(|key| key.try_into().map_err(|_| DatabaseError::BadRow("a key")));
    Ok(key.transpose()?)
}

pub(super) async fn keep_key(
    reader: &dyn Reader,
    proposed: &[u8; 32],
) -> Result<[u8; 32], StoreError> {
    let insert = "INSERT INTO drive (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let parameters = vec![Cell::bytes(KEY), Cell::bytes(proposed)];
    reader.query(insert, parameters).await?;
    let kept = key(reader).await?;
    Ok(kept.ok_or(DatabaseError::BadRow("a key is missing"))?)
}

pub(super) async fn has_directory(
    reader: &dyn Reader,
    directory: DirectoryId,
) -> Result<bool, StoreError> {
    Ok(revision(reader, directory).await?.is_some())
}

async fn revision(
    reader: &dyn Reader,
    directory: DirectoryId,
) -> Result<Option<Revision>, DatabaseError> {
    let select = "SELECT revision FROM directories WHERE id = $1";
    let rows = reader.query(select, vec![Cell::bytes(directory.as_bytes())]);
    let row = one(rows.await?);
    row.map(|row| Cells::of(row).number().map(Revision))
        .transpose()
}

pub(super) async fn entry(reader: &dyn Reader, place: Place) -> Result<StoredEntry, StoreError> {
    let select = "SELECT entry, revision, record FROM entries WHERE directory = $1 AND entry = $2";
    let (directory, entry) = (place.directory, place.entry);
    let parameters = vec![
        Cell::bytes(directory.as_bytes()),
        Cell::bytes(entry.as_bytes()),
    ];
    match one(reader.query(select, parameters).await?) {
        Some(row) => Ok(stored_entry(row)?),
        None if has_directory(reader, directory).await? => Err(StoreError::NoSuchEntry),
        None => Err(StoreError::NoSuchDirectory),
    }
}

pub(super) async fn list(
    reader: &dyn Reader,
    directory: DirectoryId,
    after: Option<EntryId>,
    limit: usize,
) -> Result<Page, StoreError> {
    // The revision first: a change that comes between is in the entries and shown again later.
    let revision = revision(reader, directory).await?;
    let revision = revision.ok_or(StoreError::NoSuchDirectory)?;
    let limit = limit.clamp(1, MAX_PAGE_ENTRIES);
    let select = "SELECT entry, revision, record FROM entries \
                  WHERE directory = $1 AND entry > $2 ORDER BY entry LIMIT $3";
    let after = after.as_ref().map_or(&[][..], |after| after.as_bytes());
    let parameters = vec![
        Cell::bytes(directory.as_bytes()),
        Cell::bytes(after),
        Cell::count(limit + 1),
    ];
    let rows = reader.query(select, parameters).await?;
    let found = rows.len();
    let mut entries: Vec<StoredEntry> = Vec::with_capacity(found);
    let mut bytes = 0;
    for row in rows.into_iter().take(limit) {
        let listed = stored_entry(row)?;
        bytes += listed.bytes.len();
        if bytes > MAX_PAGE_BYTES && !entries.is_empty() {
            break;
        }
        entries.push(listed);
    }
    Ok(Page {
        revision,
        more: entries.len() < found,
        entries,
    })
}

pub(super) async fn trash(
    reader: &dyn Reader,
    before: Option<TrashId>,
    limit: usize,
) -> Result<Vec<StoredTrash>, StoreError> {
    let select = "SELECT id, directory, entry, removed, record FROM trash \
                  WHERE id < $1 ORDER BY id DESC LIMIT $2";
    let before = before.map_or(u64::MAX, |before| before.0);
    let limit = limit.clamp(1, MAX_PAGE_ENTRIES);
    let parameters = vec![Cell::number(before), Cell::count(limit)];
    let rows = reader.query(select, parameters).await?;
    let mut bytes = 0;
    let trash = rows.into_iter().map(stored_trash);
    let trash: Result<Vec<StoredTrash>, DatabaseError> = trash.collect();
    let fits = |trash: &StoredTrash| {
        let is_first = bytes == 0;
        bytes += trash.bytes.len();
        is_first || bytes <= MAX_PAGE_BYTES
    };
    Ok(trash?.into_iter().take_while(fits).collect())
}

pub(super) async fn way_to(
    reader: &dyn Reader,
    directory: DirectoryId,
) -> Result<Vec<StoredLink>, StoreError> {
    let mut way: Vec<StoredLink> = Vec::new();
    let mut reached = directory;
    while reached != DirectoryId::ROOT {
        let link = link_to(reader, reached).await?;
        let link = link.filter(|_| way.len() < MAX_WAY);
        let link = link.ok_or(StoreError::NoSuchDirectory)?;
        reached = link.place.directory;
        way.push(link);
    }
    Ok(way)
}

async fn link_to(
    reader: &dyn Reader,
    directory: DirectoryId,
) -> Result<Option<StoredLink>, DatabaseError> {
    const SELECTS: [&str; 2] = [
        "SELECT directory, entry, record FROM entries WHERE child = $1 LIMIT 1",
        "SELECT directory, entry, record FROM trash WHERE child = $1 LIMIT 1",
    ];
    for select in SELECTS {
        let id = Cell::bytes(directory.as_bytes());
        if let Some(row) = one(reader.query(select, vec![id]).await?) {
            return stored_link(row).map(Some);
        }
    }
    Ok(None)
}

fn stored_link(row: Row) -> Result<StoredLink, DatabaseError> {
    let mut cells = Cells::of(row);
    Ok(StoredLink {
        place: Place {
            directory: DirectoryId::from_bytes(cells.id()?),
            entry: EntryId::from_bytes(cells.id()?),
        },
        bytes: cells.bytes()?.into(),
    })
}

fn one(rows: Vec<Row>) -> Option<Row> {
    rows.into_iter().next()
}

fn stored_entry(row: Row) -> Result<StoredEntry, DatabaseError> {
    let mut cells = Cells::of(row);
    Ok(StoredEntry {
        entry: EntryId::from_bytes(cells.id()?),
        revision: Revision(cells.number()?),
        bytes: cells.bytes()?.into(),
    })
}

fn stored_trash(row: Row) -> Result<StoredTrash, DatabaseError> {
    let mut cells = Cells::of(row);
    Ok(StoredTrash {
        id: TrashId(cells.number()?),
        place: Place {
            directory: DirectoryId::from_bytes(cells.id()?),
            entry: EntryId::from_bytes(cells.id()?),
        },
        removed: cells.number()?,
        bytes: cells.bytes()?.into(),
    })
}
