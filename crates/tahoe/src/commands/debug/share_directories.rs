//! How share files lie below a node directory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The directory of all shares of a node.
pub(super) fn all_shares(node_directory: &Path) -> PathBuf {
    node_directory.join("storage/shares")
}

/// The directory of the shares of one storage index.
pub(super) fn share_directory(node_directory: &Path, storage_index: &str) -> PathBuf {
    let prefix = storage_index.get(..2).unwrap_or(storage_index);
    all_shares(node_directory).join(prefix).join(storage_index)
}

/// What is in a directory, in the order of the names.
pub(super) fn sorted(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// What is in a directory of shares, in the order of the share numbers.
pub(super) fn numbered(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let number = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse::<u64>().ok())
            .unwrap_or(u64::MAX)
    };
    let mut paths = sorted(directory)?;
    paths.sort_by_key(number);
    Ok(paths)
}

/// Reads what is there of a range of a share, which itself is a range of its file.
pub(super) fn read_part(file: &File, share: &Range<u64>, range: Range<u64>) -> io::Result<Vec<u8>> {
    let at = |offset: u64| share.start.saturating_add(offset).min(share.end);
    let length = at(range.end).saturating_sub(at(range.start));
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at(range.start))?;
    Ok(bytes)
}
