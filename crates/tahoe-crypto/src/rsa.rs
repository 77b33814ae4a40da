//! RSA keys of mutable files: 2048 bits, signatures RSA-PSS with SHA-256, MGF1-SHA-256 and a salt
//! of 32 bytes (`crypto/rsa.py` of Tahoe-LAFS by behaviour).
//!
//! Private keys are stored as PKCS #8 DER, public keys as SubjectPublicKeyInfo DER; a file's
//! capability is derived from exactly these bytes.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, UnparsedPublicKey,
};
use zeroize::Zeroizing;

use crate::{AesCtr, Fingerprint, WriteKey};

/// Bytes of a modulus, and so of a signature.
const MODULUS_LENGTH: usize = 256;

/// A key or a signature is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RsaError {
    /// The bytes are no RSA private key, or an inconsistent one.
    #[error("not an RSA private key")]
    BadPrivateKey,
    /// Only keys of 2048 bits are used.
    #[error("the RSA key has {bits} bits, not 2048")]
    WrongKeySize {
        /// Of the modulus.
        bits: usize,
    },
    /// The signature isn't that of the key over the message.
    #[error("the signature is invalid")]
    BadSignature,
    /// The system could not make a key or a signature.
    #[error("the cryptographic library failed")]
    LibraryFailed,
}

/// Signs the versions of a mutable file; its holder can write it. Wiped when dropped.
#[derive(Clone)]
pub struct RsaPrivateKey {
    pair: KeyPair,
    der: Zeroizing<Vec<u8>>,
}

/// Checks the signatures of a mutable file.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    der: Vec<u8>,
}

impl RsaPrivateKey {
    /// Makes a fresh key with the system's randomness; takes tens of milliseconds of processor time.
    ///
    /// The key has signed once already: that proves that its halves belong together, and what the
    /// library prepares for the first signature of a key (a millisecond) is there.
    pub fn generate() -> Result<Self, RsaError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| RsaError::LibraryFailed)?;
        let key = Self::new(pair)?;
        let signature = key.sign(b"")?;
        let verified = key.public_key()?.verify(b"", &signature);
        verified.map_err(|_| RsaError::LibraryFailed)?;
        Ok(key)
    }

    /// Reads PKCS #8 or, as older tools write it, PKCS #1 DER.
    pub fn from_der(der: &[u8]) -> Result<Self, RsaError> {
        let pair = KeyPair::from_pkcs8(der).or_else(|_| KeyPair::from_der(der));
        Self::new(pair.map_err(|_| RsaError::BadPrivateKey)?)
    }

    /// Reads either form in PEM, with the label `PRIVATE KEY` or `RSA PRIVATE KEY`.
    pub fn from_pem(text: &str) -> Result<Self, RsaError> {
        let body = ["PRIVATE KEY", "RSA PRIVATE KEY"].iter().find_map(|label| {
            let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
            let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
            Some(body)
        });
        let mut body = Zeroizing::new(body.ok_or(RsaError::BadPrivateKey)?.to_owned());
        body.retain(|character| !character.is_ascii_whitespace());
        let der = data_encoding::BASE64.decode(body.as_bytes());
        Self::from_der(&Zeroizing::new(der.map_err(|_| RsaError::BadPrivateKey)?))
    }

    fn new(pair: KeyPair) -> Result<Self, RsaError> {
        if pair.public_modulus_len() != MODULUS_LENGTH {
            let bits = pair.public_modulus_len().saturating_mul(8);
            return Err(RsaError::WrongKeySize { bits });
        }
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| RsaError::LibraryFailed)?;
        let der = Zeroizing::new(der.as_ref().to_vec());
        Ok(Self { pair, der })
    }

    /// The key in PKCS #8 DER: for a format that must carry it enciphered, never for a log.
    pub fn as_pkcs8_der(&self) -> &[u8] {
        &self.der
    }

    /// The key with which signatures are checked.
    pub fn public_key(&self) -> Result<RsaPublicKey, RsaError> {
        let der: PublicKeyX509Der<'_> = self
            .pair
            .public_key()
            .as_der()
            .map_err(|_| RsaError::LibraryFailed)?;
        Ok(RsaPublicKey::from_der(der.as_ref().to_vec()))
    }

    /// Derives the write key of the file that this key signs.
    pub fn write_key(&self) -> WriteKey {
        WriteKey::from_private_key_der(&self.der)
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, RsaError> {
        let mut signature = vec![0; MODULUS_LENGTH];
        let random = SystemRandom::new();
        let signed = self
            .pair
            .sign(&RSA_PSS_SHA256, &random, message, &mut signature);
        signed.map_err(|_| RsaError::LibraryFailed)?;
        Ok(signature)
    }

    /// Enciphers the key with its own write key, as shares hold it.
    pub fn encrypt(&self) -> Vec<u8> {
        let mut encrypted = self.der.to_vec();
        AesCtr::new(self.write_key().as_bytes(), 0).apply(&mut encrypted);
        encrypted
    }

    /// Deciphers a key from a share and checks that it is the one to which the write key belongs.
    pub fn decrypt(encrypted: &[u8], write_key: &WriteKey) -> Result<Self, RsaError> {
        let mut der = Zeroizing::new(encrypted.to_vec());
        AesCtr::new(write_key.as_bytes(), 0).apply(&mut der);
        if WriteKey::from_private_key_der(&der) != *write_key {
            return Err(RsaError::BadPrivateKey);
        }
        Self::from_der(&der)
    }
}

impl std::fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fingerprint = crate::hash::log_fingerprint(&self.der);
        write!(f, "RsaPrivateKey(~{fingerprint})")
    }
}

impl RsaPublicKey {
    /// Takes SubjectPublicKeyInfo DER as it is; a key that is none verifies nothing.
    pub fn from_der(der: Vec<u8>) -> Self {
        Self { der }
    }

    /// The key in SubjectPublicKeyInfo DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Derives what the file's capabilities know the key by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::from_public_key_der(&self.der)
    }

    /// Checks that the private key signed this message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), RsaError> {
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &self.der)
            .verify(message, signature)
            .map_err(|_| RsaError::BadSignature)
    }
}

impl std::fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RsaPublicKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_the_key_and_no_others_are_good() {
        let (key, other) = (
            RsaPrivateKey::generate().unwrap(),
            RsaPrivateKey::generate().unwrap(),
        );
        let public = key.public_key().unwrap();
        let mut signature = key.sign(b"a version").unwrap();
        assert_eq!(public.verify(b"a version", &signature), Ok(()));
        let bad = Err(RsaError::BadSignature);
        assert_eq!(public.verify(b"another", &signature), bad);
        assert_eq!(
            public.verify(b"a version", &other.sign(b"a version").unwrap()),
            bad
        );
        signature[7] ^= 1;
        assert_eq!(public.verify(b"a version", &signature), bad);
        assert_eq!(public.verify(b"a version", &[]), bad);
        assert_eq!(
            RsaPublicKey::from_der(b"no key".to_vec()).verify(b"a version", &signature),
            bad
        );
    }

    #[test]
    fn a_key_comes_back_from_its_share_with_the_right_write_key_only() {
        let key = RsaPrivateKey::generate().unwrap();
        let encrypted = key.encrypt();
        let back = RsaPrivateKey::decrypt(&encrypted, &key.write_key()).unwrap();
        assert_eq!(back.as_pkcs8_der(), key.as_pkcs8_der());
        let wrong = WriteKey::from_bytes([0; 16]);
        assert!(RsaPrivateKey::decrypt(&encrypted, &wrong).is_err());
        assert!(RsaPrivateKey::decrypt(&encrypted[1..], &key.write_key()).is_err());
    }

    #[test]
    fn other_sizes_and_other_bytes_are_refused() {
        let large = KeyPair::generate(KeySize::Rsa3072).unwrap();
        let der: Pkcs8V1Der<'_> = large.as_der().unwrap();
        let refused = RsaPrivateKey::from_der(der.as_ref()).err();
        assert_eq!(refused, Some(RsaError::WrongKeySize { bits: 3072 }));
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ] {
            let refused = RsaPrivateKey::from_pem(text).err();
            assert_eq!(refused, Some(RsaError::BadPrivateKey));
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = RsaPrivateKey::generate().unwrap();
        assert_eq!(format!("{key:?}").len(), "RsaPrivateKey(~)".len() + 6);
    }
}
