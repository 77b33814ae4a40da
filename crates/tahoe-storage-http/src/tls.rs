//! TLS without authorities: a server is whoever has the key that its NURL names.
//!
//! Tahoe-LAFS servers have self-signed certificates that foolscap made: X.509 **version 1**, RSA of
//! 2048 bits, valid for a year and used for longer. Neither names, dates nor signatures in the
//! certificate matter; only its SubjectPublicKeyInfo is read, hashed and compared with the pin, and
//! the handshake proves that the server has the key. TLS 1.3 only.

use crate::SpkiHash;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    version::TLS13,
};
use sha2::Digest as _;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate or its key can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The PEM text holds no certificate.
    #[error("no certificate in the PEM text")]
    NoCertificate,
    /// The PEM text holds no private key.
    #[error("no private key in the PEM text")]
    NoPrivateKey,
    /// The certificate isn't X.509.
    #[error("the certificate isn't X.509")]
    BadCertificate,
    /// The private key isn't one of a kind that TLS uses.
    #[error("the private key can't be used")]
    BadPrivateKey(#[source] Error),
    /// Certificate and private key don't belong together.
    #[error("the private key isn't the certificate's")]
    KeyMismatch,
}

/// What a server proves its identity with.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    key_hash: SpkiHash,
}

impl ServerTls {
    /// Reads the first certificate and the first private key of a PEM text, such as `node.pem`.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let certificate =
            CertificateDer::from_pem_slice(pem).map_err(|_| TlsError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::NoPrivateKey)?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(TlsError::BadPrivateKey)?;
        let spki = spki_of(&certificate).ok_or(TlsError::BadCertificate)?;
        if key.public_key().is_some_and(|public| *public != *spki) {
            return Err(TlsError::KeyMismatch);
        }
        let key_hash = hash_spki(spki);
        let certified = CertifiedKey::new(vec![certificate], key);
        let resolver = SingleCertAndKey::from(certified);
        Ok(Self {
            config: Arc::new(server_config(Arc::new(resolver))),
            key_hash,
        })
    }

    /// The hash that the server's NURL carries.
    pub fn key_hash(&self) -> &SpkiHash {
        &self.key_hash
    }

    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

/// Hashes the key of a certificate in DER, as NURLs do.
pub fn certificate_key_hash(certificate: &[u8]) -> Result<SpkiHash, TlsError> {
    let spki = spki_of(certificate).ok_or(TlsError::BadCertificate)?;
    Ok(hash_spki(spki))
}

fn hash_spki(spki: &[u8]) -> SpkiHash {
    SpkiHash::from_bytes(sha2::Sha256::digest(spki).into())
}

/// The SubjectPublicKeyInfo of a certificate of any X.509 version, as it stands there.
fn spki_of(certificate: &[u8]) -> Option<&[u8]> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.tbs_certificate.subject_pki.raw)
}

/// AES-128 first: shares are encrypted already, and it is the fastest on any recent processor.
fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..aws_lc_rs::default_provider()
    })
}

fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites")
        .with_no_client_auth()
        .with_cert_resolver(resolver)
}

/// Makes the configuration of a client that trusts exactly one key.
pub(crate) fn client_config(expected: SpkiHash) -> ClientConfig {
    let provider = provider();
    let verifier = PinnedKey {
        expected,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.enable_sni = false;
    config
}

/// The name under which sessions are kept for resumption; each client has its own store of them.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from("storage").expect("a host name")
}

/// Accepts the certificate with one key, whatever else it says.
#[derive(Debug)]
struct PinnedKey {
    expected: SpkiHash,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let spki = spki_of(end_entity).ok_or(CertificateError::BadEncoding)?;
        let found = hash_spki(spki);
        if bool::from(found.as_bytes().ct_eq(self.expected.as_bytes())) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 isn't offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = spki_of(certificate).ok_or(CertificateError::BadEncoding)?;
        let spki = SubjectPublicKeyInfoDer::from(spki);
        let algorithms = &self.algorithms;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
