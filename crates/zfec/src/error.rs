//! What can be wrong with a caller's parameters and blocks.

use thiserror::Error;

/// Why a pair of numbers defines no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParamError {
    /// k is 0.
    #[error("at least one block must be needed")]
    NoneNeeded,
    /// N is larger than the field.
    #[error("{total} blocks were asked for, at most 256 exist")]
    TooMany {
        /// The N that was given.
        total: u16,
    },
    /// k is larger than N.
    #[error("{needed} blocks cannot be needed of {total}")]
    NeededExceedsTotal {
        /// The k that was given.
        needed: u16,
        /// The N that was given.
        total: u16,
    },
}

/// Why blocks could not be encoded. Nothing was written to the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The number of input blocks is not k.
    #[error("{given} primary blocks were given, {needed} are needed")]
    PrimaryCount {
        /// How many were given.
        given: usize,
        /// How many are needed, k.
        needed: u16,
    },
    /// An input block differs in length from the first.
    #[error("primary block {number} has {length} bytes, the first one {expected}")]
    PrimaryLength {
        /// Which primary block.
        number: usize,
        /// Its length in bytes.
        length: usize,
        /// The length of the first block in bytes.
        expected: usize,
    },
    /// A wanted block does not exist in this code.
    #[error("block {number} was asked for, there are only {total}")]
    NoSuchBlock {
        /// The block number asked for.
        number: u8,
        /// How many blocks exist, N.
        total: u16,
    },
    /// There is not one output for each wanted block.
    #[error("{given} outputs were given for {wanted} wanted blocks")]
    OutputCount {
        /// How many outputs were given.
        given: usize,
        /// How many blocks are wanted.
        wanted: usize,
    },
    /// An output has not the length of a block.
    #[error("output {index} has {length} bytes, a block has {expected}")]
    OutputLength {
        /// Which output.
        index: usize,
        /// Its length in bytes.
        length: usize,
        /// The length of a block in bytes.
        expected: usize,
    },
}

/// Why blocks could not be decoded. Nothing was written to the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The number of blocks is not k.
    #[error("{given} blocks were given, {needed} are needed")]
    BlockCount {
        /// How many were given.
        given: usize,
        /// How many are needed, k.
        needed: u16,
    },
    /// A block was given or asked for that does not exist in this code.
    #[error("block number {number}, but there are only {total}")]
    NoSuchBlock {
        /// The number of the block.
        number: u8,
        /// How many blocks exist, N.
        total: u16,
    },
    /// Two of the given blocks have the same number.
    #[error("block {number} was given twice")]
    Duplicate {
        /// The number of the block.
        number: u8,
    },
    /// A given block differs in length from the first.
    #[error("block {number} has {length} bytes, the first one {expected}")]
    BlockLength {
        /// The number of the block.
        number: u8,
        /// Its length in bytes.
        length: usize,
        /// The length of the first block in bytes.
        expected: usize,
    },
    /// There is not one output for each wanted block.
    #[error("{given} outputs were given for {wanted} wanted blocks")]
    OutputCount {
        /// How many outputs were given.
        given: usize,
        /// How many blocks are wanted.
        wanted: usize,
    },
    /// An output has not the length of a block.
    #[error("output {index} has {length} bytes, a block has {expected}")]
    OutputLength {
        /// Which output.
        index: usize,
        /// Its length in bytes.
        length: usize,
        /// The length of a block in bytes.
        expected: usize,
    },
    /// The segment is said to be longer than its blocks together.
    #[error("a segment of {length} bytes does not fit into {capacity} bytes of blocks")]
    SegmentLength {
        /// The length asked for in bytes.
        length: usize,
        /// k times the length of a block.
        capacity: usize,
    },
}
