//! Publishes the best version of a file again.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use tahoe_caps::MutableWriteCap;

use super::MutableCheck;
use crate::contents::Contents;
use crate::error::{PublishError, ReadError};
use crate::files::MutableFiles;
use crate::known::Latest;
use crate::modify::encoding_of;
use crate::retrieve::Retrieval;
use crate::servermap::ServermapMode;

/// Larger contents go to a temporary file on their way, in bytes.
const MEMORY_LIMIT: u64 = 1 << 20;

/// A mutable file could not be repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MutableRepairError {
    /// Going on would undo a newer version, whose missing shares may yet turn up.
    #[error(
        "There were unrecoverable newer versions, so force=True must be passed to the repair() \
         operation"
    )]
    NewerVersion,
    /// Going on would lose one of two versions that were written at the same time.
    #[error(
        "There were multiple recoverable versions with identical seqnums, so force=True must be \
         passed to the repair() operation"
    )]
    SeveralVersions,
    /// Its contents can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They can't be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// What a repair came to.
#[derive(Debug, Clone)]
pub struct MutableRepair {
    /// What is there now, as far as the repair knows.
    pub after: MutableCheck,
    /// Whether a version was published.
    pub published: bool,
}

impl MutableFiles {
    /// Repairs a file that a check has found in need of it. A temporary file, if one is needed, is
    /// made in `directory`.
    ///
    /// Nothing is published if no version can be read. It is refused if that would lose a version.
    pub async fn repair(
        &self,
        cap: &MutableWriteCap,
        before: &MutableCheck,
        directory: &Path,
    ) -> Result<MutableRepair, MutableRepairError> {
        let verify_cap = cap.to_read().to_verify();
        let _lock = self.core.locks.lock(verify_cap.storage_index).await;
        self.core.known.forget_version(&verify_cap);
        let begun = self.begin_write(cap, ServermapMode::Repair).await;
        let (writer, latest) = match begun {
            Ok(begun) => begun,
            Err(PublishError::Read(ReadError::Unrecoverable)) => {
                let mut after = self.check(&verify_cap).await;
                after.corrupt_shares.clone_from(&before.corrupt_shares);
                return Ok(MutableRepair {
                    after,
                    published: false,
                });
            }
            Err(error) => return Err(error.into()),
        };
        if !latest.map.unrecoverable_newer_versions().is_empty() {
            return Err(MutableRepairError::NewerVersion);
        }
        if latest.map.needs_merge() {
            return Err(MutableRepairError::SeveralVersions);
        }
        let contents = self.whole_contents(cap, &latest, directory).await?;
        let encoding = encoding_of(&latest.version).unwrap_or(self.core.encoding);
        writer.replace(&latest, contents, encoding).await?;
        let mut after = MutableCheck {
            servers: self.core.directory.servers_for(&verify_cap.storage_index),
            map: (*latest.map).clone().without_contents(),
            storage_index: verify_cap.storage_index,
            // The reference lists them still, though they were written over.
            corrupt_shares: before.corrupt_shares.clone(),
        };
        if let Some(published) = self.core.known.of(&verify_cap).latest {
            after
                .map
                .reachable
                .extend(published.map.reachable.iter().cloned());
            for (place, share) in &published.map.shares {
                after.map.bad.remove(place);
                after.map.shares.insert(place.clone(), share.clone());
            }
        }
        Ok(MutableRepair {
            after,
            published: true,
        })
    }

    /// The plaintext of a version, in memory or in a temporary file without a name.
    async fn whole_contents(
        &self,
        cap: &MutableWriteCap,
        latest: &Latest,
        directory: &Path,
    ) -> Result<Contents, MutableRepairError> {
        let core = Arc::clone(&self.core);
        let size = latest.version.data_length;
        let retrieval = Retrieval::new(core, cap.to_read(), &latest.map, latest.version)?;
        let mut stream = Arc::new(retrieval).stream(0..size);
        if size <= MEMORY_LIMIT {
            let mut bytes = BytesMut::new();
            while let Some(piece) = stream.next_piece().await? {
                bytes.extend_from_slice(&piece);
            }
            return Ok(bytes.freeze().into());
        }
        let failed = |source| PublishError::Spool {
            directory: directory.to_owned(),
            source,
        };
        let in_directory = directory.to_owned();
        let file = self
            .core
            .pool
            .run(move || tempfile::tempfile_in(in_directory));
        let mut file = file.await.map_err(failed)?;
        while let Some(piece) = stream.next_piece().await? {
            let write = move || file.write_all(&piece).map(|()| file);
            file = self.core.pool.run(write).await.map_err(failed)?;
        }
        Ok(Contents::from_file(file, size))
    }
}
