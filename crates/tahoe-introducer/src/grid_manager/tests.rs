use super::*;
use std::time::{Duration, SystemTime};
use tahoe_crypto::{SigningKey, VerifyingKey};
use time::OffsetDateTime;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32])
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn certify(manager: u8, server: u8, expires: i64) -> SignedCertificate {
    let server = key(server).verifying_key();
    let expires = at(expires);
    SignedCertificate::sign(&key(manager), &Certificate { server, expires })
}

/// Written by the reference's `grid-manager` and checked with its own functions.
const REFERENCE: &str = include_str!("../../tests/data/reference.cert");
const REFERENCE_CONFIG: &str = include_str!("../../tests/data/reference-grid-manager.json");

#[test]
fn reads_the_reference_s_files() {
    let manager = GridManager::parse(REFERENCE_CONFIG).unwrap();
    assert_eq!(format!("{}\n", *manager.to_text()), REFERENCE_CONFIG);
    let certificate = SignedCertificate::parse(REFERENCE).unwrap();
    assert_eq!(certificate.to_text(), REFERENCE);
    let checked = certificate.verify(&manager.public_key()).unwrap();
    let (name, server) = &manager.servers()[0];
    assert_eq!((name.as_str(), &checked.server), ("storage zoë", server));
    let again = SignedCertificate::sign(&reference_key(), &checked);
    assert_eq!(again, certificate, "Ed25519 signatures are reproducible");
}

fn reference_key() -> SigningKey {
    let config: serde_json::Value = serde_json::from_str(REFERENCE_CONFIG).unwrap();
    SigningKey::from_text(config["private_key"].as_str().unwrap()).unwrap()
}

#[test]
fn times_are_spelled_as_python_does() {
    let expires = at(1_800_000_000) + Duration::from_nanos(7_000);
    let server = key(2).verifying_key();
    let certificate = Certificate { server, expires };
    assert_eq!(
        certificate.expires_text(),
        "2027-01-15 08:00:00.000007+00:00"
    );
    let expires = at(1_800_000_000);
    let signed = SignedCertificate::sign(&key(1), &Certificate { server, expires });
    assert!(
        signed
            .to_text()
            .contains(r#"{\"expires\":\"2027-01-15T08:00:00+00:00\",\"public_key\""#)
    );
}

#[test]
fn only_the_grid_manager_s_own_signature_counts() {
    let signed = certify(1, 2, 100);
    assert!(signed.verify(&key(1).verifying_key()).is_ok());
    let by_another = signed.verify(&key(3).verifying_key());
    assert_eq!(by_another, Err(CertificateError::BadSignature));
    let changed = signed.to_text().replace("1970", "2970");
    let changed = SignedCertificate::parse(&changed).unwrap();
    let checked = changed.verify(&key(1).verifying_key());
    assert_eq!(checked, Err(CertificateError::BadSignature));
}

#[test]
fn what_is_no_certificate_is_refused() {
    let good = certify(1, 2, 100).to_text();
    let check = |text: &str, expected| {
        assert_eq!(SignedCertificate::parse(text), Err(expected), "{text}");
    };
    check("", CertificateError::NotACertificate);
    check("[]", CertificateError::NotACertificate);
    check("{}", CertificateError::NotACertificate);
    check(
        r#"{"certificate": "{}"}"#,
        CertificateError::NotACertificate,
    );
    let more = good.replacen('{', "{\"more\": 1,", 1);
    check(&more, CertificateError::NotACertificate);
    let short = r#"{"certificate": "{}", "signature": "abc"}"#;
    check(short, CertificateError::BadSignatureText);
    let long = format!("{good}{}", " ".repeat(SignedCertificate::MAX_SIZE));
    check(&long, CertificateError::TooLarge);
}

/// A text signed by manager 1 whatever it says.
fn signed(text: &str) -> SignedCertificate {
    let signature = tahoe_encoding::base32::encode(&key(1).sign(text.as_bytes()));
    let json = serde_json::json!({"certificate": text, "signature": signature});
    SignedCertificate::from_json(&json).unwrap()
}

#[test]
fn what_was_signed_must_make_sense() {
    let server = key(2).verifying_key();
    let check = |text: String, expected| {
        let checked = signed(&text).verify(&key(1).verifying_key());
        assert_eq!(checked.err(), expected, "{text}");
    };
    let with = |expires: &str, version: u64| {
        format!(r#"{{"expires":"{expires}","public_key":"{server}","version":{version}}}"#)
    };
    check(with("2027-01-15T08:00:00.5+02:00", 1), None);
    let unknown = CertificateError::UnknownVersion(2);
    check(with("2027-01-15T08:00:00+00:00", 2), Some(unknown));
    let malformed = Some(CertificateError::Malformed);
    // Without an offset nobody knows when that is.
    check(with("2027-01-15T08:00:00", 1), malformed);
    check(with("soon", 1), malformed);
    check("{}".to_owned(), malformed);
    check("no JSON".to_owned(), malformed);
}

#[test]
fn a_permit_ends_with_the_last_certificate() {
    let server = key(2).verifying_key().server_id();
    let managers: Vec<VerifyingKey> = vec![key(1).verifying_key(), key(5).verifying_key()];
    let permit =
        |certificates: &[SignedCertificate]| UploadPermit::new(&managers, certificates, &server);
    assert_eq!(permit(&[]), UploadPermit::Refused);
    assert_eq!(permit(&[certify(1, 3, 100)]), UploadPermit::Refused);
    assert_eq!(permit(&[certify(4, 2, 100)]), UploadPermit::Refused);
    let several = [
        certify(1, 2, 100),
        certify(5, 2, 200),
        certify(4, 2, 900),
        certify(5, 3, 900),
    ];
    let valid = permit(&several);
    assert_eq!(valid, UploadPermit::Until(at(200)));
    assert!(valid.is_valid_at(moment(199)));
    assert!(!valid.is_valid_at(moment(200)));
    assert!(!UploadPermit::Refused.is_valid_at(moment(0)));
    let unmanaged = UploadPermit::new(&[], &several, &server);
    assert!(unmanaged.is_valid_at(moment(u32::MAX.into())));
}

#[test]
fn servers_have_one_name_each() {
    let mut manager = GridManager::new(key(1));
    manager.add("alice", key(2).verifying_key()).unwrap();
    let again = manager.add("alice", key(3).verifying_key());
    let expected = GridManagerError::AlreadyThere("alice".to_owned());
    assert_eq!(again, Err(expected));
    for bad in ["", "a/b", "/", "a\0"] {
        let added = manager.add(bad, key(3).verifying_key());
        assert_eq!(added, Err(GridManagerError::BadName(bad.to_owned())));
    }
    assert!(manager.sign("alice", at(100)).is_ok());
    assert!(matches!(
        manager.sign("bob", at(100)),
        Err(GridManagerError::Unknown(_))
    ));
    let again = GridManager::parse(&manager.to_text()).unwrap();
    assert_eq!(again.servers(), manager.servers());
    assert_eq!(again.public_key(), manager.public_key());
    manager.remove("alice").unwrap();
    assert!(manager.remove("alice").is_err());
    assert!(!manager.to_text().contains("storage_servers"));
    assert!(!format!("{manager:?}").contains("priv-v0"));
}

#[test]
fn broken_configurations_say_what_is_wrong() {
    let private = key(1).to_text();
    let check = |text: &str, expected: &str| {
        let error = GridManager::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    };
    check("x", "it is not JSON");
    check("{}", "Missing or unknown version 'None'");
    let version = r#""grid_manager_config_version": "#;
    check(&format!("{{{version}1}}"), "Missing or unknown version '1'");
    check(&format!("{{{version}0}}"), "'private_key' required");
    check(
        &format!(r#"{{{version}0, "private_key": "x"}}"#),
        "Invalid Grid Manager private_key",
    );
    let with = |servers: &str| {
        format!(r#"{{{version}0, "private_key": "{private}", "storage_servers": {servers}}}"#)
    };
    check(
        &with(r#"{"a": {}}"#),
        "No 'public_key' for storage server 'a'",
    );
    check(
        &with(r#"{"a": {"public_key": "pub-v0-x"}}"#),
        "Invalid 'public_key' for storage server 'a'",
    );
}
