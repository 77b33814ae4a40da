//! Sends shares and makes out from the answers whether somebody else is writing too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tahoe_crypto::{ServerId, StorageIndex};
use tahoe_storage_api::{
    ReadTestWrite, ReadTestWriteOutcome, Server, ShareNumber, ShareRange, StorageError, TestVector,
    TestWriteVectors, WriteVector,
};
use tokio::time::timeout;

use super::plan::Expected;
use crate::servermap::WriterSecrets;

/// How long a server may take to store what it was sent, beside the time for the bytes.
const WRITE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// Slowest transfer that is waited for, in bytes per second.
const SLOWEST: u64 = 16 << 10;

/// What a server is sent in one step.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) server: Arc<Server>,
    pub(crate) shares: BTreeMap<ShareNumber, ShareWrite>,
}

/// The change of one share.
#[derive(Debug)]
pub(crate) struct ShareWrite {
    pub(crate) expected: Expected,
    pub(crate) writes: Vec<WriteVector>,
}

/// How a server answered.
#[derive(Debug)]
pub(crate) enum Sent {
    /// It stored the shares.
    Stored,
    /// Somebody else's shares are there.
    Surprise,
    /// It failed, or can't be reached; nobody knows whether it stored them.
    Failed(StorageError),
}

impl Message {
    /// Sends it. `checkstring` is the new version's; `ours` are the shares of the server that this
    /// publish knows of, whichever version they are just now.
    pub(crate) async fn send(
        self,
        storage_index: &StorageIndex,
        secrets: WriterSecrets<'_>,
        checkstring: &Bytes,
        ours: &BTreeSet<ShareNumber>,
    ) -> (ServerId, BTreeSet<ShareNumber>, Sent) {
        let server = self.server;
        let numbers: BTreeSet<ShareNumber> = self.shares.keys().copied().collect();
        let sizes = self.shares.values().flat_map(|share| &share.writes);
        let size: u64 = sizes.map(|write| write.data.len() as u64).sum();
        let vectors = self.shares.into_iter();
        let change = ReadTestWrite {
            vectors: vectors.map(|(n, share)| (n, share.vectors())).collect(),
            reads: vec![ShareRange {
                offset: 0,
                length: checkstring.len() as u64,
            }],
        };
        let slot = secrets.for_server(storage_index, &server);
        let service = &server.service;
        let after = WRITE_TIMEOUT + std::time::Duration::from_secs(size / SLOWEST);
        let answer = timeout(after, service.read_test_write(storage_index, &slot, change)).await;
        let answer = answer.unwrap_or(Err(StorageError::TimedOut { after }));
        let sent = match answer {
            Ok(outcome) => judge(&outcome, &numbers, checkstring, ours),
            Err(error) => Sent::Failed(error),
        };
        (server.id.clone(), numbers, sent)
    }
}

/// A test that failed, or a share that nobody told us of, is somebody else's work; unless the
/// shares are those we were to write, from an attempt whose answer was lost.
fn judge(
    outcome: &ReadTestWriteOutcome,
    numbers: &BTreeSet<ShareNumber>,
    checkstring: &Bytes,
    ours: &BTreeSet<ShareNumber>,
) -> Sent {
    let is_new = |share: &ShareNumber| {
        let reads = outcome.data.get(share);
        reads.and_then(|reads| reads.first()) == Some(checkstring)
    };
    let mut strangers = outcome.data.keys().filter(|share| !ours.contains(share));
    if strangers.any(|share| !is_new(share)) {
        return Sent::Surprise;
    }
    match outcome.success || numbers.iter().all(is_new) {
        true => Sent::Stored,
        false => Sent::Surprise,
    }
}

impl ShareWrite {
    fn vectors(self) -> TestWriteVectors {
        let test = match self.expected {
            Expected::Absent => TestVector {
                offset: 0,
                size: 1,
                specimen: Bytes::new(),
            },
            Expected::Checkstring(specimen) => TestVector {
                offset: 0,
                size: specimen.len() as u64,
                specimen,
            },
        };
        TestWriteVectors {
            tests: vec![test],
            writes: self.writes,
            new_length: None,
        }
    }
}
