//! Servers and a directory of them, for tests of clients.

use crate::{PermutationSeed, Server, ServerDirectory, ServerVersion, StorageService, permute};
use std::collections::HashSet;
use std::sync::Arc;
use tahoe_crypto::{ServerId, StorageIndex, TubId};

/// A directory that always knows the same servers.
#[derive(Debug, Default)]
pub struct FixedServers {
    servers: Vec<Arc<Server>>,
    preferred: HashSet<ServerId>,
}

impl FixedServers {
    /// Knows these servers and prefers none.
    pub fn new(servers: impl IntoIterator<Item = Server>) -> Self {
        Self {
            servers: servers.into_iter().map(Arc::new).collect(),
            preferred: HashSet::new(),
        }
    }

    /// Prefers these servers over the others.
    #[must_use]
    pub fn preferring(mut self, servers: impl IntoIterator<Item = ServerId>) -> Self {
        self.preferred.extend(servers);
        self
    }
}

impl ServerDirectory for FixedServers {
    fn servers_for(&self, storage_index: &StorageIndex) -> Vec<Arc<Server>> {
        let mut servers = self.servers.clone();
        permute(&mut servers, &self.preferred, storage_index);
        servers
    }
}

/// Makes the server number `number` of a test grid; id, seed and tub id follow from the number.
pub fn test_server(number: u8, version: ServerVersion, service: Arc<dyn StorageService>) -> Server {
    Server {
        id: ServerId::new(format!("v0-server{number}")),
        nickname: format!("server {number}"),
        permutation_seed: PermutationSeed(vec![number; 32]),
        tub_id: TubId::from_bytes([number; 20]),
        version,
        upload_permitted: true,
        service,
    }
}
