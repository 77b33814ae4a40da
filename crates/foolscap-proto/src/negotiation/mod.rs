//! How two tubs agree to talk.
//!
//! ```text
//! client                                         server
//!   GET /id/TUB-ID HTTP/1.1, Upgrade: TLS/1.0  →
//!                          ←  HTTP/1.1 101 Switching Protocols
//!   ============ TLS; both sides show a certificate ============
//!   hello block  →                             ←  hello block
//!   the side with the greater tub id → decision block → the other
//!   ============ Banana ============
//! ```
//!
//! A block is `key: value` lines that end with CR LF, and an empty line. [`http`] is what comes
//! before TLS, [`Negotiation`] what comes after, [`duplicate`] decides between an old and a new
//! connection with one peer.

mod block;
pub mod duplicate;
mod hello;
pub mod http;
mod machine;

pub use block::{Block, BlockReader};
pub use hello::{Hello, LastConnection};
pub use machine::{Negotiated, Negotiation, NegotiationStep, Role};

/// Two tubs don't come to an agreement.
///
/// The text is what the other side is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// A block is longer than allowed.
    #[error("Header too long")]
    BlockTooLong,
    /// A block isn't `key: value` lines.
    #[error("malformed negotiation block")]
    MalformedBlock,
    /// The peer's first line isn't a request for a tub.
    #[error("not right")]
    NotFoolscap,
    /// The client asks for a tub that isn't here.
    #[error("unknown TubID {0}")]
    UnknownTub(String),
    /// The server didn't agree to switch to TLS.
    #[error("expected 101 Switching Protocols, got {0:?}")]
    NotSwitching(String),
    /// A block lacks something, or something in it isn't what it should be.
    #[error("no valid {0} in the negotiation block")]
    Missing(&'static str),
    /// The two sides have no version in common.
    #[error("{who} can't handle {what} {number}")]
    NoOverlap {
        /// "I" or "You".
        who: &'static str,
        /// Versions of what.
        what: &'static str,
        /// Which.
        number: u32,
    },
    /// The peer showed no certificate, so it can't be anybody.
    #[error("you must use a certificate to claim a TubID")]
    NoCertificate,
    /// The peer's certificate isn't that of the tub it claims to be.
    #[error("TubID mismatch")]
    WrongTubId,
    /// The peer isn't whom we wanted to talk to.
    #[error("connected to the wrong Tub")]
    WrongPeer,
    /// The peer is ourselves.
    #[error("connected to ourselves")]
    Ourselves,
    /// The vocabulary tables differ.
    #[error("our hash for vocab-table-index {0} does not match your hash")]
    VocabularyMismatch(u32),
    /// There is a connection with this peer already.
    #[error("Duplicate connection")]
    Duplicate,
    /// The peer refused.
    #[error("the peer refused: {0}")]
    Refused(String),
}

impl NegotiationError {
    /// Says whether the peer refused because it has a connection with us already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate)
            || matches!(self, Self::Refused(why) if why.contains("Duplicate connection"))
    }
}
