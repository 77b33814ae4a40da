//! Checks and repairs of mutable files.
//!
//! A check asks all servers at once and needs no more than a verify capability. Verifying reads all
//! of every share of the best version, some shares at a time, and tells servers of what is wrong. A
//! repair publishes the best version again, which writes over old and bad shares and makes missing
//! ones; it takes a write capability.

mod repair;
mod share;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tahoe_caps::MutableVerifyCap;
use tahoe_crypto::{StorageIndex, WriteKey};
use tahoe_storage_api::{Server, ShareNumber, StorageError};
use tokio::time::timeout;

use crate::files::MutableFiles;
use crate::servermap::{BadShare, Servermap, ServermapMode, Survey};
use share::{ShareFault, Verification};

pub use repair::{MutableRepair, MutableRepairError};

/// Bytes of each share that a search reads when the shares will be verified.
const FIRST_READ: u64 = 16 << 10;
/// Bytes of each share that a search reads else: as far as key and signature.
const SHORT_READ: u64 = 4000;
/// Shares of one file that are verified at a time.
const SHARES_AT_A_TIME: usize = 10;
/// How long a server may take to renew a lease.
const LEASE_TIMEOUT: Duration = Duration::from_secs(60);

/// The state of a mutable file at one moment.
#[derive(Debug, Clone)]
pub struct MutableCheck {
    /// What was checked.
    pub storage_index: StorageIndex,
    /// All servers that were connected, in the permuted order.
    pub servers: Vec<Arc<Server>>,
    /// The shares of every version that are there, without those that were found corrupt.
    pub map: Servermap,
    /// Shares of the best version of which something is wrong; only found by verifying.
    pub corrupt_shares: Vec<CorruptMutableShare>,
}

/// A share that is no good.
#[derive(Debug, Clone)]
pub struct CorruptMutableShare {
    /// The server that keeps it.
    pub server: Arc<Server>,
    /// Which share.
    pub share: ShareNumber,
    /// What is wrong with it.
    pub reason: String,
}

impl MutableCheck {
    /// Whether a repair would do some good: unless there is one version, whole, and nothing else.
    pub fn needs_repair(&self) -> bool {
        let incomplete = self
            .map
            .best_recoverable_version()
            .is_none_or(|best| self.map.distinct_shares(&best) < usize::from(best.shares_total));
        incomplete
            || self.map.recoverable_versions().len() != 1
            || !self.map.unrecoverable_versions().is_empty()
            || !self.corrupt_shares.is_empty()
    }
}

impl MutableFiles {
    /// Asks all servers which shares of which versions they have.
    pub async fn check(&self, cap: &MutableVerifyCap) -> MutableCheck {
        let mut found = self.look(cap, SHORT_READ).await;
        found.map = found.map.without_contents();
        found
    }

    /// Checks, and reads all of every share of the best version. With the write key the private key
    /// in each share is checked, too.
    pub async fn verify(
        &self,
        cap: &MutableVerifyCap,
        write_key: Option<&WriteKey>,
    ) -> MutableCheck {
        let mut found = self.look(cap, FIRST_READ).await;
        if let Some(best) = found.map.best_recoverable_version() {
            let shares = found.map.shares.values();
            let shares = shares.filter(|share| share.header.version == best);
            let verify = shares.map(|share| async move {
                let core = &self.core;
                let verification = Verification { core, cap, share };
                let verified = verification.run(write_key).await;
                (share.clone(), verified)
            });
            let verify: Vec<_> = verify.collect();
            let verified = stream::iter(verify).buffered(SHARES_AT_A_TIME);
            let verified: Vec<_> = verified.collect().await;
            for (share, verdict) in verified {
                match verdict {
                    Ok(()) => {}
                    Err(ShareFault::Server(error))
                        if !matches!(error, StorageError::CorruptContainer { .. }) =>
                    {
                        let server = share.server.id.short();
                        tracing::info!(server, %error, "could not read a mutable share");
                    }
                    Err(fault) => self.found_corrupt(&mut found, &share, &fault),
                }
            }
        }
        found.map = found.map.without_contents();
        found
    }

    fn found_corrupt(
        &self,
        found: &mut MutableCheck,
        share: &crate::servermap::KnownShare,
        fault: &ShareFault,
    ) {
        let (server, number) = (Arc::clone(&share.server), share.number);
        let index = found.storage_index;
        let reason = fault.to_string();
        self.core
            .report_corrupt(&server, &index, number, reason.clone());
        let place = (server.id.clone(), number);
        found.map.shares.remove(&place);
        let bad = BadShare {
            server: Arc::clone(&server),
            checkstring: share.header.header.checkstring().into(),
        };
        found.map.bad.insert(place, bad);
        found.corrupt_shares.push(CorruptMutableShare {
            server,
            share: number,
            reason,
        });
    }

    /// Searches all servers without relying on what was known before.
    async fn look(&self, cap: &MutableVerifyCap, first_read: u64) -> MutableCheck {
        let survey = Survey {
            core: &self.core,
            cap,
            mode: ServermapMode::Check,
            writer: None,
            first_read,
            guess: self.core.encoding,
            previous: None,
            public_key: None,
        };
        let map = survey.run().await.map;
        MutableCheck {
            storage_index: cap.storage_index,
            servers: self.core.directory.servers_for(&cap.storage_index),
            map,
            corrupt_shares: Vec::new(),
        }
    }

    /// Adds or renews our lease wherever there are shares; failing is no harm.
    pub async fn add_leases(&self, storage_index: &StorageIndex) {
        let servers = self.core.directory.servers_for(storage_index);
        let add = servers.iter().map(|server| async move {
            let lease = self
                .core
                .lease_master
                .lease_secrets(storage_index, &server.tub_id);
            let added = server.service.add_lease(storage_index, &lease);
            match timeout(LEASE_TIMEOUT, added).await {
                Ok(Ok(()) | Err(StorageError::NoSuchShare)) => {}
                Ok(Err(error)) => {
                    tracing::info!(server = %server.id.short(), %error, "could not add a lease");
                }
                Err(_) => tracing::info!(server = %server.id.short(), "no answer about a lease"),
            }
        });
        join_all(add).await;
    }
}
