//! What passes over the wire, as bytes and types: paths, headers, CBOR messages.
//!
//! Everything here is pure; both sides use it, and fuzz targets drive it.

pub mod cbor;
pub mod headers;
pub mod messages;
pub mod ranges;
pub mod route;
