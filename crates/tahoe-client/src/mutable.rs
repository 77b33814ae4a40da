//! Mutable files: as many reads and writes at a time as memory allows, counted as the reference
//! counts them.

use crate::history::{MutableKind, OngoingMutable};
use crate::{Client, Stored};
use bytes::Bytes;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tahoe_caps::{MutableFormat, MutableReadCap, MutableWriteCap};
use tahoe_crypto::{RsaPrivateKey, StorageIndex};
use tahoe_immutable::UploadError;
use tahoe_mutable::{
    Contents, Modified, ModifyError, MutableFiles, OpenVersion, PublishError, ReadError,
    ReadStream, Version, Written,
};
use tokio::sync::OwnedSemaphorePermit;

/// New contents up to this many bytes never touch the disk.
const MEMORY_LIMIT: usize = 1 << 20;
/// Memory that one reader takes, in bytes.
const READ_MEMORY: u64 = 2 << 20;
/// How much goes to the temporary file at a time, in bytes.
const BATCH_SIZE: usize = 512 << 10;

/// New contents of a mutable file that are being received. Dropping them forgets them.
#[derive(Debug)]
pub struct ContentsUpload {
    client: Arc<Client>,
    pending: Vec<u8>,
    spool: Option<Arc<File>>,
    spooled: u64,
    _slot: OwnedSemaphorePermit,
}

impl ContentsUpload {
    /// Takes the next bytes; waits while the disk is behind.
    pub async fn write(&mut self, data: Bytes) -> Result<(), PublishError> {
        let mut rest = &data[..];
        while !rest.is_empty() {
            let limit = match self.spool {
                None => MEMORY_LIMIT,
                Some(_) => BATCH_SIZE,
            };
            let room = limit.saturating_sub(self.pending.len()).min(rest.len());
            let (now, later) = rest.split_at(room);
            self.pending.extend_from_slice(now);
            rest = later;
            if !rest.is_empty() {
                self.spool_pending().await?;
            }
        }
        Ok(())
    }

    /// Ends the contents.
    pub async fn finish(mut self) -> Result<Contents, PublishError> {
        if self.spool.is_none() {
            return Ok(self.pending.into());
        }
        self.spool_pending().await?;
        let length = self.spooled;
        let file = self.spool.take().and_then(Arc::into_inner);
        Ok(Contents::from_file(
            file.expect("no batch is being written"),
            length,
        ))
    }

    /// Moves what is in memory to the temporary file, which has no name.
    async fn spool_pending(&mut self) -> Result<(), PublishError> {
        let batch = std::mem::take(&mut self.pending);
        let (offset, length) = (self.spooled, batch.len() as u64);
        let directory = self.client.config().tempdir.clone();
        let spool = self.spool.take();
        let write = move || {
            let file = match spool {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile_in(&directory)?),
            };
            file.write_all_at(&batch, offset)?;
            Ok(file)
        };
        let written = self.client.pool().run(write).await;
        let directory = self.client.config().tempdir.clone();
        let spool = written.map_err(|source| PublishError::Spool { directory, source })?;
        self.spool = Some(spool);
        self.spooled += length;
        Ok(())
    }
}

/// Bytes of a mutable file on their way. Dropping it ends the download.
#[derive(Debug)]
pub struct MutableDownload {
    client: Arc<Client>,
    version: OpenVersion,
    storage_index: StorageIndex,
    pieces: ReadStream,
    operation: OngoingMutable,
    _room: OwnedSemaphorePermit,
}

impl MutableDownload {
    /// Where servers keep the file.
    pub fn storage_index(&self) -> StorageIndex {
        self.storage_index
    }

    /// Which version is being read.
    pub fn version(&self) -> &Version {
        self.version.version()
    }

    /// Waits for the next piece; none after the last. Every byte has been checked.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        let piece = self.pieces.next_piece().await?;
        match &piece {
            Some(piece) => {
                let length = piece.len() as u64;
                self.operation.delivered(length);
                let statistics = self.client.statistics();
                statistics.count("mutable.bytes_retrieved", length);
            }
            None => self.operation.succeeded(),
        }
        Ok(piece)
    }
}

impl Client {
    /// Mutable files, uncounted and without the limits on memory: for what is built upon them.
    pub fn mutable_files(&self) -> &MutableFiles {
        &self.mutable
    }

    /// Begins to receive new contents, once there is room for one more upload.
    pub async fn begin_contents(self: &Arc<Self>) -> ContentsUpload {
        ContentsUpload {
            client: Arc::clone(self),
            pending: Vec::new(),
            spool: None,
            spooled: 0,
            _slot: self.upload_slot().await,
        }
    }

    /// Stores what was received as an immutable file.
    pub async fn store_contents(
        self: &Arc<Self>,
        contents: &Contents,
    ) -> Result<Stored, UploadError> {
        let mut upload = self.begin_upload().await;
        let mut offset = 0;
        while offset < contents.length() {
            let source = contents.clone();
            let piece = self.pool().run(move || source.piece(offset, BATCH_SIZE));
            let piece = piece.await.map_err(|error| match error {
                PublishError::ReadSpool { source } => UploadError::ReadSpool { source },
                other => UploadError::ReadSpool {
                    source: std::io::Error::other(other),
                },
            })?;
            offset += piece.len() as u64;
            upload.write(piece).await?;
        }
        upload.finish().await
    }

    /// Creates a mutable file with a key of its own, or a given one.
    pub async fn create_mutable(
        &self,
        format: MutableFormat,
        key: Option<RsaPrivateKey>,
        contents: Contents,
    ) -> Result<MutableWriteCap, PublishError> {
        let (operation, _room) = self.published(contents.length(), None).await;
        let cap = self.mutable.create(format, key, contents).await?;
        operation.is_at(cap.storage_index());
        operation.succeeded();
        Ok(cap)
    }

    /// Replaces the contents of a mutable file.
    pub async fn overwrite_mutable(
        &self,
        cap: &MutableWriteCap,
        contents: Contents,
    ) -> Result<Written, PublishError> {
        let index = cap.storage_index();
        let (operation, _room) = self.published(contents.length(), Some(index)).await;
        let written = self.mutable.overwrite(cap, contents).await?;
        operation.succeeded();
        Ok(written)
    }

    /// Writes over a stretch of a mutable file.
    pub async fn update_mutable(
        &self,
        cap: &MutableWriteCap,
        offset: u64,
        contents: Contents,
    ) -> Result<Written, PublishError> {
        let index = cap.storage_index();
        let (operation, _room) = self.published(contents.length(), Some(index)).await;
        let written = self.mutable.update(cap, offset, contents).await?;
        operation.succeeded();
        Ok(written)
    }

    /// Applies a change to the contents of a mutable file; see [`MutableFiles::modify`].
    pub async fn modify_mutable<E>(
        &self,
        cap: &MutableWriteCap,
        change: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Modified, ModifyError<E>> {
        let modified = self.mutable.modify(cap, change).await?;
        if modified.changed {
            let statistics = self.statistics();
            statistics.count("mutable.files_published", 1);
            let length = modified.contents.len() as u64;
            statistics.count("mutable.bytes_published", length);
            // What changes nothing isn't a publication, which is only known now.
            let history = self.history();
            let operation = history.begin_mutable(MutableKind::Publish, self.now());
            operation.is_at(cap.storage_index());
            operation.has_size(length);
            operation.succeeded();
        }
        Ok(modified)
    }

    /// Finds the best version of a mutable file.
    pub async fn open_mutable(&self, cap: &MutableReadCap) -> Result<OpenVersion, ReadError> {
        self.mutable.open(cap).await
    }

    /// Begins to read a mutable file, once there is room for it; `range` chooses what, when the
    /// size is known. The first piece is there when this returns.
    pub async fn read_mutable(
        self: &Arc<Self>,
        cap: &MutableReadCap,
        range: impl Fn(u64) -> Range<u64>,
    ) -> Result<MutableDownload, ReadError> {
        let room = self.download_room(READ_MEMORY).await;
        let history = self.history();
        let operation = history.begin_mutable(MutableKind::Retrieve, self.now());
        operation.is_at(cap.storage_index());
        let choose = |version: &Version| range(version.data_length);
        let (version, pieces) = self.mutable.read(cap, choose).await?;
        operation.has_size(version.version().data_length);
        self.statistics().count("mutable.files_retrieved", 1);
        Ok(MutableDownload {
            client: Arc::clone(self),
            version,
            storage_index: cap.storage_index(),
            pieces,
            operation,
            _room: room,
        })
    }

    /// Counts a publication and waits until there is room for it.
    async fn published(
        &self,
        size: u64,
        storage_index: Option<StorageIndex>,
    ) -> (OngoingMutable, OwnedSemaphorePermit) {
        self.statistics().count("mutable.files_published", 1);
        self.statistics().count("mutable.bytes_published", size);
        let history = self.history();
        let operation = history.begin_mutable(MutableKind::Publish, self.now());
        operation.has_size(size);
        if let Some(storage_index) = storage_index {
            operation.is_at(storage_index);
        }
        (operation, self.publish_room(size).await)
    }
}
