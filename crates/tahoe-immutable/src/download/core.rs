//! What all reads of one file share.

use super::finder::Finder;
use super::share::{Corruption, Facts, Promise, Share, ShareFault, SharePart};
use crate::ask::advise_corrupt;
use crate::status::DownloadStatus;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tahoe_crypto::{ImmutableReadKey, ServerId, StorageIndex};
use tahoe_share::SegmentGeometry;
use tahoe_storage_api::ShareNumber;
use tahoe_tasks::BackgroundTasks;
use tahoe_tasks::CpuPool;
use tokio::sync::watch;

/// Advisories under way at a time; more are only logged.
const MOST_ADVISORIES: usize = 32;
/// Corrupt shares that are remembered.
const MOST_REMEMBERED: usize = 1000;

/// One file as its readers see it.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) storage_index: StorageIndex,
    pub(super) promise: Promise,
    /// None if only the ciphertext may be read.
    pub(super) key: Option<ImmutableReadKey>,
    pub(super) finder: Arc<Finder>,
    pub(super) pool: CpuPool,
    pub(super) decoder: zfec::Decoder,
    pub(super) status: Arc<DownloadStatus>,
    facts: Mutex<Option<Facts>>,
    facts_known: watch::Sender<bool>,
    fetch_time: Mutex<Option<Duration>>,
    corrupt: Mutex<Vec<CorruptShare>>,
    advisories: BackgroundTasks,
}

/// A corruption that a reader came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptShare {
    /// The server that keeps it.
    pub server: ServerId,
    /// Which share.
    pub share: ShareNumber,
    /// What of it is wrong.
    pub part: SharePart,
    /// Where in the share, in bytes.
    pub range: Range<u64>,
}

impl Core {
    pub(super) fn new(
        storage_index: StorageIndex,
        promise: Promise,
        key: Option<ImmutableReadKey>,
        finder: Finder,
        status: Arc<DownloadStatus>,
        pool: CpuPool,
        advisories: BackgroundTasks,
    ) -> Self {
        let (needed, total) = (
            promise.encoding.shares_needed(),
            promise.encoding.shares_total(),
        );
        Self {
            storage_index,
            promise,
            key,
            finder: Arc::new(finder),
            pool,
            decoder: zfec::Decoder::new(needed, total).expect("both crates allow the same k and N"),
            status,
            facts: Mutex::default(),
            facts_known: watch::Sender::new(false),
            fetch_time: Mutex::default(),
            corrupt: Mutex::default(),
            advisories,
        }
    }

    /// Looks at, or adds to, what is proved of the file.
    pub(super) fn with_facts<T>(&self, work: impl FnOnce(&mut Option<Facts>) -> T) -> T {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut facts);
        let known = facts.is_some();
        drop(facts);
        if known && !*self.facts_known.borrow() {
            self.facts_known.send_replace(true);
        }
        result
    }

    /// How the file is cut, if that is known.
    pub(super) fn geometry(&self) -> Option<SegmentGeometry> {
        self.with_facts(|facts| facts.as_ref().map(|facts| facts.geometry))
    }

    /// Becomes true when [`Self::geometry`] is known.
    pub(super) fn facts_known(&self) -> watch::Receiver<bool> {
        self.facts_known.subscribe()
    }

    pub(super) fn note_fetch_time(&self, time: Duration) {
        let mut usual = self
            .fetch_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *usual = Some(usual.map_or(time, |usual| (usual * 3 + time) / 4));
    }

    /// About how long a fetch takes from a share that answers.
    pub(super) fn usual_fetch_time(&self) -> Option<Duration> {
        *self
            .fetch_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that nothing more is to be had from a share.
    pub(super) fn share_failed(&self, share: &Arc<Share>, fault: &ShareFault) {
        share.set_dead();
        let server = share.server.id.short();
        self.finder.note_failure(format!("{share}: {fault}"));
        match fault {
            ShareFault::Corrupt(corruption) => self.report(share, corruption),
            ShareFault::Truncated { end } => self.report(
                share,
                &Corruption {
                    part: SharePart::Header,
                    range: 0..*end,
                    reason: fault.to_string(),
                },
            ),
            ShareFault::Server(error) => {
                tracing::info!(server, share = %share.number, %error, "could not read a share");
            }
        }
    }

    /// Takes note of a corruption and tells the server of it.
    pub(super) fn report(&self, share: &Arc<Share>, corruption: &Corruption) {
        tracing::warn!(
            server = %share.server.id.short(),
            share = %share.number,
            storage_index = %self.storage_index,
            %corruption,
            "corrupt share"
        );
        let mut corrupt = self.corrupt.lock().unwrap_or_else(PoisonError::into_inner);
        if corrupt.len() < MOST_REMEMBERED {
            corrupt.push(CorruptShare {
                server: share.server.id.clone(),
                share: share.number,
                part: corruption.part,
                range: corruption.range.clone(),
            });
        }
        drop(corrupt);
        self.advise(share, corruption.to_string());
    }

    fn advise(&self, share: &Arc<Share>, reason: String) {
        let (share, storage_index) = (Arc::clone(share), self.storage_index);
        self.advisories.spawn(MOST_ADVISORIES, async move {
            advise_corrupt(&share.server, &storage_index, share.number, reason).await;
        });
    }

    /// The corruptions found so far.
    pub(super) fn corrupt_shares(&self) -> Vec<CorruptShare> {
        let corrupt = self.corrupt.lock().unwrap_or_else(PoisonError::into_inner);
        corrupt.clone()
    }
}
