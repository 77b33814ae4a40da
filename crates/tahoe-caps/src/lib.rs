//! Capabilities: parse, print, attenuate.
//!
//! A capability is a text that is necessary and sufficient to do something with a file or
//! directory: change it, read it, or check and fetch its ciphertext. Each weaker form is derived
//! from a stronger one by a method, and nothing leads back: [`WriteCap`] → [`ReadCap`] →
//! [`VerifyCap`].
//!
//! ```
//! use tahoe_caps::{Cap, CapKind};
//! let text = "URI:SSK:fs6ul2fju2fvb2cfx7gt6ngycm:\
//!             hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq";
//! let cap = Cap::parse(text);
//! assert_eq!(cap.kind(), Some(CapKind::Ssk));
//! assert_eq!(cap.to_text(), text);
//! assert_eq!(cap.to_read_only().unwrap().kind(), Some(CapKind::SskRo));
//! assert_eq!(cap.to_verify().unwrap().storage_index(), cap.storage_index().unwrap());
//! // A text that nobody understands is a capability too, only an unknown one.
//! assert!(matches!(Cap::parse("URI:SSK:oops"), Cap::Unknown(_)));
//! ```
//!
//! **Invariants:** parsing never fails and never panics; a known capability prints as the one
//! canonical text, an unknown one as it came; `Debug` shows a kind and a storage index and never
//! the authority. The format is described in `docs/formats/capabilities.md`.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

mod cap;
mod chk;
mod error;
mod fields;
mod kind;
mod literal;
mod mutable;
mod powers;
mod unknown;
mod url;

pub use cap::Cap;
pub use chk::{ChkReadCap, ChkVerifyCap};
pub use error::CapError;
pub use kind::{CapKind, Power, Target};
pub use literal::{LITERAL_SIZE_LIMIT, LiteralCap};
pub use mutable::{MutableFormat, MutableReadCap, MutableVerifyCap, MutableWriteCap};
pub use powers::{ReadCap, ReadFileCap, VerifyCap, VerifyFileCap, WriteCap};
pub use unknown::{
    ALLEGED_IMMUTABLE_PREFIX, ALLEGED_READ_ONLY_PREFIX, UnknownCap, UnknownSlots, has_uri_prefix,
    strip_prefix_for_read_slot,
};
pub use url::cap_text_of_argument;
