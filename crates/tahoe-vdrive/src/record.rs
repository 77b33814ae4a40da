//! A sealed entry: what the server keeps of it, byte for byte (`docs/formats/vdrive.md`).
//!
//! The server reads the version and, for a directory, its id. Name, target and metadata are
//! enciphered; the whole is signed together with its [`Place`], so that neither the server nor who
//! may only read can make one, change one, or put one elsewhere.

use crate::ids::{DirectoryId, Place, Version};
use crate::keys::{ReadKeys, WriteKeys};
use crate::limits::{MAX_NOTES_BYTES, MAX_RECORD_BYTES, MAX_TARGET_BYTES};
use crate::name::EntryName;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use tahoe_encoding::Reader;
use zeroize::{Zeroize, Zeroizing};

const FORMAT: u8 = 1;
/// Format, version, kind, directory id.
const HEADER_BYTES: usize = 1 + 8 + 1 + DirectoryId::LENGTH;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const SIGNATURE_BYTES: usize = 64;
/// The body is a multiple of this, so that the server learns little of how long a name is.
const PADDING: usize = 64;
/// Separates signatures and sealed bodies from all others made with the same kind of keys.
const CONTEXT: &[u8] = b"tahoe-vdrive-v1 entry";

/// Bytes aren't a sealed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// They are too many, or too few.
    #[error("a sealed entry of {0} bytes")]
    Size(usize),
    /// They are of another format.
    #[error("a sealed entry of format {0}")]
    Format(u8),
    /// The header isn't canonical.
    #[error("a sealed entry with a bad header")]
    Header,
}

/// A sealed entry isn't what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// No writer of this drive has signed it for this place.
    #[error("an entry has no valid signature for its place")]
    Signature,
    /// A writer has signed what can't be read.
    #[error("an entry is signed but can't be read")]
    Contents,
}

/// The text of a file's capability: a secret, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize)]
#[zeroize(drop)]
pub struct CapText(String);

impl CapText {
    /// Takes a text of at most [`MAX_TARGET_BYTES`].
    pub fn new(text: &str) -> Option<Self> {
        (text.len() <= MAX_TARGET_BYTES).then(|| Self(text.to_owned()))
    }

    /// The text: never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for CapText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CapText({} bytes)", self.0.len())
    }
}

/// What an entry leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Something in the grid, by its capability.
    File(CapText),
    /// A directory of the drive.
    Directory(DirectoryId),
}

/// What else an entry says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// When the name was first there, in milliseconds since 1970.
    pub created: u64,
    /// When the entry was last written, in milliseconds since 1970.
    pub modified: u64,
    /// What a frontend wants to keep beside, such as JSON; at most [`MAX_NOTES_BYTES`].
    pub notes: String,
}

/// Notes are private.
impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata")
            .field("created", &self.created)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}

/// What is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The entry's name.
    pub name: EntryName,
    /// Where it leads.
    pub target: Target,
    /// What else it says.
    pub metadata: Metadata,
}

/// A sealed entry whose header has been read.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    bytes: Bytes,
    version: Version,
    child: Option<DirectoryId>,
}

impl Record {
    /// Reads the header; whether the rest is genuine, only who has the keys can say.
    pub fn parse(bytes: Bytes) -> Result<Self, BadRecord> {
        let smallest = HEADER_BYTES + NONCE_BYTES + PADDING + TAG_BYTES + SIGNATURE_BYTES;
        if bytes.len() < smallest || bytes.len() > MAX_RECORD_BYTES {
            return Err(BadRecord::Size(bytes.len()));
        }
        let mut reader = Reader::new(&bytes);
        let header = (reader.u8(), reader.u64(), reader.u8(), reader.array());
        let (Ok(format), Ok(version), Ok(kind), Ok(child)) = header else {
            return Err(BadRecord::Header);
        };
        if format != FORMAT {
            return Err(BadRecord::Format(format));
        }
        let child = match (kind, child) {
            (0, _) if child == [0; 16] => None,
            (1, _) if child != [0; 16] => Some(DirectoryId::from_bytes(child)),
            _ => return Err(BadRecord::Header),
        };
        let version = Version(version);
        if version.0 == 0 || version > Version::MAX {
            return Err(BadRecord::Header);
        }
        Ok(Self {
            bytes,
            version,
            child,
        })
    }

    /// All of it.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The entry's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The directory that the entry leads to, if it is one's.
    pub fn child(&self) -> Option<DirectoryId> {
        self.child
    }
}

/// Sealed bytes say nothing to people.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bytes, version) = (self.bytes.len(), self.version);
        write!(f, "Record({bytes} bytes, version {version})")
    }
}

impl WriteKeys {
    /// Seals an entry into its place, under a nonce that is never used again.
    pub fn seal(
        &self,
        directory: DirectoryId,
        version: Version,
        contents: &Contents,
        nonce: &[u8; NONCE_BYTES],
    ) -> Record {
        let place = Place {
            directory,
            entry: self.read_keys().entry_id(directory, &contents.name),
        };
        let child = match &contents.target {
            Target::File(_) => None,
            Target::Directory(id) => Some(*id),
        };
        let mut bytes = vec![FORMAT];
        bytes.extend(version.0.to_be_bytes());
        bytes.push(u8::from(child.is_some()));
        bytes.extend(child.unwrap_or(DirectoryId::ROOT).as_bytes());
        let body = body(contents);
        let payload = Payload {
            msg: &body,
            aad: &context(&place, &bytes),
        };
        let sealed = cipher(self.read_keys())
            .encrypt(&XNonce::from(*nonce), payload)
            .expect("a body is far smaller than what the cipher takes");
        bytes.extend(nonce);
        bytes.extend(sealed);
        bytes.extend(self.signing_key.sign(&context(&place, &bytes)));
        Record {
            bytes: bytes.into(),
            version,
            child,
        }
    }
}

impl ReadKeys {
    /// Checks and opens the entry of a place.
    pub fn open(&self, place: &Place, record: &Record) -> Result<Contents, Forged> {
        let (signed, signature) = record
            .bytes
            .split_last_chunk::<SIGNATURE_BYTES>()
            .ok_or(Forged::Signature)?;
        if !self
            .verifying_key
            .verify(&context(place, signed), signature)
        {
            return Err(Forged::Signature);
        }
        let (header, rest) = signed
            .split_at_checked(HEADER_BYTES)
            .ok_or(Forged::Contents)?;
        let (nonce, sealed) = rest.split_first_chunk().ok_or(Forged::Contents)?;
        let payload = Payload {
            msg: sealed,
            aad: &context(place, header),
        };
        let body = cipher(self).decrypt(&XNonce::from(*nonce), payload);
        let body = Zeroizing::new(body.map_err(|_| Forged::Contents)?);
        let contents = read_body(&body, record.child).ok_or(Forged::Contents)?;
        if self.entry_id(place.directory, &contents.name) != place.entry {
            return Err(Forged::Contents);
        }
        Ok(contents)
    }
}

fn cipher(keys: &ReadKeys) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*keys.seal_key).into())
}

/// Bytes together with where they belong.
fn context(place: &Place, bytes: &[u8]) -> Vec<u8> {
    let (directory, entry) = (place.directory.as_bytes(), place.entry.as_bytes());
    [CONTEXT, directory, entry, bytes].concat()
}

/// What is enciphered: each text behind its length in two bytes, then zeros.
pub(crate) fn body(contents: &Contents) -> Zeroizing<Vec<u8>> {
    let target = match &contents.target {
        Target::File(cap) => cap.as_str(),
        Target::Directory(_) => "",
    };
    let metadata = &contents.metadata;
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_RECORD_BYTES));
    for text in [contents.name.as_str(), target, &metadata.notes] {
        let length = u16::try_from(text.len()).expect("each text has a smaller limit");
        body.extend(length.to_be_bytes());
        body.extend(text.as_bytes());
    }
    body.extend(metadata.created.to_be_bytes());
    body.extend(metadata.modified.to_be_bytes());
    let padded = body.len().next_multiple_of(PADDING);
    body.resize(padded, 0);
    body
}

/// Reads what was enciphered; only what [`body`] writes.
pub(crate) fn read_body(body: &[u8], child: Option<DirectoryId>) -> Option<Contents> {
    let mut reader = Reader::new(body);
    let mut text = || {
        let length = reader.u16().ok()?;
        std::str::from_utf8(reader.bytes(length.into()).ok()?).ok()
    };
    let (name, cap, notes) = (text()?, text()?, text()?);
    let created = reader.u64().ok()?;
    let modified = reader.u64().ok()?;
    let padding = reader.rest();
    let is_padded = body.len().is_multiple_of(PADDING)
        && padding.len() < PADDING
        && padding.iter().all(|byte| *byte == 0);
    // What is written in another form than ours would not be written back as it was.
    let name = EntryName::new(name)
        .ok()
        .filter(|read| read.as_str() == name)?;
    let target = match child {
        Some(_) if !cap.is_empty() => return None,
        Some(id) => Target::Directory(id),
        None => Target::File(CapText::new(cap)?),
    };
    (is_padded && notes.len() <= MAX_NOTES_BYTES).then(|| Contents {
        name,
        target,
        metadata: Metadata {
            created,
            modified,
            notes: notes.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests;
