//! Allocation of immutable shares.

use crate::containers::{NewLease, new_immutable_lease};
use crate::statistics::Category;
use crate::store::{Store, wrong_kind};
use crate::uploads::Upload;
use std::collections::BTreeSet;
use std::time::Instant;
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::{Allocation, ShareKind, ShareNumber, StorageError};

/// The owner of leases that come with immutable shares.
const IMMUTABLE_OWNER: u32 = 0;

impl Store {
    pub(crate) fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: LeaseSecrets,
        secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        let started = Instant::now();
        self.abort_idle_uploads();
        let tub_id = self.config.tub_id;
        let lease = NewLease::starting(self.now(), IMMUTABLE_OWNER, lease, tub_id);
        let _lock = self.locks.write(storage_index);
        let space = self.available_space();
        let in_progress = self.uploads.shares(storage_index);
        let files = self.share_files(storage_index)?;
        // The file of an upload that isn't durable yet isn't there yet. A corrupt container is
        // neither there, nor is it replaced.
        let complete = self.readable_containers(storage_index, &(&files - &in_progress))?;
        if complete.values().any(|kind| *kind == ShareKind::Mutable) {
            return Err(wrong_kind());
        }
        let already_have = complete.into_keys().collect();
        self.put_lease(storage_index, &already_have, &lease, space)?;
        let upload = || {
            let record = new_immutable_lease(&lease).into();
            let now = self.config.clock.elapsed();
            Upload::new(secret.clone(), share_size, record, now)
        };
        let wanted = shares.iter().copied();
        let allocated = wanted.filter(|share| match self.uploads.find(storage_index, *share) {
            Some(old) => {
                let same = old.secret == *secret && old.size == share_size;
                if same {
                    old.touch(self.config.clock.elapsed());
                }
                same
            }
            None if files.contains(share) => false,
            None => self
                .uploads
                .insert_if_room(storage_index, *share, upload(), space),
        });
        let allocation = Allocation {
            allocated: allocated.collect(),
            already_have,
        };
        self.recorder.record(Category::Allocate, started.elapsed());
        Ok(allocation)
    }
}
