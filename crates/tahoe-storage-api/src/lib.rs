//! The contract between whoever stores files and whoever keeps shares.
//!
//! [`StorageService`] is one storage server as seen through any transport: a disk store implements
//! it, an HTTPS client implements it, and an HTTPS server serves any implementation of it.
//! [`Server`] is a server that a client knows, [`ServerDirectory`] is all of them, in the permuted
//! order for a storage index.
//!
//! **Invariants:** nothing here knows capabilities, files or directories, nor any transport. What a
//! call acknowledges is durable. An error says whose fault it is; see [`StorageError`].

mod error;
mod server;
mod service;
#[cfg(feature = "testing")]
pub mod testing;
mod types;
mod written;

pub use error::StorageError;
pub use server::{PermutationSeed, Server, ServerDirectory, permute};
pub use service::StorageService;
pub use types::{
    Allocation, MAX_ADVICE_LENGTH, MAX_MUTABLE_SHARE_SIZE, MAX_READ_VECTORS, MAX_SHARES,
    MAX_TEST_VECTORS, NotAShareNumber, ReachedBy, ReadTestWrite, ReadTestWriteOutcome, ReadVector,
    ServerVersion, ShareKind, ShareNumber, ShareRange, SlotSecrets, TestVector, TestWriteVectors,
    WriteProgress, WriteVector, check_advice,
};
pub use written::WrittenRanges;
