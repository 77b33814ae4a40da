//! The immutable files that hold directories: stored and read, listed and counted as all others are.

use crate::Client;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, Weak};
use tahoe_caps::{ChkReadCap, ReadFileCap};
use tahoe_directory::{DirectoryError, ImmutableFiles};

/// The files of the client that keeps the directories.
#[derive(Debug)]
pub(crate) struct DirectoryFiles(pub(crate) Weak<Client>);

impl DirectoryFiles {
    fn client(&self) -> Result<Arc<Client>, DirectoryError> {
        self.0.upgrade().ok_or(DirectoryError::Stopping)
    }
}

#[async_trait]
impl ImmutableFiles for DirectoryFiles {
    async fn store(&self, contents: Bytes) -> Result<ReadFileCap, DirectoryError> {
        let mut upload = self.client()?.begin_upload().await;
        upload.write(contents).await?;
        let stored = Box::pin(upload.finish()).await?;
        Ok(stored.cap.file)
    }

    /// Doesn't wait for room as other downloads do: whoever reads a file slowly must not keep
    /// others from finding theirs. The number of directories that are read at once is bounded.
    async fn fetch(&self, cap: &ChkReadCap) -> Result<Bytes, DirectoryError> {
        let client = self.client()?;
        let file = client.downloader().open(cap)?;
        client.note_download(cap, &file);
        let mut contents = BytesMut::new();
        let mut pieces = file.read(0..cap.size);
        while let Some(piece) = pieces.next_piece().await {
            contents.extend_from_slice(&piece?);
        }
        let statistics = client.statistics();
        statistics.count("downloader.bytes_downloaded", cap.size);
        Ok(contents.freeze())
    }
}
