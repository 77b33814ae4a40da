//! Why a text isn't a known capability, or not one that may be used where it stands.

use crate::CapKind;

/// Why a capability is unknown or may not be used in its place.
///
/// It never holds any of the text, so it may be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapError {
    /// It begins like no capability that this program knows; perhaps it is one of the future.
    #[error("unrecognised capability")]
    Unrecognised,
    /// It begins like a known capability and goes on otherwise.
    #[error("malformed {} capability: bad {field}", .kind.prefix())]
    Malformed {
        /// What it claims to be.
        kind: CapKind,
        /// Which field isn't as it must be.
        field: &'static str,
    },
    /// It begins like a known capability and ends too early.
    #[error("malformed {} capability: it is cut off in or after its {field}", .kind.prefix())]
    CutOff {
        /// What it claims to be.
        kind: CapKind,
        /// The last field that is there in part or whole.
        field: &'static str,
    },
    /// A write capability stands where only read-only ones may.
    #[error("{what} used in a read-only context")]
    MustBeReadOnly {
        /// What it is, in words.
        what: &'static str,
    },
    /// A capability to something mutable stands where everything must be immutable.
    #[error("{what} used in an immutable context")]
    MustBeDeepImmutable {
        /// What it is, in words.
        what: &'static str,
    },
    /// An unknown capability stands alone in a write slot, so nobody can tell what it grants.
    #[error("unknown capability in a write slot")]
    MustNotBeUnknownWrite {
        /// Whether an immutable one was wanted there.
        deep_immutable: bool,
    },
}
