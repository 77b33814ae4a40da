//! How uploads and downloads fail.

use crate::happiness::Shortfall;
use std::path::PathBuf;
use tahoe_crypto::StorageIndex;
use tahoe_share::immutable::LayoutError;
use tahoe_share::{GeometryError, HashTreeError, UriExtensionError};
use tahoe_storage_api::ShareNumber;

/// A file could not be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// No server is connected, or none may be uploaded to.
    #[error("client gave us zero servers")]
    NoServers,
    /// Shares are, or would be, on too few servers.
    #[error("{0}")]
    Unhappy(Box<Unhappy>),
    /// The temporary file for the plaintext failed.
    #[error("could not {step} {}", .directory.display())]
    Spool {
        /// What was being done.
        step: &'static str,
        /// Where temporary files go.
        directory: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The temporary file could not be read back.
    #[error("could not read a temporary file")]
    ReadSpool {
        /// The system's error.
        source: std::io::Error,
    },
    /// The ciphertext doesn't give the shares that its capability promises.
    #[error("the file's shares came out otherwise than its capability promises")]
    OtherShares,
    /// The file was to be stored through the helper, which failed.
    #[error("the upload helper did not store the file")]
    Helper(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file's size can't be encoded.
    #[error("the file can't be cut into segments")]
    Geometry(#[from] GeometryError),
    /// The file is too large for a share.
    #[error("the file's shares can't be laid out")]
    Layout(#[from] LayoutError),
    /// The file has more segments than a hash tree has leaves.
    #[error("the file's hash trees can't be built")]
    HashTree(#[from] HashTreeError),
}

/// What an upload came to that reached too few servers.
#[derive(Debug, Clone)]
pub struct Unhappy {
    /// In numbers.
    pub shortfall: Shortfall,
    /// The whole story, in the words that users of Tahoe know.
    pub text: String,
}

impl std::fmt::Display for Unhappy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The capability's k and N are no encoding, or its size is none.
    #[error("the capability describes no possible file")]
    BadCapability(#[from] GeometryError),
    /// No server has a share, or none that is any good.
    #[error("no shares (need {needed}). Last failure: {}", .last_failure.as_deref().unwrap_or("None"))]
    NoShares {
        /// k.
        needed: u16,
        /// What went wrong last.
        last_failure: Option<String>,
    },
    /// Fewer than k good shares are left.
    #[error("{0}")]
    NotEnoughShares(Box<NotEnoughShares>),
    /// The uploader promised another ciphertext than it encoded.
    #[error(
        "hash failure in ciphertext_hash_tree: segnum={segment}, SI={}",
        .storage_index.abbreviated()
    )]
    BadCiphertext {
        /// Which segment.
        segment: u64,
        /// Of the file.
        storage_index: StorageIndex,
    },
    /// The uploader's URI extension block makes no sense.
    #[error("the file's URI extension block is genuine but malformed")]
    BadUriExtension {
        /// What is wrong with it.
        source: UriExtensionError,
    },
}

/// How far a download came that found too few good shares of some segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEnoughShares {
    /// Shares whose block is there.
    pub complete: Vec<ShareNumber>,
    /// Shares that are being read.
    pub pending: Vec<String>,
    /// Shares that are being read and should have come.
    pub overdue: Vec<String>,
    /// Shares that are of no use for the segment.
    pub unused: Vec<String>,
    /// k.
    pub needed: u16,
    /// What went wrong last.
    pub last_failure: Option<String>,
}

impl std::fmt::Display for NotEnoughShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let complete = self.complete.iter().map(|share| format!("sh{share}"));
        write!(
            f,
            "ran out of shares: complete={} pending={} overdue={} unused={} need {}. \
             Last failure: {}",
            complete.collect::<Vec<_>>().join(","),
            self.pending.join(","),
            self.overdue.join(","),
            self.unused.join(","),
            self.needed,
            self.last_failure.as_deref().unwrap_or("None"),
        )
    }
}

impl From<NotEnoughShares> for DownloadError {
    fn from(found: NotEnoughShares) -> Self {
        let lists = [&found.pending, &found.overdue, &found.unused];
        if found.complete.is_empty() && lists.iter().all(|list| list.is_empty()) {
            return Self::NoShares {
                needed: found.needed,
                last_failure: found.last_failure,
            };
        }
        Self::NotEnoughShares(Box::new(found))
    }
}
