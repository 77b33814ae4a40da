//! What was learnt of files lately, so that the next operation on one is short.
//!
//! Nothing here is taken on trust: a reader asks servers whether the version is still theirs, a
//! writer's tests fail if it isn't. Memory is bounded by a number of files and of bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tahoe_caps::MutableVerifyCap;
use tahoe_crypto::{Fingerprint, RsaPrivateKey, RsaPublicKey, StorageIndex};
use tokio::time::Instant;

use crate::servermap::Servermap;
use crate::version::Version;

/// Files that are remembered.
const MOST_FILES: usize = 512;
/// Contents of one file that are remembered, in bytes.
pub(crate) const MOST_CONTENTS: u64 = 2 << 20;
/// Contents of all files that are remembered, in bytes.
const MOST_ALL_CONTENTS: usize = 32 << 20;
/// How long a writer relies on a servermap without searching for other shares.
const WRITERS_TRUST: Duration = Duration::from_secs(60);

/// What is known of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Knowledge {
    pub(crate) public_key: Option<RsaPublicKey>,
    pub(crate) private_key: Option<Arc<RsaPrivateKey>>,
    pub(crate) latest: Option<Latest>,
}

/// The version that was seen last.
#[derive(Debug, Clone)]
pub(crate) struct Latest {
    pub(crate) map: Arc<Servermap>,
    pub(crate) version: Version,
    /// The verified plaintext, if it isn't too large.
    pub(crate) contents: Option<Bytes>,
    /// Set if all servers that matter were asked, which a writer needs.
    pub(crate) surveyed_for_writing: Option<Instant>,
}

impl Latest {
    /// Whether a writer may begin from this.
    pub(crate) fn is_good_for_writing(&self) -> bool {
        self.surveyed_for_writing
            .is_some_and(|at| at.elapsed() < WRITERS_TRUST)
    }

    fn contents_length(&self) -> usize {
        self.contents.as_ref().map_or(0, Bytes::len)
    }
}

/// The most recently used files, the latest last.
#[derive(Debug, Default)]
pub(crate) struct KnownFiles(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    storage_index: StorageIndex,
    fingerprint: Fingerprint,
    knowledge: Knowledge,
}

impl KnownFiles {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a file; nothing if its name was seen with another key.
    pub(crate) fn of(&self, cap: &MutableVerifyCap) -> Knowledge {
        let entries = self.lock();
        let entry = entries.iter().find(|entry| entry.is_of(cap));
        entry.map(|e| e.knowledge.clone()).unwrap_or_default()
    }

    /// Changes what is known of a file, and forgets the files that were used longest ago.
    pub(crate) fn update(&self, cap: &MutableVerifyCap, change: impl FnOnce(&mut Knowledge)) {
        let mut entries = self.lock();
        let found = entries.iter().position(|entry| entry.is_of(cap));
        let entry = found.and_then(|index| entries.remove(index));
        let mut entry = entry.unwrap_or_else(|| Entry {
            storage_index: cap.storage_index,
            fingerprint: cap.fingerprint,
            knowledge: Knowledge::default(),
        });
        change(&mut entry.knowledge);
        entries.push_back(entry);
        if entries.len() > MOST_FILES {
            entries.pop_front();
        }
        let mut total: usize = entries.iter().map(Entry::contents_length).sum();
        for entry in entries.iter_mut() {
            if total <= MOST_ALL_CONTENTS {
                break;
            }
            total -= entry.contents_length();
            if let Some(latest) = &mut entry.knowledge.latest {
                latest.contents = None;
            }
        }
    }

    /// Forgets which version a file has, but not its keys.
    pub(crate) fn forget_version(&self, cap: &MutableVerifyCap) {
        self.update(cap, |knowledge| knowledge.latest = None);
    }
}

impl Entry {
    fn is_of(&self, cap: &MutableVerifyCap) -> bool {
        self.storage_index == cap.storage_index && self.fingerprint == cap.fingerprint
    }

    fn contents_length(&self) -> usize {
        let latest = self.knowledge.latest.as_ref();
        latest.map_or(0, Latest::contents_length)
    }
}
