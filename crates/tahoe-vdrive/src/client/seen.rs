//! What a client has seen, on disk, so that it is known after a restart.
//!
//! Two files hold the two generations of [`Memory`](super::memory::Memory): what was learned last is
//! appended to the younger one. When that is full, it takes the place of the older one, and a new one
//! is begun. So both together have a bound, and at least the last [`RECORDS`] facts are there.
//!
//! ```text
//! 16  directory id     one record
//! 16  entry id
//!  8  version          the least that the entry can have, big-endian
//!  8  checksum         the first bytes of the SHA-256 of these
//! ```
//!
//! A record whose checksum is wrong was being written when the machine stopped, before what it says
//! was shown to anybody: it is left out.

use super::connection::lock;
use crate::ids::{DirectoryId, EntryId, Place, Version};
use crate::limits::REMEMBERED_VERSIONS;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tahoe_encoding::Reader;

const RECORD_BYTES: usize = 16 + 16 + 8 + CHECKSUM_BYTES;
const CHECKSUM_BYTES: usize = 8;
/// Records of one file; more than one may be of the same entry.
const RECORDS: usize = REMEMBERED_VERSIONS;

/// A fact: the least version that an entry of a place can have.
pub(super) type Fact = (Place, Version);

/// The two files. Clones are the same.
#[derive(Clone)]
pub(super) struct Seen(Arc<Mutex<Files>>);

struct Files {
    younger: PathBuf,
    older: PathBuf,
    /// The younger one, once it has been written to.
    open: Option<File>,
    /// How many records the younger one has.
    records: usize,
    most: usize,
}

impl Seen {
    /// Opens the files of these names with `.new` and `.old`; returns what they hold, older facts
    /// first.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Fact>)> {
        Self::open_bounded(path, RECORDS)
    }

    fn open_bounded(path: &Path, most: usize) -> io::Result<(Self, Vec<Fact>)> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let (younger, older) = (path.with_extension("new"), path.with_extension("old"));
        let mut facts = read(&older)?;
        let young = read(&younger)?;
        let records = young.len();
        facts.extend(young);
        let files = Files {
            younger,
            older,
            open: None,
            records,
            most,
        };
        Ok((Self(Arc::new(Mutex::new(files))), facts))
    }

    /// Appends facts; returns when they are on disk. Blocks its thread.
    pub(super) fn append(&self, facts: &[Fact]) -> io::Result<()> {
        let mut files = lock(&self.0);
        let appended = files.append(facts);
        if appended.is_err() {
            // What it ends with isn't known: the next time begins with what can be read of it.
            files.open = None;
        }
        appended
    }
}

impl Files {
    fn append(&mut self, facts: &[Fact]) -> io::Result<()> {
        if self.records >= self.most {
            self.open = None;
            std::fs::rename(&self.younger, &self.older)?;
            self.records = 0;
        }
        let file = match &mut self.open {
            Some(file) => file,
            open => open.insert(open_whole(&self.younger)?),
        };
        let mut bytes = Vec::with_capacity(facts.len() * RECORD_BYTES);
        for fact in facts {
            bytes.extend(record(fact));
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.records += facts.len();
        Ok(())
    }
}

/// Opens a file to append to it, after the last record that is whole.
fn open_whole(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    let record = RECORD_BYTES as u64;
    let torn = length % record;
    if torn > 0 {
        file.set_len(length - torn)?;
    }
    // The name, too, is on disk before the first fact is shown.
    if let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(file)
}

fn read(path: &Path) -> io::Result<Vec<Fact>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let (records, _torn) = bytes.as_chunks::<RECORD_BYTES>();
    Ok(records.iter().filter_map(fact).collect())
}

fn record((place, version): &Fact) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let (said, checksum) = record.split_at_mut(RECORD_BYTES - CHECKSUM_BYTES);
    let (directory, entry) = (place.directory.as_bytes(), place.entry.as_bytes());
    said.copy_from_slice(&[&directory[..], entry, &version.0.to_be_bytes()].concat());
    checksum.copy_from_slice(&checksum_of(said));
    record
}

fn fact(record: &[u8; RECORD_BYTES]) -> Option<Fact> {
    let (said, checksum) = record.split_last_chunk()?;
    if checksum_of(said) != *checksum {
        return None;
    }
    let mut reader = Reader::new(said);
    let place = Place {
        directory: DirectoryId::from_bytes(reader.array().ok()?),
        entry: EntryId::from_bytes(reader.array().ok()?),
    };
    Some((place, Version(reader.u64().ok()?)))
}

fn checksum_of(said: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    let hash = Sha256::digest(said);
    checksum
        .iter_mut()
        .zip(hash)
        .for_each(|(byte, of_hash)| *byte = of_hash);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact_of(number: u8) -> Fact {
        let place = Place {
            directory: DirectoryId::ROOT,
            entry: EntryId::from_bytes([number; 16]),
        };
        (place, Version(number.into()))
    }

    #[test]
    fn facts_are_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/drive");
        let (seen, facts) = Seen::open(&path).unwrap();
        assert!(facts.is_empty());
        seen.append(&[fact_of(1), fact_of(2)]).unwrap();
        seen.append(&[fact_of(3)]).unwrap();
        let (_, facts) = Seen::open(&path).unwrap();
        assert_eq!(facts, [fact_of(1), fact_of(2), fact_of(3)]);
    }

    #[test]
    fn what_was_torn_is_left_out_and_what_follows_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("drive");
        let (seen, _) = Seen::open(&path).unwrap();
        seen.append(&[fact_of(1), fact_of(2)]).unwrap();
        let file = path.with_extension("new");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[RECORD_BYTES + 3] ^= 1;
        bytes.extend(&record(&fact_of(3))[..20]);
        std::fs::write(&file, &bytes).unwrap();
        let (seen, facts) = Seen::open(&path).unwrap();
        assert_eq!(facts, [fact_of(1)]);
        seen.append(&[fact_of(4)]).unwrap();
        let (_, facts) = Seen::open(&path).unwrap();
        assert_eq!(facts, [fact_of(1), fact_of(4)]);
    }

    #[test]
    fn the_files_have_a_bound_and_keep_the_latest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("drive");
        for number in 0..40 {
            // As many restarts as facts.
            let (seen, _) = Seen::open_bounded(&path, 8).unwrap();
            seen.append(&[fact_of(number)]).unwrap();
            let lengths = ["new", "old"].map(|name| {
                let file = path.with_extension(name);
                file.metadata().map_or(0, |file| file.len())
            });
            assert!(
                lengths
                    .iter()
                    .all(|length| *length <= 8 * RECORD_BYTES as u64)
            );
        }
        let (_, facts) = Seen::open_bounded(&path, 8).unwrap();
        let last: Vec<Fact> = (32..40).map(fact_of).collect();
        assert!(facts.ends_with(&last));
    }
}
