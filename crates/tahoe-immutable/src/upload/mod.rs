//! Uploads: from plaintext to shares on servers and a capability.
//!
//! A [`Receiver`] takes the plaintext; [`Uploader::upload`] does the rest. Segments flow through
//! enciphering, encoding, hashing and sending in batches; a window of batches bounds the memory.
//! The blocks of a share come before its hashes, so each share is written from its first byte to
//! its last, and is complete, durable and visible only with the last.

mod abandoned;
mod assisted;
mod ciphertext;
mod encode;
mod pipeline;
mod placement;
mod receiver;
mod results;
mod select;
mod send;
mod turns;

use crate::error::{Unhappy, UploadError};
use crate::parameters::UploadParameters;
use crate::status::{UploadStage, UploadStatus};
use abandoned::Unfinished;
use bytes::Bytes;
use receiver::Plaintext;
use select::Completeness;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tahoe_caps::{ChkReadCap, LiteralCap};
use tahoe_crypto::{ImmutableReadKey, LeaseMaster, ServerId, StorageIndex};
use tahoe_share::SegmentGeometry;
use tahoe_share::immutable::ShareLayout;
use tahoe_storage_api::{ServerDirectory, ShareNumber};
use tahoe_tasks::{BackgroundTasks, CpuPool};

use turns::Turns;

pub use assisted::Enciphered;
pub use ciphertext::{Ciphertext, CiphertextResults};
pub(crate) use ciphertext::{SpoolError, Spooled};
pub use placement::{Candidates, place_shares};
pub use receiver::{KeySource, Received, Receiver};
pub use results::{UploadResults, UploadTimings};

/// Uploads immutable files.
pub struct Uploader {
    servers: Arc<dyn ServerDirectory>,
    lease_master: LeaseMaster,
    pool: CpuPool,
    aborts: BackgroundTasks,
    turns: Turns,
}

/// A file on its way to the servers.
struct Work {
    storage_index: StorageIndex,
    parameters: UploadParameters,
    geometry: SegmentGeometry,
    /// None if the content is ciphertext.
    key: Option<ImmutableReadKey>,
    content: Plaintext,
    /// The block that proves the file; none if it is a new one.
    uri_extension: Option<Bytes>,
    spoilt: BTreeSet<(ServerId, ShareNumber)>,
    completeness: Completeness,
}

/// What came of it.
struct Stored {
    preexisting_shares: usize,
    selection_time: Duration,
    pushed: pipeline::Pushed,
}

impl std::fmt::Debug for Uploader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploader")
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

impl Uploader {
    /// Makes an uploader to these servers.
    pub fn new(
        servers: Arc<dyn ServerDirectory>,
        lease_master: LeaseMaster,
        pool: CpuPool,
    ) -> Self {
        Self {
            servers,
            lease_master,
            pool,
            aborts: BackgroundTasks::default(),
            turns: Turns::default(),
        }
    }

    /// Stores a file and returns its capability.
    ///
    /// A file of at most 55 bytes becomes a literal capability and needs no server. Equal files
    /// are uploaded one after the other, so that the second finds the shares of the first. If the future
    /// is dropped or fails, servers are told in the background to forget unfinished shares.
    pub async fn upload(
        &self,
        file: Received,
        status: &Arc<UploadStatus>,
    ) -> Result<UploadResults, UploadError> {
        status.set_file_size(file.size());
        let result = match file.literal() {
            Some(content) => Ok(UploadResults::literal(LiteralCap::new(content.to_vec()))),
            None => self.upload_shares(file, status).await,
        };
        status.enter(match result {
            Ok(_) => UploadStage::Finished,
            Err(_) => UploadStage::Failed,
        });
        result
    }

    /// Waits until the servers of failed and abandoned uploads were told to forget their shares.
    pub async fn aborts_settled(&self) {
        self.aborts.settled().await;
    }

    async fn upload_shares(
        &self,
        file: Received,
        status: &Arc<UploadStatus>,
    ) -> Result<UploadResults, UploadError> {
        let started = Instant::now();
        let parameters = file.parameters;
        let geometry = parameters.geometry(file.size)?;
        let storage_index = file.key.storage_index();
        status.set_storage_index(storage_index);
        let storage_index_time = started.elapsed();
        let work = Work {
            storage_index,
            parameters,
            geometry,
            key: Some(file.key.clone()),
            content: file.plaintext,
            uri_extension: None,
            spoilt: BTreeSet::new(),
            completeness: Completeness::Happy,
        };
        let stored = self.store(work, status).await?;
        let cap = ChkReadCap {
            key: file.key,
            uri_extension_hash: stored.pushed.uri_extension_hash,
            shares_needed: parameters.shares_needed().into(),
            shares_total: parameters.shares_total().into(),
            size: file.size,
        };
        let mut timings = stored.pushed.timings;
        timings.storage_index = storage_index_time;
        timings.peer_selection = stored.selection_time;
        timings.total = started.elapsed();
        Ok(UploadResults::stored(
            cap,
            stored.preexisting_shares,
            stored.pushed.shares,
            stored.pushed.uri_extension,
            timings,
        ))
    }

    /// Selects servers, encodes and sends.
    async fn store(&self, work: Work, status: &Arc<UploadStatus>) -> Result<Stored, UploadError> {
        let started = Instant::now();
        let layout = ShareLayout::for_upload(&work.geometry)?;
        let share_size = match &work.uri_extension {
            None => layout.allocated_size(&work.geometry),
            Some(block) => layout.size_with(block),
        };
        // Servers refuse a second upload of shares that they are waiting for.
        let turn = self.turns.take(work.storage_index).await;

        status.enter(UploadStage::SelectingServers);
        let mut unfinished = Unfinished::new(work.storage_index, turn, self.aborts.clone());
        let request = select::Request {
            storage_index: work.storage_index,
            parameters: work.parameters,
            share_size,
            lease_master: &self.lease_master,
            spoilt: &work.spoilt,
            completeness: work.completeness,
        };
        let servers = self.servers.servers_for(&work.storage_index);
        let selection = select::select_servers(servers, &request, &mut unfinished).await?;
        let selection_time = started.elapsed();

        status.enter(UploadStage::Sending);
        status.set_to_push(selection.allocated.len() as u64 * share_size);
        let preexisting_shares = selection.existing.len();
        let pipeline = pipeline::Pipeline {
            geometry: work.geometry,
            layout,
            share_size,
            uri_extension: work.uri_extension,
            pool: self.pool.clone(),
            senders: send::Senders::new(
                work.storage_index,
                work.parameters,
                selection,
                unfinished,
                status,
            ),
            status: Arc::clone(status),
        };
        let pushed = pipeline.run(work.key.as_ref(), work.content).await?;
        Ok(Stored {
            preexisting_shares,
            selection_time,
            pushed,
        })
    }
}
