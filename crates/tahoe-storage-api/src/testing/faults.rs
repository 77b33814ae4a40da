//! A service that misbehaves on purpose.

use crate::{
    Allocation, ReadTestWrite, ReadTestWriteOutcome, ServerVersion, ShareKind, ShareNumber,
    ShareRange, SlotSecrets, StorageError, StorageService, WriteProgress,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};

/// A call of [`StorageService`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method of the same name")]
pub enum Call {
    Version,
    AllocateShares,
    WriteShare,
    AbortShare,
    ListShares,
    ReadShare,
    AddLease,
    AdviseCorruptShare,
    ReadTestWrite,
}

/// What goes wrong with a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The call never ends.
    Hang,
    /// The call takes that much longer.
    Delay(Duration),
    /// The call fails with the error that this makes, and has no effect.
    Fail(fn() -> StorageError),
    /// Refused for lack of room: [`Call::AllocateShares`] allocates nothing, others fail.
    NoSpace,
    /// The server is gone: as a lost connection, before the call had any effect.
    Vanish,
    /// The call has its effect, but the connection is lost before the answer.
    LoseAnswer,
    /// Reads return these bytes of the share inverted.
    FlipBits(Range<u64>),
    /// Reads return the bytes of another share.
    OtherShare(StorageIndex, ShareNumber),
    /// Reads find the share cut to this many bytes.
    Truncate(u64),
}

impl Fault {
    /// Makes the rule that applies the fault to every such call.
    pub fn on(self, call: Call) -> Rule {
        Rule {
            call: Some(call),
            share: None,
            after: 0,
            times: None,
            fault: self,
        }
    }

    /// Makes the rule that applies the fault to every call.
    pub fn always(self) -> Rule {
        Rule {
            call: None,
            ..self.on(Call::Version)
        }
    }
}

/// When a fault happens.
#[derive(Debug, Clone)]
pub struct Rule {
    call: Option<Call>,
    share: Option<ShareNumber>,
    after: usize,
    times: Option<usize>,
    fault: Fault,
}

impl Rule {
    /// Only for calls that concern this share alone.
    #[must_use]
    pub fn for_share(mut self, share: ShareNumber) -> Self {
        self.share = Some(share);
        self
    }

    /// Only after that many matching calls have passed unharmed.
    #[must_use]
    pub fn after(mut self, calls: usize) -> Self {
        self.after = calls;
        self
    }

    /// Only that many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Says whether the fault happens to this call, and counts it.
    fn strikes(&mut self, call: Call, share: Option<ShareNumber>) -> bool {
        if self.call.is_some_and(|wanted| wanted != call)
            || self.share.is_some_and(|wanted| Some(wanted) != share)
        {
            return false;
        }
        if let Some(after) = self.after.checked_sub(1) {
            self.after = after;
            return false;
        }
        match &mut self.times {
            Some(0) => false,
            Some(times) => {
                *times -= 1;
                true
            }
            None => true,
        }
    }
}

/// Wraps a service; each call suffers the faults of the rules that match it, and is counted.
///
/// A service without rules only counts. Rules may be changed while calls are under way.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn StorageService>,
    state: Mutex<FaultyState>,
}

#[derive(Debug, Default)]
struct FaultyState {
    rules: Vec<Rule>,
    counts: HashMap<Call, usize>,
}

impl Faulty {
    /// Wraps a service, without faults yet.
    pub fn new(inner: Arc<dyn StorageService>) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// Adds a rule, for use while constructing.
    #[must_use]
    pub fn with(self, rule: Rule) -> Self {
        self.add(rule);
        self
    }

    /// Adds a rule; it applies to calls that begin from now on.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Removes all rules.
    pub fn heal(&self) {
        self.lock().rules.clear();
    }

    /// How often this call was begun.
    pub fn count(&self, call: Call) -> usize {
        self.lock().counts.get(&call).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, FaultyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and suffers the faults that come before it; returns those that come after.
    async fn begin(
        &self,
        call: Call,
        share: Option<ShareNumber>,
    ) -> Result<Vec<Fault>, StorageError> {
        let faults: Vec<Fault> = {
            let mut state = self.lock();
            *state.counts.entry(call).or_default() += 1;
            let rules = state.rules.iter_mut();
            let striking = rules.filter_map(|r| r.strikes(call, share).then(|| r.fault.clone()));
            striking.collect()
        };
        for fault in &faults {
            match fault {
                Fault::Hang => std::future::pending().await,
                Fault::Delay(time) => tokio::time::sleep(*time).await,
                Fault::Fail(error) => return Err(error()),
                Fault::Vanish => return Err(lost(false)),
                Fault::NoSpace if call != Call::AllocateShares => {
                    return Err(StorageError::NoSpace);
                }
                Fault::NoSpace
                | Fault::LoseAnswer
                | Fault::FlipBits(_)
                | Fault::OtherShare(..)
                | Fault::Truncate(_) => {}
            }
        }
        Ok(faults)
    }
}

fn lost(may_have_happened: bool) -> StorageError {
    StorageError::Unreachable {
        reason: "connection lost".to_owned(),
        may_have_happened,
    }
}

/// Suffers the faults that come between a call's effect and its answer.
fn end<T>(faults: &[Fault], answer: Result<T, StorageError>) -> Result<T, StorageError> {
    if faults
        .iter()
        .any(|fault| matches!(fault, Fault::LoseAnswer))
    {
        return Err(lost(true));
    }
    answer
}

/// Cuts a range as if the share ended at the shortest truncation.
fn truncated(faults: &[Fault], range: ShareRange) -> ShareRange {
    let mut end = range.offset.saturating_add(range.length);
    for fault in faults {
        if let Fault::Truncate(length) = fault {
            end = end.min(*length);
        }
    }
    ShareRange {
        offset: range.offset,
        length: end.saturating_sub(range.offset),
    }
}

/// Inverts the bytes that the faults hit; `data` was read at `offset`.
fn flipped(faults: &[Fault], offset: u64, data: Bytes) -> Bytes {
    let mut data = Vec::from(data);
    for fault in faults {
        let Fault::FlipBits(region) = fault else {
            continue;
        };
        for (position, byte) in (offset..).zip(&mut data) {
            if region.contains(&position) {
                *byte = !*byte;
            }
        }
    }
    data.into()
}

#[async_trait]
impl StorageService for Faulty {
    async fn version(&self) -> Result<ServerVersion, StorageError> {
        let faults = self.begin(Call::Version, None).await?;
        end(&faults, self.inner.version().await)
    }

    async fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: &LeaseSecrets,
        upload_secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        let faults = self.begin(Call::AllocateShares, None).await?;
        let full = faults.iter().any(|fault| matches!(fault, Fault::NoSpace));
        let none = BTreeSet::new();
        let shares = if full { &none } else { shares };
        let inner = &self.inner;
        let answer = inner
            .allocate_shares(storage_index, shares, share_size, lease, upload_secret)
            .await;
        end(&faults, answer)
    }

    async fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        let faults = self.begin(Call::WriteShare, Some(share)).await?;
        let inner = &self.inner;
        let answer = inner
            .write_share(storage_index, share, upload_secret, offset, data)
            .await;
        end(&faults, answer)
    }

    async fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        let faults = self.begin(Call::AbortShare, Some(share)).await?;
        let inner = &self.inner;
        let answer = inner.abort_share(storage_index, share, upload_secret).await;
        end(&faults, answer)
    }

    async fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let faults = self.begin(Call::ListShares, None).await?;
        end(&faults, self.inner.list_shares(kind, storage_index).await)
    }

    async fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let faults = self.begin(Call::ReadShare, Some(share)).await?;
        let mut source = (*storage_index, share);
        for fault in &faults {
            if let Fault::OtherShare(index, number) = fault {
                source = (*index, *number);
            }
        }
        let range = truncated(&faults, range);
        let answer = self
            .inner
            .read_share(kind, &source.0, source.1, range)
            .await
            .map(|data| flipped(&faults, range.offset, data));
        end(&faults, answer)
    }

    async fn add_lease(
        &self,
        storage_index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError> {
        let faults = self.begin(Call::AddLease, None).await?;
        end(&faults, self.inner.add_lease(storage_index, lease).await)
    }

    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        let faults = self.begin(Call::AdviseCorruptShare, Some(share)).await?;
        let inner = &self.inner;
        let answer = inner
            .advise_corrupt_share(kind, storage_index, share, reason)
            .await;
        end(&faults, answer)
    }

    async fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        let faults = self.begin(Call::ReadTestWrite, None).await?;
        let reads = change.reads.clone();
        let mut answer = self
            .inner
            .read_test_write(storage_index, secrets, change)
            .await;
        if let Ok(outcome) = &mut answer {
            for vectors in outcome.data.values_mut() {
                for (range, data) in reads.iter().zip(vectors) {
                    *data = flipped(&faults, range.offset, std::mem::take(data));
                }
            }
        }
        end(&faults, answer)
    }
}
