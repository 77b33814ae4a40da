//! Operations that go on or ended lately, for the status pages.
//!
//! All that goes on is listed, and of each kind the latest. What goes on is bounded by the limits on
//! transfers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tahoe_crypto::StorageIndex;
use tahoe_immutable::{DownloadEvents, DownloadStatus, UploadProgress, UploadStage, UploadStatus};
use tahoe_mutable::{MutableKind, MutableStatus};
use tokio::time::Instant;

use crate::transfers::Stored;

/// How many uploads are kept.
const MOST_UPLOADS: usize = 10;
/// How many downloads are kept.
const MOST_DOWNLOADS: usize = 10;

/// How many searches for mutable files are kept.
const MOST_MAPUPDATES: usize = 20;
/// How many publications of mutable files are kept.
const MOST_PUBLISHES: usize = 20;
/// How many retrievals of mutable files are kept.
const MOST_RETRIEVES: usize = 40;

/// What happened lately.
#[derive(Debug)]
pub struct History {
    uploads: Mutex<Latest<UploadOperation>>,
    assisted: Mutex<Latest<UploadOperation>>,
    downloads: Mutex<Latest<DownloadOperation>>,
    mapupdates: Mutex<Latest<MutableOperation>>,
    publishes: Mutex<Latest<MutableOperation>>,
    retrieves: Mutex<Latest<MutableOperation>>,
}

#[derive(Debug)]
struct Latest<T> {
    operations: VecDeque<Arc<T>>,
    next_number: Arc<AtomicU64>,
}

impl<T: Operation> Latest<T> {
    fn new() -> Mutex<Self> {
        Self::numbered_by(Arc::default())
    }

    fn numbered_by(next_number: Arc<AtomicU64>) -> Mutex<Self> {
        Mutex::new(Self {
            operations: VecDeque::new(),
            next_number,
        })
    }

    /// Adds an operation; drops the oldest that doesn't go on while there are more than `most`.
    fn add(&mut self, make: impl FnOnce(u64) -> T, most: usize) -> Arc<T> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let operation = Arc::new(make(number));
        self.operations.push_back(Arc::clone(&operation));
        while self.operations.len() > most
            && let Some(oldest) = self.operations.iter().position(|o| !o.is_active())
        {
            self.operations.remove(oldest);
        }
        operation
    }
}

/// What the history keeps.
trait Operation {
    fn is_active(&self) -> bool;
}

/// A file is stored.
#[derive(Debug)]
pub struct UploadOperation {
    /// Counts the uploads of this node, from 0.
    pub number: u64,
    /// When it began.
    pub started: SystemTime,
    /// How far it is.
    pub status: Arc<UploadStatus>,
    end: Mutex<UploadEnd>,
}

#[derive(Debug, Default)]
struct UploadEnd {
    is_over: bool,
    stored: Option<Arc<Stored>>,
}

impl UploadOperation {
    fn lock(&self) -> MutexGuard<'_, UploadEnd> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it goes on.
    pub fn is_active(&self) -> bool {
        let stage = self.progress().stage;
        !self.lock().is_over && !matches!(stage, UploadStage::Finished | UploadStage::Failed)
    }

    /// What came of it, if it succeeded.
    pub fn stored(&self) -> Option<Arc<Stored>> {
        self.lock().stored.clone()
    }

    /// How far it is.
    pub fn progress(&self) -> UploadProgress {
        self.status.progress()
    }

    /// What it is doing, in a few words.
    pub fn doing(&self) -> &'static str {
        match self.progress().stage {
            UploadStage::FetchingCiphertext => "fetching ciphertext",
            UploadStage::ContactingHelper => "Contacting Helper",
            UploadStage::SendingCiphertext => "Uploading Ciphertext",
            UploadStage::SelectingServers => "Contacting Servers..",
            UploadStage::Sending => "Sending segments",
            UploadStage::Finishing => "Finishing hashes",
            UploadStage::Finished => "Finished",
            UploadStage::Failed => "Failed",
            _ if self.is_active() => "Not started",
            _ => "Failed",
        }
    }
}

impl Operation for UploadOperation {
    fn is_active(&self) -> bool {
        self.is_active()
    }
}

/// An upload that goes on; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct OngoingUpload(pub(crate) Arc<UploadOperation>);

impl OngoingUpload {
    pub(crate) fn succeeded(&self, stored: &Stored) {
        self.0.lock().stored = Some(Arc::new(stored.clone()));
    }
}

impl Drop for OngoingUpload {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
    }
}

/// A file is read, once or several times.
#[derive(Debug)]
pub struct DownloadOperation {
    /// Counts the files that this node has read, from 0.
    pub number: u64,
    /// Where its shares are.
    pub storage_index: StorageIndex,
    /// In bytes.
    pub file_size: u64,
    status: Arc<DownloadStatus>,
    /// One moment on both clocks.
    moment: (Instant, SystemTime),
}

impl DownloadOperation {
    /// What its reads did.
    pub fn events(&self) -> DownloadEvents {
        self.status.events()
    }

    /// A moment of an event in seconds since 1970.
    pub fn seconds(&self, at: Instant) -> f64 {
        let (instant, time) = self.moment;
        let time = time.duration_since(SystemTime::UNIX_EPOCH);
        let time = time.map_or(0.0, |time| time.as_secs_f64());
        match at.checked_duration_since(instant) {
            Some(later) => time + later.as_secs_f64(),
            None => time - instant.duration_since(at).as_secs_f64(),
        }
    }

    /// When the first read began, in seconds since 1970.
    pub fn started(&self) -> f64 {
        self.seconds(self.moment.0)
    }

    /// Whether somebody reads.
    pub fn is_active(&self) -> bool {
        let events = self.status.events();
        events
            .reads
            .iter()
            .any(|read| read.times.finished.is_none())
    }
}

impl Operation for DownloadOperation {
    fn is_active(&self) -> bool {
        self.is_active()
    }
}

/// A mutable file is searched, written or read.
#[derive(Debug)]
pub struct MutableOperation {
    /// Counts the operations of this kind, from 0.
    pub number: u64,
    /// When it began.
    pub started: SystemTime,
    /// What it is and how far.
    pub status: Arc<MutableStatus>,
}

impl MutableOperation {
    /// What it is doing, in a few words.
    pub fn doing(&self) -> &'static str {
        match (self.status.facts().success, self.status.kind()) {
            (Some(true), _) => "Finished",
            (Some(false), _) => "Failed",
            (None, MutableKind::Mapupdate(_)) => "Querying servers",
            (None, MutableKind::Publish(_)) => "Started",
            (None, MutableKind::Retrieve(_)) => "Retrieving Shares",
        }
    }
}

impl Operation for MutableOperation {
    fn is_active(&self) -> bool {
        self.status.is_active()
    }
}

impl Default for History {
    fn default() -> Self {
        let upload_numbers = Arc::<AtomicU64>::default();
        Self {
            uploads: Latest::numbered_by(Arc::clone(&upload_numbers)),
            assisted: Latest::numbered_by(upload_numbers),
            downloads: Latest::new(),
            mapupdates: Latest::new(),
            publishes: Latest::new(),
            retrieves: Latest::new(),
        }
    }
}

impl History {
    pub(crate) fn begin_upload(
        &self,
        status: Arc<UploadStatus>,
        started: SystemTime,
    ) -> OngoingUpload {
        let make = |number| UploadOperation {
            number,
            started,
            status,
            end: Mutex::default(),
        };
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        OngoingUpload(uploads.add(make, MOST_UPLOADS))
    }

    /// Lists an upload for another node; it ends when its status says so. The latest of these are
    /// kept apart from the node's own, but numbered with them.
    pub(crate) fn note_assisted(&self, status: Arc<UploadStatus>, started: SystemTime) {
        let make = |number| UploadOperation {
            number,
            started,
            status,
            end: Mutex::default(),
        };
        let assisted = self.assisted.lock();
        let mut assisted = assisted.unwrap_or_else(PoisonError::into_inner);
        assisted.add(make, MOST_UPLOADS);
    }

    /// Lists a file that is about to be read, unless it is listed already.
    pub(crate) fn note_download(
        &self,
        storage_index: StorageIndex,
        file_size: u64,
        status: &Arc<DownloadStatus>,
        now: SystemTime,
    ) {
        let downloads = self.downloads.lock();
        let mut downloads = downloads.unwrap_or_else(PoisonError::into_inner);
        let is_listed = |operation: &Arc<DownloadOperation>| Arc::ptr_eq(&operation.status, status);
        if downloads.operations.iter().any(is_listed) {
            return;
        }
        let make = |number| DownloadOperation {
            number,
            storage_index,
            file_size,
            status: Arc::clone(status),
            moment: (Instant::now(), now),
        };
        downloads.add(make, MOST_DOWNLOADS);
    }

    /// Lists an operation on a mutable file.
    pub(crate) fn note_mutable(&self, status: &Arc<MutableStatus>, started: SystemTime) {
        let (list, most) = match status.kind() {
            MutableKind::Mapupdate(_) => (&self.mapupdates, MOST_MAPUPDATES),
            MutableKind::Publish(_) => (&self.publishes, MOST_PUBLISHES),
            MutableKind::Retrieve(_) => (&self.retrieves, MOST_RETRIEVES),
        };
        let make = |number| MutableOperation {
            number,
            started,
            status: Arc::clone(status),
        };
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        list.add(make, most);
    }

    /// The searches for mutable files, in the order in which they began.
    pub fn mapupdates(&self) -> Vec<Arc<MutableOperation>> {
        listed(&self.mapupdates)
    }

    /// The publishes of mutable files, in the order in which they began.
    pub fn publishes(&self) -> Vec<Arc<MutableOperation>> {
        listed(&self.publishes)
    }

    /// The readings of mutable files, in the order in which they began.
    pub fn retrieves(&self) -> Vec<Arc<MutableOperation>> {
        listed(&self.retrieves)
    }

    /// The uploads in the order in which they began, and after them those for other nodes.
    pub fn uploads(&self) -> Vec<Arc<UploadOperation>> {
        let mut uploads = listed(&self.uploads);
        uploads.extend(listed(&self.assisted));
        uploads
    }

    /// The downloads, in the order in which they began.
    pub fn downloads(&self) -> Vec<Arc<DownloadOperation>> {
        listed(&self.downloads)
    }
}

fn listed<T>(list: &Mutex<Latest<T>>) -> Vec<Arc<T>> {
    let list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.operations.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_listed_and_of_the_rest_the_latest() {
        let history = History::default();
        let begin = || history.begin_upload(Arc::default(), SystemTime::UNIX_EPOCH);
        let ongoing = begin();
        for _ in 0..30 {
            drop(begin());
        }
        let numbers: Vec<u64> = history.uploads().iter().map(|o| o.number).collect();
        assert_eq!(numbers.len(), MOST_UPLOADS);
        assert_eq!((numbers[0], numbers[9]), (0, 30));
        assert_eq!(history.uploads()[0].doing(), "Not started");
        drop(ongoing);
        drop(begin());
        history.note_assisted(Arc::default(), SystemTime::UNIX_EPOCH);
        let numbers: Vec<u64> = history.uploads().iter().map(|o| o.number).collect();
        assert_eq!((numbers.len(), numbers[0]), (MOST_UPLOADS + 1, 22));
        assert_eq!(numbers[10], 32, "for somebody else, and still going on");
        assert!(history.uploads()[10].is_active());
        assert_eq!(history.uploads()[0].doing(), "Failed");
    }

    #[tokio::test]
    async fn a_file_is_listed_once() {
        let history = History::default();
        let index = StorageIndex::from_bytes([1; 16]);
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        let status = Arc::new(DownloadStatus::default());
        for _ in 0..3 {
            history.note_download(index, 5, &status, now);
        }
        history.note_download(index, 5, &Arc::default(), now);
        let downloads = history.downloads();
        assert_eq!(downloads.len(), 2);
        assert!(!downloads[0].is_active());
        assert_eq!(downloads[0].started(), 1000.0);
    }
}
