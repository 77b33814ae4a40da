//! Certificates of tests, and what a NURL says of one.

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;

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

/// A fresh certificate of `localhost` that nobody vouches for.
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
}

/// A TLS configuration with a fresh certificate.
pub(crate) fn own_tls() -> (Arc<ServerConfig>, Certificate) {
    let certified =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("making a certificate");
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("PKCS #8");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("key and certificate belong together");
    let certificate = Certificate {
        der: certified.cert.der().to_vec(),
        pem: certified.cert.pem(),
    };
    (Arc::new(config), certificate)
}
