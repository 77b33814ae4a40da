//! Downloads: from a capability and the servers' shares to plaintext.
//!
//! [`Downloader::open`] makes a [`File`], which can be read many times and at several places at
//! once; what one read learns of shares and hashes serves the next. [`File::read`] gives a stream.
//! Behind it runs of segments are fetched ahead of the reader, each from the k best shares.

mod core;
mod decode;
mod fetch;
mod finder;
mod reader;
mod run;
mod share;
mod spans;

use self::core::Core;
use crate::error::DownloadError;
use crate::status::DownloadStatus;
use bytes::Bytes;
use finder::Finder;
use share::Promise;
use std::ops::Range;
use std::sync::Arc;
use tahoe_caps::{ChkReadCap, ChkVerifyCap, LiteralCap};
use tahoe_crypto::{ImmutableReadKey, StorageIndex};
use tahoe_share::{DEFAULT_MAX_SEGMENT_SIZE, EncodingParameters, SegmentGeometry};
use tahoe_storage_api::ServerDirectory;
use tahoe_tasks::BackgroundTasks;
use tahoe_tasks::CpuPool;

pub use self::core::CorruptShare;
pub use reader::ReadStream;
pub use share::SharePart;
pub(crate) use share::{Corruption, ShareFault};

/// Opens immutable files.
#[derive(Debug, Clone)]
pub struct Downloader {
    servers: Arc<dyn ServerDirectory>,
    pool: CpuPool,
    advisories: BackgroundTasks,
}

/// An immutable file that can be read.
///
/// It costs some kilobytes and, for large files that are read much, some megabytes of hashes.
#[derive(Debug, Clone)]
pub struct File(Content);

#[derive(Debug, Clone)]
enum Content {
    Here(Bytes),
    OnServers(Arc<Core>),
}

impl Downloader {
    /// Makes a downloader from these servers.
    pub fn new(servers: Arc<dyn ServerDirectory>, pool: CpuPool) -> Self {
        Self {
            servers,
            pool,
            advisories: BackgroundTasks::default(),
        }
    }

    /// Opens a file for reading. Nothing is asked of any server yet.
    pub fn open(&self, cap: &ChkReadCap) -> Result<File, DownloadError> {
        self.open_shares(&cap.to_verify(), Some(cap.key.clone()))
    }

    /// Opens a file of which only the ciphertext can be read, for a check or a repair.
    pub fn open_ciphertext(&self, cap: &ChkVerifyCap) -> Result<File, DownloadError> {
        self.open_shares(cap, None)
    }

    fn open_shares(
        &self,
        cap: &ChkVerifyCap,
        key: Option<ImmutableReadKey>,
    ) -> Result<File, DownloadError> {
        let encoding = EncodingParameters::new(cap.shares_needed, cap.shares_total)?;
        // A file that can't be cut with the usual segment size can't be cut with any.
        SegmentGeometry::for_upload(encoding, cap.size, DEFAULT_MAX_SEGMENT_SIZE)?;
        let promise = Promise {
            uri_extension_hash: cap.uri_extension_hash,
            encoding,
            file_size: cap.size,
        };
        let status = Arc::new(DownloadStatus::default());
        let servers = Arc::clone(&self.servers);
        let finder = Finder::new(cap.storage_index, servers, Arc::clone(&status));
        let (pool, advisories) = (self.pool.clone(), self.advisories.clone());
        let core = Core::new(
            cap.storage_index,
            promise,
            key,
            finder,
            status,
            pool,
            advisories,
        );
        Ok(File(Content::OnServers(Arc::new(core))))
    }

    /// Waits until servers were told of all corruptions found so far.
    pub async fn advisories_settled(&self) {
        self.advisories.settled().await;
    }
}

impl File {
    /// Opens a file that is in its capability.
    pub fn literal(cap: &LiteralCap) -> Self {
        Self(Content::Here(Bytes::copy_from_slice(cap.content())))
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Content::Here(content) => content.len() as u64,
            Content::OnServers(core) => core.promise.file_size,
        }
    }

    /// Where its shares are; none for a literal file.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        match &self.0 {
            Content::Here(_) => None,
            Content::OnServers(core) => Some(core.storage_index),
        }
    }

    /// Reads a range of the file; what lies behind its end is left out.
    ///
    /// Must be called inside a tokio runtime. Dropping the stream ends the read.
    pub fn read(&self, range: Range<u64>) -> ReadStream {
        let range = range.start..range.end.min(self.size());
        match &self.0 {
            _ if range.is_empty() => ReadStream::ready(Bytes::new()),
            Content::Here(content) => {
                let index = |offset| usize::try_from(offset).unwrap_or(content.len());
                ReadStream::ready(content.slice(index(range.start)..index(range.end)))
            }
            Content::OnServers(core) => ReadStream::start(Arc::clone(core), range),
        }
    }

    /// How the file is cut and the URI extension block that proves it; none before a read has found
    /// out, and for a literal file.
    pub(crate) fn proof(&self) -> Option<(SegmentGeometry, Bytes)> {
        let Content::OnServers(core) = &self.0 else {
            return None;
        };
        core.with_facts(|facts| {
            let facts = facts.as_ref()?;
            Some((facts.geometry, facts.uri_extension.clone()))
        })
    }

    /// Counts what was read; none for a literal file.
    pub fn status(&self) -> Option<&Arc<DownloadStatus>> {
        match &self.0 {
            Content::Here(_) => None,
            Content::OnServers(core) => Some(&core.status),
        }
    }

    /// The corruptions that reads came upon so far, at most a thousand.
    pub fn corrupt_shares(&self) -> Vec<CorruptShare> {
        match &self.0 {
            Content::Here(_) => Vec::new(),
            Content::OnServers(core) => core.corrupt_shares(),
        }
    }
}
