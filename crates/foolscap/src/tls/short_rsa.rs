//! Signatures of RSA keys below 2048 bits, which our TLS library doesn't check.
//!
//! Old tubs have certificates of 1024-bit keys, and can't change them without becoming somebody
//! else. Such a key is too weak for a stranger to be believed; but a FURL has named this very
//! certificate, and there is no better proof that the peer is its owner.
//!
//! TLS prescribes RSASSA-PKCS1-v1_5, and RSASSA-PSS with a salt as long as the hash (RFC 8446, 4.2.3).

use rsa::{BoxedUint, PublicKey};
use rustls::SignatureScheme;
use sha2::{Sha256, Sha384, Sha512};
use x509_parser::public_key::RSAPublicKey;

/// Bits below which the TLS library checks no signature; keys below half of that are no keys.
const LIBRARY_BITS: u32 = 2048;

/// Checks such a signature; `None` if the key isn't of this kind or the scheme isn't RSA's.
pub(super) fn verify(
    key: &RSAPublicKey<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let number = BoxedUint::from_be_slice_vartime;
    let modulus = number(key.modulus);
    if modulus.bit_width() >= LIBRARY_BITS {
        return None;
    }
    let key = PublicKey::new(modulus, number(key.exponent)).ok()?;
    let checked = match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => key.pkcs1v15_verify::<Sha256>(message, signature),
        SignatureScheme::RSA_PKCS1_SHA384 => key.pkcs1v15_verify::<Sha384>(message, signature),
        SignatureScheme::RSA_PKCS1_SHA512 => key.pkcs1v15_verify::<Sha512>(message, signature),
        SignatureScheme::RSA_PSS_SHA256 => key.pss_verify::<Sha256>(message, signature),
        SignatureScheme::RSA_PSS_SHA384 => key.pss_verify::<Sha384>(message, signature),
        SignatureScheme::RSA_PSS_SHA512 => key.pss_verify::<Sha512>(message, signature),
        _ => return None,
    };
    Some(checked.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::public_key::PublicKey;

    /// Lines of a scheme and a signature of `MESSAGE`, made by Python's cryptography with the key of
    /// `short-rsa.pem`.
    const SIGNATURES: &str = include_str!("../../tests/data/short-rsa-signatures.txt");
    const PEM: &[u8] = include_bytes!("../../tests/data/short-rsa.pem");
    const MESSAGE: &[u8] = b"the handshake so far";

    fn scheme(name: &str) -> SignatureScheme {
        match name {
            "pkcs1-sha256" => SignatureScheme::RSA_PKCS1_SHA256,
            "pkcs1-sha384" => SignatureScheme::RSA_PKCS1_SHA384,
            "pkcs1-sha512" => SignatureScheme::RSA_PKCS1_SHA512,
            "pss-sha256" => SignatureScheme::RSA_PSS_SHA256,
            "pss-sha384" => SignatureScheme::RSA_PSS_SHA384,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn signatures_of_python() {
        use rustls::pki_types::pem::PemObject as _;
        let certificate = rustls::pki_types::CertificateDer::from_pem_slice(PEM).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).unwrap();
        let PublicKey::RSA(key) = parsed.public_key().parsed().unwrap() else {
            panic!("an RSA key");
        };
        let lines: Vec<_> = SIGNATURES
            .lines()
            .map(|line| line.split_once(' '))
            .collect();
        assert_eq!(lines.len(), 5);
        for (name, signature) in lines.into_iter().flatten() {
            let mut signature = data_encoding::HEXLOWER
                .decode(signature.as_bytes())
                .unwrap();
            let check =
                |scheme, message, signature: &[u8]| verify(&key, scheme, message, signature);
            let right = scheme(name);
            assert_eq!(check(right, MESSAGE, &signature), Some(true), "{name}");
            assert_eq!(check(right, b"another", &signature), Some(false), "{name}");
            let other = match name.starts_with("pss") {
                true => SignatureScheme::RSA_PKCS1_SHA256,
                false => SignatureScheme::RSA_PSS_SHA256,
            };
            assert_eq!(check(other, MESSAGE, &signature), Some(false), "{name}");
            let too_long_a_hash = SignatureScheme::RSA_PSS_SHA512;
            assert_eq!(check(too_long_a_hash, MESSAGE, &signature), Some(false));
            assert_eq!(check(right, MESSAGE, &signature[1..]), Some(false));
            assert_eq!(check(right, MESSAGE, &[0xff; 128]), Some(false));
            for byte in 0..signature.len() {
                signature[byte] ^= 1;
                assert_eq!(check(right, MESSAGE, &signature), Some(false), "{name}");
                signature[byte] ^= 1;
            }
        }
    }
}
