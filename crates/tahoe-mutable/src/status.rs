//! What goes on with mutable files, for whoever shows it.
//!
//! Every search for shares, every publish and every reading has a [`MutableStatus`], of which an
//! observer is told when it begins. Nothing here holds a key or contents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tahoe_crypto::{ServerId, StorageIndex};
use tokio::time::Instant;

use crate::servermap::ServermapMode;

/// Is told of every operation that begins; must return at once.
pub type MutableObserver = dyn Fn(&Arc<MutableStatus>) + Send + Sync;

/// What happens to a mutable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutableKind {
    /// Servers are asked for its shares.
    Mapupdate(ServermapMode),
    /// A new version of so many bytes is stored.
    Publish(u64),
    /// A version of so many bytes is read, or a part of it.
    Retrieve(u64),
}

/// One operation on a mutable file.
#[derive(Debug)]
pub struct MutableStatus {
    kind: MutableKind,
    storage_index: StorageIndex,
    started: Instant,
    facts: Mutex<MutableFacts>,
}

/// What is known of an operation by now.
#[derive(Debug, Clone, Default)]
pub struct MutableFacts {
    /// The part that is done, from 0 to 1.
    pub progress: f64,
    /// Whether it succeeded, once it is over.
    pub success: Option<bool>,
    /// How long it took, once it is over.
    pub total: Option<Duration>,
    /// What servers answered to a search, in the order of their answers.
    pub answers: Vec<ServerAnswer>,
}

/// A server's answer to a search for shares.
#[derive(Debug, Clone)]
pub struct ServerAnswer {
    /// Who answered.
    pub server: ServerId,
    /// How long that took.
    pub elapsed: Duration,
    /// Why it is of no use, if so.
    pub problem: Option<String>,
}

impl MutableStatus {
    /// What it is.
    pub fn kind(&self) -> MutableKind {
        self.kind
    }

    /// Where the file's shares are.
    pub fn storage_index(&self) -> StorageIndex {
        self.storage_index
    }

    /// What is known now.
    pub fn facts(&self) -> MutableFacts {
        self.lock().clone()
    }

    /// Whether it goes on.
    pub fn is_active(&self) -> bool {
        self.lock().success.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, MutableFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation that goes on; it failed if this is dropped before it succeeded.
#[derive(Debug)]
pub(crate) struct Ongoing(Arc<MutableStatus>);

impl Ongoing {
    /// Tells the observer that an operation begins.
    pub(crate) fn begin(
        observer: &MutableObserver,
        kind: MutableKind,
        storage_index: StorageIndex,
    ) -> Self {
        let status = Arc::new(MutableStatus {
            kind,
            storage_index,
            started: Instant::now(),
            facts: Mutex::default(),
        });
        observer(&status);
        Self(status)
    }

    pub(crate) fn answered(&self, server: &ServerId, problem: Option<String>) {
        let answer = ServerAnswer {
            server: server.clone(),
            elapsed: self.0.started.elapsed(),
            problem,
        };
        self.0.lock().answers.push(answer);
    }

    #[expect(clippy::cast_precision_loss, reason = "a part of one")]
    pub(crate) fn has_done(&self, part: u64, of: u64) {
        self.0.lock().progress = part as f64 / of.max(1) as f64;
    }

    pub(crate) fn succeeded(&self) {
        self.end(true);
    }

    fn end(&self, success: bool) {
        let mut facts = self.0.lock();
        if facts.success.is_none() {
            facts.success = Some(success);
            facts.total = Some(self.0.started.elapsed());
            if success {
                facts.progress = 1.0;
            }
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.end(false);
    }
}
