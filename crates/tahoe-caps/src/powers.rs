//! The three powers as types: write, read, verify; each of a file or of the directory in a file.

use tahoe_crypto::StorageIndex;

use crate::mutable::MutableFormat::{Mdmf, Sdmf};
use crate::{
    CapKind, ChkReadCap, ChkVerifyCap, LiteralCap, MutableReadCap, MutableVerifyCap,
    MutableWriteCap, Target,
};

/// Changes and reads a mutable file or directory.
#[derive(Clone, PartialEq, Eq)]
pub struct WriteCap {
    /// What is in the file.
    pub target: Target,
    /// The file.
    pub file: MutableWriteCap,
}

/// Reads a file or directory.
#[derive(Clone, PartialEq, Eq)]
pub struct ReadCap {
    /// What is in the file.
    pub target: Target,
    /// The file.
    pub file: ReadFileCap,
}

/// Reads one sort of file.
#[derive(Clone, PartialEq, Eq)]
pub enum ReadFileCap {
    /// Immutable, on servers.
    Chk(ChkReadCap),
    /// Immutable, in the capability.
    Literal(LiteralCap),
    /// Mutable.
    Mutable(MutableReadCap),
}

/// Fetches and checks the shares of a file or directory and deciphers nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyCap {
    /// What is in the file.
    pub target: Target,
    /// The file.
    pub file: VerifyFileCap,
}

/// Checks one sort of file.
#[derive(Clone, PartialEq, Eq)]
pub enum VerifyFileCap {
    /// Immutable.
    Chk(ChkVerifyCap),
    /// Mutable.
    Mutable(MutableVerifyCap),
}

impl WriteCap {
    /// Which kind its text is of.
    pub fn kind(&self) -> CapKind {
        match (self.target, self.file.format) {
            (Target::File, Sdmf) => CapKind::Ssk,
            (Target::File, Mdmf) => CapKind::Mdmf,
            (Target::Directory, Sdmf) => CapKind::Dir2,
            (Target::Directory, Mdmf) => CapKind::Dir2Mdmf,
        }
    }

    /// The text, which grants its power to whoever sees it.
    pub fn to_text(&self) -> String {
        format!("{}{}", self.kind().prefix(), self.file.fields_text())
    }

    /// Derives the weaker capability that only reads.
    pub fn to_read(&self) -> ReadCap {
        ReadCap {
            target: self.target,
            file: ReadFileCap::Mutable(self.file.to_read()),
        }
    }

    /// Derives the weaker capability that only checks.
    pub fn to_verify(&self) -> VerifyCap {
        VerifyCap {
            target: self.target,
            file: VerifyFileCap::Mutable(self.file.to_read().to_verify()),
        }
    }

    /// Derives where servers keep the shares.
    pub fn storage_index(&self) -> StorageIndex {
        self.file.storage_index()
    }
}

impl ReadCap {
    /// Which kind its text is of.
    pub fn kind(&self) -> CapKind {
        use ReadFileCap::{Chk, Literal, Mutable};
        match (self.target, &self.file) {
            (Target::File, Chk(_)) => CapKind::Chk,
            (Target::File, Literal(_)) => CapKind::Lit,
            (Target::File, Mutable(file)) if file.format == Sdmf => CapKind::SskRo,
            (Target::File, Mutable(_)) => CapKind::MdmfRo,
            (Target::Directory, Chk(_)) => CapKind::Dir2Chk,
            (Target::Directory, Literal(_)) => CapKind::Dir2Lit,
            (Target::Directory, Mutable(file)) if file.format == Sdmf => CapKind::Dir2Ro,
            (Target::Directory, Mutable(_)) => CapKind::Dir2MdmfRo,
        }
    }

    /// The text, which grants its power to whoever sees it.
    pub fn to_text(&self) -> String {
        let fields = match &self.file {
            ReadFileCap::Chk(file) => file.fields_text(),
            ReadFileCap::Literal(file) => file.fields_text(),
            ReadFileCap::Mutable(file) => file.fields_text(),
        };
        format!("{}{fields}", self.kind().prefix())
    }

    /// Derives the weaker capability that only checks; a literal has none.
    pub fn to_verify(&self) -> Option<VerifyCap> {
        let file = match &self.file {
            ReadFileCap::Chk(file) => VerifyFileCap::Chk(file.to_verify()),
            ReadFileCap::Mutable(file) => VerifyFileCap::Mutable(file.to_verify()),
            ReadFileCap::Literal(_) => return None,
        };
        Some(VerifyCap {
            target: self.target,
            file,
        })
    }

    /// Derives where servers keep the shares; a literal has none.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        match &self.file {
            ReadFileCap::Chk(file) => Some(file.storage_index()),
            ReadFileCap::Mutable(file) => Some(file.storage_index()),
            ReadFileCap::Literal(_) => None,
        }
    }

    /// Bytes of the file, if it is immutable.
    pub fn size(&self) -> Option<u64> {
        match &self.file {
            ReadFileCap::Chk(file) => Some(file.size),
            ReadFileCap::Literal(file) => Some(file.content().len() as u64),
            ReadFileCap::Mutable(_) => None,
        }
    }
}

impl VerifyCap {
    /// Which kind its text is of.
    pub fn kind(&self) -> CapKind {
        use VerifyFileCap::{Chk, Mutable};
        match (self.target, &self.file) {
            (Target::File, Chk(_)) => CapKind::ChkVerifier,
            (Target::File, Mutable(file)) if file.format == Sdmf => CapKind::SskVerifier,
            (Target::File, Mutable(_)) => CapKind::MdmfVerifier,
            (Target::Directory, Chk(_)) => CapKind::Dir2ChkVerifier,
            (Target::Directory, Mutable(file)) if file.format == Sdmf => CapKind::Dir2Verifier,
            (Target::Directory, Mutable(_)) => CapKind::Dir2MdmfVerifier,
        }
    }

    /// The text, which grants its power to whoever sees it.
    pub fn to_text(&self) -> String {
        let fields = match &self.file {
            VerifyFileCap::Chk(file) => file.fields_text(),
            VerifyFileCap::Mutable(file) => file.fields_text(),
        };
        format!("{}{fields}", self.kind().prefix())
    }

    /// Where servers keep the shares.
    pub fn storage_index(&self) -> StorageIndex {
        match &self.file {
            VerifyFileCap::Chk(file) => file.storage_index,
            VerifyFileCap::Mutable(file) => file.storage_index,
        }
    }
}

/// Prints a kind without its last colon and a storage index: what may be logged of a capability.
pub(crate) fn debug_as(
    f: &mut std::fmt::Formatter<'_>,
    kind: CapKind,
    storage_index: Option<StorageIndex>,
) -> std::fmt::Result {
    let kind = kind.prefix().trim_end_matches(':');
    match storage_index {
        Some(storage_index) => write!(f, "Cap({kind} {storage_index})"),
        None => write!(f, "Cap({kind})"),
    }
}

impl std::fmt::Debug for WriteCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        debug_as(f, self.kind(), Some(self.storage_index()))
    }
}

impl std::fmt::Debug for ReadCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        debug_as(f, self.kind(), self.storage_index())
    }
}

impl std::fmt::Debug for ReadFileCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chk(file) => file.fmt(f),
            Self::Literal(file) => file.fmt(f),
            Self::Mutable(file) => file.fmt(f),
        }
    }
}

impl std::fmt::Debug for VerifyCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        debug_as(f, self.kind(), Some(self.storage_index()))
    }
}

impl std::fmt::Debug for VerifyFileCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chk(file) => file.fmt(f),
            Self::Mutable(file) => file.fmt(f),
        }
    }
}
