//! Checks: are all shares of a file there, and are they what they should be?
//!
//! A [`Checker`] works with verify capabilities and so can't decipher anything. All servers are
//! asked at once. A plain check believes what they say; one that verifies reads every share to its
//! end, some at a time, and tells servers of the corruption it finds. Whoever doesn't answer is left
//! out: a check fails only for a capability that no file can have.
//!
//! [`Checker::check`] costs a call per server and, if it verifies, [`SHARES_AT_A_TIME`] times the
//! memory of [`mod@share`].

mod reader;
mod repair;
mod results;
mod share;

use crate::ask::{advise_corrupt, within};
use crate::download::ShareFault;
use futures_util::future::join_all;
use reader::ShareReader;
use share::Verdict;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tahoe_caps::ChkVerifyCap;
use tahoe_crypto::LeaseMaster;
use tahoe_share::{EncodingParameters, GeometryError};
use tahoe_storage_api::{Server, ServerDirectory, ShareKind, ShareNumber, StorageError};
use tahoe_tasks::CpuPool;
use tokio::sync::Semaphore;

pub use repair::{RepairError, Repairer};
pub use results::{CheckResults, ShareLocation};

/// How long a server may think about which shares it has, and take to renew a lease.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Shares of one file that are verified at a time.
const SHARES_AT_A_TIME: usize = 10;

/// What a check does beside asking who has which share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Reads and hashes all of every share.
    pub verify: bool,
    /// Adds or renews our lease on every share.
    pub add_lease: bool,
}

/// Checks immutable files.
#[derive(Debug)]
pub struct Checker {
    servers: Arc<dyn ServerDirectory>,
    lease_master: LeaseMaster,
    pool: CpuPool,
}

/// What one server said, and what its shares came to.
struct Answer {
    server: Arc<Server>,
    responded: bool,
    shares: Vec<(ShareNumber, State)>,
}

/// What a share is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Corrupt,
    Incompatible,
    /// Its server failed while it was read.
    Unread,
}

impl Checker {
    /// Makes a checker that asks these servers; leases are derived from `lease_master`.
    pub fn new(
        servers: Arc<dyn ServerDirectory>,
        lease_master: LeaseMaster,
        pool: CpuPool,
    ) -> Self {
        Self {
            servers,
            lease_master,
            pool,
        }
    }

    /// Checks a file.
    pub async fn check(
        &self,
        cap: &ChkVerifyCap,
        options: CheckOptions,
    ) -> Result<CheckResults, GeometryError> {
        let encoding = EncodingParameters::new(cap.shares_needed, cap.shares_total)?;
        let servers = self.servers.servers_for(&cap.storage_index);
        let slots = Semaphore::new(SHARES_AT_A_TIME);
        let ask = |server| self.ask(cap, encoding, options, server, &slots);
        let answers = join_all(servers.into_iter().map(ask)).await;
        let mut results = CheckResults::new(cap, encoding);
        for answer in answers {
            answer.enter(&mut results);
        }
        Ok(results)
    }

    /// Asks a server for its shares and looks at them.
    async fn ask(
        &self,
        cap: &ChkVerifyCap,
        encoding: EncodingParameters,
        options: CheckOptions,
        server: Arc<Server>,
        slots: &Semaphore,
    ) -> Answer {
        let list = server
            .service
            .list_shares(ShareKind::Immutable, &cap.storage_index);
        let add_lease = async {
            if options.add_lease {
                self.add_lease(cap, &server).await;
            }
        };
        let (listed, ()) = tokio::join!(within(ANSWER_TIMEOUT, list), add_lease);
        let (responded, numbers) = match listed {
            Ok(numbers) => (true, numbers),
            Err(error) => {
                tracing::info!(server = %server.id.short(), %error, "could not ask for shares");
                (false, BTreeSet::new())
            }
        };
        // There is no share beyond N, whatever a server says.
        let numbers = numbers
            .into_iter()
            .filter(|n| u16::from(n.0) < encoding.shares_total());
        let look = |number| {
            let server = Arc::clone(&server);
            async move {
                let state = if options.verify {
                    self.verify(cap, encoding, server, number, slots).await
                } else {
                    State::Good
                };
                (number, state)
            }
        };
        Answer {
            shares: join_all(numbers.map(look)).await,
            server,
            responded,
        }
    }

    /// Failing is no harm: the server may have no share, or may be gone.
    async fn add_lease(&self, cap: &ChkVerifyCap, server: &Server) {
        let lease = self
            .lease_master
            .lease_secrets(&cap.storage_index, &server.tub_id);
        let added = server.service.add_lease(&cap.storage_index, &lease);
        match within(ANSWER_TIMEOUT, added).await {
            Ok(()) | Err(StorageError::NoSuchShare) => {}
            Err(error) => {
                tracing::info!(server = %server.id.short(), %error, "could not add a lease");
            }
        }
    }

    async fn verify(
        &self,
        cap: &ChkVerifyCap,
        encoding: EncodingParameters,
        server: Arc<Server>,
        number: ShareNumber,
        slots: &Semaphore,
    ) -> State {
        let slot = slots
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let reader = ShareReader::new(cap.storage_index, Arc::clone(&server), number);
        let verdict = Box::pin(share::verify(reader, cap, encoding, &self.pool)).await;
        drop(slot);
        match verdict {
            Ok(Verdict::Good) => State::Good,
            Ok(Verdict::Incompatible) => State::Incompatible,
            Err(ShareFault::Server(error)) => {
                let server = server.id.short();
                tracing::info!(server, share = %number, %error, "could not read a share");
                State::Unread
            }
            Err(fault @ (ShareFault::Corrupt(_) | ShareFault::Truncated { .. })) => {
                report(cap, &server, number, fault.to_string()).await;
                State::Corrupt
            }
        }
    }
}

/// Takes note of a corruption and tells the server of it.
async fn report(cap: &ChkVerifyCap, server: &Server, share: ShareNumber, reason: String) {
    let (id, index) = (server.id.short(), &cap.storage_index);
    tracing::warn!(server = id, %share, storage_index = %index, reason, "corrupt share");
    advise_corrupt(server, index, share, reason).await;
}

impl Answer {
    fn enter(self, results: &mut CheckResults) {
        for (share, state) in self.shares {
            let server = Arc::clone(&self.server);
            match state {
                State::Good => results.share_map.entry(share).or_default().push(server),
                State::Corrupt => results.corrupt_shares.push(ShareLocation { server, share }),
                State::Incompatible => {
                    results
                        .incompatible_shares
                        .push(ShareLocation { server, share });
                }
                State::Unread => {}
            }
        }
        if self.responded {
            results.servers_responding.push(self.server);
        }
    }
}
