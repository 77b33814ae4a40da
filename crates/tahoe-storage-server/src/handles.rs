//! Immutable shares that are open for reading.

use bytes::Bytes;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareNumber, ShareRange};

/// Most files that are kept open.
const MAX_OPEN: usize = 128;

/// A complete immutable share. Its data never changes while leases come and go behind it.
#[derive(Debug)]
pub(crate) struct OpenShare {
    file: File,
    data: std::ops::Range<u64>,
}

impl OpenShare {
    pub(crate) fn new(file: File, data: std::ops::Range<u64>) -> Self {
        Self { file, data }
    }

    /// Where in the file the data is.
    pub(crate) fn data(&self) -> std::ops::Range<u64> {
        self.data.clone()
    }

    /// Whether the file still has a name: nobody removed or replaced it.
    fn is_linked(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.nlink() > 0)
    }

    /// The part of a range that the share has: an offset in the file and a length.
    pub(crate) fn clip(&self, range: ShareRange) -> (u64, usize) {
        clip(&self.data, range)
    }

    /// Reads exactly so many bytes.
    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        read_exact(&self.file, offset, length)
    }
}

/// The part of a range of a share that lies in its data: an offset in the file and a length.
pub(crate) fn clip(data: &std::ops::Range<u64>, range: ShareRange) -> (u64, usize) {
    let start = data.start.saturating_add(range.offset).min(data.end);
    let end = start.saturating_add(range.length).min(data.end);
    (start, usize::try_from(end - start).unwrap_or(usize::MAX))
}

/// Reads exactly so many bytes of a file.
pub(crate) fn read_exact(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut buffer = tahoe_buffers::take(length, 0);
    file.read_exact_at(&mut buffer, offset)?;
    Ok(tahoe_buffers::lend(buffer))
}

/// Keeps the shares open that were read last.
#[derive(Debug, Default)]
pub(crate) struct Handles(Mutex<Cache>);

#[derive(Debug, Default)]
struct Cache {
    open: HashMap<(StorageIndex, ShareNumber), Entry>,
    /// Counts the uses, so that the oldest is known.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    share: Arc<OpenShare>,
    last_use: u64,
}

impl Handles {
    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A share that is open; one whose file was removed or replaced is closed instead.
    pub(crate) fn find(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Option<Arc<OpenShare>> {
        let key = (*storage_index, share);
        let mut cache = self.lock();
        cache.uses += 1;
        let uses = cache.uses;
        let entry = cache.open.get_mut(&key)?;
        entry.last_use = uses;
        let found = Arc::clone(&entry.share);
        if found.is_linked() {
            return Some(found);
        }
        cache.open.remove(&key);
        None
    }

    /// Keeps a share open, and closes the one that wasn't used for the longest time.
    pub(crate) fn insert(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        open: &Arc<OpenShare>,
    ) {
        let mut cache = self.lock();
        if cache.open.len() >= MAX_OPEN {
            let oldest = cache.open.iter().min_by_key(|(_, entry)| entry.last_use);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                cache.open.remove(&key);
            }
        }
        cache.uses += 1;
        let entry = Entry {
            share: Arc::clone(open),
            last_use: cache.uses,
        };
        cache.open.insert((*storage_index, share), entry);
    }
}
