//! Mutable files: as many reads and writes at a time as memory allows.

use crate::{Client, Room, Stored};
use bytes::Bytes;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tahoe_caps::{MutableFormat, MutableReadCap, MutableWriteCap};
use tahoe_crypto::{RsaPrivateKey, StorageIndex};
use tahoe_immutable::UploadError;
use tahoe_mutable::{Contents, OpenVersion, PublishError, ReadError, ReadStream, Version, Written};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// New contents up to this many bytes never touch the disk.
const MEMORY_LIMIT: usize = 1 << 20;
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
    version: OpenVersion,
    storage_index: StorageIndex,
    pieces: ReadStream,
    _room: Room,
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
        self.pieces.next_piece().await
    }
}

impl Client {
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

    /// Creates a mutable file with a key of its own, or a given one. Once begun, it happens even if
    /// the caller stops waiting; so do all writes.
    pub async fn create_mutable(
        &self,
        format: MutableFormat,
        key: Option<RsaPrivateKey>,
        contents: Contents,
    ) -> Result<MutableWriteCap, PublishError> {
        let room = self.publish_room(contents.length()).await;
        let files = self.mutable.clone();
        let create = async move { files.create(format, key, contents).await };
        self.write_to_the_end(room, create).await
    }

    /// Replaces the contents of a mutable file.
    pub async fn overwrite_mutable(
        &self,
        cap: &MutableWriteCap,
        contents: Contents,
    ) -> Result<Written, PublishError> {
        let room = self.publish_room(contents.length()).await;
        let (files, cap) = (self.mutable.clone(), cap.clone());
        let overwrite = async move { files.overwrite(&cap, contents).await };
        self.write_to_the_end(room, overwrite).await
    }

    /// Writes over a stretch of a mutable file.
    pub async fn update_mutable(
        &self,
        cap: &MutableWriteCap,
        offset: u64,
        contents: Contents,
    ) -> Result<Written, PublishError> {
        let room = self.publish_room(contents.length()).await;
        let (files, cap) = (self.mutable.clone(), cap.clone());
        let update = async move { files.update(&cap, offset, contents).await };
        self.write_to_the_end(room, update).await
    }

    /// Writes in a task of the client's own. Of a version that was given up halfway some servers
    /// would have shares and some not, which helps nobody.
    async fn write_to_the_end<T: Send + 'static>(
        &self,
        room: OwnedSemaphorePermit,
        write: impl Future<Output = Result<T, PublishError>> + Send + 'static,
    ) -> Result<T, PublishError> {
        let (answer, answered) = oneshot::channel();
        self.spawn(async move {
            let written = write.await;
            drop(room);
            // Who doesn't wait any more needs no answer.
            drop(answer.send(written));
        });
        answered.await.unwrap_or(Err(PublishError::Stopping))
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
        let choose = |version: &Version| range(version.data_length);
        let room = |bytes| self.room_in_memory(bytes);
        let (version, pieces, room) = self.mutable.read(cap, choose, room).await?;
        Ok(MutableDownload {
            version,
            storage_index: cap.storage_index(),
            pieces,
            _room: room,
        })
    }
}
