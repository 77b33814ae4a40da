//! `private/node.pem`: the self-signed certificate that is a node's identity on the wire.
//!
//! Its DER, hashed, is the tub id in FURLs; its public key, hashed, is what NURLs pin. The reference
//! writes an X.509 version 1 certificate of RSA-2048 followed by the key in PKCS #8; nobody checks
//! names, dates or versions.

use foolscap::{IdentityError, TubIdentity};
use tahoe_crypto::TubId;
use tahoe_storage_http::{ServerTls, SpkiHash, TlsError, certificate_key_hash};
use zeroize::Zeroizing;

/// A node's certificate and private key.
pub struct TubCertificate {
    identity: TubIdentity,
    key_hash: SpkiHash,
}

impl TubCertificate {
    /// Makes a new RSA-2048 key and a certificate that never ends; `None` if the system can't.
    pub fn generate() -> Option<Self> {
        Self::new(TubIdentity::generate().ok()?)
    }

    /// Reads the first certificate and the first private key of a PEM file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IdentityError> {
        Self::new(TubIdentity::from_pem(pem)?).ok_or(IdentityError::BadCertificate)
    }

    fn new(identity: TubIdentity) -> Option<Self> {
        Some(Self {
            key_hash: certificate_key_hash(identity.certificate()).ok()?,
            identity,
        })
    }

    /// Writes the file that `from_pem` and the reference read: certificate, then key.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.identity.to_pem()
    }

    /// What a TLS server proves this identity with.
    pub fn server_tls(&self) -> Result<ServerTls, TlsError> {
        ServerTls::from_pem(self.to_pem().as_bytes())
    }

    /// What a tub proves this identity with.
    pub fn identity(&self) -> &TubIdentity {
        &self.identity
    }

    /// The id that FURLs carry.
    pub fn tub_id(&self) -> TubId {
        TubId::from_bytes(*self.identity.tub_id().as_bytes())
    }

    /// The hash of the public key that NURLs carry.
    pub fn key_hash(&self) -> SpkiHash {
        self.key_hash
    }
}

impl std::fmt::Debug for TubCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TubCertificate({})", self.tub_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by the reference, with its values for it.
    const REFERENCE_PEM: &[u8] = include_bytes!("../tests/data/reference-node.pem");

    #[test]
    fn reads_the_reference_s() {
        let certificate = TubCertificate::from_pem(REFERENCE_PEM).unwrap();
        let expected = include_str!("../tests/data/reference-node.txt");
        let mut lines = expected.lines();
        assert_eq!(
            lines.next(),
            Some(certificate.tub_id().to_string().as_str())
        );
        assert_eq!(
            lines.next(),
            Some(certificate.key_hash().to_string().as_str())
        );
        assert!(certificate.server_tls().is_ok());
        assert_eq!(certificate.to_pem().as_bytes(), REFERENCE_PEM);
    }

    #[test]
    fn a_new_one_reads_back_and_is_its_own() {
        let one = TubCertificate::generate().unwrap();
        let again = TubCertificate::from_pem(one.to_pem().as_bytes()).unwrap();
        assert_eq!(one.tub_id(), again.tub_id());
        assert_eq!(one.key_hash(), again.key_hash());
        assert_eq!(one.to_pem(), again.to_pem());
        let other = TubCertificate::generate().unwrap();
        assert_ne!(one.key_hash(), other.key_hash());
    }

    #[test]
    fn a_key_that_is_too_short_is_said_to_be() {
        let pem = include_bytes!("../../foolscap/tests/data/short-rsa.pem");
        let refused = TubCertificate::from_pem(pem).unwrap_err().to_string();
        let expected = "the private key has 1024 bits, and at least 2048 are needed";
        assert_eq!(refused, expected);
    }

    #[test]
    fn half_a_file_is_refused() {
        let end = REFERENCE_PEM.len() / 2;
        assert!(TubCertificate::from_pem(&REFERENCE_PEM[..end]).is_err());
        assert!(TubCertificate::from_pem(b"").is_err());
    }
}
