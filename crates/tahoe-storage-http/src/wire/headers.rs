//! The headers that carry secrets and types of content.

use crate::Swissnum;
use data_encoding::BASE64;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq as _;
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, UploadSecret, WriteEnabler, hash,
};

/// Type of CBOR messages.
pub const CBOR: &str = "application/cbor";
/// Type of share data.
pub const OCTET_STREAM: &str = "application/octet-stream";
/// Carries one secret each.
pub const SECRET: HeaderName = HeaderName::from_static("x-tahoe-authorization");
/// What the server says of a wrong swissnum; other refused secrets have no text.
pub const WRONG_SWISSNUM: &str = "Wrong Authorization header";

/// The kinds of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// Renews a lease.
    LeaseRenew,
    /// Cancels a lease.
    LeaseCancel,
    /// Belongs to an upload.
    Upload,
    /// Belongs to a slot.
    WriteEnabler,
}

impl SecretKind {
    const ALL: [Self; 4] = [
        Self::LeaseRenew,
        Self::LeaseCancel,
        Self::Upload,
        Self::WriteEnabler,
    ];

    /// The name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeaseRenew => "lease-renew-secret",
            Self::LeaseCancel => "lease-cancel-secret",
            Self::Upload => "upload-secret",
            Self::WriteEnabler => "write-enabler",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Secrets are missing, unknown, malformed or not wanted. Holds none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A header isn't a known name, a space and Base64.
    #[error("malformed X-Tahoe-Authorization header")]
    Malformed,
    /// A secret has no bytes.
    #[error("failed to decode secret {0}")]
    Empty(&'static str),
    /// A secret has a length of its own.
    #[error("the secret {0} must be 32 bytes long")]
    WrongLength(&'static str),
    /// Not exactly the wanted secrets were sent.
    #[error("expected exactly the secrets {expected:?} in X-Tahoe-Authorization headers")]
    NotTheExpected {
        /// Names of those that the call takes.
        expected: Vec<&'static str>,
    },
}

/// The secrets that came with a request, still as bytes.
#[derive(Default)]
pub struct Secrets([Option<Vec<u8>>; 4]);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl Secrets {
    /// Reads the secrets of a request, which must be exactly those of the `expected` kinds.
    ///
    /// Of a kind that is sent twice the last one counts.
    pub fn from_headers(
        headers: &HeaderMap,
        expected: &[SecretKind],
    ) -> Result<Self, SecretsError> {
        let mut secrets = Self::default();
        for header in headers.get_all(SECRET) {
            let (kind, secret) = parse_secret(header.as_bytes())?;
            secrets.0[kind as usize] = Some(secret);
        }
        for kind in SecretKind::ALL {
            if secrets.0[kind as usize].is_some() != expected.contains(&kind) {
                let expected = expected.iter().map(|kind| kind.name()).collect();
                return Err(SecretsError::NotTheExpected { expected });
            }
        }
        Ok(secrets)
    }

    fn bytes(&self, kind: SecretKind) -> &[u8] {
        self.0[kind as usize].as_deref().unwrap_or_default()
    }

    fn array<const N: usize>(&self, kind: SecretKind) -> Result<[u8; N], SecretsError> {
        let wrong = |_| SecretsError::WrongLength(kind.name());
        self.bytes(kind).try_into().map_err(wrong)
    }

    /// The lease secrets, if they were expected.
    pub fn lease(&self) -> Result<LeaseSecrets, SecretsError> {
        Ok(LeaseSecrets {
            renew: LeaseRenewSecret::from_bytes(self.array(SecretKind::LeaseRenew)?),
            cancel: LeaseCancelSecret::from_bytes(self.array(SecretKind::LeaseCancel)?),
        })
    }

    /// The upload secret, if it was expected.
    ///
    /// The protocol lets it have any length and only ever compares it, so one of another length
    /// than ours is replaced by its hash.
    pub fn upload(&self) -> UploadSecret {
        let bytes = self.bytes(SecretKind::Upload);
        UploadSecret::from_bytes(bytes.try_into().unwrap_or_else(|_| {
            let mut hasher = hash::TaggedHasher::new(b"tahoe-rust upload secret of other length");
            hasher.update(bytes);
            hasher.finish_truncated()
        }))
    }

    /// The write enabler, if it was expected.
    pub fn write_enabler(&self) -> Result<WriteEnabler, SecretsError> {
        let bytes = self.array(SecretKind::WriteEnabler)?;
        Ok(WriteEnabler::from_bytes(bytes))
    }
}

/// Reads `NAME BASE64`.
fn parse_secret(header: &[u8]) -> Result<(SecretKind, Vec<u8>), SecretsError> {
    let text = std::str::from_utf8(header).map_err(|_| SecretsError::Malformed)?;
    let (name, value) = text.trim().split_once(' ').ok_or(SecretsError::Malformed)?;
    let kind = SecretKind::from_name(name).ok_or(SecretsError::Malformed)?;
    let secret = BASE64.decode(value.trim().as_bytes());
    let secret = secret.map_err(|_| SecretsError::Malformed)?;
    match kind {
        _ if secret.is_empty() => Err(SecretsError::Empty(kind.name())),
        SecretKind::LeaseRenew | SecretKind::LeaseCancel if secret.len() != 32 => {
            Err(SecretsError::WrongLength(kind.name()))
        }
        _ => Ok((kind, secret)),
    }
}

/// Writes the header of a secret.
pub fn secret_header(kind: SecretKind, secret: &[u8]) -> HeaderValue {
    sensitive(format!("{} {}", kind.name(), BASE64.encode(secret)))
}

/// Writes the `Authorization` header of a swissnum.
pub fn authorization_header(swissnum: &Swissnum) -> HeaderValue {
    let swissnum = BASE64.encode(swissnum.as_str().as_bytes());
    sensitive(format!("Tahoe-LAFS {swissnum}"))
}

fn sensitive(text: String) -> HeaderValue {
    let mut header = HeaderValue::try_from(text).expect("words and Base64");
    header.set_sensitive(true);
    header
}

/// Compares a request's authorization with the right one, in constant time.
///
/// A wrong one is 401; one that isn't text is 400, as with the reference.
pub fn check_authorization(headers: &HeaderMap, expected: &HeaderValue) -> Result<(), StatusCode> {
    let given = headers.get(AUTHORIZATION);
    let given = given.map(HeaderValue::as_bytes).unwrap_or_default();
    if std::str::from_utf8(given).is_err() {
        return Err(StatusCode::BAD_REQUEST);
    }
    if bool::from(given.ct_eq(expected.as_bytes())) {
        Ok(())
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

/// The `Content-Type` without its parameters; `None` if there is none.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(CONTENT_TYPE)?.to_str().unwrap_or("?");
    let media_type = header.split(';').next().unwrap_or_default();
    Some(media_type.trim_matches([' ', '\t'])).filter(|media_type| !media_type.is_empty())
}

/// Says whether a request wants CBOR: it has no `Accept` header or CBOR is its first choice.
///
/// Wildcards aren't CBOR, as with the reference.
pub fn accepts_cbor(headers: &HeaderMap) -> bool {
    let Some(header) = headers.get(ACCEPT) else {
        return true;
    };
    let Ok(header) = header.to_str() else {
        return false;
    };
    let mut best: Option<(&str, f32)> = None;
    for item in header.split(',') {
        let Some((media_type, quality)) = parse_accepted(item) else {
            continue;
        };
        let better = |(old, old_quality): (&str, f32)| {
            (media_type != "*", quality) > (old != "*", old_quality)
        };
        if best.is_none_or(better) {
            best = Some((media_type, quality));
        }
    }
    best.is_some_and(|(media_type, _)| media_type == CBOR)
}

/// Reads `TYPE;q=QUALITY`; a type with other parameters is returned with them.
fn parse_accepted(item: &str) -> Option<(&str, f32)> {
    let item = item.trim_matches([' ', '\t']);
    let Some((media_type, parameter)) = item.split_once(';') else {
        return (!item.is_empty()).then_some((item, 1.0));
    };
    let Some((name, quality)) = parameter.split_once('=') else {
        return Some((media_type.trim_end(), 1.0));
    };
    if !name.trim().eq_ignore_ascii_case("q") {
        return Some((item, 1.0));
    }
    let quality: f32 = quality.trim().parse().ok()?;
    (0.0..=1.0)
        .contains(&quality)
        .then_some((media_type.trim_end(), quality))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn accepts_what_the_reference_accepts() {
        for (accept, expected) in [
            ("application/cbor", true),
            ("application/cbor, text/html", true),
            ("application/cbor;q=0", true),
            ("*, application/cbor", true),
            ("*/*", false),
            ("application/*", false),
            ("", false),
            ("text/html", false),
            ("text/html, application/cbor", false),
            ("application/cbor;q=0.5, text/html", false),
            ("application/cbor; q=2", false),
            ("application/cbor;x=y", false),
            ("APPLICATION/CBOR", false),
        ] {
            assert_eq!(
                accepts_cbor(&headers(ACCEPT, &[accept])),
                expected,
                "{accept}"
            );
        }
        assert!(accepts_cbor(&HeaderMap::new()));
    }

    #[test]
    fn content_types_lose_their_parameters() {
        for (header, expected) in [
            ("application/cbor", Some(CBOR)),
            ("application/cbor ; charset=x", Some(CBOR)),
            ("Application/CBOR", Some("Application/CBOR")),
            ("", None),
        ] {
            assert_eq!(content_type(&headers(CONTENT_TYPE, &[header])), expected);
        }
        assert_eq!(content_type(&HeaderMap::new()), None);
    }

    #[test]
    fn takes_exactly_the_expected_secrets() {
        use SecretKind::*;
        let renew = format!("lease-renew-secret {}", BASE64.encode(&[7; 32]));
        let cancel = format!("lease-cancel-secret {}", BASE64.encode(&[8; 32]));
        let upload = format!("upload-secret {}", BASE64.encode(&[9; 20]));
        let read = |values: &[&str], expected: &[SecretKind]| {
            Secrets::from_headers(&headers(SECRET, values), expected)
        };
        let all = [LeaseRenew, LeaseCancel, Upload];
        let secrets = read(&[&cancel, &renew, &upload], &all).unwrap();
        assert_eq!(secrets.lease().unwrap().renew.as_bytes(), &[7; 32]);
        assert_eq!(secrets.lease().unwrap().cancel.as_bytes(), &[8; 32]);
        assert_eq!(secrets.upload().as_bytes(), &[9; 20]);
        assert!(read(&[], &[]).is_ok());
        for (values, expected) in [
            (&[upload.as_str()][..], &[][..]),
            (&[], &[Upload]),
            (&[&renew, &upload], &all),
            (&[&renew, &cancel, &upload], &[LeaseRenew, LeaseCancel]),
        ] {
            let error = read(values, expected).unwrap_err();
            assert!(
                matches!(error, SecretsError::NotTheExpected { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn refuses_malformed_secrets() {
        let short = format!("lease-renew-secret {}", BASE64.encode(&[7; 31]));
        for (value, expected) in [
            ("upload-secret", SecretsError::Malformed),
            ("upload-secret ", SecretsError::Malformed),
            ("upload-secret !!!!", SecretsError::Malformed),
            ("upload-secret YWI", SecretsError::Malformed),
            ("other-secret YWJj", SecretsError::Malformed),
            ("YWJj", SecretsError::Malformed),
            (&short, SecretsError::WrongLength("lease-renew-secret")),
        ] {
            let read = Secrets::from_headers(&headers(SECRET, &[value]), &[SecretKind::Upload]);
            assert_eq!(read.unwrap_err(), expected, "{value}");
        }
    }

    #[test]
    fn an_upload_secret_may_have_any_length() {
        let read = |bytes: &[u8]| {
            let header = secret_header(SecretKind::Upload, bytes);
            let header = header.to_str().unwrap().to_owned();
            let read = Secrets::from_headers(&headers(SECRET, &[&header]), &[SecretKind::Upload]);
            read.unwrap().upload()
        };
        assert_eq!(read(&[1; 20]).as_bytes(), &[1; 20]);
        assert_eq!(read(b"short"), read(b"short"));
        assert_ne!(read(b"short"), read(b"Short"));
    }

    #[test]
    fn only_the_right_swissnum_authorises() {
        let right = authorization_header(&Swissnum::new("abcdefghijklmnop").unwrap());
        assert_eq!(right, "Tahoe-LAFS YWJjZGVmZ2hpamtsbW5vcA==");
        for (value, expected) in [
            ("Tahoe-LAFS YWJjZGVmZ2hpamtsbW5vcA==", Ok(())),
            (
                "tahoe-lafs YWJjZGVmZ2hpamtsbW5vcA==",
                Err(StatusCode::UNAUTHORIZED),
            ),
            (
                "Tahoe-LAFS YWJjZGVmZ2hpamtsbW5vcB==",
                Err(StatusCode::UNAUTHORIZED),
            ),
            ("Tahoe-LAFS ", Err(StatusCode::UNAUTHORIZED)),
        ] {
            let headers = headers(AUTHORIZATION, &[value]);
            assert_eq!(check_authorization(&headers, &right), expected, "{value}");
        }
        let none = check_authorization(&HeaderMap::new(), &right);
        assert_eq!(none, Err(StatusCode::UNAUTHORIZED));
        let mut binary = HeaderMap::new();
        binary.insert(AUTHORIZATION, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        let refused = check_authorization(&binary, &right);
        assert_eq!(refused, Err(StatusCode::BAD_REQUEST));
    }

    proptest! {
        #[test]
        fn secrets_round_trip(secret in proptest::collection::vec(any::<u8>(), 1..64)) {
            let header = secret_header(SecretKind::Upload, &secret);
            let (kind, read) = parse_secret(header.as_bytes()).unwrap();
            prop_assert_eq!((kind, read), (SecretKind::Upload, secret));
        }

        #[test]
        fn any_header_is_read_or_refused(bytes: Vec<u8>) {
            drop(parse_secret(&bytes));
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                for name in [ACCEPT, CONTENT_TYPE, SECRET] {
                    let mut headers = HeaderMap::new();
                    headers.insert(name, value.clone());
                    let _ = accepts_cbor(&headers);
                    let _ = content_type(&headers);
                    drop(Secrets::from_headers(&headers, &[SecretKind::Upload]));
                }
            }
        }
    }
}
