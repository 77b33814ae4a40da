//! A grid manager's certificate for one storage server.
//!
//! ```json
//! {"certificate": "{\"expires\":\"2027-01-31T12:00:00.123456+00:00\",
//!                   \"public_key\":\"pub-v0-…\",\"version\":1}",
//!  "signature": "base32 of 64 bytes"}
//! ```
//!
//! The signature is over the bytes of the inner text, which therefore is kept as it came.

use super::indented_json;
use serde::{Deserialize, Serialize};
use tahoe_crypto::{SigningKey, VerifyingKey};
use tahoe_encoding::base32;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// The version of the inner text that this is.
const VERSION: u64 = 1;

/// A certificate can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It isn't an object of exactly `certificate` and `signature`, both texts.
    #[error("not a grid manager's certificate: it must hold 'certificate' and 'signature' only")]
    NotACertificate,
    /// It is longer than any certificate.
    #[error("longer than {} bytes", SignedCertificate::MAX_SIZE)]
    TooLarge,
    /// The signature isn't 64 bytes in base32.
    #[error("the signature is malformed")]
    BadSignatureText,
    /// Somebody else signed it, or it was changed since.
    #[error("it was not signed by this grid manager")]
    BadSignature,
    /// What was signed isn't a server's key with a time of expiry.
    #[error("what it certifies is malformed")]
    Malformed,
    /// It is of a version that isn't known here.
    #[error("unknown certificate version {0}")]
    UnknownVersion(u64),
}

/// A certificate with its signature, which nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCertificate {
    text: String,
    signature: [u8; 64],
}

/// What a certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    /// The key of the server that it is for.
    pub server: VerifyingKey,
    /// From when on it counts no more.
    pub expires: OffsetDateTime,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    certificate: String,
    signature: String,
}

/// In the order of their names, as they are signed.
#[derive(Serialize, Deserialize)]
struct Inner {
    expires: String,
    public_key: String,
    version: u64,
}

impl SignedCertificate {
    /// Most bytes of a certificate; one has some 300.
    pub const MAX_SIZE: usize = 16 << 10;

    /// Signs a certificate for a server.
    pub fn sign(grid_manager: &SigningKey, certificate: &Certificate) -> Self {
        let inner = Inner {
            expires: python_time(certificate.expires, 'T'),
            public_key: certificate.server.to_string(),
            version: VERSION,
        };
        let text = serde_json::to_string(&inner).expect("texts and a number are JSON");
        let signature = grid_manager.sign(text.as_bytes());
        Self { text, signature }
    }

    /// Reads the JSON text of a certificate.
    pub fn parse(text: &str) -> Result<Self, CertificateError> {
        if text.len() > Self::MAX_SIZE {
            return Err(CertificateError::TooLarge);
        }
        let outer = serde_json::from_str(text).map_err(|_| CertificateError::NotACertificate)?;
        Self::from_outer(outer)
    }

    /// Takes a certificate from inside an announcement.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, CertificateError> {
        let outer = Outer::deserialize(value).map_err(|_| CertificateError::NotACertificate)?;
        Self::from_outer(outer)
    }

    fn from_outer(outer: Outer) -> Result<Self, CertificateError> {
        if outer.certificate.len() > Self::MAX_SIZE {
            return Err(CertificateError::TooLarge);
        }
        let signature = base32::decode_array(&outer.signature);
        Ok(Self {
            text: outer.certificate,
            signature: signature.map_err(|_| CertificateError::BadSignatureText)?,
        })
    }

    /// Makes the JSON that announcements carry.
    pub fn to_json(&self) -> serde_json::Value {
        let outer = Outer {
            certificate: self.text.clone(),
            signature: base32::encode(&self.signature),
        };
        serde_json::to_value(outer).expect("texts are JSON")
    }

    /// Writes the file, without a line end.
    pub fn to_text(&self) -> String {
        indented_json(&self.to_json())
    }

    /// Checks the signature and reads what was signed. Whether it has expired is left to the caller.
    pub fn verify(&self, grid_manager: &VerifyingKey) -> Result<Certificate, CertificateError> {
        if !grid_manager.verify(self.text.as_bytes(), &self.signature) {
            return Err(CertificateError::BadSignature);
        }
        self.read()
    }

    fn read(&self) -> Result<Certificate, CertificateError> {
        let malformed = CertificateError::Malformed;
        let inner: Inner = serde_json::from_str(&self.text).map_err(|_| malformed)?;
        if inner.version != VERSION {
            return Err(CertificateError::UnknownVersion(inner.version));
        }
        Ok(Certificate {
            server: VerifyingKey::from_text(&inner.public_key).map_err(|_| malformed)?,
            expires: OffsetDateTime::parse(&inner.expires, &Rfc3339).map_err(|_| malformed)?,
        })
    }
}

impl Certificate {
    /// The time of expiry as the reference shows it: `2027-01-31 12:00:00.123456+00:00`.
    pub fn expires_text(&self) -> String {
        python_time(self.expires, ' ')
    }
}

/// A moment as Python's `datetime` spells it: microseconds, unless there are none.
fn python_time(time: OffsetDateTime, separator: char) -> String {
    let date = format_description!("[year]-[month]-[day]");
    let clock = format_description!("[hour]:[minute]:[second]");
    let offset = format_description!("[offset_hour sign:mandatory]:[offset_minute]");
    let format = |description: &_| time.format(description).expect("every part is there");
    let fraction = match time.microsecond() {
        0 => String::new(),
        microseconds => format!(".{microseconds:06}"),
    };
    let (date, clock, offset) = (format(&date), format(&clock), format(&offset));
    format!("{date}{separator}{clock}{fraction}{offset}")
}
