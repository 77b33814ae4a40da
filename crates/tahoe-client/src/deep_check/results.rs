//! What a deep check has found so far, for those who ask while it runs and afterwards.

use super::spool::{Spool, SpooledReport};
use super::{CheckedObject, DeepCheckOptions, DeepStep, Outcome};
use crate::Client;
use crate::checks::{CheckReport, CorruptShareReport};
use futures_util::StreamExt as _;
use std::io;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tahoe_crypto::StorageIndex;
use tahoe_directory::{DeepStats, Directory, DirectoryError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Corrupt shares that are listed; more are only counted.
const MOST_CORRUPT_SHARES: usize = 100_000;

/// How many objects were found in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeepCheckCounts {
    /// Objects with shares.
    pub checked: u64,
    /// Those that were healthy when they were looked at.
    pub healthy: u64,
    /// Those that weren't.
    pub unhealthy: u64,
    /// Those that can't be read.
    pub unrecoverable: u64,
    /// Those that are healthy after the repair.
    pub healthy_after: u64,
    /// Those that aren't.
    pub unhealthy_after: u64,
    /// Those that can't be read after the repair.
    pub unrecoverable_after: u64,
    /// Repairs that were attempted.
    pub repairs_attempted: u64,
    /// Those that did what they should.
    pub repairs_successful: u64,
    /// Those that didn't.
    pub repairs_unsuccessful: u64,
    /// Shares that were found corrupt.
    pub corrupt_shares: u64,
    /// Those that still are, as far as is known.
    pub corrupt_shares_after: u64,
}

/// A moment of a deep check.
#[derive(Debug, Clone)]
pub struct DeepCheckState {
    /// Where the root directory is kept.
    pub root: Option<StorageIndex>,
    /// Whether objects are repaired.
    pub repairs: bool,
    /// Objects by state.
    pub counts: DeepCheckCounts,
    /// What the tree is made of, as far as it was seen.
    pub stats: DeepStats,
    /// Shares that were found corrupt, up to a hundred thousand.
    pub corrupt_shares: Vec<CorruptShareReport>,
    /// Those that still are, as far as is known.
    pub corrupt_shares_after: Vec<CorruptShareReport>,
    /// When it ended, and how; none while it runs.
    pub finished: Option<(Instant, Result<(), DirectoryError>)>,
}

/// The results of a deep check, while it runs and afterwards.
#[derive(Debug)]
pub struct DeepCheckResults {
    state: StdMutex<DeepCheckState>,
    reports: Mutex<Spool>,
}

impl DeepCheckResults {
    /// Begins without results for the check of a tree.
    pub fn new(client: &Client, root: &Directory, options: DeepCheckOptions) -> Arc<Self> {
        let state = DeepCheckState {
            root: root.storage_index(),
            repairs: options.repair,
            counts: DeepCheckCounts::default(),
            stats: DeepStats::default(),
            corrupt_shares: Vec::new(),
            corrupt_shares_after: Vec::new(),
            finished: None,
        };
        let spool = Spool::new(client.config().tempdir.clone(), client.pool().clone());
        Arc::new(Self {
            state: StdMutex::new(state),
            reports: Mutex::new(spool),
        })
    }

    /// Runs the check to its end, unless this is dropped before.
    pub async fn run(
        self: Arc<Self>,
        client: Arc<Client>,
        root: Directory,
        options: DeepCheckOptions,
    ) {
        let result = self.collect(&client, &root, options).await;
        self.lock().finished = Some((Instant::now(), result));
    }

    async fn collect(
        &self,
        client: &Arc<Client>,
        root: &Directory,
        options: DeepCheckOptions,
    ) -> Result<(), DirectoryError> {
        let mut steps = std::pin::pin!(client.deep_check(root, options));
        while let Some(step) = steps.next().await {
            match step? {
                DeepStep::Entered { size, children } => {
                    self.lock().stats.enter_directory(size, children);
                }
                DeepStep::Object(object) => {
                    self.lock().add(&object);
                    let kept = self.reports.lock().await.keep(&object).await;
                    if let Err(error) = kept {
                        // The counts are right all the same.
                        tracing::warn!(%error, "could not keep a report of a deep check");
                    }
                }
            }
        }
        Ok(())
    }

    /// What is known now.
    pub fn state(&self) -> DeepCheckState {
        self.lock().clone()
    }

    /// When it ended, if it has.
    pub fn finished_at(&self) -> Option<Instant> {
        self.lock().finished.as_ref().map(|(at, _)| *at)
    }

    /// The reports of the first objects, or of those that weren't healthy, in the order of the walk.
    pub async fn reports(&self, most: usize, unhealthy: bool) -> io::Result<Vec<SpooledReport>> {
        self.reports.lock().await.first(most, unhealthy).await
    }

    /// The report of one object.
    pub async fn report_of(&self, index: &StorageIndex) -> io::Result<Option<SpooledReport>> {
        self.reports.lock().await.of(index).await
    }

    fn lock(&self) -> MutexGuard<'_, DeepCheckState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeepCheckState {
    fn add(&mut self, object: &CheckedObject) {
        self.stats.add_node(&object.node);
        match &object.outcome {
            Outcome::NoShares => {}
            Outcome::Checked(report) => self.add_before(report),
            Outcome::Repaired(report) => {
                self.add_before(&report.before);
                self.add_after(report.latest());
                let counts = &mut self.counts;
                if report.attempted() {
                    counts.repairs_attempted += 1;
                    match report.successful {
                        true => counts.repairs_successful += 1,
                        false => counts.repairs_unsuccessful += 1,
                    }
                }
            }
        }
    }

    fn add_before(&mut self, report: &CheckReport) {
        let counts = &mut self.counts;
        counts.checked += 1;
        counts.healthy += u64::from(report.healthy);
        counts.unhealthy += u64::from(!report.healthy);
        counts.unrecoverable += u64::from(!report.recoverable);
        counts.corrupt_shares += report.corrupt_shares.len() as u64;
        list(&mut self.corrupt_shares, &report.corrupt_shares);
    }

    fn add_after(&mut self, report: &CheckReport) {
        let counts = &mut self.counts;
        counts.healthy_after += u64::from(report.healthy);
        counts.unhealthy_after += u64::from(!report.healthy);
        counts.unrecoverable_after += u64::from(!report.recoverable);
        counts.corrupt_shares_after += report.corrupt_shares.len() as u64;
        list(&mut self.corrupt_shares_after, &report.corrupt_shares);
    }
}

fn list(listed: &mut Vec<CorruptShareReport>, found: &[CorruptShareReport]) {
    let room = MOST_CORRUPT_SHARES.saturating_sub(listed.len());
    listed.extend(found.iter().take(room).cloned());
}
