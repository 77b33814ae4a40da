//! What the calls of [`StorageService`](crate::StorageService) carry.

use crate::StorageError;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tahoe_crypto::{LeaseSecrets, WriteEnabler};

/// Most shares of one storage index: share numbers are 0 to 255.
pub const MAX_SHARES: usize = 256;
/// Most test vectors for one share in a read-test-write.
pub const MAX_TEST_VECTORS: usize = 30;
/// Most read vectors in a read-test-write.
pub const MAX_READ_VECTORS: usize = 30;
/// Largest mutable share in bytes: 69 105 × 10¹².
pub const MAX_MUTABLE_SHARE_SIZE: u64 = 69_105 * 1_000_000_000_000;

/// Longest reason of a corruption advisory, in bytes of UTF-8; the shortest has one.
pub const MAX_ADVICE_LENGTH: usize = 32_765;

/// Which of a file's shares: the row of the erasure code that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareNumber(pub u8);

impl std::fmt::Display for ShareNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A text isn't a share number: canonical decimal from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a share number from 0 to 255")]
pub struct NotAShareNumber;

impl std::str::FromStr for ShareNumber {
    type Err = NotAShareNumber;

    /// Reads canonical decimal; a sign or a leading zero isn't accepted.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number: u8 = text.parse().map_err(|_| NotAShareNumber)?;
        if number.to_string() == text {
            Ok(Self(number))
        } else {
            Err(NotAShareNumber)
        }
    }
}

/// Whether a share belongs to a file that never changes or to a mutable slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShareKind {
    /// Written once.
    Immutable,
    /// A slot that its writers may change.
    Mutable,
}

impl ShareKind {
    /// The word that paths and advisories use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Immutable => "immutable",
            Self::Mutable => "mutable",
        }
    }
}

/// Some bytes of a share. Reading past the end gives fewer bytes, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShareRange {
    /// First byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// The way to a service, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedBy {
    /// Where it is, spelled as a connection hint: such as `tcp:192.0.2.1:3456`.
    pub hint: String,
    /// What leads there: such as `tcp` or `tor`.
    pub handler: String,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    /// Largest immutable share that it accepts now, in bytes; 0 if it accepts none.
    pub maximum_immutable_share_size: u64,
    /// Largest mutable share that it accepts, in bytes.
    pub maximum_mutable_share_size: u64,
    /// Free space in bytes.
    pub available_space: u64,
    /// Name and version of its program, for instance `tahoe-lafs/1.20.0`.
    pub application_version: String,
}

/// How a server answers the wish to write immutable shares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Complete shares that the server has (also ones not asked for); their leases were renewed.
    pub already_have: BTreeSet<ShareNumber>,
    /// Shares that the caller may write now. What is in neither set was refused for lack of room.
    pub allocated: BTreeSet<ShareNumber>,
}

/// What is still missing of an immutable share after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteProgress {
    /// The share is complete, closed and durable.
    Complete,
    /// These byte ranges haven't been written yet, in order.
    Partial {
        /// Half-open ranges of byte offsets.
        missing: Vec<Range<u64>>,
    },
}

/// The secrets that a writer of a mutable slot presents.
#[derive(Debug, Clone)]
pub struct SlotSecrets {
    /// Proves the right to write.
    pub write_enabler: WriteEnabler,
    /// The writer's lease.
    pub lease: LeaseSecrets,
}

/// Demands that bytes of a share equal a specimen; a short read compares as what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestVector {
    /// First byte.
    pub offset: u64,
    /// How many bytes are read and compared.
    pub size: u64,
    /// What they must be.
    pub specimen: Bytes,
}

/// Puts bytes into a share; a hole before them is filled with zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteVector {
    /// First byte.
    pub offset: u64,
    /// The bytes.
    pub data: Bytes,
}

/// Asks for bytes of every share of a slot.
pub type ReadVector = ShareRange;

/// What is tested and written of one share of a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestWriteVectors {
    /// All must hold, in all shares, or nothing is written anywhere.
    pub tests: Vec<TestVector>,
    /// Written in order.
    pub writes: Vec<WriteVector>,
    /// Cuts the share to this many bytes after the writes; 0 deletes it.
    pub new_length: Option<u64>,
}

/// One atomic change of a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadTestWrite {
    /// Per share. A share that doesn't exist tests as empty; naming it makes it, even without a
    /// write, unless its new length is 0.
    pub vectors: BTreeMap<ShareNumber, TestWriteVectors>,
    /// Read from every share that exists, before anything is written.
    pub reads: Vec<ReadVector>,
}

impl ReadTestWrite {
    /// Refuses a change with too many vectors, or one that writes past the largest share size.
    ///
    /// Servers ask this before they look at the slot, so that such a change has no effect at all.
    pub fn check_limits(&self) -> Result<(), StorageError> {
        let tests = self.vectors.values().map(|vectors| vectors.tests.len());
        if self.reads.len() > MAX_READ_VECTORS {
            return Err(invalid("too many read vectors"));
        }
        if tests.max() > Some(MAX_TEST_VECTORS) {
            return Err(invalid("too many test vectors"));
        }
        let mut writes = self.vectors.values().flat_map(|vectors| &vectors.writes);
        let fits = |write: &WriteVector| {
            let end = u64::try_from(write.data.len())
                .ok()?
                .checked_add(write.offset)?;
            (end <= MAX_MUTABLE_SHARE_SIZE).then_some(())
        };
        if writes.any(|write| fits(write).is_none()) {
            return Err(invalid("a write reaches past the largest share size"));
        }
        Ok(())
    }
}

/// Checks that the reason of a corruption advisory is neither empty nor too long.
pub fn check_advice(reason: &str) -> Result<(), StorageError> {
    if (1..=MAX_ADVICE_LENGTH).contains(&reason.len()) {
        Ok(())
    } else {
        Err(invalid("the reason's length must be from 1 to 32765"))
    }
}

fn invalid(reason: &str) -> StorageError {
    StorageError::InvalidRequest {
        reason: reason.to_owned(),
    }
}

/// How a slot answered a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTestWriteOutcome {
    /// Whether all tests held and the writes were done.
    pub success: bool,
    /// For every share that existed before, the bytes of each read vector.
    pub data: BTreeMap<ShareNumber, Vec<Bytes>>,
}
