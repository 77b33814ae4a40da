//! What goes on with mutable files, for whoever shows it.
//!
//! Every search for shares, every publish and every reading has a [`MutableStatus`], of which an
//! observer is told when it begins. Nothing here holds a key or contents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tahoe_crypto::{ServerId, StorageIndex};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::ShareNumber;
use tokio::time::Instant;

use crate::servermap::ServermapMode;

/// How many answers of each server to one operation are kept with their times.
const MOST_TIMES: usize = 16;

/// Is told of every operation that begins; must return at once.
pub type MutableObserver = dyn Fn(&Arc<MutableStatus>) + Send + Sync;

/// What happens to a mutable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutableKind {
    /// Servers are asked for its shares.
    Mapupdate(ServermapMode),
    /// A new version is stored.
    Publish(MutableTransfer),
    /// A version is read, or a part of it.
    Retrieve(MutableTransfer),
}

/// The version that is written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MutableTransfer {
    /// Of the whole file.
    pub size_bytes: u64,
    /// How many of them are written or wanted.
    pub length_bytes: u64,
    /// k and N.
    pub encoding: EncodingParameters,
}

/// A part of an operation. Those of one operation overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MutableStage {
    /// Servers are chosen, and asked for the first time by a search.
    Setup,
    /// Plaintext becomes ciphertext.
    Encrypt,
    /// Ciphertext becomes blocks.
    Encode,
    /// Blocks of a new version are hashed and put together by share.
    Hash,
    /// Hash trees and headers of all shares are made; includes [`Self::Sign`].
    Pack,
    /// The version is signed.
    Sign,
    /// Servers are sent shares.
    Push,
    /// Servers are asked for blocks and hashes.
    Fetch,
    /// Signatures, or blocks and their hashes, are checked.
    Verify,
    /// Blocks become ciphertext.
    Decode,
    /// Ciphertext becomes plaintext.
    Decrypt,
}

/// One operation on a mutable file.
#[derive(Debug)]
pub struct MutableStatus {
    kind: MutableKind,
    storage_index: StorageIndex,
    started: Instant,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    facts: MutableFacts,
    /// Stages that go on, how many times at once, and since when.
    ongoing: BTreeMap<MutableStage, (usize, Instant)>,
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
    /// How long each stage went on so far, by however many processors and servers at once.
    pub stages: BTreeMap<MutableStage, Duration>,
    /// What servers answered.
    pub servers: BTreeMap<ServerId, ServerAnswers>,
    /// In whose share the private key was, if a writer looked for it.
    pub private_key_from: Option<ServerId>,
    /// Who stored which shares of a version that was published.
    pub sharemap: BTreeMap<ShareNumber, BTreeSet<ServerId>>,
}

/// A server's answers to the requests of an operation.
#[derive(Debug, Clone, Default)]
pub struct ServerAnswers {
    /// How long the first of them took.
    pub times: Vec<Duration>,
    /// How many more there were.
    pub more: u64,
    /// The last reason why the server was of no use, if there was any.
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
        let record = self.lock();
        let mut facts = record.facts.clone();
        for (stage, (_, since)) in &record.ongoing {
            *facts.stages.entry(*stage).or_default() += since.elapsed();
        }
        facts
    }

    /// Whether it goes on.
    pub fn is_active(&self) -> bool {
        self.lock().facts.success.is_none()
    }

    /// Measures a stage until the result is dropped.
    pub(crate) fn during(self: &Arc<Self>, stage: MutableStage) -> During {
        let mut record = self.lock();
        let (times, _) = record
            .ongoing
            .entry(stage)
            .or_insert_with(|| (0, Instant::now()));
        *times += 1;
        During {
            status: Arc::clone(self),
            stage,
        }
    }

    /// A server answered a request, if only with an error.
    pub(crate) fn answered(&self, server: &ServerId, elapsed: Duration) {
        let mut record = self.lock();
        let answers = record.facts.servers.entry(server.clone()).or_default();
        match answers.times.len() < MOST_TIMES {
            true => answers.times.push(elapsed),
            false => answers.more += 1,
        }
    }

    /// A server was of no use.
    pub(crate) fn failed(&self, server: &ServerId, problem: String) {
        let mut record = self.lock();
        let answers = record.facts.servers.entry(server.clone()).or_default();
        answers.problem = Some(problem);
    }

    /// A writer found the private key in this server's share.
    pub(crate) fn has_private_key_of(&self, server: &ServerId) {
        self.lock().facts.private_key_from = Some(server.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stage that goes on; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct During {
    status: Arc<MutableStatus>,
    stage: MutableStage,
}

impl Drop for During {
    fn drop(&mut self) {
        let mut record = self.status.lock();
        let Some((times, since)) = record.ongoing.get_mut(&self.stage) else {
            return;
        };
        *times -= 1;
        if *times == 0 {
            let elapsed = since.elapsed();
            record.ongoing.remove(&self.stage);
            *record.facts.stages.entry(self.stage).or_default() += elapsed;
        }
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
            record: Mutex::default(),
        });
        observer(&status);
        Self(status)
    }

    /// To be told more of it.
    pub(crate) fn status(&self) -> &Arc<MutableStatus> {
        &self.0
    }

    #[expect(clippy::cast_precision_loss, reason = "a part of one")]
    pub(crate) fn has_done(&self, part: u64, of: u64) {
        self.0.lock().facts.progress = part as f64 / of.max(1) as f64;
    }

    /// It stored these shares.
    pub(crate) fn has_stored<'a>(
        &self,
        places: impl IntoIterator<Item = &'a (ServerId, ShareNumber)>,
    ) {
        let mut record = self.0.lock();
        for (server, share) in places {
            let servers = record.facts.sharemap.entry(*share).or_default();
            servers.insert(server.clone());
        }
    }

    pub(crate) fn succeeded(&self) {
        self.end(true);
    }

    fn end(&self, success: bool) {
        let mut record = self.0.lock();
        let facts = &mut record.facts;
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
