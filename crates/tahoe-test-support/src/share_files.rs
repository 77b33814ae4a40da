//! Share files on a server's disk.

use std::fs::{read, read_dir, remove_file, write};
use std::path::{Path, PathBuf};

/// Bytes of a share file before the share: version, size, lease count.
const CONTAINER_HEADER: usize = 12;
/// Bytes of a lease at the end of a share file.
const LEASE: usize = 72;

/// A complete immutable share in a server's `storage/shares`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShareFile {
    /// The file.
    pub path: PathBuf,
    /// Its storage index in base32.
    pub storage_index: String,
    /// Its number.
    pub share_number: u8,
}

/// A part of a CHK share, in the order in which they lie in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// The version.
    Version,
    /// The table of offsets.
    Offsets,
    /// The blocks.
    Blocks,
    /// The ciphertext hash tree.
    CiphertextHashes,
    /// The block hash tree.
    BlockHashes,
    /// The share's part of the share hash tree.
    ShareHashes,
    /// The length of the URI extension block.
    ExtensionLength,
    /// The URI extension block.
    Extension,
}

impl Region {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Version,
        Self::Offsets,
        Self::Blocks,
        Self::CiphertextHashes,
        Self::BlockHashes,
        Self::ShareHashes,
        Self::ExtensionLength,
        Self::Extension,
    ];
}

impl ShareFile {
    /// All complete shares below a node directory's `storage`, in order.
    pub fn all(node_directory: &Path) -> Vec<Self> {
        let shares = node_directory.join("storage/shares");
        let mut found: Vec<Self> = entries(&shares)
            .into_iter()
            .filter(|prefix| prefix.file_name().is_some_and(|name| name != "incoming"))
            .flat_map(|prefix| entries(&prefix))
            .flat_map(|index| entries(&index))
            .map(Self::at)
            .collect();
        found.sort();
        found
    }

    /// How many files lie below `storage/shares/incoming`: uploads that have not ended.
    pub fn incoming(node_directory: &Path) -> usize {
        let incoming = node_directory.join("storage/shares/incoming");
        let prefixes = entries(&incoming).into_iter();
        let indexes = prefixes.flat_map(|prefix| entries(&prefix));
        indexes.flat_map(|index| entries(&index)).count()
    }

    fn at(path: PathBuf) -> Self {
        let name = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        Self {
            share_number: name(&path)
                .parse()
                .unwrap_or_else(|_| panic!("{} is no share", path.display())),
            storage_index: path.parent().map(name).unwrap_or_default(),
            path,
        }
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        read(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }

    /// The file without its leases' secrets and expiry times, which differ from one client and
    /// moment to the next: header and share data.
    pub fn contents(&self) -> Vec<u8> {
        let mut bytes = self.bytes();
        let leases = number(&bytes, 8, 4) * LEASE;
        bytes.truncate(bytes.len() - leases);
        bytes
    }

    /// The whole file with the leases' expiry times zeroed, the only bytes that depend on the clock.
    pub fn timeless_bytes(&self) -> Vec<u8> {
        let mut bytes = self.bytes();
        let start = bytes.len() - number(&bytes, 8, 4) * LEASE;
        for lease in bytes[start..].chunks_exact_mut(LEASE) {
            lease[LEASE - 4..].fill(0);
        }
        bytes
    }

    /// How many leases it has.
    pub fn lease_count(&self) -> usize {
        number(&self.bytes(), 8, 4)
    }

    /// Where a region lies in the file.
    pub fn region(&self, region: Region) -> std::ops::Range<usize> {
        let bytes = self.bytes();
        let share = &bytes[CONTAINER_HEADER..];
        let wide = number(share, 0, 4) == 2;
        // Version 1 has 4-byte fields after the version, version 2 has 8-byte fields.
        let width = if wide { 8 } else { 4 };
        let field = |index: usize| number(share, 4 + width * index, width);
        let (block_size_and_data_size, offsets) = (2, 6);
        let header = 4 + width * (block_size_and_data_size + offsets);
        let extension = field(7);
        let extension_start = extension + width;
        let extension_end = extension_start + number(share, extension, width);
        let range = match region {
            Region::Version => 0..4,
            Region::Offsets => 4..header,
            Region::Blocks => field(2)..field(3),
            Region::CiphertextHashes => field(4)..field(5),
            Region::BlockHashes => field(5)..field(6),
            Region::ShareHashes => field(6)..extension,
            Region::ExtensionLength => extension..extension_start,
            Region::Extension => extension_start..extension_end,
        };
        range.start + CONTAINER_HEADER..range.end + CONTAINER_HEADER
    }

    /// Flips one bit in the middle of a region.
    pub fn flip_bit(&self, region: Region) {
        let range = self.region(region);
        let mut bytes = self.bytes();
        bytes[range.start.midpoint(range.end)] ^= 1;
        self.write(&bytes);
    }

    /// Replaces the file.
    pub fn write(&self, bytes: &[u8]) {
        write(&self.path, bytes).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
    }

    /// Deletes the file.
    pub fn delete(&self) {
        remove_file(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
    }
}

/// The paths in a directory; none if it isn't there.
fn entries(directory: &Path) -> Vec<PathBuf> {
    match read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| entry.expect("reading a directory").path())
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        // An entry that isn't a directory has none below it.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Vec::new(),
        Err(error) => panic!("{}: {error}", directory.display()),
    }
}

/// A big-endian number.
fn number(bytes: &[u8], offset: usize, width: usize) -> usize {
    let digits = &bytes[offset..offset + width];
    digits
        .iter()
        .fold(0, |value, byte| value << 8 | usize::from(*byte))
}
