//! What the system tells of a local file or directory.

use serde::Serialize;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// What a backup stores about a file or directory beside its capability.
///
/// The order of the fields and the last digit of the times are part of a directory's contents, and so
/// of its capability: both programs make the same of the same tree.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct StoredMetadata {
    /// Seconds since 1970.
    ctime: f64,
    /// Seconds since 1970.
    mtime: f64,
    st_mode: u32,
    st_ino: u64,
    st_dev: u64,
    st_uid: u32,
    st_gid: u32,
}

impl StoredMetadata {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            ctime: seconds(metadata.ctime(), metadata.ctime_nsec()),
            mtime: seconds(metadata.mtime(), metadata.mtime_nsec()),
            st_mode: metadata.mode(),
            st_ino: metadata.ino(),
            st_dev: metadata.dev(),
            st_uid: metadata.uid(),
            st_gid: metadata.gid(),
        }
    }
}

/// A time as Python's `os.stat` gives it.
#[expect(clippy::cast_precision_loss, reason = "as in Python")]
fn seconds(whole: i64, nanoseconds: i64) -> f64 {
    whole as f64 + 1e-9 * nanoseconds as f64
}

/// What tells whether a file has changed: its size and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) size_bytes: u64,
    /// Seconds since 1970, whole ones.
    pub(super) modified: i64,
    /// Seconds since 1970, whole ones.
    pub(super) changed: i64,
}

impl Fingerprint {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size_bytes: metadata.len(),
            modified: metadata.mtime(),
            changed: metadata.ctime(),
        }
    }
}
