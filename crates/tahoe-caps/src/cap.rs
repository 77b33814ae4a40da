//! Any capability, and how a text becomes one.

use tahoe_crypto::StorageIndex;

use crate::fields::Fields;
use crate::powers::debug_as;
use crate::unknown::{Context, future_test_constraint};
use crate::{
    CapError, CapKind, ChkReadCap, ChkVerifyCap, LiteralCap, MutableFormat, MutableReadCap,
    MutableVerifyCap, MutableWriteCap, Power, ReadCap, ReadFileCap, UnknownCap, VerifyCap,
    VerifyFileCap, WriteCap,
};

/// A capability of any kind and power.
#[derive(Clone, PartialEq, Eq)]
pub enum Cap {
    /// Changes and reads.
    Write(WriteCap),
    /// Reads.
    Read(ReadCap),
    /// Checks.
    Verify(VerifyCap),
    /// Nobody knows; it is kept as it came.
    Unknown(UnknownCap),
}

impl Cap {
    /// Reads any text. What can't be understood becomes [`Cap::Unknown`] with the reason.
    ///
    /// A prefix `ro.` or `imm.` is the giver's word that the rest is at most read-only or
    /// immutable. A known capability that keeps the word loses the prefix; one that breaks it is
    /// unknown.
    pub fn parse(text: &str) -> Self {
        Self::parse_in(text, Context::ANYTHING)
    }

    /// Reads a text from a place where everything must be immutable, such as an entry of an
    /// immutable directory: capabilities to mutable things become unknown.
    pub fn parse_deep_immutable(text: &str) -> Self {
        Self::parse_in(text, Context::IMMUTABLE)
    }

    pub(crate) fn parse_in(text: &str, context: Context) -> Self {
        let (bare, context) = context.narrowed_by(text);
        parse_bare(bare, context).unwrap_or_else(|reason| {
            Self::Unknown(UnknownCap {
                text: text.to_owned(),
                reason,
            })
        })
    }

    /// The text, which grants its power to whoever sees it: for the user, the wire and files
    /// meant for it, never for a log.
    pub fn to_text(&self) -> String {
        match self {
            Self::Write(cap) => cap.to_text(),
            Self::Read(cap) => cap.to_text(),
            Self::Verify(cap) => cap.to_text(),
            Self::Unknown(cap) => cap.text.clone(),
        }
    }

    /// Which known kind it is of.
    pub fn kind(&self) -> Option<CapKind> {
        match self {
            Self::Write(cap) => Some(cap.kind()),
            Self::Read(cap) => Some(cap.kind()),
            Self::Verify(cap) => Some(cap.kind()),
            Self::Unknown(_) => None,
        }
    }

    /// Says whether it can't change anything; `None` if nobody knows.
    pub fn is_readonly(&self) -> Option<bool> {
        Some(self.kind()?.power() != Power::Write)
    }

    /// Says whether what it reads may change; `None` if nobody knows. See [`CapKind::is_mutable`].
    pub fn is_mutable(&self) -> Option<bool> {
        Some(self.kind()?.is_mutable())
    }

    /// Derives the strongest capability that can't change anything: itself unless it writes.
    pub fn to_read_only(&self) -> Option<Self> {
        match self {
            Self::Write(cap) => Some(Self::Read(cap.to_read())),
            Self::Read(_) | Self::Verify(_) => Some(self.clone()),
            Self::Unknown(_) => None,
        }
    }

    /// Derives the capability that only checks; literals and unknown ones have none.
    pub fn to_verify(&self) -> Option<VerifyCap> {
        match self {
            Self::Write(cap) => Some(cap.to_verify()),
            Self::Read(cap) => cap.to_verify(),
            Self::Verify(cap) => Some(cap.clone()),
            Self::Unknown(_) => None,
        }
    }

    /// Derives the weakest capability with which the file can be repaired: for an immutable file
    /// to verify it, for something mutable to write it. Nothing else can be repaired.
    pub fn to_repair(&self) -> Option<Self> {
        match self {
            Self::Write(_) => Some(self.clone()),
            Self::Read(cap) if cap.kind() == CapKind::Chk => cap.to_verify().map(Self::Verify),
            Self::Verify(cap) if cap.kind() == CapKind::ChkVerifier => Some(self.clone()),
            Self::Read(_) | Self::Verify(_) | Self::Unknown(_) => None,
        }
    }

    /// Derives where servers keep the shares; literals and unknown ones have none.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        match self {
            Self::Write(cap) => Some(cap.storage_index()),
            Self::Read(cap) => cap.storage_index(),
            Self::Verify(cap) => Some(cap.storage_index()),
            Self::Unknown(_) => None,
        }
    }
}

/// Reads a text without alleged prefix.
fn parse_bare(text: &str, context: Context) -> Result<Cap, CapError> {
    let Some((kind, rest)) = CapKind::of_text(text) else {
        return Err(future_test_constraint(text, context).unwrap_or(CapError::Unrecognised));
    };
    context.check(kind)?;
    parse_kind(kind, Fields::new(kind, rest))
}

fn parse_kind(kind: CapKind, fields: Fields<'_>) -> Result<Cap, CapError> {
    use CapKind as K;
    use MutableFormat::{Mdmf, Sdmf};
    match kind {
        K::Chk | K::Dir2Chk => {
            ChkReadCap::parse(fields).map(|file| read(kind, ReadFileCap::Chk(file)))
        }
        K::Lit | K::Dir2Lit => {
            LiteralCap::parse(fields).map(|file| read(kind, ReadFileCap::Literal(file)))
        }
        K::ChkVerifier | K::Dir2ChkVerifier => {
            ChkVerifyCap::parse(fields).map(|file| verify(kind, VerifyFileCap::Chk(file)))
        }
        K::Ssk | K::Dir2 => MutableWriteCap::parse(Sdmf, fields).map(|file| write(kind, file)),
        K::Mdmf | K::Dir2Mdmf => MutableWriteCap::parse(Mdmf, fields).map(|file| write(kind, file)),
        K::SskRo | K::Dir2Ro => {
            MutableReadCap::parse(Sdmf, fields).map(|file| read(kind, ReadFileCap::Mutable(file)))
        }
        K::MdmfRo | K::Dir2MdmfRo => {
            MutableReadCap::parse(Mdmf, fields).map(|file| read(kind, ReadFileCap::Mutable(file)))
        }
        K::SskVerifier | K::Dir2Verifier => MutableVerifyCap::parse(Sdmf, fields)
            .map(|file| verify(kind, VerifyFileCap::Mutable(file))),
        K::MdmfVerifier | K::Dir2MdmfVerifier => MutableVerifyCap::parse(Mdmf, fields)
            .map(|file| verify(kind, VerifyFileCap::Mutable(file))),
    }
}

fn write(kind: CapKind, file: MutableWriteCap) -> Cap {
    let target = kind.target();
    Cap::Write(WriteCap { target, file })
}

fn read(kind: CapKind, file: ReadFileCap) -> Cap {
    let target = kind.target();
    Cap::Read(ReadCap { target, file })
}

fn verify(kind: CapKind, file: VerifyFileCap) -> Cap {
    let target = kind.target();
    Cap::Verify(VerifyCap { target, file })
}

impl From<ChkReadCap> for Cap {
    fn from(file: ChkReadCap) -> Self {
        read(CapKind::Chk, ReadFileCap::Chk(file))
    }
}

impl From<LiteralCap> for Cap {
    fn from(file: LiteralCap) -> Self {
        read(CapKind::Lit, ReadFileCap::Literal(file))
    }
}

impl From<ChkVerifyCap> for Cap {
    fn from(file: ChkVerifyCap) -> Self {
        verify(CapKind::ChkVerifier, VerifyFileCap::Chk(file))
    }
}

impl From<WriteCap> for Cap {
    fn from(cap: WriteCap) -> Self {
        Self::Write(cap)
    }
}

impl From<ReadCap> for Cap {
    fn from(cap: ReadCap) -> Self {
        Self::Read(cap)
    }
}

impl From<VerifyCap> for Cap {
    fn from(cap: VerifyCap) -> Self {
        Self::Verify(cap)
    }
}

impl std::fmt::Debug for Cap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self, self.kind()) {
            (Self::Unknown(cap), _) => cap.fmt(f),
            (_, Some(kind)) => debug_as(f, kind, self.storage_index()),
            (_, None) => f.write_str("Cap"),
        }
    }
}

#[cfg(test)]
mod tests;
