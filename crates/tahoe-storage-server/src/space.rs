//! How much room a disk has.

use std::path::Path;

/// The room on the disk that holds a store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// All of it.
    pub total: u64,
    /// What isn't free.
    pub used: u64,
    /// What is free, blocks kept for the superuser included.
    pub free_for_root: u64,
    /// What is free for others.
    pub free_for_nonroot: u64,
    /// What is free for others beyond the reserved space.
    pub available: u64,
}

impl DiskSpace {
    /// Asks the file system that holds `path`.
    pub(crate) fn of(path: &Path, reserved_space: u64) -> std::io::Result<Self> {
        let figures = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| figures.f_frsize.saturating_mul(blocks);
        let total = bytes(figures.f_blocks);
        let free_for_root = bytes(figures.f_bfree);
        let free_for_nonroot = bytes(figures.f_bavail);
        Ok(Self {
            total,
            used: total.saturating_sub(free_for_root),
            free_for_root,
            free_for_nonroot,
            available: free_for_nonroot.saturating_sub(reserved_space),
        })
    }
}
