//! Repairs: the missing shares of a file are made again and stored.
//!
//! The whole ciphertext is fetched before any server is asked for room, so a file that can't be read
//! costs no server anything. It is encoded with the file's own k, N and segment size and carries
//! the first uploader's URI extension block, so the shares are the ones that are missing, byte for
//! byte. The capability can only verify, and nothing is deciphered.

use super::results::CheckResults;
use crate::download::Downloader;
use crate::error::{DownloadError, UploadError};
use crate::parameters::{BadSegmentSize, UploadParameters};
use crate::status::UploadStatus;
use crate::upload::{Ciphertext, SpoolError, Spooled, Uploader};
use std::path::PathBuf;
use std::sync::Arc;
use tahoe_caps::ChkVerifyCap;
use tahoe_tasks::CpuPool;

/// A file could not be repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// It can't be read any more.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Its shares can't be stored.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// Its segments are larger than we handle.
    #[error(transparent)]
    Segments(#[from] BadSegmentSize),
}

impl From<SpoolError> for RepairError {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Read(error) => Self::Download(error),
            SpoolError::Write(error) => Self::Upload(error),
        }
    }
}

/// Repairs immutable files.
#[derive(Debug)]
pub struct Repairer {
    downloader: Downloader,
    uploader: Arc<Uploader>,
    /// Where temporary files go.
    directory: PathBuf,
    pool: CpuPool,
}

impl Repairer {
    /// Makes a repairer that fetches and stores with these; a temporary file, if one is needed, is
    /// made in `directory`.
    pub fn new(
        downloader: Downloader,
        uploader: Arc<Uploader>,
        directory: impl Into<PathBuf>,
        pool: CpuPool,
    ) -> Self {
        Self {
            downloader,
            uploader,
            directory: directory.into(),
            pool,
        }
    }

    /// Fetches the whole ciphertext of a file.
    pub async fn fetch(&self, cap: &ChkVerifyCap) -> Result<Ciphertext, RepairError> {
        let file = self.downloader.open_ciphertext(cap)?;
        let stream = file.read(0..file.size());
        let spooled = Spooled::collect(stream, file.size(), &self.directory, &self.pool).await?;
        let (geometry, uri_extension) = file.proof().ok_or(DownloadError::NoShares {
            needed: u16::try_from(cap.shares_needed).unwrap_or(u16::MAX),
            last_failure: None,
        })?;
        // Any happiness is better than none.
        let happy = 0;
        let parameters = UploadParameters::new(geometry.encoding(), happy, geometry.segment_size());
        let encoding = (parameters?, geometry);
        Ok(Ciphertext::of_stored(
            cap.storage_index,
            encoding,
            spooled,
            uri_extension,
        ))
    }

    /// Stores the shares of a file that a check has found missing or spoilt; returns what is there
    /// then.
    pub async fn restore(
        &self,
        file: Ciphertext,
        before: CheckResults,
        status: &Arc<UploadStatus>,
    ) -> Result<CheckResults, RepairError> {
        let stored = self.uploader.restore(file, before.spoilt(), status).await?;
        Ok(before.with_stored(stored.share_map))
    }
}
