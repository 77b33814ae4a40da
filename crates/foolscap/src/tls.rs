//! TLS between tubs: everybody shows a certificate, and nobody asks an authority.
//!
//! A peer is the hash of its certificate. The handshake proves that it has the key; names, dates,
//! signatures and even the version of the certificate mean nothing, because Python's foolscap writes
//! X.509 version 1, for a year, and uses them for longer. So signatures are checked with the public
//! key as it stands in the certificate, by whatever TLS version (1.2 for old peers), also if the key
//! is one of 1024 bits as the oldest tubs have.

mod short_rsa;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerMisbehaved, ServerConfig, SignatureScheme,
};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::{TubId, TubIdentity};

/// The SubjectPublicKeyInfo of a certificate of any X.509 version, as it stands there.
pub(crate) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.tbs_certificate.subject_pki.raw)
}

/// How many bits the RSA key of a certificate has; `None` if it is of another kind.
pub(crate) fn rsa_bits(certificate: &[u8]) -> Option<usize> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    }
}

/// Who has shown these certificates.
pub(crate) fn peer_id(certificates: Option<&[CertificateDer<'_>]>) -> Option<TubId> {
    certificates?.first().map(|der| TubId::of_certificate(der))
}

/// AES-128 first: it is the fastest on any recent processor.
fn provider() -> CryptoProvider {
    use aws_lc_rs::cipher_suite as suite;
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// How to connect as this tub.
pub(crate) fn client_config(identity: &TubIdentity) -> Result<ClientConfig, Error> {
    let provider = provider();
    let verifier = AnyTub::new(&provider);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(OwnCertificate(identity.certified())));
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// How to be connected to as this tub.
pub(crate) fn server_config(identity: &TubIdentity) -> Result<ServerConfig, Error> {
    let provider = provider();
    let verifier = AnyTub::new(&provider);
    let resolver = SingleCertAndKey::from((*identity.certified()).clone());
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(resolver));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A name that means nothing, which the TLS library wants.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from("foolscap").expect("a host name")
}

/// Shows our certificate whatever the server would like to see.
#[derive(Debug)]
struct OwnCertificate(Arc<CertifiedKey>);

impl ResolvesClientCert for OwnCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Accepts any certificate whose key the peer has; who it is, is asked afterwards.
#[derive(Debug)]
struct AnyTub(WebPkiSupportedAlgorithms);

impl AnyTub {
    fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }

    fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = public_key(certificate).ok_or(CertificateError::BadEncoding)?;
        let (_, spki) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| BAD)?;
        if let Some(verdict) = verify_short_rsa(&spki, message, signed) {
            return verdict;
        }
        let key = &spki.subject_public_key.data;
        let known = self
            .0
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == signed.scheme);
        let (_, algorithms) =
            known.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        // In TLS 1.2 a scheme doesn't say which curve the key has.
        let fits = |algorithm: &&&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
            algorithm
                .verify_signature(key, message, signed.signature())
                .is_ok()
        };
        match algorithms.iter().find(fits) {
            Some(_) => Ok(HandshakeSignatureValid::assertion()),
            None => Err(BAD),
        }
    }

    fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        use SignatureScheme::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512};
        let spki = public_key(certificate).ok_or(CertificateError::BadEncoding)?;
        let (_, parsed) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| BAD)?;
        // TLS 1.3 has given these up.
        let is_old =
            [RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512].contains(&signed.scheme);
        if let Some(verdict) = verify_short_rsa(&parsed, message, signed).filter(|_| !is_old) {
            return verdict;
        }
        let spki = SubjectPublicKeyInfoDer::from(spki);
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &spki, signed, &self.0)
    }
}

const BAD: Error = Error::InvalidCertificate(CertificateError::BadSignature);

/// Checks a signature of a key that is too short for the library; `None` if it isn't.
fn verify_short_rsa(
    key: &SubjectPublicKeyInfo<'_>,
    message: &[u8],
    signed: &DigitallySignedStruct,
) -> Option<Result<HandshakeSignatureValid, Error>> {
    let Ok(PublicKey::RSA(key)) = key.parsed() else {
        return None;
    };
    let valid = short_rsa::verify(&key, signed.scheme, message, signed.signature())?;
    Some(if valid {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(BAD)
    })
}

impl ServerCertVerifier for AnyTub {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl ClientCertVerifier for AnyTub {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }

    fn client_auth_mandatory(&self) -> bool {
        // Whoever shows none is told why, in the negotiation that follows.
        false
    }
}
