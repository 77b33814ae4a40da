//! A change of the shares of one storage index that happens as a whole.
//!
//! A change lists, for each share it touches, physical steps: bytes at offsets of the container
//! file, a new container, or its removal. Carrying it out twice has the effect of carrying it out
//! once, so that it can be repeated from the journal when it is unknown how far it got.

use crate::containers::Edit;
use crate::disk::{Disk, OpenFile};
use crate::layout::Layout;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tahoe_crypto::StorageIndex;
use tahoe_encoding::{Reader, UnexpectedEnd};
use tahoe_storage_api::{ShareNumber, StorageError};

/// What happens to the shares of one storage index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) storage_index: StorageIndex,
    pub(crate) shares: Vec<(ShareNumber, Action)>,
}

/// What happens to one share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A new container takes the place of any old one.
    Create(Vec<Edit>),
    /// The container is edited in place.
    Edit(Vec<Edit>),
    /// The container is removed, and the bucket with its last one.
    Delete,
}

const CREATE: u8 = 1;
const EDIT: u8 = 2;
const DELETE: u8 = 3;
const WRITE: u8 = 1;
const ZERO: u8 = 2;
const TRUNCATE: u8 = 3;

impl Change {
    /// Spells the change for the journal: pieces that follow one another.
    ///
    /// ```text
    /// storage index 16, then for each share, all big-endian:
    ///   share u8, action u8 (1 create, 2 edit, 3 delete), and unless it is deleted:
    ///   edit count u32, each: kind u8 (1 write, 2 zero, 3 truncate), offset u64, length u64, data
    ///   if written; a truncated file ends at the offset
    /// ```
    pub(crate) fn encode(&self) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let mut buffer = self.storage_index.as_bytes().to_vec();
        for (share, action) in &self.shares {
            let (kind, edits) = match action {
                Action::Create(edits) => (CREATE, Some(edits)),
                Action::Edit(edits) => (EDIT, Some(edits)),
                Action::Delete => (DELETE, None),
            };
            buffer.extend([share.0, kind]);
            let Some(edits) = edits else { continue };
            let count = u32::try_from(edits.len()).unwrap_or(u32::MAX);
            buffer.extend(count.to_be_bytes());
            for edit in edits {
                match edit {
                    Edit::Write { offset, data } => {
                        buffer.push(WRITE);
                        buffer.extend(offset.to_be_bytes());
                        buffer.extend((data.len() as u64).to_be_bytes());
                        pieces.push(std::mem::take(&mut buffer).into());
                        pieces.push(Bytes::clone(data));
                    }
                    Edit::Zero { offset, length } => {
                        buffer.push(ZERO);
                        buffer.extend(offset.to_be_bytes());
                        buffer.extend(length.to_be_bytes());
                    }
                    Edit::Truncate { length } => {
                        buffer.push(TRUNCATE);
                        buffer.extend(length.to_be_bytes());
                        buffer.extend(0u64.to_be_bytes());
                    }
                }
            }
        }
        pieces.push(buffer.into());
        pieces
    }

    /// Reads what `encode` spells.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, UndecodableChange> {
        let mut reader = Reader::new(bytes);
        let storage_index = StorageIndex::from_bytes(reader.array()?);
        let mut shares = Vec::new();
        while !reader.is_empty() {
            let share = ShareNumber(reader.u8()?);
            let action = match reader.u8()? {
                CREATE => Action::Create(decode_edits(&mut reader, bytes)?),
                EDIT => Action::Edit(decode_edits(&mut reader, bytes)?),
                DELETE => Action::Delete,
                _ => return Err(UndecodableChange),
            };
            shares.push((share, action));
        }
        Ok(Self {
            storage_index,
            shares,
        })
    }
}

/// A record of the journal isn't a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UndecodableChange;

impl From<UnexpectedEnd> for UndecodableChange {
    fn from(_: UnexpectedEnd) -> Self {
        Self
    }
}

fn decode_edits(reader: &mut Reader<'_>, bytes: &Bytes) -> Result<Vec<Edit>, UndecodableChange> {
    let count = reader.u32()?;
    let mut edits = Vec::new();
    for _ in 0..count {
        let kind = reader.u8()?;
        let (offset, length) = (reader.u64()?, reader.u64()?);
        edits.push(match kind {
            WRITE => {
                let length = usize::try_from(length).map_err(|_| UndecodableChange)?;
                let data = bytes.slice_ref(reader.bytes(length)?);
                Edit::Write { offset, data }
            }
            ZERO => Edit::Zero { offset, length },
            TRUNCATE => Edit::Truncate { length: offset },
            _ => return Err(UndecodableChange),
        });
    }
    Ok(edits)
}

/// A change of which nothing can be seen yet, and nothing can fail any more for lack of room.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    change: &'a Change,
    /// For each share of the change that gets a new container, where it waits.
    temporary: Vec<Option<PathBuf>>,
}

/// Carries out changes.
#[derive(Debug)]
pub(crate) struct Executor<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) layout: &'a Layout,
}

/// Names temporary files.
static NEXT_TEMPORARY: AtomicU64 = AtomicU64::new(0);

impl Executor<'_> {
    /// Writes new containers under temporary names and reserves the room that edits need.
    ///
    /// If that fails, it leaves nothing behind.
    pub(crate) fn prepare<'c>(&self, change: &'c Change) -> Result<Prepared<'c>, StorageError> {
        let mut prepared = Prepared {
            change,
            temporary: Vec::new(),
        };
        for (share, action) in &change.shares {
            match self.prepare_share(&change.storage_index, *share, action) {
                Ok(path) => prepared.temporary.push(path),
                Err(error) => {
                    self.give_up(prepared);
                    return Err(error);
                }
            }
        }
        Ok(prepared)
    }

    fn prepare_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        action: &Action,
    ) -> Result<Option<PathBuf>, StorageError> {
        match action {
            Action::Create(edits) => {
                self.disk
                    .make_directories(&self.layout.bucket(storage_index))?;
                let file = self.disk.create_file(&self.temporary_path())?;
                let written = self.reserve_holes(&file, edits);
                let written = written.and_then(|()| self.edit(&file, edits));
                if let Err(error) = written {
                    self.discard(&file.path);
                    return Err(error);
                }
                Ok(Some(file.path))
            }
            Action::Edit(edits) => {
                let path = self.layout.share(storage_index, share);
                self.reserve(&self.disk.open_file(&path)?, edits)?;
                Ok(None)
            }
            Action::Delete => Ok(None),
        }
    }

    /// Makes a prepared change visible.
    pub(crate) fn finish(&self, prepared: Prepared<'_>) -> Result<(), StorageError> {
        let storage_index = &prepared.change.storage_index;
        let mut deleted = false;
        for ((share, action), new) in prepared.change.shares.iter().zip(prepared.temporary) {
            let path = self.layout.share(storage_index, *share);
            match action {
                Action::Create(_) => {
                    let new = new.as_deref().unwrap_or(&path);
                    self.disk.rename(new, &path)?;
                }
                Action::Edit(edits) => self.edit(&self.disk.open_file(&path)?, edits)?,
                Action::Delete => {
                    if path.exists() {
                        self.disk.remove_file(&path)?;
                    }
                    deleted = true;
                }
            }
        }
        if deleted {
            self.disk
                .remove_if_empty(&self.layout.bucket(storage_index));
        }
        Ok(())
    }

    /// Undoes a preparation.
    pub(crate) fn give_up(&self, prepared: Prepared<'_>) {
        let storage_index = &prepared.change.storage_index;
        for ((share, action), new) in prepared.change.shares.iter().zip(prepared.temporary) {
            match (action, new) {
                (Action::Create(_), Some(path)) => self.discard(&path),
                (Action::Edit(_), _) => self.release(&self.layout.share(storage_index, *share)),
                _ => {}
            }
        }
        self.disk
            .remove_if_empty(&self.layout.bucket(storage_index));
    }

    fn release(&self, path: &Path) {
        match self.disk.open_file(path) {
            Ok(file) => self.disk.release(&file),
            Err(error) => tracing::warn!(%error, "a share keeps room that it doesn't need"),
        }
    }

    /// Carries out a change again that may have been carried out before, wholly or in part.
    pub(crate) fn repeat(&self, change: &Change) -> Result<(), StorageError> {
        let exists = |share: ShareNumber| self.layout.share(&change.storage_index, share).exists();
        let mut change = change.clone();
        // What was edited may have been deleted by a later change.
        change
            .shares
            .retain(|(share, action)| !matches!(action, Action::Edit(_)) || exists(*share));
        let prepared = self.prepare(&change)?;
        self.finish(prepared)
    }

    fn edit(&self, file: &OpenFile, edits: &[Edit]) -> Result<(), StorageError> {
        for edit in edits {
            match edit {
                Edit::Write { offset, data } => self.disk.write_at(file, *offset, data)?,
                Edit::Zero { offset, length } => self.disk.write_zeros(file, *offset, *length)?,
                Edit::Truncate { length } => self.disk.set_length(file, *length)?,
            }
        }
        Ok(())
    }

    fn temporary_path(&self) -> PathBuf {
        let number = NEXT_TEMPORARY.fetch_add(1, Ordering::Relaxed);
        self.layout.incoming().join(format!("new-{number}"))
    }

    /// Sets aside the room that edits will need.
    fn reserve(&self, file: &OpenFile, edits: &[Edit]) -> Result<(), StorageError> {
        let end = edits.iter().map(Edit::end).max().unwrap_or(0);
        self.disk.reserve(file, end)
    }

    /// Sets aside the room for the holes of a new file: nothing else would ask for it.
    fn reserve_holes(&self, file: &OpenFile, edits: &[Edit]) -> Result<(), StorageError> {
        let hole = |edit: &&Edit| matches!(edit, Edit::Zero { .. });
        let end = edits.iter().filter(hole).map(Edit::end).max();
        end.map_or(Ok(()), |end| self.disk.reserve(file, end))
    }

    fn discard(&self, path: &Path) {
        if let Err(error) = self.disk.remove_file(path) {
            tracing::warn!(%error, "a temporary file is left until the next start");
        }
    }
}
