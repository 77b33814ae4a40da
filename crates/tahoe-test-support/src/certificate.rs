//! What a NURL says of a certificate.

use sha2::{Digest as _, Sha256};
use std::path::Path;

/// The URL-safe base64 of the SHA-256 of the public key in a PEM file: the part of a NURL that pins.
pub(crate) fn pin_of_file(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let certificate = x509_parser::pem::Pem::iter_from_buffer(&bytes)
        .filter_map(Result::ok)
        .find(|block| block.label == "CERTIFICATE")
        .unwrap_or_else(|| panic!("{} holds no certificate", path.display()));
    pin(&certificate.contents)
}

/// The pin of a certificate in DER.
pub(crate) fn pin(certificate: &[u8]) -> String {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate)
        .unwrap_or_else(|error| panic!("not a certificate: {error}"));
    data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(certificate.public_key().raw))
}
