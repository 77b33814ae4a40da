//! Changes of mutable slots.

use crate::change::{Action, Change};
use crate::containers::{Container, Edit, MutableEditor, NewLease, NoRoomForLease};
use crate::disk::failed;
use crate::handles::{clip, read_exact};
use crate::leases::LEASE_OWNER;
use crate::read::{check_read_size, short_read};
use crate::statistics::Category;
use crate::store::{Store, container_error, wrong_kind};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{
    ReadTestWrite, ReadTestWriteOutcome, ShareNumber, ShareRange, SlotSecrets, StorageError,
    TestVector,
};

impl Store {
    /// Checks the write enabler of all shares, then the tests, reads, writes, and puts a lease on
    /// each share that was named and is still there: in this order, as the original does.
    pub(crate) fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: &ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        let started = Instant::now();
        change.check_limits()?;
        let _lock = self.locks.write(storage_index);
        let files = self.share_files(storage_index)?;
        self.check_write_enablers(storage_index, &files, secrets)?;
        let outcome = self.test_and_read(storage_index, &files, change)?;
        if outcome.success {
            self.write_slot(storage_index, &files, secrets, change)?;
        }
        self.recorder.record(Category::WriteV, started.elapsed());
        Ok(outcome)
    }

    fn check_write_enablers(
        &self,
        storage_index: &StorageIndex,
        files: &BTreeSet<ShareNumber>,
        secrets: &SlotSecrets,
    ) -> Result<(), StorageError> {
        for share in files {
            let path = self.layout.share(storage_index, *share);
            let file = File::open(&path).map_err(failed("open", &path))?;
            let container = Container::read(&file);
            match container.map_err(|error| container_error(&path, error))? {
                Container::Immutable(_) => return Err(wrong_kind()),
                Container::Mutable(container)
                    if *container.write_enabler() != secrets.write_enabler =>
                {
                    let recorded_by = Some(container.recorded_by().to_string());
                    return Err(StorageError::BadWriteEnabler { recorded_by });
                }
                Container::Mutable(_) => {}
            }
        }
        Ok(())
    }

    fn test_and_read(
        &self,
        storage_index: &StorageIndex,
        files: &BTreeSet<ShareNumber>,
        change: &ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        let missing = change.vectors.iter().filter(|(n, _)| !files.contains(n));
        let mut tests = missing.flat_map(|(_, vectors)| &vectors.tests);
        let mut success = tests.all(|test| test.specimen.is_empty());
        let mut data = BTreeMap::new();
        let mut total = 0;
        for share in files {
            let path = self.layout.share(storage_index, *share);
            let file = File::open(&path).map_err(failed("open", &path))?;
            let container = Container::read(&file);
            let container = container.map_err(|error| container_error(&path, error))?;
            let Container::Mutable(container) = container else {
                return Err(wrong_kind());
            };
            let slot = SlotFile {
                file: &file,
                path: &path,
                data: container.data(),
            };
            let vectors = change.vectors.get(share);
            for test in vectors.into_iter().flat_map(|vectors| &vectors.tests) {
                success = success && slot.holds(test)?;
            }
            let mut found = Vec::with_capacity(change.reads.len());
            for range in &change.reads {
                let (offset, length) = clip(&slot.data, *range);
                total += length as u64;
                check_read_size(total)?;
                found.push(slot.read(offset, length)?);
            }
            data.insert(*share, found);
        }
        Ok(ReadTestWriteOutcome { success, data })
    }

    fn write_slot(
        &self,
        storage_index: &StorageIndex,
        files: &BTreeSet<ShareNumber>,
        secrets: &SlotSecrets,
        change: &ReadTestWrite,
    ) -> Result<(), StorageError> {
        let tub_id = self.config.tub_id;
        let lease = secrets.lease.clone();
        let lease = NewLease::starting(self.now(), LEASE_OWNER, lease, tub_id);
        let space = self.available_space();
        let mut actions = Vec::new();
        let mut leased = Ok(());
        let mut unsent = 0;
        for (share, vectors) in &change.vectors {
            let exists = files.contains(share);
            if vectors.new_length == Some(0) {
                if exists {
                    actions.push((*share, Action::Delete));
                }
                continue;
            }
            let (mut editor, old_length) = if exists {
                self.edit_slot(storage_index, *share)?
            } else {
                let write_enabler = secrets.write_enabler.clone();
                (MutableEditor::create(tub_id, write_enabler), 0)
            };
            for write in &vectors.writes {
                editor.write(write.offset, &write.data);
            }
            if let Some(length) = vectors.new_length {
                editor.truncate(length);
            }
            // The writes stay even if there is no room for the lease, and then no later share
            // gets one.
            leased = leased.and_then(|()| editor.add_or_renew_lease(&lease, space));
            let edits = editor.into_edits();
            unsent += unsent_growth(&edits, old_length);
            if !exists {
                actions.push((*share, Action::Create(edits)));
            } else if !edits.is_empty() {
                actions.push((*share, Action::Edit(edits)));
            }
        }
        // A few bytes far behind the end mustn't cost more than the server offers.
        if unsent > space {
            return Err(StorageError::NoSpace);
        }
        self.carry_out(&Change {
            storage_index: *storage_index,
            shares: actions,
        })?;
        leased.map_err(|NoRoomForLease| StorageError::NoSpace)
    }

    /// An editor of a share, and how long its file is.
    fn edit_slot(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<(MutableEditor, u64), StorageError> {
        let path = self.layout.share(storage_index, share);
        let file = File::open(&path).map_err(failed("open", &path))?;
        let length = file.metadata().map_err(failed("measure", &path))?.len();
        let editor = MutableEditor::read(&file).map_err(|error| container_error(&path, error))?;
        Ok((editor, length))
    }
}

/// By how much more than what is written edits make a file longer: holes.
fn unsent_growth(edits: &[Edit], old_length: u64) -> u64 {
    let end = edits.iter().map(Edit::end).max().unwrap_or(0);
    let written = edits.iter().map(|edit| match edit {
        Edit::Write { data, .. } => data.len() as u64,
        Edit::Zero { .. } | Edit::Truncate { .. } => 0,
    });
    end.saturating_sub(old_length).saturating_sub(written.sum())
}

/// The share of a slot, open for reading.
struct SlotFile<'a> {
    file: &'a File,
    path: &'a Path,
    data: Range<u64>,
}

impl SlotFile<'_> {
    fn read(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        read_exact(self.file, offset, length).map_err(|error| short_read(self.path, error))
    }

    /// Whether a test holds; only as much is read as the specimen has bytes.
    fn holds(&self, test: &TestVector) -> Result<bool, StorageError> {
        let range = ShareRange {
            offset: test.offset,
            length: test.size,
        };
        let (offset, length) = clip(&self.data, range);
        Ok(length == test.specimen.len() && self.read(offset, length)? == test.specimen)
    }
}
