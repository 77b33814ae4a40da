//! Uploads of files that are encrypted already: what a repair and a helper do.

use super::receiver::Plaintext;
use super::results::UploadTimings;
use super::select::{AllocatedShare, Completeness};
use super::{UploadError, Uploader, Work};
use crate::download::ReadStream;
use crate::error::DownloadError;
use crate::parameters::UploadParameters;
use crate::status::{UploadStage, UploadStatus};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tahoe_crypto::{ServerId, StorageIndex, UriExtensionHash};
use tahoe_share::{SegmentGeometry, UriExtension};
use tahoe_storage_api::{Server, ShareNumber};
use tahoe_tasks::CpuPool;

/// Smaller ciphertexts are kept in memory, in bytes.
const MEMORY_LIMIT: u64 = 1024 * 1024;

/// The ciphertext of one file, whole, and how it is to be encoded. Nobody here can decipher it.
#[derive(Debug)]
pub struct Ciphertext {
    storage_index: StorageIndex,
    parameters: UploadParameters,
    geometry: SegmentGeometry,
    content: Plaintext,
    /// The block that the shares must come out with; none if the file is new.
    uri_extension: Option<Bytes>,
}

/// Where the shares of a ciphertext went.
#[derive(Debug, Clone)]
pub struct CiphertextResults {
    /// Hash of the block below: what a capability needs beside the key.
    pub uri_extension_hash: UriExtensionHash,
    /// What proves all shares.
    pub uri_extension: UriExtension,
    /// How many different shares servers had before.
    pub preexisting_shares: usize,
    /// How many shares were stored, counting a share once per server.
    pub pushed_shares: usize,
    /// Where the stored shares are.
    pub share_map: BTreeMap<ShareNumber, Vec<Arc<Server>>>,
    /// How long it took.
    pub timings: UploadTimings,
}

impl Ciphertext {
    /// A new file whose ciphertext is in `file`, from its start.
    pub fn in_file(
        storage_index: StorageIndex,
        parameters: UploadParameters,
        size: u64,
        file: File,
    ) -> Result<Self, UploadError> {
        Ok(Self {
            storage_index,
            parameters,
            geometry: parameters.geometry(size)?,
            content: Plaintext::File(file),
            uri_extension: None,
        })
    }

    /// A file that is stored already, with the block that proves it.
    pub(crate) fn of_stored(
        storage_index: StorageIndex,
        (parameters, geometry): (UploadParameters, SegmentGeometry),
        spooled: Spooled,
        uri_extension: Bytes,
    ) -> Self {
        Self {
            storage_index,
            parameters,
            geometry,
            content: spooled.0,
            uri_extension: Some(uri_extension),
        }
    }
}

impl Uploader {
    /// Encodes a ciphertext and stores its shares as [`Uploader::upload`] does.
    pub async fn upload_ciphertext(
        &self,
        file: Ciphertext,
        status: &Arc<UploadStatus>,
    ) -> Result<CiphertextResults, UploadError> {
        self.send_ciphertext(file, BTreeSet::new(), Completeness::Happy, status)
            .await
    }

    /// Encodes a ciphertext again and stores the shares that no server has, as far as servers have
    /// room for them. The copies that are `spoilt` count as missing.
    pub(crate) async fn restore(
        &self,
        file: Ciphertext,
        spoilt: BTreeSet<(ServerId, ShareNumber)>,
        status: &Arc<UploadStatus>,
    ) -> Result<CiphertextResults, UploadError> {
        self.send_ciphertext(file, spoilt, Completeness::All, status)
            .await
    }

    async fn send_ciphertext(
        &self,
        file: Ciphertext,
        spoilt: BTreeSet<(ServerId, ShareNumber)>,
        completeness: Completeness,
        status: &Arc<UploadStatus>,
    ) -> Result<CiphertextResults, UploadError> {
        let started = Instant::now();
        status.set_file_size(file.geometry.file_size());
        let work = Work {
            storage_index: file.storage_index,
            parameters: file.parameters,
            geometry: file.geometry,
            key: None,
            content: file.content,
            uri_extension: file.uri_extension,
            spoilt,
            completeness,
        };
        let stored = self.store(work, status).await;
        status.enter(match stored {
            Ok(_) => UploadStage::Finished,
            Err(_) => UploadStage::Failed,
        });
        let stored = stored?;
        let mut timings = stored.pushed.timings;
        timings.peer_selection = stored.selection_time;
        timings.total = started.elapsed();
        let mut share_map = BTreeMap::<ShareNumber, Vec<Arc<Server>>>::new();
        let pushed_shares = stored.pushed.shares.len();
        for AllocatedShare { server, share, .. } in stored.pushed.shares {
            share_map.entry(share).or_default().push(server);
        }
        Ok(CiphertextResults {
            uri_extension_hash: stored.pushed.uri_extension_hash,
            uri_extension: stored.pushed.uri_extension,
            preexisting_shares: stored.preexisting_shares,
            pushed_shares,
            share_map,
            timings,
        })
    }
}

/// Bytes that were collected in memory or, if they are many, in a temporary file without a name.
#[derive(Debug)]
pub(crate) struct Spooled(Plaintext);

/// Why bytes could not be collected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error(transparent)]
    Read(#[from] DownloadError),
    #[error(transparent)]
    Write(#[from] UploadError),
}

impl Spooled {
    /// Collects the `size` bytes of a stream; a temporary file, if one is needed, is made in
    /// `directory`.
    pub(crate) async fn collect(
        mut stream: ReadStream,
        size: u64,
        directory: &Path,
        pool: &CpuPool,
    ) -> Result<Self, SpoolError> {
        if size <= MEMORY_LIMIT {
            let mut bytes = BytesMut::new();
            while let Some(piece) = stream.next_piece().await {
                bytes.extend_from_slice(&piece?);
            }
            return Ok(Self(Plaintext::Memory(bytes.freeze())));
        }
        let failed = |step| {
            let directory = directory.to_owned();
            move |source| UploadError::Spool {
                step,
                directory,
                source,
            }
        };
        let in_directory = directory.to_owned();
        let make = move || tempfile::tempfile_in(in_directory);
        let file = pool.run(make).await;
        let mut file = file.map_err(failed("make a temporary file in"))?;
        while let Some(piece) = stream.next_piece().await {
            let piece = piece?;
            let write = move || file.write_all(&piece).map(|()| file);
            let written = pool.run(write).await;
            file = written.map_err(failed("write to a temporary file in"))?;
        }
        file.rewind()
            .map_err(failed("rewind a temporary file in"))?;
        Ok(Self(Plaintext::File(file)))
    }
}
