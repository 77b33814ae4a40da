//! Takes a file's plaintext as it arrives, and hashes it on the way.
//!
//! A file's convergent key is a hash over its whole plaintext, so nothing can be encrypted before
//! the last byte has come. Up to a segment (at least 1 MiB) the plaintext is kept in memory; more
//! goes to a temporary file that has no name, so that it is gone when the process is. The hash also
//! covers the segment size, which is that of the whole file if the file is smaller than a segment;
//! it is known for certain as soon as more than a segment has arrived, and hashing starts then.

use super::UploadError;
use crate::parameters::{MAX_LITERAL_SIZE, UploadParameters};
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use tahoe_crypto::hash::TaggedHasher;
use tahoe_crypto::{ConvergenceSecret, ImmutableReadKey};
use tahoe_tasks::{CpuPool, Running};

/// Smaller files never touch the disk, in bytes.
const MEMORY_LIMIT: usize = 1024 * 1024;
/// How much is hashed and written at a time once the memory limit is passed, in bytes.
const BATCH_SIZE: usize = 512 * 1024;

/// Where a file's key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The hash of plaintext, encoding and secret: equal files give equal capabilities.
    Convergent(ConvergenceSecret),
    /// A key that the caller drew at random.
    Random(ImmutableReadKey),
}

/// Takes the plaintext of one file.
///
/// Memory: at most a segment or 1 MiB, and two batches of 512 KiB.
#[derive(Debug)]
pub struct Receiver {
    parameters: UploadParameters,
    key: KeySource,
    pool: CpuPool,
    /// Where the temporary file goes.
    directory: PathBuf,
    size: u64,
    /// What was neither hashed nor written yet; everything, up to the memory limit.
    pending: BytesMut,
    spool: Spool,
}

/// Where the plaintext goes that no longer fits in memory.
#[derive(Debug)]
enum Spool {
    Unused,
    Busy {
        writing: Running<Result<File, UploadError>>,
        hashing: Option<Running<TaggedHasher>>,
    },
    /// An earlier write failed and has been reported.
    Failed,
}

#[derive(Debug)]
struct SpoolFile {
    file: File,
    /// Of the convergent key.
    hasher: Option<TaggedHasher>,
}

/// A file's plaintext, all of it, and the key to encrypt it with.
#[derive(Debug)]
pub struct Received {
    pub(super) plaintext: Plaintext,
    pub(super) size: u64,
    pub(super) parameters: UploadParameters,
    pub(super) key: ImmutableReadKey,
}

/// Where a received file is.
pub(super) enum Plaintext {
    Memory(Bytes),
    /// Positioned at the start.
    File(File),
}

impl std::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory(_) => "in memory",
            Self::File(_) => "in a file",
        })
    }
}

impl Received {
    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The content, if it is so short that the capability will hold it.
    pub(super) fn literal(&self) -> Option<&Bytes> {
        match &self.plaintext {
            Plaintext::Memory(content) if self.size <= MAX_LITERAL_SIZE => Some(content),
            Plaintext::Memory(_) | Plaintext::File(_) => None,
        }
    }
}

impl Receiver {
    /// Starts with an empty file. A temporary file, if one is needed, is made in `directory`.
    pub fn new(
        parameters: UploadParameters,
        key: KeySource,
        directory: impl Into<PathBuf>,
        pool: CpuPool,
    ) -> Self {
        Self {
            parameters,
            key,
            pool,
            directory: directory.into(),
            size: 0,
            pending: BytesMut::new(),
            spool: Spool::Unused,
        }
    }

    /// Bytes received so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes of the file; waits while the disk or the processor is behind.
    pub async fn write(&mut self, data: Bytes) -> Result<(), UploadError> {
        self.size += data.len() as u64;
        let mut rest = &data[..];
        while !rest.is_empty() {
            let room = self.batch_size().saturating_sub(self.pending.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if !rest.is_empty() {
                self.spool_pending().await?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    pub async fn finish(mut self) -> Result<Received, UploadError> {
        if matches!(self.spool, Spool::Unused) {
            return Ok(self.finish_in_memory().await);
        }
        self.spool_pending().await?;
        let mut spool = self.written().await?.expect("something was spooled");
        spool.file.rewind().map_err(|source| UploadError::Spool {
            step: "rewind a temporary file in",
            directory: self.directory.clone(),
            source,
        })?;
        let key = match (self.key, spool.hasher) {
            (KeySource::Random(key), _) => key,
            (KeySource::Convergent(_), hasher) => {
                let hasher = hasher.expect("a convergent upload has a hasher");
                ImmutableReadKey::from_bytes(hasher.finish_truncated())
            }
        };
        Ok(Received {
            plaintext: Plaintext::File(spool.file),
            size: self.size,
            parameters: self.parameters,
            key,
        })
    }

    /// How much is kept before it goes to the disk.
    fn batch_size(&self) -> usize {
        match self.spool {
            Spool::Unused => {
                let segment = usize::try_from(self.parameters.max_segment_size());
                segment.unwrap_or(usize::MAX).max(MEMORY_LIMIT)
            }
            Spool::Busy { .. } | Spool::Failed => BATCH_SIZE,
        }
    }

    async fn finish_in_memory(self) -> Received {
        let plaintext = self.pending.freeze();
        let segment_size = self.parameters.segment_size(self.size);
        let key = match self.key {
            KeySource::Random(key) => key,
            KeySource::Convergent(secret) => {
                let mut hasher = convergence_hasher(&secret, &self.parameters, segment_size);
                let data = plaintext.clone();
                let hash = move || {
                    hasher.update(&data);
                    ImmutableReadKey::from_bytes(hasher.finish_truncated())
                };
                self.pool.run(hash).await
            }
        };
        Received {
            plaintext: Plaintext::Memory(plaintext),
            size: self.size,
            parameters: self.parameters,
            key,
        }
    }

    /// Starts to hash and write what is pending, both at once, when the batch before it is done.
    async fn spool_pending(&mut self) -> Result<(), UploadError> {
        let next = tahoe_buffers::take(0, BATCH_SIZE);
        let batch = std::mem::replace(&mut self.pending, next);
        let batch = tahoe_buffers::lend(batch);
        let (file, hasher) = match self.written().await? {
            Some(spool) => (Some(spool.file), spool.hasher),
            None => (None, self.new_hasher()),
        };
        let hashing = match hasher {
            Some(mut hasher) => {
                let batch = batch.clone();
                let hash = move || {
                    hasher.update(&batch);
                    hasher
                };
                Some(self.pool.start(hash).await)
            }
            None => None,
        };
        let directory = self.directory.clone();
        let write = move || {
            let failed = |step, source| UploadError::Spool {
                step,
                directory: directory.clone(),
                source,
            };
            let mut file = match file {
                Some(file) => file,
                None => tempfile::tempfile_in(&directory)
                    .map_err(|e| failed("make a temporary file in", e))?,
            };
            let written = file.write_all(&batch);
            written.map_err(|e| failed("write to a temporary file in", e))?;
            Ok(file)
        };
        let writing = self.pool.start(write).await;
        self.spool = Spool::Busy { writing, hashing };
        Ok(())
    }

    /// For the convergent key, if it is to be one.
    fn new_hasher(&self) -> Option<TaggedHasher> {
        match &self.key {
            KeySource::Convergent(secret) => {
                let segment_size = self.parameters.segment_size(self.size);
                Some(convergence_hasher(secret, &self.parameters, segment_size))
            }
            KeySource::Random(_) => None,
        }
    }

    /// Waits for the batch that is being hashed and written, if any.
    async fn written(&mut self) -> Result<Option<SpoolFile>, UploadError> {
        match std::mem::replace(&mut self.spool, Spool::Failed) {
            Spool::Unused => Ok(None),
            Spool::Failed => Err(UploadError::Spool {
                step: "go on after a failure in",
                directory: self.directory.clone(),
                source: std::io::ErrorKind::BrokenPipe.into(),
            }),
            Spool::Busy { writing, hashing } => {
                let hasher = match hashing {
                    Some(hashing) => Some(hashing.result().await),
                    None => None,
                };
                let file = writing.result().await?;
                Ok(Some(SpoolFile { file, hasher }))
            }
        }
    }
}

fn convergence_hasher(
    secret: &ConvergenceSecret,
    parameters: &UploadParameters,
    segment_size: u64,
) -> TaggedHasher {
    let (needed, total) = (parameters.shares_needed(), parameters.shares_total());
    secret.hasher(needed, total, segment_size)
}
