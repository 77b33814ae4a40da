//! A sealed entry: what the server keeps of it, byte for byte (`docs/formats/vdrive.md`).
//!
//! The server reads the version and, for a directory, its id. Name, capabilities and metadata are
//! enciphered, in two slots: who may only read the drive has no key to the one that holds what
//! changes a file. The whole is signed together with its [`Place`], so that neither the server nor
//! who may only read can make one, change one, or put one elsewhere.

use crate::ids::{DirectoryId, Place, Version};
use crate::keys::{DriveKeys, ReadKeys, Secret, WriteKeys};
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
/// Before the read slot.
const LENGTH_BYTES: usize = 2;
const SIGNATURE_BYTES: usize = 64;
/// What is in the read slot is padded to a multiple of this, so that the server learns little of
/// how long a name is.
const PADDING: usize = 64;
/// What is in the write slot is padded to a multiple of this, in which all capabilities that change
/// something have room, so that the server doesn't learn which entries have one.
const WRITE_PADDING: usize = 128;
const WRITE_SLOT_LEAST: usize = WRITE_PADDING + TAG_BYTES;
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
    /// It isn't a sealed entry at all.
    #[error("an entry isn't even a sealed one: {0}")]
    Record(#[from] BadRecord),
}

/// The text of a file's capability: a secret, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize)]
#[zeroize(drop)]
pub struct CapText(String);

impl CapText {
    /// Takes a text of at most [`MAX_TARGET_BYTES`] that isn't empty.
    pub fn new(text: &str) -> Option<Self> {
        (1..=MAX_TARGET_BYTES)
            .contains(&text.len())
            .then(|| Self(text.to_owned()))
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

/// The capabilities of something in the grid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caps {
    /// What changes it, if there is such a capability: who may only read the drive doesn't get it.
    pub write: Option<CapText>,
    /// What reads it.
    pub read: Option<CapText>,
}

impl Caps {
    /// Of what can only be read.
    pub fn read_only(read: CapText) -> Self {
        Self {
            write: None,
            read: Some(read),
        }
    }
}

/// What an entry leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Something in the grid, by its capabilities.
    File(Caps),
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
        let slots = PADDING + TAG_BYTES + WRITE_SLOT_LEAST;
        let smallest = HEADER_BYTES + NONCE_BYTES + LENGTH_BYTES + slots + SIGNATURE_BYTES;
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
        let aad = context(&place, &bytes);
        let seal = |key: &Secret, slot: &[u8]| {
            let payload = Payload {
                msg: slot,
                aad: &aad,
            };
            // One nonce for both slots: their keys differ.
            let sealed = cipher(key).encrypt(&XNonce::from(*nonce), payload);
            sealed.expect("a slot is far smaller than what the cipher takes")
        };
        let read = seal(&self.read_keys().seal_key, &body(contents));
        let write = seal(&self.write_seal_key, &write_slot(&contents.target));
        let length = u16::try_from(read.len()).expect("its texts have smaller limits");
        bytes.extend(nonce);
        bytes.extend(length.to_be_bytes());
        bytes.extend(read);
        bytes.extend(write);
        bytes.extend(self.signing_key.sign(&context(&place, &bytes)));
        Record {
            bytes: bytes.into(),
            version,
            child,
        }
    }
}

impl ReadKeys {
    /// Checks and opens the entry of a place, but for what changes a file.
    pub fn open(&self, place: &Place, record: &Record) -> Result<Contents, Forged> {
        self.open_slots(place, record).map(|(contents, _)| contents)
    }

    /// Checks an entry and opens its read slot; returns the other one as it is.
    fn open_slots<'a>(
        &self,
        place: &Place,
        record: &'a Record,
    ) -> Result<(Contents, Sealed<'a>), Forged> {
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
        let (read, write) = split(signed, place).ok_or(Forged::Contents)?;
        let body = read.open(&self.seal_key)?;
        let contents = read_body(&body, record.child).ok_or(Forged::Contents)?;
        if self.entry_id(place.directory, &contents.name) != place.entry {
            return Err(Forged::Contents);
        }
        Ok((contents, write))
    }
}

impl WriteKeys {
    /// Checks and opens the entry of a place, with what changes a file.
    pub fn open(&self, place: &Place, record: &Record) -> Result<Contents, Forged> {
        let (mut contents, write) = self.read_keys().open_slots(place, record)?;
        let slot = write.open(&self.write_seal_key)?;
        let write = read_write_slot(&slot).ok_or(Forged::Contents)?;
        match &mut contents.target {
            Target::File(caps) => caps.write = write,
            Target::Directory(_) if write.is_some() => return Err(Forged::Contents),
            Target::Directory(_) => {}
        }
        Ok(contents)
    }
}

impl DriveKeys {
    /// Checks and opens the entry of a place, as far as these keys reach.
    pub fn open(&self, place: &Place, record: &Record) -> Result<Contents, Forged> {
        match self {
            Self::ReadWrite(keys) => keys.open(place, record),
            Self::ReadOnly(keys) => keys.open(place, record),
        }
    }
}

/// A slot that is still sealed.
struct Sealed<'a> {
    nonce: [u8; NONCE_BYTES],
    bytes: &'a [u8],
    aad: Vec<u8>,
}

impl Sealed<'_> {
    fn open(&self, key: &Secret) -> Result<Zeroizing<Vec<u8>>, Forged> {
        let payload = Payload {
            msg: self.bytes,
            aad: &self.aad,
        };
        let opened = cipher(key).decrypt(&XNonce::from(self.nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| Forged::Contents)
    }
}

/// The two slots of what was signed.
fn split<'a>(signed: &'a [u8], place: &Place) -> Option<(Sealed<'a>, Sealed<'a>)> {
    let (header, rest) = signed.split_at_checked(HEADER_BYTES)?;
    let (nonce, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let (read, write) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let sealed = |bytes| Sealed {
        nonce: *nonce,
        bytes,
        aad: context(place, header),
    };
    Some((sealed(read), sealed(write)))
}

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&**key).into())
}

/// Bytes together with where they belong.
fn context(place: &Place, bytes: &[u8]) -> Vec<u8> {
    let (directory, entry) = (place.directory.as_bytes(), place.entry.as_bytes());
    [CONTEXT, directory, entry, bytes].concat()
}

/// What the read slot holds: each text behind its length in two bytes, then zeros.
pub(crate) fn body(contents: &Contents) -> Zeroizing<Vec<u8>> {
    let target = match &contents.target {
        Target::File(caps) => caps.read.as_ref().map_or("", CapText::as_str),
        Target::Directory(_) => "",
    };
    let metadata = &contents.metadata;
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_RECORD_BYTES));
    for text in [contents.name.as_str(), target, &metadata.notes] {
        put_text(&mut body, text);
    }
    body.extend(metadata.created.to_be_bytes());
    body.extend(metadata.modified.to_be_bytes());
    let padded = body.len().next_multiple_of(PADDING);
    body.resize(padded, 0);
    body
}

fn put_text(slot: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("each text has a smaller limit");
    slot.extend(length.to_be_bytes());
    slot.extend(text.as_bytes());
}

/// What the write slot holds: a capability behind its length, perhaps empty, then zeros.
pub(crate) fn write_slot(target: &Target) -> Zeroizing<Vec<u8>> {
    let cap = match target {
        Target::File(caps) => caps.write.as_ref().map_or("", CapText::as_str),
        Target::Directory(_) => "",
    };
    let room = MAX_TARGET_BYTES + LENGTH_BYTES + WRITE_PADDING;
    let mut slot = Zeroizing::new(Vec::with_capacity(room));
    put_text(&mut slot, cap);
    let padded = slot.len().next_multiple_of(WRITE_PADDING);
    slot.resize(padded, 0);
    slot
}

/// Reads what [`write_slot`] writes.
pub(crate) fn read_write_slot(slot: &[u8]) -> Option<Option<CapText>> {
    let mut reader = Reader::new(slot);
    let cap = read_text(&mut reader)?;
    if !is_padding(slot, reader.rest(), WRITE_PADDING) {
        return None;
    }
    read_cap(cap)
}

fn read_text<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    let length = reader.u16().ok()?;
    std::str::from_utf8(reader.bytes(length.into()).ok()?).ok()
}

/// A capability, or none where the text is empty.
fn read_cap(text: &str) -> Option<Option<CapText>> {
    match text.is_empty() {
        true => Some(None),
        false => CapText::new(text).map(Some),
    }
}

/// Says whether the rest of a slot is what it is padded with.
fn is_padding(slot: &[u8], rest: &[u8], padding: usize) -> bool {
    let is_zero = rest.iter().all(|byte| *byte == 0);
    slot.len().is_multiple_of(padding) && rest.len() < padding && is_zero
}

/// Reads what [`body`] writes, and nothing else.
pub(crate) fn read_body(body: &[u8], child: Option<DirectoryId>) -> Option<Contents> {
    let mut reader = Reader::new(body);
    let name = read_text(&mut reader)?;
    let cap = read_text(&mut reader)?;
    let notes = read_text(&mut reader)?;
    let created = reader.u64().ok()?;
    let modified = reader.u64().ok()?;
    let is_padded = is_padding(body, reader.rest(), PADDING);
    // What is written in another form than ours would not be written back as it was.
    let name = EntryName::new(name)
        .ok()
        .filter(|read| read.as_str() == name)?;
    let target = match child {
        Some(_) if !cap.is_empty() => return None,
        Some(id) => Target::Directory(id),
        None => Target::File(Caps {
            write: None,
            read: read_cap(cap)?,
        }),
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
