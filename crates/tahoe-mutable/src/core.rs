//! What all operations share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng, RngExt as _};
use tahoe_crypto::{LeaseMaster, StorageIndex};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::{MAX_ADVICE_LENGTH, Server, ServerDirectory, ShareKind, ShareNumber};
use tahoe_tasks::{BackgroundTasks, CpuPool};
use tokio::time::timeout;

use crate::keys::RsaKeyPool;
use crate::known::KnownFiles;
use crate::locks::FileLocks;
use crate::status::{MutableKind, MutableObserver, Ongoing};

/// Corruption advisories under way at once; more are only logged.
const MOST_ADVISORIES: usize = 32;
/// How long a server may take to be told of a corruption.
const ADVICE_TIMEOUT: Duration = Duration::from_secs(15);

/// The world as operations see it.
pub(crate) struct Core {
    pub(crate) directory: Arc<dyn ServerDirectory>,
    pub(crate) lease_master: LeaseMaster,
    /// Of new files, and of files that are overwritten.
    pub(crate) encoding: EncodingParameters,
    pub(crate) pool: CpuPool,
    pub(crate) keys: Arc<RsaKeyPool>,
    randomness: Mutex<Box<dyn Rng + Send>>,
    pub(crate) advisories: BackgroundTasks,
    pub(crate) locks: FileLocks,
    pub(crate) known: KnownFiles,
    observer: Arc<MutableObserver>,
}

impl Core {
    pub(crate) fn new(
        directory: Arc<dyn ServerDirectory>,
        lease_master: LeaseMaster,
        encoding: EncodingParameters,
        pool: CpuPool,
        keys: Arc<RsaKeyPool>,
        randomness: Box<dyn Rng + Send>,
        observer: Arc<MutableObserver>,
    ) -> Self {
        Self {
            directory,
            lease_master,
            encoding,
            pool,
            keys,
            randomness: Mutex::new(randomness),
            advisories: BackgroundTasks::default(),
            locks: FileLocks::default(),
            known: KnownFiles::default(),
            observer,
        }
    }

    /// Tells the observer that something begins.
    pub(crate) fn begin(&self, kind: MutableKind, storage_index: StorageIndex) -> Ongoing {
        Ongoing::begin(&*self.observer, kind, storage_index)
    }

    /// A fresh salt.
    pub(crate) fn salt(&self) -> [u8; 16] {
        let mut randomness = self
            .randomness
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        randomness.random()
    }

    /// A number from 0 to 1.
    pub(crate) fn fraction(&self) -> f64 {
        let mut randomness = self
            .randomness
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        randomness.random()
    }

    /// Logs a corrupt share and tells its server, in the background.
    pub(crate) fn report_corrupt(
        &self,
        server: &Arc<Server>,
        storage_index: &StorageIndex,
        share: ShareNumber,
        mut reason: String,
    ) {
        tracing::warn!(server = %server.id.short(), %share, %storage_index, reason, "corrupt share");
        while reason.len() > MAX_ADVICE_LENGTH {
            reason.pop();
        }
        let (server, storage_index) = (Arc::clone(server), *storage_index);
        self.advisories.spawn(MOST_ADVISORIES, async move {
            let kind = ShareKind::Mutable;
            let service = &server.service;
            let advice = service.advise_corrupt_share(kind, &storage_index, share, &reason);
            match timeout(ADVICE_TIMEOUT, advice).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%share, %error, "corruption not advised"),
                Err(_) => tracing::debug!(%share, "no answer to a corruption advisory"),
            }
        });
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("directory", &self.directory)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}
