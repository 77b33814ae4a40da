//! Files that were read lately, kept open so that the next range of one is cheap: what is known of
//! its shares and hashes needn't be found again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tahoe_caps::ChkReadCap;
use tahoe_immutable::{DownloadError, File};

/// The most recently used files, the latest last.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    files: Mutex<VecDeque<(ChkReadCap, File)>>,
    limit: usize,
}

impl OpenFiles {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            files: Mutex::default(),
            limit: limit.max(1),
        }
    }

    /// The file if it is still open; else opens it.
    pub(crate) fn open(
        &self,
        cap: &ChkReadCap,
        open: impl FnOnce() -> Result<File, DownloadError>,
    ) -> Result<File, DownloadError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let found = files.iter().position(|(known, _)| known == cap);
        let entry = match found.and_then(|index| files.remove(index)) {
            Some(entry) => entry,
            None => (cap.clone(), open()?),
        };
        let file = entry.1.clone();
        files.push_back(entry);
        if files.len() > self.limit {
            files.pop_front();
        }
        Ok(file)
    }

    /// Opens the file anew next time.
    pub(crate) fn forget(&self, cap: &ChkReadCap) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(known, _)| known != cap);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tahoe_caps::LiteralCap;
    use tahoe_crypto::{ImmutableReadKey, UriExtensionHash};

    fn cap(number: u8, size: u64) -> ChkReadCap {
        ChkReadCap {
            key: ImmutableReadKey::from_bytes([number; 16]),
            uri_extension_hash: UriExtensionHash::from_bytes([0; 32]),
            shares_needed: 1,
            shares_total: 1,
            size,
        }
    }

    #[test]
    fn keeps_the_latest() {
        let files = OpenFiles::new(2);
        let opened = Cell::new(0);
        let open = |cap: &ChkReadCap| {
            let count = || {
                opened.set(opened.get() + 1);
                Ok(File::literal(&LiteralCap::new(vec![])))
            };
            files.open(cap, count).unwrap();
            opened.get()
        };
        assert_eq!(open(&cap(1, 5)), 1);
        assert_eq!(open(&cap(1, 5)), 1);
        assert_eq!(open(&cap(1, 6)), 2, "another size is another file");
        assert_eq!(open(&cap(1, 5)), 2);
        assert_eq!(open(&cap(2, 5)), 3, "pushes the other size out");
        assert_eq!(open(&cap(1, 5)), 3);
        assert_eq!(open(&cap(1, 6)), 4);
        assert_eq!(files.len(), 2);
        files.forget(&cap(1, 6));
        assert_eq!(open(&cap(1, 6)), 5);
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let files = OpenFiles::new(2);
        let failed = files.open(&cap(1, 5), || {
            Err(DownloadError::NoShares {
                needed: 1,
                last_failure: None,
            })
        });
        assert!(failed.is_err());
        assert_eq!(files.len(), 0);
    }
}
