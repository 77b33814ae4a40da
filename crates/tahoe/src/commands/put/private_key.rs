//! The RSA key that a mutable file is made with, from a PEM file.

use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use data_encoding::BASE64URL;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use zeroize::Zeroizing;

/// What stands in front of an RSA key's length and contents in PKCS #8: version 0 and the algorithm.
const VERSION_AND_ALGORITHM: &[u8] = &[
    0x02, 0x01, 0x00, // version
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// Reads a key and gives it in the form that the web API takes: PKCS #8, DER, URL-safe base64.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let unusable = |why: &dyn std::fmt::Display| {
        let path = quoted_path(path);
        CommandError::failed(format!("cannot use the private key in {path}: {why}"))
            .hint("It must be an RSA key of 2048 bits in PEM, without a passphrase.")
    };
    let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
    let pem = Zeroizing::new(pem);
    let key = PrivateKeyDer::from_pem_slice(&pem);
    let key = key.map_err(|_| unusable(&"it holds no private key in PEM"))?;
    let der = match &key {
        PrivateKeyDer::Pkcs8(key) => Zeroizing::new(key.secret_pkcs8_der().to_vec()),
        PrivateKeyDer::Pkcs1(key) => wrapped(key.secret_pkcs1_der()),
        _ => return Err(unusable(&"it is no RSA key")),
    };
    Ok(Zeroizing::new(BASE64URL.encode(&der)))
}

/// Wraps the RSA key of PKCS #1 as PKCS #8.
fn wrapped(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut contents = Zeroizing::new(VERSION_AND_ALGORITHM.to_vec());
    push_value(&mut contents, 0x04, pkcs1);
    let mut key = Zeroizing::new(Vec::new());
    push_value(&mut key, 0x30, &contents);
    key
}

/// Writes a DER value: tag, length, contents.
fn push_value(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    let length = contents.len().to_be_bytes();
    let significant = length.iter().position(|&byte| byte != 0);
    let length = length.get(significant.unwrap_or(length.len() - 1)..);
    match length.unwrap_or_default() {
        [short @ 0..=0x7f] => out.push(*short),
        long => {
            // At most 8: it is a usize.
            #[expect(clippy::cast_possible_truncation, reason = "see above")]
            out.push(0x80 | long.len() as u8);
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(contents);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let encoded = |length: usize| {
            let mut out = Vec::new();
            push_value(&mut out, 4, &vec![0; length]);
            out[..out.len() - length].to_vec()
        };
        assert_eq!(encoded(0), [4, 0]);
        assert_eq!(encoded(0x7f), [4, 0x7f]);
        assert_eq!(encoded(0x80), [4, 0x81, 0x80]);
        assert_eq!(encoded(0x4a3), [4, 0x82, 4, 0xa3]);
    }

    #[test]
    fn refuses_what_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(read(&path).is_err());
        std::fs::write(&path, "-----BEGIN NOTHING-----\n").unwrap();
        assert!(read(&path).is_err());
    }
}
