//! What directories are kept with: files of all sorts, a clock, the queues of changes.

use crate::cache::TableCache;
use crate::directory::File;
use crate::queue::EditQueues;
use crate::{Directory, DirectoryError, MAX_TABLE_SIZE, Table, TableError};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_caps::{ChkReadCap, ReadFileCap};
use tahoe_mutable::MutableFiles;
use tahoe_tasks::CpuPool;
use tokio::sync::Semaphore;

/// Directories that are read at once.
const MOST_READS: usize = 64;
/// Contents from this size on are taken apart on the pool, in bytes.
const LARGE: usize = 256 << 10;

/// Immutable files, as directories need them.
#[async_trait]
pub trait ImmutableFiles: Send + Sync + std::fmt::Debug {
    /// Stores a file.
    async fn store(&self, contents: Bytes) -> Result<ReadFileCap, DirectoryError>;

    /// Reads a whole file; every byte has been checked against the capability.
    async fn fetch(&self, cap: &ChkReadCap) -> Result<Bytes, DirectoryError>;
}

/// What directories are kept with.
#[derive(Clone)]
pub struct Surroundings {
    /// Files that hold mutable directories.
    pub mutable: MutableFiles,
    /// Files that hold immutable directories.
    pub immutable: Arc<dyn ImmutableFiles>,
    /// Where tables are made, changed and, if they are large, taken apart.
    pub pool: CpuPool,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// What all operations share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) world: Surroundings,
    pub(crate) queues: EditQueues,
    immutable: TableCache,
    reads: Semaphore,
}

impl Core {
    pub(crate) fn new(world: Surroundings) -> Self {
        Self {
            world,
            queues: EditQueues::default(),
            immutable: TableCache::default(),
            reads: Semaphore::new(MOST_READS),
        }
    }

    /// The entries of a directory as they are now.
    pub(crate) async fn read(&self, directory: &Directory) -> Result<Table, DirectoryError> {
        let _turn = self.reads.acquire().await;
        let contents = match (directory.file(), directory.mutable_read_cap()) {
            (_, Some(cap)) => self.world.mutable.read_all(&cap).await?.1,
            (File::Read(ReadFileCap::Literal(cap)), None) => Bytes::copy_from_slice(cap.content()),
            (File::Read(ReadFileCap::Chk(cap)), None) => {
                return self.read_chk(cap, directory).await;
            }
            (File::Write(_) | File::Read(ReadFileCap::Mutable(_)), None) => Bytes::new(),
        };
        self.parse(contents, directory).await
    }

    async fn read_chk(
        &self,
        cap: &ChkReadCap,
        directory: &Directory,
    ) -> Result<Table, DirectoryError> {
        if let Some(table) = self.immutable.of(cap) {
            return Ok(table);
        }
        let size = usize::try_from(cap.size).unwrap_or(usize::MAX);
        if size > MAX_TABLE_SIZE {
            return Err(TableError::TooLarge { size: cap.size }.into());
        }
        let contents = self.world.immutable.fetch(cap).await?;
        let table = self.parse(contents, directory).await?;
        self.immutable.remember(cap, &table);
        Ok(table)
    }

    async fn parse(&self, contents: Bytes, directory: &Directory) -> Result<Table, DirectoryError> {
        let access = directory.access();
        if contents.len() < LARGE {
            return Ok(Table::parse(&contents, &access)?);
        }
        let parsed = self
            .world
            .pool
            .run(move || Table::parse(&contents, &access));
        Ok(parsed.await?)
    }
}
