//! Text and byte encodings that Tahoe's formats share: base32, netstrings, Python's JSON, a
//! bounds-checked reader.
//!
//! ```
//! use tahoe_encoding::{base32, netstring};
//! assert_eq!(base32::encode(b"\xff\xff"), "777q");
//! assert_eq!(base32::decode("777q").unwrap(), b"\xff\xff");
//! assert_eq!(netstring::encode(b"crs"), b"3:crs,");
//! ```
//!
//! **Invariant:** nothing here panics or allocates more than its input implies, whatever the bytes.
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

pub mod base32;
pub mod netstring;
pub mod python_json;
mod reader;

pub use reader::{Reader, UnexpectedEnd};
