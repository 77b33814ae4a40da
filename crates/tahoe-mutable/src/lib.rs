//! Mutable files: SDMF and MDMF, found, read, written and changed on servers that nobody trusts.
//!
//! **Invariants:** no byte is delivered that isn't proved by a signature of the file's key. A write
//! is acknowledged when at least k shares are durable and no other writer was noticed; a writer
//! that was overtaken is told so. Writes through one [`MutableFiles`] to one file go one after the
//! other. `docs/design/0002-mutable-files.md` explains how it fits together.

mod check;
mod contents;
mod core;
mod error;
mod files;
mod keys;
mod known;
mod locks;
mod modify;
mod publish;
mod retrieve;
mod servermap;
mod status;
mod update;
mod version;
mod writer;

pub use check::{CorruptMutableShare, MutableCheck, MutableRepair, MutableRepairError};
pub use contents::Contents;
pub use error::{ModifyError, PublishError, ReadError};
pub use files::{MOST_SDMF_BYTES, MutableFiles, OpenVersion, Written};
pub use keys::{ReadyKeys, RsaKeyPool};
pub use modify::Modified;
pub use retrieve::{MOST_BYTES_AT_ONCE, ReadStream};
pub use servermap::{Servermap, ServermapMode, SharePlace};
pub use status::{
    MutableFacts, MutableKind, MutableObserver, MutableStage, MutableStatus, MutableTransfer,
    ServerAnswers,
};
pub use version::Version;
