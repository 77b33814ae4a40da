//! A storage server that keeps everything in memory.

use crate::{
    Allocation, MAX_MUTABLE_SHARE_SIZE, ReadTestWrite, ReadTestWriteOutcome, ReadVector,
    ServerVersion, ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError, StorageService,
    TestWriteVectors, WriteProgress, WrittenRanges, check_advice,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tahoe_crypto::{LeaseSecrets, StorageIndex, TubId, UploadSecret, WriteEnabler};

/// How long a lease lasts: 31 days.
pub const LEASE_DURATION_SECONDS: u64 = 31 * 24 * 60 * 60;
/// How long an upload may be idle.
pub const UPLOAD_TIMEOUT_SECONDS: u64 = 30 * 60;
/// Bytes that a lease takes, as on disk.
const LEASE_SIZE: u64 = 72;
/// Largest mutable share that is kept in memory, so that a hole can't exhaust it.
const LARGEST_SLOT: usize = 1 << 30;
/// What a new store says is free.
const DEFAULT_SPACE: u64 = 1 << 40;

/// A complete storage service in memory.
///
/// Time stands still at 0 until [`Self::set_time`]; free space is what
/// [`Self::set_available_space`] says, whatever is stored.
#[derive(Debug)]
pub struct MemoryStore {
    tub_id: TubId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: u64,
    available_space: u64,
    read_only: bool,
    buckets: HashMap<StorageIndex, Bucket>,
    advisories: Vec<String>,
}

/// All shares of one storage index.
#[derive(Debug, Default)]
struct Bucket {
    shares: BTreeMap<ShareNumber, StoredShare>,
    uploads: BTreeMap<ShareNumber, Upload>,
}

#[derive(Debug)]
struct StoredShare {
    data: Bytes,
    leases: Vec<MemoryLease>,
    /// The write enabler and who recorded it, if the share is mutable.
    slot: Option<(WriteEnabler, TubId)>,
}

/// A lease on a share in a [`MemoryStore`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLease {
    /// 0 for a lease that came with an immutable share, else 1.
    pub owner: u32,
    /// What renews and cancels it.
    pub secrets: LeaseSecrets,
    /// In seconds since 1970.
    pub expires: u64,
}

#[derive(Debug)]
struct Upload {
    secret: UploadSecret,
    data: Vec<u8>,
    size: u64,
    written: WrittenRanges,
    lease: MemoryLease,
    last_active: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(TubId::from_bytes([1; 20]))
    }
}

impl MemoryStore {
    /// Makes an empty store that records write enablers under this tub id.
    pub fn new(tub_id: TubId) -> Self {
        let state = Mutex::new(State {
            now: 0,
            available_space: DEFAULT_SPACE,
            read_only: false,
            buckets: HashMap::new(),
            advisories: Vec::new(),
        });
        Self { tub_id, state }
    }

    /// Sets the time in seconds since 1970; it never advances by itself.
    pub fn set_time(&self, now: u64) {
        self.lock().now = now;
    }

    /// Sets how many bytes are free.
    pub fn set_available_space(&self, bytes: u64) {
        self.lock().available_space = bytes;
    }

    /// Makes the store accept no new immutable shares, or accept them again.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock().read_only = read_only;
    }

    /// Forgets the uploads that were idle for longer than the timeout; returns how many.
    pub fn abort_idle_uploads(&self) -> usize {
        let mut state = self.lock();
        let now = state.now;
        let mut aborted = 0;
        for bucket in state.buckets.values_mut() {
            let before = bucket.uploads.len();
            let active = |_: &ShareNumber, upload: &mut Upload| {
                now.saturating_sub(upload.last_active) < UPLOAD_TIMEOUT_SECONDS
            };
            bucket.uploads.retain(active);
            aborted += before - bucket.uploads.len();
        }
        aborted
    }

    /// The bytes of a complete share, whatever its kind.
    pub fn share(&self, storage_index: &StorageIndex, share: ShareNumber) -> Option<Bytes> {
        let state = self.lock();
        let stored = state.buckets.get(storage_index)?.shares.get(&share)?;
        Some(stored.data.clone())
    }

    /// Puts other bytes in a complete share, as a failing disk might; false if there is none.
    pub fn replace_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        data: impl Into<Bytes>,
    ) -> bool {
        let mut state = self.lock();
        let bucket = state.buckets.get_mut(storage_index);
        let stored = bucket.and_then(|bucket| bucket.shares.get_mut(&share));
        stored.map(|stored| stored.data = data.into()).is_some()
    }

    /// Loses a complete share; false if there is none.
    pub fn remove_share(&self, storage_index: &StorageIndex, share: ShareNumber) -> bool {
        let mut state = self.lock();
        let bucket = state.buckets.get_mut(storage_index);
        bucket.is_some_and(|bucket| bucket.shares.remove(&share).is_some())
    }

    /// The leases on a complete share, oldest first; none if there is no such share.
    pub fn leases(&self, storage_index: &StorageIndex, share: ShareNumber) -> Vec<MemoryLease> {
        let state = self.lock();
        let bucket = state.buckets.get(storage_index);
        let stored = bucket.and_then(|bucket| bucket.shares.get(&share));
        stored.map_or_else(Vec::new, |stored| stored.leases.clone())
    }

    /// The corruption advisories so far: `KIND STORAGE-INDEX SHARE: REASON`.
    pub fn advisories(&self) -> Vec<String> {
        self.lock().advisories.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn available_space(&self) -> u64 {
        if self.read_only {
            0
        } else {
            self.available_space
        }
    }

    /// What uploads in progress may still fill.
    fn reserved(&self) -> u64 {
        let buckets = self.buckets.values();
        let uploads = buckets.flat_map(|bucket| bucket.uploads.values());
        uploads.map(|upload| upload.size).sum()
    }

    fn lease(&self, owner: u32, secrets: &LeaseSecrets) -> MemoryLease {
        MemoryLease {
            owner,
            secrets: secrets.clone(),
            expires: self.now + LEASE_DURATION_SECONDS,
        }
    }

    fn upload(
        &mut self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        secret: &UploadSecret,
    ) -> Result<&mut Upload, StorageError> {
        let bucket = self.buckets.get_mut(storage_index);
        let upload = bucket.and_then(|bucket| bucket.uploads.get_mut(&share));
        let upload = upload.ok_or(StorageError::NoSuchShare)?;
        if upload.secret != *secret {
            return Err(StorageError::BadUploadSecret);
        }
        Ok(upload)
    }

    fn shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> impl Iterator<Item = (&ShareNumber, &StoredShare)> {
        let bucket = self.buckets.get(storage_index);
        let shares = bucket.into_iter().flat_map(|bucket| &bucket.shares);
        shares.filter(move |(_, stored)| stored.kind() == kind)
    }

    fn find(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<&StoredShare, StorageError> {
        let mut shares = self.shares(kind, storage_index);
        let found = shares.find(|(number, _)| **number == share);
        found
            .map(|(_, stored)| stored)
            .ok_or(StorageError::NoSuchShare)
    }
}

impl StoredShare {
    fn kind(&self) -> ShareKind {
        if self.slot.is_some() {
            ShareKind::Mutable
        } else {
            ShareKind::Immutable
        }
    }

    /// Renews the lease with the same renew secret, or appends one if there is room.
    fn add_or_renew(&mut self, lease: &MemoryLease, space: u64) -> Result<(), StorageError> {
        let same = |old: &&mut MemoryLease| old.secrets.renew == lease.secrets.renew;
        if let Some(old) = self.leases.iter_mut().find(same) {
            old.expires = old.expires.max(lease.expires);
            return Ok(());
        }
        // A mutable container has four places for leases before it must grow.
        let fits = self.slot.is_some() && self.leases.len() < 4;
        if !fits && space < LEASE_SIZE {
            return Err(StorageError::NoSpace);
        }
        self.leases.push(lease.clone());
        Ok(())
    }

    fn read(&self, range: ShareRange) -> Bytes {
        slice(&self.data, range)
    }

    fn write(&mut self, vectors: &TestWriteVectors) -> Result<(), StorageError> {
        let mut data = Vec::from(std::mem::take(&mut self.data));
        for write in &vectors.writes {
            let start = usize::try_from(write.offset).map_err(|_| StorageError::NoSpace)?;
            let end = start + write.data.len();
            if data.len() < end {
                data.resize(end, 0);
            }
            data[start..end].copy_from_slice(&write.data);
        }
        if let Some(length) = vectors.new_length {
            data.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        }
        self.data = data.into();
        Ok(())
    }
}

fn slice(data: &Bytes, range: ShareRange) -> Bytes {
    let clip = |at: u64| usize::try_from(at).map_or(data.len(), |at| at.min(data.len()));
    data.slice(clip(range.offset)..clip(range.offset.saturating_add(range.length)))
}

fn wrong_kind() -> StorageError {
    StorageError::InvalidRequest {
        reason: "the storage index holds shares of the other kind".to_owned(),
    }
}

#[async_trait]
impl StorageService for MemoryStore {
    async fn version(&self) -> Result<ServerVersion, StorageError> {
        let space = self.lock().available_space();
        Ok(ServerVersion {
            maximum_immutable_share_size: space,
            maximum_mutable_share_size: MAX_MUTABLE_SHARE_SIZE,
            available_space: space,
            application_version: "tahoe-memory/0".to_owned(),
        })
    }

    async fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: &LeaseSecrets,
        upload_secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        self.abort_idle_uploads();
        let mut state = self.lock();
        let lease = state.lease(0, lease);
        let (now, space) = (state.now, state.available_space());
        let mut unreserved = space.saturating_sub(state.reserved());
        let bucket = state.buckets.entry(*storage_index).or_default();
        if bucket.shares.values().any(|share| share.slot.is_some()) {
            return Err(wrong_kind());
        }
        for stored in bucket.shares.values_mut() {
            stored.add_or_renew(&lease, space)?;
        }
        let mut allocation = Allocation {
            already_have: bucket.shares.keys().copied().collect(),
            allocated: BTreeSet::new(),
        };
        for share in shares.difference(&allocation.already_have) {
            if let Some(upload) = bucket.uploads.get_mut(share) {
                if upload.secret == *upload_secret && upload.size == share_size {
                    upload.last_active = now;
                    allocation.allocated.insert(*share);
                }
            } else if let Some(rest) = unreserved.checked_sub(share_size) {
                unreserved = rest;
                let upload = Upload {
                    secret: upload_secret.clone(),
                    data: Vec::new(),
                    size: share_size,
                    written: WrittenRanges::default(),
                    lease: lease.clone(),
                    last_active: now,
                };
                bucket.uploads.insert(*share, upload);
                allocation.allocated.insert(*share);
            }
        }
        Ok(allocation)
    }

    async fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        self.abort_idle_uploads();
        let mut state = self.lock();
        let now = state.now;
        let upload = state.upload(storage_index, share, upload_secret)?;
        upload.last_active = now;
        upload.write(offset, &data)?;
        if !upload.written.covers(upload.size) {
            let missing = upload.written.missing(upload.size);
            return Ok(WriteProgress::Partial { missing });
        }
        let bucket = state.buckets.entry(*storage_index).or_default();
        if let Some(upload) = bucket.uploads.remove(&share) {
            let stored = StoredShare {
                data: upload.data.into(),
                leases: vec![upload.lease],
                slot: None,
            };
            bucket.shares.insert(share, stored);
        }
        Ok(WriteProgress::Complete)
    }

    async fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        self.abort_idle_uploads();
        let mut state = self.lock();
        let complete = state
            .find(ShareKind::Immutable, storage_index, share)
            .is_ok();
        if complete {
            return Err(StorageError::AlreadyComplete);
        }
        state.upload(storage_index, share, upload_secret)?;
        let bucket = state.buckets.entry(*storage_index).or_default();
        bucket.uploads.remove(&share);
        Ok(())
    }

    async fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let state = self.lock();
        let shares = state.shares(kind, storage_index);
        Ok(shares.map(|(number, _)| *number).collect())
    }

    async fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let state = self.lock();
        Ok(state.find(kind, storage_index, share)?.read(range))
    }

    async fn read_slot(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        reads: &[ReadVector],
    ) -> Result<BTreeMap<ShareNumber, Vec<Bytes>>, StorageError> {
        let state = self.lock();
        let present = state.shares(ShareKind::Mutable, storage_index);
        let wanted = present.filter(|(number, _)| shares.is_empty() || shares.contains(number));
        let read = |(number, share): (&ShareNumber, &StoredShare)| {
            let found = reads.iter().map(|range| share.read(*range));
            (*number, found.collect())
        };
        Ok(wanted.map(read).collect())
    }

    async fn share_size(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<u64, StorageError> {
        let state = self.lock();
        let share = state.find(kind, storage_index, share)?;
        Ok(share.data.len() as u64)
    }

    async fn add_lease(
        &self,
        storage_index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError> {
        let mut state = self.lock();
        let lease = state.lease(1, lease);
        let space = state.available_space();
        let bucket = state.buckets.get_mut(storage_index);
        let shares = bucket.map(|bucket| &mut bucket.shares);
        let shares = shares.filter(|shares| !shares.is_empty());
        for stored in shares.ok_or(StorageError::NoSuchShare)?.values_mut() {
            stored.add_or_renew(&lease, space)?;
        }
        Ok(())
    }

    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        check_advice(reason)?;
        let mut state = self.lock();
        state.find(kind, storage_index, share)?;
        let advisory = format!("{} {storage_index} {share}: {reason}", kind.as_str());
        state.advisories.push(advisory);
        Ok(())
    }

    async fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        change.check_limits()?;
        let mut writes = change.vectors.values().flat_map(|vectors| &vectors.writes);
        if writes.any(|write| {
            usize::try_from(write.offset).map_or(true, |o| o + write.data.len() > LARGEST_SLOT)
        }) {
            return Err(StorageError::NoSpace);
        }
        let mut state = self.lock();
        let lease = state.lease(1, &secrets.lease);
        let space = state.available_space();
        let bucket = state.buckets.entry(*storage_index).or_default();
        bucket.check_write_enabler(&secrets.write_enabler)?;
        let outcome = ReadTestWriteOutcome {
            success: bucket.tests_hold(&change),
            data: bucket.read(&change),
        };
        if outcome.success {
            let slot = (secrets.write_enabler.clone(), self.tub_id);
            bucket.apply(&change, &slot, &lease, space)?;
        }
        Ok(outcome)
    }
}

impl Upload {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        let end = offset
            .checked_add(data.len() as u64)
            .filter(|end| *end <= self.size)
            .ok_or(StorageError::OutOfRange)?;
        let index = |at: u64| usize::try_from(at).map_err(|_| StorageError::NoSpace);
        for part in self.written.overlaps(offset..end) {
            let old = &self.data[index(part.start)?..index(part.end)?];
            if *old != data[index(part.start - offset)?..index(part.end - offset)?] {
                return Err(StorageError::ConflictingWrite);
            }
        }
        if self.data.len() < index(end)? {
            self.data.resize(index(end)?, 0);
        }
        self.data[index(offset)?..index(end)?].copy_from_slice(data);
        self.written.insert(offset..end);
        Ok(())
    }
}

impl Bucket {
    fn check_write_enabler(&self, given: &WriteEnabler) -> Result<(), StorageError> {
        for stored in self.shares.values() {
            let (enabler, recorded_by) = stored.slot.as_ref().ok_or_else(wrong_kind)?;
            if enabler != given {
                let recorded_by = Some(recorded_by.to_string());
                return Err(StorageError::BadWriteEnabler { recorded_by });
            }
        }
        Ok(())
    }

    fn tests_hold(&self, change: &ReadTestWrite) -> bool {
        change.vectors.iter().all(|(number, vectors)| {
            let data = self.shares.get(number).map(|stored| &stored.data);
            vectors.tests.iter().all(|test| {
                let range = ShareRange {
                    offset: test.offset,
                    length: test.size,
                };
                data.map_or_else(Bytes::new, |data| slice(data, range)) == test.specimen
            })
        })
    }

    fn read(&self, change: &ReadTestWrite) -> BTreeMap<ShareNumber, Vec<Bytes>> {
        let read = |stored: &StoredShare| change.reads.iter().map(|r| stored.read(*r)).collect();
        let shares = self.shares.iter();
        shares.map(|(n, stored)| (*n, read(stored))).collect()
    }

    fn apply(
        &mut self,
        change: &ReadTestWrite,
        slot: &(WriteEnabler, TubId),
        lease: &MemoryLease,
        space: u64,
    ) -> Result<(), StorageError> {
        let mut written = Vec::new();
        for (number, vectors) in &change.vectors {
            if vectors.new_length == Some(0) {
                self.shares.remove(number);
                continue;
            }
            let stored = self.shares.entry(*number).or_insert_with(|| StoredShare {
                data: Bytes::new(),
                leases: Vec::new(),
                slot: Some(slot.clone()),
            });
            stored.write(vectors)?;
            written.push(*number);
        }
        for number in written {
            if let Some(stored) = self.shares.get_mut(&number) {
                stored.add_or_renew(lease, space)?;
            }
        }
        Ok(())
    }
}
