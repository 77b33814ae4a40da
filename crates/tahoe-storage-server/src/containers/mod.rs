//! The files that shares are kept in: headers, data ranges, lease records.
//!
//! An immutable container holds a share that is written once and leases at its end
//! (`docs/formats/immutable-container.md`). A mutable container holds the share of a slot, its
//! write enabler and leases around it (`docs/formats/mutable-container.md`). Both exist in two
//! versions: version 1 keeps lease secrets as they are, version 2 keeps their BLAKE2b hashes.
//!
//! A container is read from any [`Source`]: an open file or bytes in memory. Whatever the bytes,
//! reading ends in a container whose ranges lie inside the source, or in a [`ContainerError`]. To
//! change a container is to make a list of `Edit`s for it; nothing here writes.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod immutable;
mod leases;
mod mutable;

pub use immutable::{IMMUTABLE_DATA_OFFSET, IMMUTABLE_LEASE_SIZE, ImmutableContainer};
pub(crate) use immutable::{new_immutable_header, new_immutable_lease};
pub use leases::{LEASE_DURATION_SECONDS, Lease, StoredSecret};
pub(crate) use leases::{NewLease, NoRoomForLease};
pub(crate) use mutable::MutableEditor;
pub use mutable::{MUTABLE_DATA_OFFSET, MUTABLE_LEASE_SIZE, MutableContainer};

use bytes::Bytes;
use std::os::unix::fs::FileExt as _;
use tahoe_storage_api::ShareKind;

/// Most leases of one share: many clients, and few enough to search on every call.
pub const MAX_LEASES: u32 = 65_536;

/// Whether a container keeps lease secrets themselves or their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerVersion {
    /// Lease secrets in the clear; written by Tahoe-LAFS before 1.16.
    V1,
    /// Lease secrets hashed.
    V2,
}

impl ContainerVersion {
    /// The number in the header.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// A file isn't a share container, or not a whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// It ends before its header does.
    #[error("it has {length} bytes, too few for a header")]
    NoHeader {
        /// Size of the file in bytes.
        length: u64,
    },
    /// It begins neither as a mutable container nor with a known version number.
    #[error("it begins with an unknown version")]
    UnknownVersion,
    /// Its header claims more leases than it has bytes for, or more than anybody keeps.
    #[error("it can't hold {count} leases")]
    BadLeaseCount {
        /// What the header says.
        count: u32,
    },
    /// The extra leases of a mutable container don't lie between its data and its end.
    #[error("its extra leases can't begin at byte {offset}")]
    BadExtraLeaseOffset {
        /// What the header says.
        offset: u64,
    },
    /// A mutable container's data is longer than the place for it.
    #[error("it has no room for {length} bytes of data")]
    BadDataLength {
        /// What the header says.
        length: u64,
    },
    /// It can't be read.
    #[error("could not read it")]
    Io(#[from] std::io::Error),
}

/// Bytes that a container is read from.
pub trait Source {
    /// Size in bytes.
    fn length(&self) -> std::io::Result<u64>;
    /// Reads exactly `length` bytes.
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>>;
}

impl Source for std::fs::File {
    fn length(&self) -> std::io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

impl Source for [u8] {
    fn length(&self) -> std::io::Result<u64> {
        Ok(u64::try_from(self.len()).unwrap_or(u64::MAX))
    }

    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(length));
        let bytes = start.zip(end).and_then(|(start, end)| self.get(start..end));
        let bytes = bytes.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        Ok(bytes.to_vec())
    }
}

/// A share container of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    /// Holds a share that is written once.
    Immutable(ImmutableContainer),
    /// Holds the share of a slot.
    Mutable(MutableContainer),
}

impl Container {
    /// Reads the header of a container.
    pub fn read<S: Source + ?Sized>(source: &S) -> Result<Self, ContainerError> {
        match read_kind(source)? {
            ShareKind::Mutable => MutableContainer::read(source).map(Self::Mutable),
            ShareKind::Immutable => ImmutableContainer::read(source).map(Self::Immutable),
        }
    }
}

/// Tells by its first bytes which kind of container a file claims to be.
pub fn read_kind<S: Source + ?Sized>(source: &S) -> Result<ShareKind, ContainerError> {
    let length = source.length()?;
    let start = source.read_at(0, usize::try_from(length.min(32)).unwrap_or(0))?;
    if mutable::version_of(&start).is_some() {
        return Ok(ShareKind::Mutable);
    }
    let version = start.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    match version {
        Some(1 | 2) => Ok(ShareKind::Immutable),
        Some(_) => Err(ContainerError::UnknownVersion),
        None => Err(ContainerError::NoHeader { length }),
    }
}

/// One step of changing a container file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Puts bytes at an offset of the file.
    Write { offset: u64, data: Bytes },
    /// Puts that many zeros at an offset of the file.
    Zero { offset: u64, length: u64 },
    /// Ends the file there.
    Truncate { length: u64 },
}

impl Edit {
    pub(crate) fn write(offset: u64, data: impl Into<Bytes>) -> Self {
        Self::Write {
            offset,
            data: data.into(),
        }
    }

    /// Where the edit ends in the file: it needs room until there.
    pub(crate) fn end(&self) -> u64 {
        match self {
            Self::Write { offset, data } => {
                offset.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX))
            }
            Self::Zero { offset, length } => offset.saturating_add(*length),
            Self::Truncate { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests;
