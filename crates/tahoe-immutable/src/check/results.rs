//! What a check finds out about a file.

use crate::happiness::{ShareMap, servers_of_happiness};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tahoe_caps::ChkVerifyCap;
use tahoe_crypto::{ServerId, StorageIndex};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::{Server, ShareNumber};

/// A share on a server.
#[derive(Debug, Clone)]
pub struct ShareLocation {
    /// The server that keeps it.
    pub server: Arc<Server>,
    /// Which share.
    pub share: ShareNumber,
}

/// The state of a file at one moment.
#[derive(Debug, Clone)]
pub struct CheckResults {
    /// What was checked.
    pub storage_index: StorageIndex,
    /// k and N.
    pub encoding: EncodingParameters,
    /// The good shares and who has them, in the permuted order; unless the check verified, those
    /// that servers say they have.
    pub share_map: BTreeMap<ShareNumber, Vec<Arc<Server>>>,
    /// Who answered, in the permuted order.
    pub servers_responding: Vec<Arc<Server>>,
    /// Shares of which something is wrong; only found by verifying.
    pub corrupt_shares: Vec<ShareLocation>,
    /// Shares of a version that nobody here knows; only found by verifying.
    pub incompatible_shares: Vec<ShareLocation>,
}

impl CheckResults {
    pub(super) fn new(cap: &ChkVerifyCap, encoding: EncodingParameters) -> Self {
        Self {
            storage_index: cap.storage_index,
            encoding,
            share_map: BTreeMap::new(),
            servers_responding: Vec::new(),
            corrupt_shares: Vec::new(),
            incompatible_shares: Vec::new(),
        }
    }

    /// How many different good shares there are.
    pub fn good_shares(&self) -> usize {
        self.share_map.len()
    }

    /// Whether all N shares are there.
    pub fn is_healthy(&self) -> bool {
        self.good_shares() >= self.encoding.shares_total().into()
    }

    /// Whether the file can be read: at least k shares are there.
    pub fn is_recoverable(&self) -> bool {
        self.good_shares() >= self.encoding.shares_needed().into()
    }

    /// How many servers have a good share.
    pub fn good_share_hosts(&self) -> usize {
        let hosts = self.share_map.values().flatten().map(|server| &server.id);
        hosts.collect::<BTreeSet<_>>().len()
    }

    /// The servers of happiness that the good shares give.
    pub fn happiness(&self) -> usize {
        servers_of_happiness(&self.good_share_map())
    }

    fn good_share_map(&self) -> ShareMap {
        let shares = self.share_map.iter().map(|(share, servers)| {
            let servers = servers.iter().map(|server| server.id.clone());
            (*share, servers.collect())
        });
        shares.collect()
    }

    /// Copies of shares that are no good, and that their servers won't replace.
    pub(crate) fn spoilt(&self) -> BTreeSet<(ServerId, ShareNumber)> {
        let spoilt = self.corrupt_shares.iter().chain(&self.incompatible_shares);
        let spoilt = spoilt.map(|spoilt| (spoilt.server.id.clone(), spoilt.share));
        spoilt.collect()
    }

    /// Takes note of shares that have been stored since.
    #[must_use]
    pub(super) fn with_stored(mut self, stored: BTreeMap<ShareNumber, Vec<Arc<Server>>>) -> Self {
        for (share, servers) in stored {
            for server in servers {
                let same = |other: &Arc<Server>| other.id == server.id;
                if !self.servers_responding.iter().any(same) {
                    self.servers_responding.push(Arc::clone(&server));
                }
                let holders = self.share_map.entry(share).or_default();
                if !holders.iter().any(same) {
                    holders.push(server);
                }
            }
        }
        self
    }
}
