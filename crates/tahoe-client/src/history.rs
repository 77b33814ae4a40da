//! Operations that go on or ended lately, for the status pages.
//!
//! All that goes on is listed, and of each kind the latest. What goes on is bounded by the limits on
//! transfers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tahoe_crypto::StorageIndex;
use tahoe_immutable::{DownloadEvents, DownloadStatus, UploadProgress, UploadStage, UploadStatus};
use tokio::time::Instant;

use crate::transfers::Stored;

/// How many uploads are kept.
const MOST_UPLOADS: usize = 10;
/// How many downloads are kept.
const MOST_DOWNLOADS: usize = 10;

/// How many publications of mutable files are kept.
const MOST_PUBLISHES: usize = 20;
/// How many retrievals of mutable files are kept.
const MOST_RETRIEVES: usize = 40;

/// What happened lately.
#[derive(Debug)]
pub struct History {
    uploads: Mutex<Latest<UploadOperation>>,
    downloads: Mutex<Latest<DownloadOperation>>,
    publishes: Mutex<Latest<MutableOperation>>,
    retrieves: Mutex<Latest<MutableOperation>>,
}

#[derive(Debug)]
struct Latest<T> {
    operations: VecDeque<Arc<T>>,
    next_number: u64,
}

impl<T: Operation> Latest<T> {
    fn new() -> Mutex<Self> {
        Mutex::new(Self {
            operations: VecDeque::new(),
            next_number: 0,
        })
    }

    /// Adds an operation; drops the oldest that doesn't go on while there are more than `most`.
    fn add(&mut self, make: impl FnOnce(u64) -> T, most: usize) -> Arc<T> {
        let operation = Arc::new(make(self.next_number));
        self.next_number += 1;
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
        !self.lock().is_over
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

/// What happens to a mutable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutableKind {
    /// A new version is stored.
    Publish,
    /// A version is read.
    Retrieve,
}

/// A mutable file is written or read.
#[derive(Debug)]
pub struct MutableOperation {
    /// Which of both.
    pub kind: MutableKind,
    /// Counts the operations of this kind, from 0.
    pub number: u64,
    /// When it began.
    pub started: SystemTime,
    facts: Mutex<MutableFacts>,
}

/// What is known of an operation on a mutable file.
#[derive(Debug, Clone, Copy, Default)]
pub struct MutableFacts {
    /// Where its shares are, once that is known.
    pub storage_index: Option<StorageIndex>,
    /// How large the version is, in bytes, once that is known.
    pub size: Option<u64>,
    /// How many bytes were handed on, of a version that is read.
    pub delivered: u64,
    /// Whether it succeeded, once it is over.
    pub success: Option<bool>,
}

impl MutableOperation {
    /// What is known now.
    pub fn facts(&self) -> MutableFacts {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut MutableFacts)) {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What it is doing, in a few words.
    pub fn doing(&self) -> &'static str {
        match (self.facts().success, self.kind) {
            (Some(true), _) => "Finished",
            (Some(false), _) => "Failed",
            (None, MutableKind::Publish) => "Started",
            (None, MutableKind::Retrieve) => "Retrieving Shares",
        }
    }
}

impl Operation for MutableOperation {
    fn is_active(&self) -> bool {
        self.facts().success.is_none()
    }
}

/// An operation that goes on; it failed if this is dropped before it succeeded.
#[derive(Debug)]
pub(crate) struct OngoingMutable(Arc<MutableOperation>);

impl OngoingMutable {
    pub(crate) fn is_at(&self, storage_index: StorageIndex) {
        self.0
            .change(|facts| facts.storage_index = Some(storage_index));
    }

    pub(crate) fn has_size(&self, bytes: u64) {
        self.0.change(|facts| facts.size = Some(bytes));
    }

    pub(crate) fn delivered(&self, bytes: u64) {
        self.0.change(|facts| facts.delivered += bytes);
    }

    pub(crate) fn succeeded(&self) {
        self.0.change(|facts| facts.success = Some(true));
    }
}

impl Drop for OngoingMutable {
    fn drop(&mut self) {
        self.0
            .change(|facts| facts.success = facts.success.or(Some(false)));
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            uploads: Latest::new(),
            downloads: Latest::new(),
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

    fn mutables(&self, kind: MutableKind) -> (MutexGuard<'_, Latest<MutableOperation>>, usize) {
        let (list, most) = match kind {
            MutableKind::Publish => (&self.publishes, MOST_PUBLISHES),
            MutableKind::Retrieve => (&self.retrieves, MOST_RETRIEVES),
        };
        (list.lock().unwrap_or_else(PoisonError::into_inner), most)
    }

    pub(crate) fn begin_mutable(&self, kind: MutableKind, started: SystemTime) -> OngoingMutable {
        let make = |number| MutableOperation {
            kind,
            number,
            started,
            facts: Mutex::default(),
        };
        let (mut list, most) = self.mutables(kind);
        OngoingMutable(list.add(make, most))
    }

    /// The operations on mutable files of one kind, in the order in which they began.
    pub fn mutable_operations(&self, kind: MutableKind) -> Vec<Arc<MutableOperation>> {
        self.mutables(kind).0.operations.iter().cloned().collect()
    }

    /// The uploads, in the order in which they began.
    pub fn uploads(&self) -> Vec<Arc<UploadOperation>> {
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.operations.iter().cloned().collect()
    }

    /// The downloads, in the order in which they began.
    pub fn downloads(&self) -> Vec<Arc<DownloadOperation>> {
        let downloads = self.downloads.lock();
        let downloads = downloads.unwrap_or_else(PoisonError::into_inner);
        downloads.operations.iter().cloned().collect()
    }
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
        let numbers: Vec<u64> = history.uploads().iter().map(|o| o.number).collect();
        assert_eq!((numbers.len(), numbers[0]), (MOST_UPLOADS, 22));
        assert_eq!(history.uploads()[0].doing(), "Failed");
    }

    #[test]
    fn operations_on_mutable_files_end_well_or_not() {
        let history = History::default();
        let begin = || history.begin_mutable(MutableKind::Publish, SystemTime::UNIX_EPOCH);
        let operation = begin();
        let listed = || history.mutable_operations(MutableKind::Publish);
        assert_eq!(listed()[0].doing(), "Started");
        operation.has_size(7);
        operation.succeeded();
        drop(operation);
        drop(begin());
        let doing: Vec<_> = listed().iter().map(|operation| operation.doing()).collect();
        assert_eq!(doing, ["Finished", "Failed"]);
        assert_eq!(listed()[0].facts().size, Some(7));
        assert!(history.mutable_operations(MutableKind::Retrieve).is_empty());
        for _ in 0..30 {
            drop(begin());
        }
        assert_eq!(listed().len(), MOST_PUBLISHES);
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
