//! Signatures of RSA keys below 2048 bits, which our TLS library doesn't check.
//!
//! Old tubs have certificates of 1024-bit keys, and can't change them without becoming somebody
//! else. Such a key is too weak for a stranger to be believed; but a FURL has named this very
//! certificate, and there is no better proof that the peer is its owner.
//!
//! RFC 8017: RSASSA-PKCS1-v1_5, and RSASSA-PSS with MGF1 and a salt as long as the hash, as TLS
//! prescribes. Only public values are handled here, so time tells nothing.

use num_bigint::BigUint;
use rustls::SignatureScheme;
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::public_key::RSAPublicKey;

/// Sizes of the keys that are checked here, in bits; those above are the library's.
const BITS: std::ops::Range<u64> = 1024..2048;
/// Largest public exponent, in bits; 65537 is what everybody has.
const MAX_EXPONENT_BITS: u64 = 33;

/// Checks such a signature; `None` if the key isn't of this kind or the scheme isn't RSA's.
pub(super) fn verify(
    key: &RSAPublicKey<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let check = match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => pkcs1::<Sha256>,
        SignatureScheme::RSA_PKCS1_SHA384 => pkcs1::<Sha384>,
        SignatureScheme::RSA_PKCS1_SHA512 => pkcs1::<Sha512>,
        SignatureScheme::RSA_PSS_SHA256 => pss::<Sha256>,
        SignatureScheme::RSA_PSS_SHA384 => pss::<Sha384>,
        SignatureScheme::RSA_PSS_SHA512 => pss::<Sha512>,
        _ => return None,
    };
    let modulus = BigUint::from_bytes_be(key.modulus);
    let exponent = BigUint::from_bytes_be(key.exponent);
    // Nobody makes keys that don't fill their bytes.
    if !BITS.contains(&modulus.bits()) || !modulus.bits().is_multiple_of(8) {
        return None;
    }
    let length = usize::try_from(modulus.bits() / 8).ok()?;
    let number = BigUint::from_bytes_be(signature);
    if signature.len() != length || number >= modulus || exponent.bits() > MAX_EXPONENT_BITS {
        return Some(false);
    }
    let bytes = number.modpow(&exponent, &modulus).to_bytes_be();
    let mut encoded = vec![0; length - bytes.len()];
    encoded.extend_from_slice(&bytes);
    Some(check(&encoded, message))
}

/// A hash as PKCS #1 v1.5 names it.
trait Named: Digest {
    /// The last byte of its object identifier, below 2.16.840.1.101.3.4.2.
    const NUMBER: u8;
}

impl Named for Sha256 {
    const NUMBER: u8 = 1;
}

impl Named for Sha384 {
    const NUMBER: u8 = 2;
}

impl Named for Sha512 {
    const NUMBER: u8 = 3;
}

/// EMSA-PKCS1-v1_5: the only encoding of the message is made and compared.
fn pkcs1<H: Named>(encoded: &[u8], message: &[u8]) -> bool {
    let hash = H::digest(message);
    let size = u8::try_from(hash.len()).expect("at most 64 bytes");
    // DigestInfo in DER: a sequence of the algorithm, with no parameters, and the hash.
    let mut tail = vec![0, 0x30, 0x11 + size, 0x30, 0x0d, 0x06, 0x09];
    tail.extend_from_slice(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, H::NUMBER]);
    tail.extend_from_slice(&[0x05, 0x00, 0x04, size]);
    tail.extend_from_slice(&hash);
    // The smallest key leaves far more than the eight bytes of padding that there must be.
    let mut expected = vec![0xff; encoded.len()];
    expected[..2].copy_from_slice(&[0, 1]);
    let start = encoded.len() - tail.len();
    expected[start..].copy_from_slice(&tail);
    encoded == expected
}

/// EMSA-PSS-VERIFY of RFC 8017, section 9.1.2, for an encoding of one bit less than whole bytes.
fn pss<H: Named>(encoded: &[u8], message: &[u8]) -> bool {
    let size = <H as Digest>::output_size();
    let Some((rest, [0xbc])) = encoded.split_at_checked(encoded.len() - 1) else {
        return false;
    };
    let (masked, hash) = rest.split_at(rest.len() - size);
    let Some(zeros) = masked.len().checked_sub(size + 1) else {
        return false; // The key is too short for this hash.
    };
    if masked[0] & 0x80 != 0 {
        return false;
    }
    let mask = mask::<H>(hash, masked.len());
    let mut block: Vec<u8> = masked.iter().zip(mask).map(|(a, b)| a ^ b).collect();
    block[0] &= 0x7f;
    let (padding, salt) = block.split_at(zeros + 1);
    let is_padded = padding[..zeros].iter().all(|byte| *byte == 0) && padding[zeros] == 1;
    let expected = H::new()
        .chain_update([0; 8])
        .chain_update(H::digest(message))
        .chain_update(salt)
        .finalize();
    is_padded && *hash == expected[..]
}

/// MGF1.
fn mask<H: Digest>(seed: &[u8], length: usize) -> Vec<u8> {
    let block = |counter: u32| {
        let hash = H::new().chain_update(seed);
        hash.chain_update(counter.to_be_bytes()).finalize()
    };
    let mut mask = Vec::new();
    for counter in 0.. {
        mask.extend_from_slice(&block(counter));
        if mask.len() >= length {
            break;
        }
    }
    mask.truncate(length);
    mask
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
