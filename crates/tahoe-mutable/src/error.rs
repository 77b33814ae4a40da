//! How operations on mutable files fail.

use std::path::PathBuf;

use tahoe_crypto::RsaError;
use tahoe_share::GeometryError;
use tahoe_share::mutable::MutableLayoutError;

/// A mutable file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No version has enough shares on the servers that answer.
    #[error("no recoverable versions")]
    Unrecoverable,
    /// Shares of the version turned out bad or unreachable while it was read.
    #[error(
        "ran out of servers: have {segments_read} of {segment_count} segments; found {bad_shares} \
         bad shares; have {remaining_shares} remaining shares of the right version; encoding \
         {needed}-of-{total}, last failure: {}",
        .last_failure.as_deref().unwrap_or("None")
    )]
    NotEnoughShares {
        /// Segments that were read before.
        segments_read: u64,
        /// How many the file has.
        segment_count: u64,
        /// Shares that were found bad.
        bad_shares: usize,
        /// Shares that are left.
        remaining_shares: usize,
        /// k.
        needed: u16,
        /// N.
        total: u16,
        /// What went wrong last.
        last_failure: Option<String>,
    },
    /// The file is larger than may be held in memory at once.
    #[error("the file has {size} bytes; at most {most} can be read at once")]
    TooLargeForMemory {
        /// In bytes.
        size: u64,
        /// In bytes.
        most: u64,
    },
}

/// A mutable file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Somebody else changed the file at the same time. Some servers may have taken our version and
    /// some theirs; the next write makes them agree again.
    #[error("somebody else changed the file at the same time")]
    UncoordinatedWrite,
    /// Too few servers took shares.
    #[error("publish ran out of good servers, last failure was: {}", .last_failure.as_deref().unwrap_or("None"))]
    NotEnoughServers {
        /// What went wrong last.
        last_failure: Option<String>,
    },
    /// The current contents, which the change begins from, can't be read.
    #[error("the file's current contents can't be read")]
    Read(#[from] ReadError),
    /// A newer version than any that can be read exists; a change of the older one would undo it.
    #[error(
        "version {newer} of the file exists but can't be read now: it has {found} of {needed} \
         shares on the servers that answer"
    )]
    NewerVersionUnreadable {
        /// Its sequence number.
        newer: u64,
        /// Its shares that were found.
        found: usize,
        /// k.
        needed: u8,
    },
    /// No share holds the private key that belongs to the capability.
    #[error("no server has the file's private key")]
    NoPrivateKey,
    /// An update would begin behind the end of the file.
    #[error("offset {offset} is past the end of the file, which has {size} bytes")]
    OffsetPastEnd {
        /// Where it was to begin.
        offset: u64,
        /// In bytes.
        size: u64,
    },
    /// An SDMF file is handled as a whole, in memory.
    #[error("an SDMF file of {size} bytes is too large: at most {most}. Use MDMF")]
    TooLarge {
        /// In bytes.
        size: u64,
        /// In bytes.
        most: u64,
    },
    /// The temporary file with the new contents failed.
    #[error("could not read a temporary file")]
    ReadSpool {
        /// The system's error.
        source: std::io::Error,
    },
    /// A temporary file could not be made.
    #[error("could not make a temporary file in {}", .directory.display())]
    Spool {
        /// Where temporary files go.
        directory: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// Signing failed, or no key could be made.
    #[error("the file's key failed")]
    Key(#[from] RsaError),
    /// The contents can't be cut into segments.
    #[error("the file can't be cut into segments")]
    Geometry(#[from] GeometryError),
    /// The shares can't be laid out.
    #[error("the file's shares can't be laid out")]
    Layout(#[from] MutableLayoutError),
}

impl PublishError {
    /// Whether the write collided with another.
    pub fn is_uncoordinated(&self) -> bool {
        matches!(self, Self::UncoordinatedWrite)
    }
}

/// A modification of a mutable file failed.
#[derive(Debug, thiserror::Error)]
pub enum ModifyError<E> {
    /// The caller's change refused the contents.
    #[error("the change was refused")]
    Refused(E),
    /// The result could not be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
}
