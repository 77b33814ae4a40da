//! Where in a storage directory everything is.

use std::path::{Path, PathBuf};
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::ShareNumber;

/// The paths below a storage directory (`docs/formats/storage-directory.md`).
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    shares: PathBuf,
    incoming: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        let shares = root.join("shares");
        Self {
            root: root.to_owned(),
            incoming: shares.join("incoming"),
            shares,
        }
    }

    /// Complete shares, and below it what is incoming.
    pub(crate) fn shares(&self) -> &Path {
        &self.shares
    }

    /// Uploads in progress, the journal and temporary files; removed when a server starts.
    pub(crate) fn incoming(&self) -> &Path {
        &self.incoming
    }

    /// Changes that may not have reached their containers yet.
    pub(crate) fn journal(&self) -> PathBuf {
        self.incoming.join("journal")
    }

    pub(crate) fn advisories(&self) -> PathBuf {
        self.root.join("corruption-advisories")
    }

    /// The directory of a storage index's complete shares.
    pub(crate) fn bucket(&self, storage_index: &StorageIndex) -> PathBuf {
        below(&self.shares, storage_index)
    }

    /// A complete share.
    pub(crate) fn share(&self, storage_index: &StorageIndex, share: ShareNumber) -> PathBuf {
        self.bucket(storage_index).join(share.to_string())
    }

    /// The directory of a storage index's uploads in progress.
    pub(crate) fn incoming_bucket(&self, storage_index: &StorageIndex) -> PathBuf {
        below(&self.incoming, storage_index)
    }
}

/// `<first two characters>/<storage index>`: 1024 directories of buckets.
fn below(directory: &Path, storage_index: &StorageIndex) -> PathBuf {
    let name = storage_index.to_string();
    let prefix: String = name.chars().take(2).collect();
    directory.join(prefix).join(name)
}
