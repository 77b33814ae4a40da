//! How far a transfer has come, for whoever shows it.

use crate::events::{
    DownloadEvents, QuestionEvent, ReadEvent, Recorder, RequestEvent, SegmentEvent,
};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tahoe_crypto::StorageIndex;

/// What an upload is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadStage {
    /// Nothing yet.
    #[default]
    NotStarted,
    /// Fetching the ciphertext from the client for which it is uploaded.
    FetchingCiphertext,
    /// Asking the helper whether it has the file.
    ContactingHelper,
    /// Sending the ciphertext to the helper, and waiting for it to store the shares.
    SendingCiphertext,
    /// Asking servers what they have and whether they have room.
    SelectingServers,
    /// Encoding and sending segments.
    Sending,
    /// Sending hashes and waiting for servers to complete their shares.
    Finishing,
    /// All is stored.
    Finished,
    /// It was given up.
    Failed,
}

/// A moment of an upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UploadProgress {
    /// What it is doing.
    pub stage: UploadStage,
    /// The file's size in bytes.
    pub file_size: u64,
    /// Bytes of the file that are encrypted and encoded.
    pub encoded: u64,
    /// Bytes that servers have confirmed, of all shares together.
    pub pushed: u64,
    /// Bytes that servers will have been sent, of all shares together.
    pub to_push: u64,
}

/// Follows one upload; shared between it and its observers.
#[derive(Debug, Default)]
pub struct UploadStatus {
    stage: Mutex<UploadStage>,
    storage_index: OnceLock<StorageIndex>,
    uses_helper: AtomicBool,
    file_size: AtomicU64,
    encoded: AtomicU64,
    pushed: AtomicU64,
    to_push: AtomicU64,
}

impl UploadStatus {
    /// Follows an upload for somebody who has the file with this storage index.
    pub fn for_client(storage_index: StorageIndex) -> Self {
        Self {
            stage: Mutex::new(UploadStage::FetchingCiphertext),
            storage_index: OnceLock::from(storage_index),
            ..Self::default()
        }
    }

    /// So many bytes of the ciphertext were fetched, of so many.
    pub fn fetched(&self, bytes: u64, of: u64) {
        self.file_size.store(of, Ordering::Relaxed);
        self.encoded.store(bytes, Ordering::Relaxed);
    }

    /// Ends an upload before anything was stored.
    pub fn fail(&self) {
        self.enter(UploadStage::Failed);
    }

    /// Looks at it now.
    pub fn progress(&self) -> UploadProgress {
        UploadProgress {
            stage: *self.stage.lock().unwrap_or_else(PoisonError::into_inner),
            file_size: self.file_size.load(Ordering::Relaxed),
            encoded: self.encoded.load(Ordering::Relaxed),
            pushed: self.pushed.load(Ordering::Relaxed),
            to_push: self.to_push.load(Ordering::Relaxed),
        }
    }

    /// Where the shares go; none before that is known, and for a literal file.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        self.storage_index.get().copied()
    }

    /// Whether a helper uploads the file.
    pub fn uses_helper(&self) -> bool {
        self.uses_helper.load(Ordering::Relaxed)
    }

    pub(crate) fn set_uses_helper(&self) {
        self.uses_helper.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_storage_index(&self, storage_index: StorageIndex) {
        self.storage_index.get_or_init(|| storage_index);
    }

    pub(crate) fn enter(&self, stage: UploadStage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    pub(crate) fn set_file_size(&self, bytes: u64) {
        self.file_size.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_to_push(&self, bytes: u64) {
        self.to_push.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn encoded(&self, bytes: u64) {
        self.encoded.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn pushed(&self, bytes: u64) {
        self.pushed.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Counts and lists what the reads of one file have done.
#[derive(Debug, Default)]
pub struct DownloadStatus {
    fetched: AtomicU64,
    delivered: AtomicU64,
    pub(crate) reads: Recorder<ReadEvent>,
    pub(crate) segments: Recorder<SegmentEvent>,
    pub(crate) questions: Recorder<QuestionEvent>,
    pub(crate) requests: Recorder<RequestEvent>,
}

/// A moment of the reads of one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownloadProgress {
    /// Bytes that servers have sent, hashes and all.
    pub fetched: u64,
    /// Bytes of the file that were handed on.
    pub delivered: u64,
}

impl DownloadStatus {
    /// Looks at it now.
    pub fn progress(&self) -> DownloadProgress {
        DownloadProgress {
            fetched: self.fetched.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
        }
    }

    /// The latest events.
    pub fn events(&self) -> DownloadEvents {
        DownloadEvents {
            reads: self.reads.events(),
            segments: self.segments.events(),
            questions: self.questions.events(),
            requests: self.requests.events(),
        }
    }

    pub(crate) fn fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self, bytes: u64) {
        self.delivered.fetch_add(bytes, Ordering::Relaxed);
    }
}
