//! The eighteen kinds of capability, their prefixes and powers.

/// What a capability points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A file.
    File,
    /// A directory, which is stored in a file.
    Directory,
}

/// What the holder of a capability may do, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// Change and read it.
    Write,
    /// Read it.
    Read,
    /// Fetch its ciphertext and check its shares.
    Verify,
}

/// A kind of capability, named after its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CapKind {
    /// `URI:CHK:`, reads an immutable file.
    Chk,
    /// `URI:CHK-Verifier:`, verifies an immutable file.
    ChkVerifier,
    /// `URI:LIT:`, is a small immutable file.
    Lit,
    /// `URI:SSK:`, writes a mutable file (SDMF).
    Ssk,
    /// `URI:SSK-RO:`, reads a mutable file (SDMF).
    SskRo,
    /// `URI:SSK-Verifier:`, verifies a mutable file (SDMF).
    SskVerifier,
    /// `URI:MDMF:`, writes a mutable file (MDMF).
    Mdmf,
    /// `URI:MDMF-RO:`, reads a mutable file (MDMF).
    MdmfRo,
    /// `URI:MDMF-Verifier:`, verifies a mutable file (MDMF).
    MdmfVerifier,
    /// `URI:DIR2:`, writes a directory in an SDMF file.
    Dir2,
    /// `URI:DIR2-RO:`, reads a directory in an SDMF file.
    Dir2Ro,
    /// `URI:DIR2-Verifier:`, verifies a directory in an SDMF file.
    Dir2Verifier,
    /// `URI:DIR2-CHK:`, reads an immutable directory.
    Dir2Chk,
    /// `URI:DIR2-CHK-Verifier:`, verifies an immutable directory.
    Dir2ChkVerifier,
    /// `URI:DIR2-LIT:`, is a small immutable directory.
    Dir2Lit,
    /// `URI:DIR2-MDMF:`, writes a directory in an MDMF file.
    Dir2Mdmf,
    /// `URI:DIR2-MDMF-RO:`, reads a directory in an MDMF file.
    Dir2MdmfRo,
    /// `URI:DIR2-MDMF-Verifier:`, verifies a directory in an MDMF file.
    Dir2MdmfVerifier,
}

impl CapKind {
    /// All kinds.
    pub const ALL: [Self; 18] = [
        Self::Chk,
        Self::ChkVerifier,
        Self::Lit,
        Self::Ssk,
        Self::SskRo,
        Self::SskVerifier,
        Self::Mdmf,
        Self::MdmfRo,
        Self::MdmfVerifier,
        Self::Dir2,
        Self::Dir2Ro,
        Self::Dir2Verifier,
        Self::Dir2Chk,
        Self::Dir2ChkVerifier,
        Self::Dir2Lit,
        Self::Dir2Mdmf,
        Self::Dir2MdmfRo,
        Self::Dir2MdmfVerifier,
    ];

    /// How a text of this kind begins.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Chk => "URI:CHK:",
            Self::ChkVerifier => "URI:CHK-Verifier:",
            Self::Lit => "URI:LIT:",
            Self::Ssk => "URI:SSK:",
            Self::SskRo => "URI:SSK-RO:",
            Self::SskVerifier => "URI:SSK-Verifier:",
            Self::Mdmf => "URI:MDMF:",
            Self::MdmfRo => "URI:MDMF-RO:",
            Self::MdmfVerifier => "URI:MDMF-Verifier:",
            Self::Dir2 => "URI:DIR2:",
            Self::Dir2Ro => "URI:DIR2-RO:",
            Self::Dir2Verifier => "URI:DIR2-Verifier:",
            Self::Dir2Chk => "URI:DIR2-CHK:",
            Self::Dir2ChkVerifier => "URI:DIR2-CHK-Verifier:",
            Self::Dir2Lit => "URI:DIR2-LIT:",
            Self::Dir2Mdmf => "URI:DIR2-MDMF:",
            Self::Dir2MdmfRo => "URI:DIR2-MDMF-RO:",
            Self::Dir2MdmfVerifier => "URI:DIR2-MDMF-Verifier:",
        }
    }

    /// Finds the kind of a text by its prefix; also returns the text after the prefix.
    pub(crate) fn of_text(text: &str) -> Option<(Self, &str)> {
        Self::ALL
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))
    }

    /// What it points at.
    pub fn target(self) -> Target {
        match self {
            Self::Chk
            | Self::ChkVerifier
            | Self::Lit
            | Self::Ssk
            | Self::SskRo
            | Self::SskVerifier
            | Self::Mdmf
            | Self::MdmfRo
            | Self::MdmfVerifier => Target::File,
            Self::Dir2
            | Self::Dir2Ro
            | Self::Dir2Verifier
            | Self::Dir2Chk
            | Self::Dir2ChkVerifier
            | Self::Dir2Lit
            | Self::Dir2Mdmf
            | Self::Dir2MdmfRo
            | Self::Dir2MdmfVerifier => Target::Directory,
        }
    }

    /// What its holder may do.
    pub fn power(self) -> Power {
        match self {
            Self::Ssk | Self::Mdmf | Self::Dir2 | Self::Dir2Mdmf => Power::Write,
            Self::Chk
            | Self::Lit
            | Self::SskRo
            | Self::MdmfRo
            | Self::Dir2Ro
            | Self::Dir2Chk
            | Self::Dir2Lit
            | Self::Dir2MdmfRo => Power::Read,
            Self::ChkVerifier
            | Self::SskVerifier
            | Self::MdmfVerifier
            | Self::Dir2Verifier
            | Self::Dir2ChkVerifier
            | Self::Dir2MdmfVerifier => Power::Verify,
        }
    }

    /// Says whether what its holder reads may change. A verify capability reads nothing, so it
    /// counts as immutable whatever it verifies; the reference has it so.
    pub fn is_mutable(self) -> bool {
        match self {
            Self::Ssk
            | Self::SskRo
            | Self::Mdmf
            | Self::MdmfRo
            | Self::Dir2
            | Self::Dir2Ro
            | Self::Dir2Mdmf
            | Self::Dir2MdmfRo => true,
            Self::Chk
            | Self::ChkVerifier
            | Self::Lit
            | Self::SskVerifier
            | Self::MdmfVerifier
            | Self::Dir2Verifier
            | Self::Dir2Chk
            | Self::Dir2ChkVerifier
            | Self::Dir2Lit
            | Self::Dir2MdmfVerifier => false,
        }
    }

    /// Names a mutable kind in words, for an error about a place where it may not stand.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Ssk => "URI:SSK file writecap",
            Self::SskRo => "URI:SSK-RO readcap to a mutable file",
            Self::Mdmf => "URI:MDMF file writecap",
            Self::MdmfRo => "URI:MDMF-RO readcap to a mutable file",
            Self::Dir2 => "URI:DIR2 directory writecap",
            Self::Dir2Ro => "URI:DIR2-RO readcap to a mutable directory",
            Self::Dir2Mdmf => "URI:DIR2-MDMF directory writecap",
            Self::Dir2MdmfRo => "URI:DIR2-MDMF-RO readcap to a mutable directory",
            Self::Chk
            | Self::ChkVerifier
            | Self::Lit
            | Self::SskVerifier
            | Self::MdmfVerifier
            | Self::Dir2Verifier
            | Self::Dir2Chk
            | Self::Dir2ChkVerifier
            | Self::Dir2Lit
            | Self::Dir2MdmfVerifier => "immutable or verify cap",
        }
    }
}
