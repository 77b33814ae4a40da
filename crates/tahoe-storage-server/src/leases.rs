//! Leases on complete shares.

use crate::change::{Action, Change};
use crate::containers::{Container, ContainerError, Edit, MutableEditor, NewLease, NoRoomForLease};
use crate::statistics::Category;
use crate::store::{Store, container_error};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::Instant;
use tahoe_crypto::{LeaseSecrets, StorageIndex};
use tahoe_storage_api::{ShareKind, ShareNumber, StorageError};

/// The owner of leases that didn't come with an immutable share.
pub(crate) const LEASE_OWNER: u32 = 1;

impl Store {
    pub(crate) fn add_lease(
        &self,
        storage_index: &StorageIndex,
        secrets: LeaseSecrets,
    ) -> Result<(), StorageError> {
        let started = Instant::now();
        let tub_id = self.config.tub_id;
        let lease = NewLease::starting(self.now(), LEASE_OWNER, secrets, tub_id);
        let _lock = self.locks.write(storage_index);
        let in_progress = self.uploads.shares(storage_index);
        let files = &self.share_files(storage_index)? - &in_progress;
        let containers = self.readable_containers(storage_index, &files)?;
        if containers.is_empty() {
            return Err(StorageError::NoSuchShare);
        }
        let shares = containers.into_keys().collect();
        self.put_lease(storage_index, &shares, &lease, self.available_space())?;
        self.recorder.record(Category::AddLease, started.elapsed());
        Ok(())
    }

    /// The shares whose containers are what they claim to be, and of which kind.
    ///
    /// The others are logged. The caller holds the storage index's lock.
    pub(crate) fn readable_containers(
        &self,
        storage_index: &StorageIndex,
        files: &BTreeSet<ShareNumber>,
    ) -> Result<BTreeMap<ShareNumber, ShareKind>, StorageError> {
        let mut readable = BTreeMap::new();
        for share in files {
            let path = self.layout.share(storage_index, *share);
            let container = File::open(&path)
                .map_err(ContainerError::Io)
                .and_then(|file| Container::read(&file));
            match container {
                Ok(Container::Immutable(_)) => readable.insert(*share, ShareKind::Immutable),
                Ok(Container::Mutable(_)) => readable.insert(*share, ShareKind::Mutable),
                Err(error @ ContainerError::Io(_)) => return Err(container_error(&path, error)),
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "a share is corrupt");
                    None
                }
            };
        }
        Ok(readable)
    }

    /// Puts a lease on shares of a storage index, all or none.
    ///
    /// The caller holds the storage index's lock.
    pub(crate) fn put_lease(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        lease: &NewLease,
        space: u64,
    ) -> Result<(), StorageError> {
        let mut change = Change {
            storage_index: *storage_index,
            shares: Vec::new(),
        };
        for share in shares {
            let path = self.layout.share(storage_index, *share);
            let edits = lease_edits(&path, lease, space);
            let edits = edits.map_err(|error| container_error(&path, error))?;
            let edits = edits.map_err(|NoRoomForLease| StorageError::NoSpace)?;
            if !edits.is_empty() {
                change.shares.push((*share, Action::Edit(edits)));
            }
        }
        self.carry_out(&change)
    }
}

/// Lists the edits that put a lease on one share of either kind.
fn lease_edits(
    path: &std::path::Path,
    lease: &NewLease,
    space: u64,
) -> Result<Result<Vec<Edit>, NoRoomForLease>, ContainerError> {
    let file = File::open(path)?;
    match Container::read(&file)? {
        Container::Immutable(container) => {
            let leases = container.leases(&file)?;
            Ok(container.add_or_renew_lease(&leases, lease, space))
        }
        Container::Mutable(_) => {
            let mut editor = MutableEditor::read(&file)?;
            let added = editor.add_or_renew_lease(lease, space);
            Ok(added.map(|()| editor.into_edits()))
        }
    }
}
