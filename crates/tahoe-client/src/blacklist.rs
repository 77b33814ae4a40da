//! `access.blacklist`: files that this node doesn't give out.
//!
//! Each line is a storage index and, after white space, the reason; empty lines and those that begin
//! with `#` don't count. The file is read again when its time of change is another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use tahoe_crypto::StorageIndex;

/// The largest file that is read.
const MAX_SIZE: u64 = 16 << 20;

/// The access blacklist can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlacklistError {
    /// It can't be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line isn't an entry.
    #[error("line {line} of {} is not a storage index and a reason", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// The files that are withheld, by storage index, with the reason.
#[derive(Debug, Default)]
pub struct Blacklist {
    /// The file; none if nothing is withheld.
    path: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    changed: Option<SystemTime>,
    entries: HashMap<StorageIndex, String>,
}

impl Blacklist {
    /// Reads a file, which may come and go while the node runs; an error if it is there and has a
    /// line that isn't an entry.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, BlacklistError> {
        let path = path.into();
        let known = match changed(&path) {
            None => Known::default(),
            Some(changed) => {
                let (entries, bad_line) = read(&path)?;
                if let Some(line) = bad_line {
                    return Err(BlacklistError::BadLine { path, line });
                }
                Known {
                    changed: Some(changed),
                    entries,
                }
            }
        };
        Ok(Self {
            path: Some(path),
            known: Mutex::new(known),
        })
    }

    /// The reason why a file is withheld; none if it isn't.
    ///
    /// If the file has become unusable, what could be read of it still counts, with a warning.
    pub fn reason(&self, storage_index: &StorageIndex) -> Option<String> {
        let path = self.path.as_deref()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = changed(path);
        if changed != known.changed {
            known.changed = changed;
            match changed.map(|_| read(path)) {
                None => known.entries.clear(),
                Some(Ok((entries, bad_line))) => {
                    known.entries = entries;
                    if let Some(line) = bad_line {
                        tracing::warn!(line, path = %path.display(), "not an entry: left out");
                    }
                }
                Some(Err(error)) => tracing::warn!(%error, "the entries of before still count"),
            }
        }
        let reason = known.entries.get(storage_index).cloned();
        if reason.is_some() {
            tracing::info!(%storage_index, "the blacklist prohibited access");
        }
        reason
    }
}

/// When the file was changed; none if it isn't there.
fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

/// The entries, and the first line that isn't one.
fn read(path: &Path) -> Result<(HashMap<StorageIndex, String>, Option<usize>), BlacklistError> {
    let failed = |source| BlacklistError::Io {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_SIZE {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    let (mut entries, mut bad_line) = (HashMap::new(), None);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line.split_once(char::is_whitespace);
        let entry = entry.and_then(|(index, reason)| Some((index.parse().ok()?, reason.trim())));
        match entry {
            Some((index, reason)) => {
                entries.insert(index, reason.to_owned());
            }
            None => bad_line = bad_line.or(Some(number)),
        }
    }
    Ok((entries, bad_line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: StorageIndex = StorageIndex::from_bytes([5; 16]);

    /// Writes the file at a time of its own.
    fn write(path: &Path, text: &str, at: u64) {
        std::fs::write(path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    #[test]
    fn entries_come_and_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.blacklist");
        let blacklist = Blacklist::open(&path).unwrap();
        assert_eq!(blacklist.reason(&INDEX), None);
        write(
            &path,
            &format!("# bad\n\n {INDEX}  my puppy  told me \n"),
            1,
        );
        assert_eq!(blacklist.reason(&INDEX).unwrap(), "my puppy  told me");
        assert_eq!(blacklist.reason(&StorageIndex::from_bytes([6; 16])), None);
        write(&path, "nonsense\n", 2);
        assert_eq!(blacklist.reason(&INDEX), None);
        // Also if the time goes back.
        write(&path, &format!("nonsense\n{INDEX} other\n"), 1);
        assert_eq!(blacklist.reason(&INDEX).unwrap(), "other");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(blacklist.reason(&INDEX), None);
        assert_eq!(Blacklist::default().reason(&INDEX), None);
    }

    #[test]
    fn a_line_that_is_no_entry_is_named_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.blacklist");
        write(&path, &format!("{INDEX} fine\n{INDEX}\n"), 1);
        let error = Blacklist::open(&path).unwrap_err().to_string();
        assert!(error.starts_with("line 2 of "), "{error}");
    }
}
