//! What an upload tells its caller.

use super::select::AllocatedShare;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tahoe_caps::{ChkReadCap, LiteralCap, ReadCap, ReadFileCap, Target};
use tahoe_share::UriExtension;
use tahoe_storage_api::{Server, ShareNumber};

/// How long the parts of an upload took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UploadTimings {
    /// Everything after the file was received.
    pub total: Duration,
    /// Deriving the storage index.
    pub storage_index: Duration,
    /// Finding servers and asking them for room.
    pub peer_selection: Duration,
    /// Reading, enciphering and encoding, all segments together; runs beside the sending.
    pub cumulative_encoding: Duration,
    /// Waiting for servers while segments are sent.
    pub cumulative_sending: Duration,
    /// Sending the hashes and waiting for the servers to complete the shares.
    pub hashes_and_close: Duration,
    /// From the first segment to the completion of all shares.
    pub total_encode_and_push: Duration,
}

/// An upload that succeeded.
#[derive(Debug, Clone)]
pub struct UploadResults {
    /// What reads the file.
    pub cap: ReadCap,
    /// In bytes.
    pub file_size: u64,
    /// How many different shares were found on servers before.
    pub preexisting_shares: usize,
    /// How many shares were stored, counting a share once per server.
    pub pushed_shares: usize,
    /// Where the stored shares are.
    pub share_map: BTreeMap<ShareNumber, Vec<Arc<Server>>>,
    /// What the capability holds the hash of; none for a literal file.
    pub uri_extension: Option<UriExtension>,
    /// How long it took.
    pub timings: UploadTimings,
}

impl UploadResults {
    pub(super) fn literal(cap: LiteralCap) -> Self {
        Self {
            file_size: cap.content().len() as u64,
            cap: read_cap(ReadFileCap::Literal(cap)),
            preexisting_shares: 0,
            pushed_shares: 0,
            share_map: BTreeMap::new(),
            uri_extension: None,
            timings: UploadTimings::default(),
        }
    }

    pub(super) fn stored(
        cap: ChkReadCap,
        preexisting_shares: usize,
        pushed: Vec<AllocatedShare>,
        uri_extension: UriExtension,
        timings: UploadTimings,
    ) -> Self {
        let mut share_map = BTreeMap::<ShareNumber, Vec<Arc<Server>>>::new();
        let pushed_shares = pushed.len();
        for AllocatedShare { server, share, .. } in pushed {
            share_map.entry(share).or_default().push(server);
        }
        Self {
            file_size: cap.size,
            cap: read_cap(ReadFileCap::Chk(cap)),
            preexisting_shares,
            pushed_shares,
            share_map,
            uri_extension: Some(uri_extension),
            timings,
        }
    }

    /// Which of the stored shares each server has.
    pub fn server_map(&self) -> BTreeMap<&tahoe_crypto::ServerId, BTreeSet<ShareNumber>> {
        let mut map = BTreeMap::<_, BTreeSet<ShareNumber>>::new();
        for (share, servers) in &self.share_map {
            for server in servers {
                map.entry(&server.id).or_default().insert(*share);
            }
        }
        map
    }
}

pub(super) fn read_cap(file: ReadFileCap) -> ReadCap {
    ReadCap {
        target: Target::File,
        file,
    }
}
