//! What a helper has fetched so far, on disk: what makes an upload resumable.
//!
//! `CHK_incoming/STORAGE-INDEX` grows as the ciphertext comes. Complete, it is renamed to
//! `CHK_encoding/STORAGE-INDEX` and stays there until the shares are stored. Names and contents are
//! the reference's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tahoe_crypto::StorageIndex;

/// Files that nobody has touched for so long count as old.
const OLD: Duration = Duration::from_secs(2 * 86_400);

/// The two folders.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    incoming: PathBuf,
    encoding: PathBuf,
}

/// How much lies in a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) count: u64,
    pub(crate) size: u64,
    pub(crate) size_old: u64,
}

/// A ciphertext that isn't complete yet.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: File,
    have: u64,
    path: PathBuf,
    complete_path: PathBuf,
}

impl Folders {
    /// Makes them in `folder` if they aren't there.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        let folders = Self {
            incoming: folder.join("CHK_incoming"),
            encoding: folder.join("CHK_encoding"),
        };
        fs::create_dir_all(&folders.incoming)?;
        fs::create_dir_all(&folders.encoding)?;
        Ok(folders)
    }

    fn complete_path(&self, index: &StorageIndex) -> PathBuf {
        self.encoding.join(index.to_string())
    }

    /// Opens a ciphertext that is complete; its size in bytes.
    pub(crate) fn open_complete(&self, index: &StorageIndex) -> io::Result<(File, u64)> {
        let file = File::open(self.complete_path(index))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Whether a ciphertext is complete.
    pub(crate) fn is_complete(&self, index: &StorageIndex) -> bool {
        self.complete_path(index).exists()
    }

    /// Forgets a ciphertext whose shares are stored.
    pub(crate) fn remove_complete(&self, index: &StorageIndex) -> io::Result<()> {
        fs::remove_file(self.complete_path(index))
    }

    /// Goes on with a ciphertext of `size` bytes, or begins it. What is longer than that can't be a
    /// part of it, and is forgotten.
    pub(crate) fn begin(&self, index: &StorageIndex, size: u64) -> io::Result<Incoming> {
        let path = self.incoming.join(index.to_string());
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let mut have = file.metadata()?.len();
        if have > size {
            file.set_len(0)?;
            have = 0;
        }
        Ok(Incoming {
            file,
            have,
            path,
            complete_path: self.complete_path(index),
        })
    }

    /// What lies in both: incoming, encoding.
    pub(crate) fn figures(&self, now: SystemTime) -> io::Result<[Figures; 2]> {
        Ok([figures(&self.incoming, now)?, figures(&self.encoding, now)?])
    }
}

fn figures(folder: &Path, now: SystemTime) -> io::Result<Figures> {
    let mut figures = Figures::default();
    for entry in fs::read_dir(folder)? {
        // Files come and go.
        let Ok(metadata) = entry?.metadata() else {
            continue;
        };
        figures.count += 1;
        figures.size += metadata.len();
        let age = metadata.modified().ok();
        let age = age.and_then(|modified| now.duration_since(modified).ok());
        if age.is_some_and(|age| age > OLD) {
            figures.size_old += metadata.len();
        }
    }
    Ok(figures)
}

impl Incoming {
    /// Bytes that are there.
    pub(crate) fn have(&self) -> u64 {
        self.have
    }

    /// Adds what follows.
    pub(crate) fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)?;
        self.have += data.len() as u64;
        Ok(())
    }

    /// All is there: durable, and under its other name.
    pub(crate) fn complete(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.complete_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: [u8; 16] = [3; 16];

    #[test]
    fn an_upload_goes_on_where_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::create(folder.path()).unwrap();
        let index = StorageIndex::from_bytes(INDEX);
        let mut incoming = folders.begin(&index, 6).unwrap();
        assert_eq!(incoming.have(), 0);
        incoming.append(b"abcd").unwrap();
        drop(incoming);
        // As after a restart.
        let folders = Folders::create(folder.path()).unwrap();
        let mut incoming = folders.begin(&index, 6).unwrap();
        assert_eq!(incoming.have(), 4);
        assert!(!folders.is_complete(&index));
        incoming.append(b"ef").unwrap();
        incoming.complete().unwrap();
        assert!(folders.is_complete(&index));
        let name = index.to_string();
        let path = folder.path().join("CHK_encoding").join(name);
        assert_eq!(fs::read(path).unwrap(), b"abcdef");
        assert_eq!(folders.open_complete(&index).unwrap().1, 6);
        let now = SystemTime::now();
        let [incoming, encoding] = folders.figures(now).unwrap();
        assert_eq!(incoming, Figures::default());
        assert_eq!(
            (encoding.count, encoding.size, encoding.size_old),
            (1, 6, 0)
        );
        let [_, encoding] = folders.figures(now + OLD * 2).unwrap();
        assert_eq!(encoding.size_old, 6);
        folders.remove_complete(&index).unwrap();
        assert!(!folders.is_complete(&index));
    }

    #[test]
    fn what_is_too_long_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::create(folder.path()).unwrap();
        let index = StorageIndex::from_bytes(INDEX);
        folders
            .begin(&index, 9)
            .unwrap()
            .append(b"123456789")
            .unwrap();
        let mut incoming = folders.begin(&index, 8).unwrap();
        assert_eq!(incoming.have(), 0);
        incoming.append(b"12345678").unwrap();
        incoming.complete().unwrap();
        assert_eq!(folders.open_complete(&index).unwrap().1, 8);
    }
}
