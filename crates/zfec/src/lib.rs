//! A k-of-N erasure code over GF(2^8), byte-identical with the Python package zfec 1.6.
//!
//! `k` equally long *primary blocks* are extended with `N − k` *check blocks*; any `k` of the `N`
//! blocks give the primary ones back. The code is systematic: blocks `0..k` are the data itself.
//! What exactly a check block contains is written down in `docs/formats/zfec.md`.
//!
//! ```
//! use zfec::{Decoder, Encoder};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let encoder = Encoder::new(3, 10)?;
//! let blocks = encoder.encode_segment(b"a segment of any length");
//!
//! let decoder = Decoder::new(3, 10)?;
//! let received = [(9, &blocks[9][..]), (1, &blocks[1][..]), (4, &blocks[4][..])];
//! assert_eq!(decoder.decode_segment(&received, 23)?, b"a segment of any length");
//! # Ok(())
//! # }
//! ```
//!
//! [`Encoder`] and [`Decoder`] hold only small tables, are cheap to clone and may be used from many
//! threads at once. The multiplication itself is done by an [`Engine`], the fastest one that the
//! processor has unless the caller names another. All engines give the same bytes.
//!
//! [`ShareHeader`] is the header of the share files that the tools `zfec` and `zunfec` write; the
//! tools themselves are behind the feature `cli`.
//!
//! The crate checks nothing about the *contents* of blocks: a wrong block decodes to wrong data.

mod decoder;
mod encoder;
mod engine;
mod error;
mod field;
mod matrix;
mod params;
mod share_header;
#[cfg(feature = "cli")]
pub mod tools;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use engine::Engine;
pub use error::{DecodeError, EncodeError, ParamError};
pub use params::Params;
pub use share_header::{HeaderError, ShareHeader};
