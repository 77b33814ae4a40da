//! What an entry of a directory points at.

use tahoe_caps::{Cap, CapError, CapKind, ReadCap, Target, UnknownSlots, VerifyCap, WriteCap};
use tahoe_crypto::StorageIndex;

/// A file, a directory, or something that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// May be changed and read.
    Write(WriteCap),
    /// May be read.
    Read(ReadCap),
    /// Of the future, or something that can't be read, such as a verify capability.
    Unknown(UnknownSlots),
}

impl Node {
    /// The object of a pair of texts, of which either may be missing or empty.
    ///
    /// A known capability in the write slot, whatever its power, says everything; then the read
    /// slot isn't looked at. With `deep_immutable` nothing mutable is taken. What no directory may
    /// hold is an error.
    pub fn from_slots(
        write: Option<&str>,
        read: Option<&str>,
        deep_immutable: bool,
    ) -> Result<Self, CapError> {
        let write = write.filter(|text| !text.is_empty());
        let read = read.filter(|text| !text.is_empty());
        let known = match (write.or(read), deep_immutable) {
            (None, _) => None,
            (Some(text), false) => Some(Cap::parse(text)),
            (Some(text), true) => Some(Cap::parse_deep_immutable(text)),
        };
        match known {
            Some(Cap::Write(cap)) => Ok(Self::Write(cap)),
            Some(Cap::Read(cap)) => Ok(Self::Read(cap)),
            Some(Cap::Verify(_) | Cap::Unknown(_)) | None => {
                UnknownSlots::new(write, read, deep_immutable).map(Self::Unknown)
            }
        }
    }

    /// The text with the most power.
    pub fn cap_text(&self) -> Option<String> {
        self.write_cap_text().or_else(|| self.read_cap_text())
    }

    /// The text that may change it.
    pub fn write_cap_text(&self) -> Option<String> {
        match self {
            Self::Write(cap) => Some(cap.to_text()),
            Self::Read(_) => None,
            Self::Unknown(slots) => slots.write.clone(),
        }
    }

    /// The text that may only read it.
    pub fn read_cap_text(&self) -> Option<String> {
        match self {
            Self::Write(cap) => Some(cap.to_read().to_text()),
            Self::Read(cap) => Some(cap.to_text()),
            Self::Unknown(slots) => slots.read.clone(),
        }
    }

    /// The known capability with the most power.
    pub fn cap(&self) -> Option<Cap> {
        match self {
            Self::Write(cap) => Some(cap.clone().into()),
            Self::Read(cap) => Some(cap.clone().into()),
            Self::Unknown(_) => None,
        }
    }

    /// What reads it.
    pub fn to_read(&self) -> Option<ReadCap> {
        match self {
            Self::Write(cap) => Some(cap.to_read()),
            Self::Read(cap) => Some(cap.clone()),
            Self::Unknown(_) => None,
        }
    }

    /// What checks it; neither literals nor unknown objects have that.
    pub fn to_verify(&self) -> Option<VerifyCap> {
        match self {
            Self::Write(cap) => Some(cap.to_verify()),
            Self::Read(cap) => cap.to_verify(),
            Self::Unknown(_) => None,
        }
    }

    /// What repairs it, if it can be repaired.
    pub fn to_repair(&self) -> Option<Cap> {
        self.cap()?.to_repair()
    }

    /// Where servers keep it.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        match self {
            Self::Write(cap) => Some(cap.storage_index()),
            Self::Read(cap) => cap.storage_index(),
            Self::Unknown(_) => None,
        }
    }

    /// What it is; `None` if nobody knows.
    pub fn target(&self) -> Option<Target> {
        match self {
            Self::Write(cap) => Some(cap.target),
            Self::Read(cap) => Some(cap.target),
            Self::Unknown(_) => None,
        }
    }

    /// Whether it is known to be a directory.
    pub fn is_directory(&self) -> bool {
        self.target() == Some(Target::Directory)
    }

    /// Whether what it reads may change; `None` if nobody knows.
    pub fn is_mutable(&self) -> Option<bool> {
        match self {
            Self::Write(_) => Some(true),
            Self::Read(cap) => Some(cap.kind().is_mutable()),
            Self::Unknown(_) => None,
        }
    }

    /// The known kind of capability.
    pub fn kind(&self) -> Option<CapKind> {
        match self {
            Self::Write(cap) => Some(cap.kind()),
            Self::Read(cap) => Some(cap.kind()),
            Self::Unknown(_) => None,
        }
    }

    /// The same object without the power to change it.
    pub fn to_read_only(&self) -> Result<Self, CapError> {
        match self {
            Self::Write(cap) => Ok(Self::Read(cap.to_read())),
            Self::Read(_) => Ok(self.clone()),
            Self::Unknown(slots) => Self::from_slots(None, slots.read.as_deref(), false),
        }
    }

    /// Whether an immutable directory may hold it: it is immutable, or at least nothing is known
    /// that may write it.
    pub fn may_be_immutable(&self) -> bool {
        match self {
            Self::Write(_) => false,
            Self::Read(cap) => !cap.kind().is_mutable(),
            Self::Unknown(slots) => slots.write.is_none(),
        }
    }
}

impl From<WriteCap> for Node {
    fn from(cap: WriteCap) -> Self {
        Self::Write(cap)
    }
}

impl From<ReadCap> for Node {
    fn from(cap: ReadCap) -> Self {
        Self::Read(cap)
    }
}
