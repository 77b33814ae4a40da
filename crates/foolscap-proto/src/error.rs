//! How a peer can break the protocol, and how a call can be unacceptable.

/// The peer broke the protocol: the connection must be closed.
///
/// The text is what an ERROR token tells the peer; it never holds a value's bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A token's prefix doesn't end, or its number is too large.
    #[error("token prefix is limited to 64 bytes")]
    TokenPrefix,
    /// A byte that begins no token.
    #[error("invalid type byte 0x{0:02x}")]
    TypeByte(u8),
    /// A token of the protocol that Foolscap replaced.
    #[error("oldbanana peer detected")]
    OldBanana,
    /// An ERROR token that is longer than allowed.
    #[error("oversized ERROR token")]
    ErrorTooLong,
    /// A token or a message is larger than allowed.
    #[error("message larger than {limit} bytes")]
    MessageTooLarge {
        /// The limit.
        limit: usize,
    },
    /// Sequences are nested deeper than allowed.
    #[error("more than {limit} nested sequences")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More references than allowed.
    #[error("more than {limit} references")]
    TooManyReferences {
        /// The limit.
        limit: usize,
    },
    /// A CLOSE that doesn't fit the innermost OPEN.
    #[error("lost sync, got CLOSE({found})")]
    LostSync {
        /// The number that the token carries.
        found: u64,
    },
    /// An entry that neither negotiation nor the peer put into the vocabulary.
    #[error("no word {0} in the vocabulary")]
    UnknownWord(u64),
    /// A token where it can't be.
    #[error("{0}")]
    Unexpected(&'static str),
    /// A request number is used again before its answer.
    #[error("request {0} is still in progress")]
    RequestInUse(u64),
    /// A reference's FURL names another tub than the peer.
    #[error("inbound reference claims bad tubid")]
    ForeignReference,
    /// The peer gave back more references than it had.
    #[error("decref of more references than there are")]
    DecrefTooLarge,
    /// The peer reported an error of ours and is closing.
    #[error("the peer reported: {0}")]
    Reported(String),
}

/// Something well-formed that isn't acceptable: one call fails, the connection goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

impl Violation {
    /// Says what isn't acceptable.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
