//! Runs crawlers: when they work, when they rest, what happens when they fail, how they stop.

use super::bucket_counter::BucketCounter;
use super::lease_checker::LeaseChecker;
use super::report::CrawlerReport;
use super::walk::{Crawler, SliceEnd};
use super::{Inspector, seconds};
use crate::expire::ExpirationPolicy;
use crate::store::{DiskStore, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tahoe_storage_api::StorageError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The longest rest while a round is under way: however long a directory took.
const LONGEST_REST: Duration = Duration::from_secs(299);
/// How many times as long as it worked a crawler rests.
const REST_FACTOR: u32 = 9;
/// The rest after a failure; doubled each time until the longest.
const FIRST_BACK_OFF: Duration = Duration::from_secs(60);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60 * 60);
/// How long a crawler may take to stop.
const EXIT_DEADLINE: Duration = Duration::from_secs(5);

/// The crawlers of a store, running. To be stopped before the store is closed.
#[derive(Debug)]
pub struct Crawlers {
    bucket_counter: Worker,
    lease_checker: Worker,
}

impl Crawlers {
    /// Starts the bucket counter and the lease checker of a store.
    ///
    /// They begin after five and six minutes. The caller has made sure, with
    /// [`refuse_pickled_state`](super::refuse_pickled_state), that there is no older state.
    pub async fn start(
        store: &Arc<DiskStore>,
        policy: ExpirationPolicy,
    ) -> Result<Self, StorageError> {
        let restored = store.change(move |store| {
            let checker = LeaseChecker::new(&store.config.directory, policy);
            if !checker.has_history_file() {
                checker.save_history(store)?;
            }
            let counter = Crawler::restore(store, BucketCounter::default());
            Ok((counter, Crawler::restore(store, checker), seconds(store)))
        });
        let (counter, checker, now) = restored.await?;
        Ok(Self {
            bucket_counter: Worker::start(store, counter, now),
            lease_checker: Worker::start(store, checker, now),
        })
    }

    /// What the bucket counter has found.
    pub fn bucket_counter(&self) -> CrawlerReport {
        self.bucket_counter.report.lock().clone()
    }

    /// What the lease checker has found.
    pub fn lease_checker(&self) -> CrawlerReport {
        self.lease_checker.report.lock().clone()
    }

    /// How many storage indexes there were when they were counted last.
    pub fn bucket_count(&self) -> Option<u64> {
        let report = self.bucket_counter.report.lock();
        report.state.get("last-complete-bucket-count")?.as_u64()
    }

    /// Stops both after the directory that they are visiting; their places are saved.
    pub async fn stop(&self) {
        tokio::join!(self.bucket_counter.stop(), self.lease_checker.stop());
    }
}

/// The latest report of a crawler.
#[derive(Debug, Default)]
struct Latest(Mutex<CrawlerReport>);

impl Latest {
    fn lock(&self) -> MutexGuard<'_, CrawlerReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A crawler that runs by itself.
#[derive(Debug)]
struct Worker {
    report: Arc<Latest>,
    stopping: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    fn start<I: Inspector>(store: &Arc<DiskStore>, crawler: Crawler<I>, now: f64) -> Self {
        let first = now + I::SLOW_START.as_secs_f64();
        let report = Arc::new(Latest(Mutex::new(crawler.report(Some(first)))));
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = watch::channel(false);
        let running = run(
            Arc::clone(store),
            crawler,
            Arc::clone(&report),
            Arc::clone(&stopping),
            stopped,
        );
        Self {
            report,
            stopping,
            stop,
            task: Mutex::new(Some(tokio::spawn(running))),
        }
    }

    async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(task) = task else { return };
        let abort = task.abort_handle();
        if timeout(EXIT_DEADLINE, task).await.is_err() {
            abort.abort();
            tracing::warn!("a crawler did not stop in time: it may repeat some of its work");
        }
    }
}

/// Works and rests until `stopped`.
async fn run<I: Inspector>(
    store: Arc<DiskStore>,
    mut crawler: Crawler<I>,
    report: Arc<Latest>,
    stopping: Arc<AtomicBool>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut rest = I::SLOW_START;
    let mut failures = 0;
    loop {
        tokio::select! {
            () = sleep(rest) => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
        report.lock().progress.next_wake = None;
        let flag = Arc::clone(&stopping);
        let worked = store.change(move |store| Ok(work(store, crawler, &flag)));
        let Ok((returned, outcome, now)) = worked.await else {
            // The store is closed.
            return;
        };
        crawler = returned;
        rest = match outcome {
            Ok(rest) => {
                failures = 0;
                rest
            }
            Err(error) => {
                tracing::warn!(%error, crawler = I::NAME, "a crawler's work failed");
                let rest = FIRST_BACK_OFF.saturating_mul(1 << failures.min(10));
                failures += 1;
                rest.min(LONGEST_BACK_OFF)
            }
        };
        *report.lock() = crawler.report(Some(now + rest.as_secs_f64()));
    }
    let saved = store.change(move |store| crawler.save(store));
    if let Err(error) = saved.await {
        tracing::warn!(%error, crawler = I::NAME, "a crawler's place was not saved");
    }
}

/// One slice; says how long to rest after it, and what time it is.
fn work<I: Inspector>(
    store: &Store,
    mut crawler: Crawler<I>,
    stopping: &AtomicBool,
) -> (Crawler<I>, Result<Duration, StorageError>, f64) {
    let clock = &store.config.clock;
    let started = clock.elapsed();
    let end = crawler.slice(store, stopping);
    let worked = clock.elapsed().saturating_sub(started);
    let rest = worked.saturating_mul(REST_FACTOR).min(LONGEST_REST);
    let rest = end.map(|end| match end {
        SliceEnd::CycleFinished => rest.max(I::MINIMUM_CYCLE_TIME),
        SliceEnd::MoreToDo => rest,
    });
    (crawler, rest, seconds(store))
}
