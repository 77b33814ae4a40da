//! Grid managers: who may receive new shares.
//!
//! The manager of a grid signs a certificate for each storage server, which the server announces.
//! A client that trusts grid managers puts new shares only on servers with a valid certificate of
//! one of them; shares that are there already are read from any server.
//! `docs/formats/grid-manager-certificate.md` shows the bytes.

mod certificate;
mod permit;
mod records;

pub use certificate::{Certificate, CertificateError, SignedCertificate};
pub use permit::UploadPermit;
pub use records::{GridManager, GridManagerError};

/// A JSON value with four spaces per level and in ASCII only, as the reference writes its files.
fn indented_json(value: &serde_json::Value) -> String {
    use serde::Serialize as _;
    use std::fmt::Write as _;
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value
        .serialize(&mut serializer)
        .expect("a JSON value can be written to memory");
    let json = String::from_utf8(bytes).expect("serde_json writes UTF-8");
    // Only inside of strings is anything not ASCII.
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String can't fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests;
