//! The servers that a client knows, and their order for a storage index.

use crate::{ServerVersion, StorageService};
use std::collections::HashSet;
use std::sync::Arc;
use tahoe_crypto::{ServerId, StorageIndex, TubId, permutation_hash};

/// What a server's place in the permuted order is computed from; usually its 32-byte public key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PermutationSeed(pub Vec<u8>);

/// A connected storage server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name on the grid.
    pub id: ServerId,
    /// What its owner calls it.
    pub nickname: String,
    /// Decides its place in the permuted order.
    pub permutation_seed: PermutationSeed,
    /// What lease secrets and write enablers for it are derived with.
    pub tub_id: TubId,
    /// What it said of itself when last asked.
    pub version: ServerVersion,
    /// Whether new shares may be put there (grid-manager certificates decide).
    pub upload_permitted: bool,
    /// The way to it.
    pub service: Arc<dyn StorageService>,
}

/// All servers that are connected now.
pub trait ServerDirectory: Send + Sync + std::fmt::Debug {
    /// The connected servers in the permuted order for `storage_index`, preferred ones first.
    fn servers_for(&self, storage_index: &StorageIndex) -> Vec<Arc<Server>>;
}

/// Orders servers for a storage index: preferred ones first, then by SHA-1 of index and seed.
pub fn permute(
    servers: &mut [Arc<Server>],
    preferred: &HashSet<ServerId>,
    storage_index: &StorageIndex,
) {
    servers.sort_by_cached_key(|server| {
        let hash = permutation_hash(storage_index, &server.permutation_seed.0);
        (!preferred.contains(&server.id), hash, server.id.clone())
    });
}
