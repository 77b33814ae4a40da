//! A tub's identity: a key, and the certificate that names it.

use crate::tls;
use crate::{IdentityError, TubId};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Size of the shortest RSA key that our TLS library signs with.
const MIN_RSA_BITS: usize = 2048;

/// A private key and its self-signed certificate.
///
/// The tub id is the hash of the certificate, so both must be kept to stay the same tub. Python's
/// foolscap writes X.509 **version 1** certificates of RSA keys; nobody checks names or dates.
#[derive(Clone)]
pub struct TubIdentity {
    certified: Arc<CertifiedKey>,
    private_key: Arc<PrivateKeyDer<'static>>,
    tub_id: TubId,
}

impl TubIdentity {
    /// Makes a new RSA key of 2048 bits and a certificate for it. Takes a second or so.
    pub fn generate() -> Result<Self, IdentityError> {
        let size = rcgen::RsaKeySize::_2048;
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size)
            .map_err(IdentityError::Generate)?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        // The name that the Python library gives to all of its certificates.
        let name = rcgen::DnType::CommonName;
        parameters.distinguished_name.push(name, "newpb_thingy");
        parameters.serial_number = Some(rcgen::SerialNumber::from(1u64));
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let certificate = parameters
            .self_signed(&key)
            .map_err(IdentityError::Generate)?;
        let private_key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::new(certificate.der().clone(), private_key.into())
    }

    /// Makes an identity that isn't kept: an ECDSA key on P-256, which takes no time.
    pub fn ephemeral() -> Result<Self, IdentityError> {
        let key = rcgen::KeyPair::generate().map_err(IdentityError::Generate)?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let name = rcgen::DnType::CommonName;
        parameters.distinguished_name.push(name, "newpb_thingy");
        let certificate = parameters
            .self_signed(&key)
            .map_err(IdentityError::Generate)?;
        let private_key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::new(certificate.der().clone(), private_key.into())
    }

    /// Reads the first certificate and the first private key of a PEM text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IdentityError> {
        let certificate =
            CertificateDer::from_pem_slice(pem).map_err(|_| IdentityError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| IdentityError::NoPrivateKey)?;
        Self::new(certificate, key)
    }

    /// Takes a certificate and its key.
    pub fn new(
        certificate: CertificateDer<'static>,
        private_key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let spki = tls::public_key(&certificate).ok_or(IdentityError::BadCertificate)?;
        let bits = tls::rsa_bits(&certificate);
        let key = aws_lc_rs::sign::any_supported_type(&private_key);
        let key = key.map_err(|error| match bits {
            Some(bits) if bits < MIN_RSA_BITS => IdentityError::ShortKey(bits),
            _ => IdentityError::BadPrivateKey(error),
        })?;
        if key.public_key().is_some_and(|public| *public != *spki) {
            return Err(IdentityError::KeyMismatch);
        }
        let tub_id = TubId::of_certificate(&certificate);
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(vec![certificate], key)),
            private_key: Arc::new(private_key),
            tub_id,
        })
    }

    /// Writes what [`TubIdentity::from_pem`] and the Python library read: certificate, then key.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut pem = String::new();
        push_pem(&mut pem, "CERTIFICATE", self.certificate());
        let label = match &*self.private_key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        push_pem(&mut pem, label, self.private_key.secret_der());
        Zeroizing::new(pem)
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certified.cert[0]
    }

    /// The id that FURLs carry.
    pub fn tub_id(&self) -> TubId {
        self.tub_id
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl std::fmt::Debug for TubIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TubIdentity({})", self.tub_id)
    }
}

fn push_pem(out: &mut String, label: &str, der: &[u8]) {
    let base64 = Zeroizing::new(data_encoding::BASE64.encode(der));
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in base64.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
}
