//! Listing and reading complete shares.

use crate::containers::{Container, ContainerError, MutableContainer, Source as _};
use crate::disk::failed;
use crate::handles::{OpenShare, clip, read_exact};
use crate::statistics::Category;
use crate::store::{MAX_READ_SIZE, Store, container_error};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ReadVector, ShareKind, ShareNumber, ShareRange, StorageError};

impl Store {
    pub(crate) fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let started = Instant::now();
        let lock = self.locks.read(storage_index);
        let in_progress = self.uploads.shares(storage_index);
        let files = &self.share_files(storage_index)? - &in_progress;
        let mut readable = self.readable_containers(storage_index, &files)?;
        drop(lock);
        readable.retain(|_, found| *found == kind);
        if kind == ShareKind::Immutable {
            self.recorder.record(Category::Get, started.elapsed());
        }
        Ok(readable.into_keys().collect())
    }

    pub(crate) fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let started = Instant::now();
        let (data, category) = match kind {
            ShareKind::Immutable => {
                let open = self.open_immutable(storage_index, share)?;
                let (offset, length) = open.clip(range);
                check_read_size(length as u64)?;
                let path = self.layout.share(storage_index, share);
                let data = open.read(offset, length);
                (
                    data.map_err(|error| short_read(&path, error))?,
                    Category::Read,
                )
            }
            ShareKind::Mutable => {
                let _lock = self.locks.read(storage_index);
                let (file, container) = self.open_mutable(storage_index, share)?;
                let (offset, length) = clip(&container.data(), range);
                check_read_size(length as u64)?;
                let path = self.layout.share(storage_index, share);
                let data = read_exact(&file, offset, length);
                (
                    data.map_err(|error| short_read(&path, error))?,
                    Category::ReadV,
                )
            }
        };
        self.recorder.record(category, started.elapsed());
        Ok(data)
    }

    /// Reads ranges of several shares of a slot as one step: the lock keeps changes out.
    pub(crate) fn read_slot(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        reads: &[ReadVector],
    ) -> Result<BTreeMap<ShareNumber, Vec<Bytes>>, StorageError> {
        let started = Instant::now();
        let _lock = self.locks.read(storage_index);
        let files = &self.share_files(storage_index)? - &self.uploads.shares(storage_index);
        let mut present = self.readable_containers(storage_index, &files)?;
        present.retain(|share, kind| {
            *kind == ShareKind::Mutable && (shares.is_empty() || shares.contains(share))
        });
        let mut slot = BTreeMap::new();
        let mut total = 0;
        for share in present.into_keys() {
            let (file, container) = self.open_mutable(storage_index, share)?;
            let path = self.layout.share(storage_index, share);
            let mut found = Vec::with_capacity(reads.len());
            for range in reads {
                let (offset, length) = clip(&container.data(), *range);
                total += length as u64;
                check_read_size(total)?;
                let data = read_exact(&file, offset, length);
                found.push(data.map_err(|error| short_read(&path, error))?);
            }
            slot.insert(share, found);
        }
        self.recorder.record(Category::ReadV, started.elapsed());
        Ok(slot)
    }

    pub(crate) fn share_size(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<u64, StorageError> {
        let data = match kind {
            ShareKind::Immutable => self.open_immutable(storage_index, share)?.data(),
            ShareKind::Mutable => {
                let _lock = self.locks.read(storage_index);
                self.open_mutable(storage_index, share)?.1.data()
            }
        };
        Ok(data.end - data.start)
    }

    fn open_immutable(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<Arc<OpenShare>, StorageError> {
        if let Some(open) = self.handles.find(storage_index, share) {
            return Ok(open);
        }
        let _lock = self.locks.read(storage_index);
        let (file, container) = self.open_container(storage_index, share)?;
        let Container::Immutable(container) = container else {
            return Err(StorageError::NoSuchShare);
        };
        let open = Arc::new(OpenShare::new(file, container.data()));
        self.handles.insert(storage_index, share, &open);
        Ok(open)
    }

    fn open_mutable(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<(File, MutableContainer), StorageError> {
        match self.open_container(storage_index, share)? {
            (file, Container::Mutable(container)) => Ok((file, container)),
            (_, Container::Immutable(_)) => Err(StorageError::NoSuchShare),
        }
    }

    /// Opens a complete share; the caller holds the storage index's lock.
    fn open_container(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<(File, Container), StorageError> {
        if self.uploads.find(storage_index, share).is_some() {
            return Err(StorageError::NoSuchShare);
        }
        let path = self.layout.share(storage_index, share);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StorageError::NoSuchShare);
            }
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let container = Container::read(&file).inspect_err(|error| {
            tracing::warn!(%error, path = %path.display(), "a share is corrupt");
        });
        let container = container.map_err(|error| container_error(&path, error))?;
        Ok((file, container))
    }
}

/// Refuses a read that would take too much memory.
pub(crate) fn check_read_size(length: u64) -> Result<(), StorageError> {
    if length > MAX_READ_SIZE {
        return Err(StorageError::InvalidRequest {
            reason: format!("at most {MAX_READ_SIZE} bytes can be read at once"),
        });
    }
    Ok(())
}

/// A share that ends before its header says was truncated while it was open.
pub(crate) fn short_read(path: &Path, error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let length = File::open(path).and_then(|file| file.length());
        let length = length.unwrap_or(0);
        return container_error(path, ContainerError::NoHeader { length });
    }
    failed("read", path)(error)
}
