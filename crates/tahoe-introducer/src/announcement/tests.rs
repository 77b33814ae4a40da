use super::*;
use serde_json::json;

fn announcement(fields: Value) -> Announcement {
    let Value::Object(fields) = fields else {
        panic!("an object")
    };
    Announcement::from_fields(fields).unwrap()
}

fn sample() -> Announcement {
    announcement(
        json!({"service-name": "storage", "nickname": "Zoë", "seqnum": 7,
        "anonymous-storage-FURL": "pb://a@b/secret"}),
    )
}

#[test]
fn what_was_signed_is_read_back() {
    let key = SigningKey::from_seed(&[1; 32]);
    let signed = SignedAnnouncement::sign(&sample(), &key);
    let (message, signature, by) = signed.parts();
    let again =
        SignedAnnouncement::from_parts(message, signature.as_bytes(), by.as_bytes()).unwrap();
    assert_eq!(again, signed);
    let (id, read) = again.verify().unwrap();
    assert_eq!((id, read), (key.verifying_key().server_id(), sample()));
    assert!(!format!("{signed:?} {:?}", sample()).contains("secret"));
}

/// Made and checked by the reference's `sign_to_foolscap` and `unsign_from_foolscap`.
#[test]
fn reads_the_reference_s() {
    let lines: Vec<&str> = include_str!("../../tests/data/reference-announcement.txt")
        .lines()
        .collect();
    let [message, signature, key] = lines[..] else {
        panic!("three lines")
    };
    let parts = (message.as_bytes(), signature.as_bytes(), key.as_bytes());
    let signed = SignedAnnouncement::from_parts(parts.0, parts.1, parts.2).unwrap();
    let (id, read) = signed.verify().unwrap();
    assert_eq!(id.as_str(), key);
    assert_eq!(read.text("nickname"), "reference ☃");
    assert_eq!((read.service_name(), read.seqnum()), ("storage", Some(3)));
}

#[test]
fn a_changed_announcement_is_not_believed() {
    let key = SigningKey::from_seed(&[1; 32]);
    let signed = SignedAnnouncement::sign(&sample(), &key);
    let (message, signature, by) = signed.parts();
    let check = |message: &[u8], signature: &str, by: &str, expected| {
        let read = SignedAnnouncement::from_parts(message, signature.as_bytes(), by.as_bytes())
            .and_then(|signed| signed.verify());
        assert_eq!(read.err(), Some(expected), "{signature} {by}");
    };
    let mut changed = message.to_vec();
    changed[20] ^= 1;
    check(&changed, signature, by, AnnouncementError::BadSignature);
    let other = SigningKey::from_seed(&[2; 32]).verifying_key().server_id();
    check(
        message,
        signature,
        other.as_str(),
        AnnouncementError::BadSignature,
    );
    for bad in [
        "",
        "v0-",
        "v1-abc",
        &signature[3..],
        &format!("{signature}a"),
    ] {
        check(message, bad, by, AnnouncementError::UnknownKey);
    }
    check(message, signature, "", AnnouncementError::UnknownKey);
    let long = vec![b' '; Announcement::MAX_SIZE + 1];
    check(&long, signature, by, AnnouncementError::TooLarge);
}

#[test]
fn what_was_signed_must_be_an_announcement() {
    let key = SigningKey::from_seed(&[1; 32]);
    let long = format!(r#"{{"service-name": "{}"}}"#, "x".repeat(101));
    for text in [
        "",
        "7",
        "[]",
        "{}",
        r#"{"service-name": 1}"#,
        &long,
        "{\"a\": NaN}",
    ] {
        let signature = format!("v0-{}", base32::encode(&key.sign(text.as_bytes())));
        let id = key.verifying_key().server_id();
        let (message, signature) = (text.as_bytes(), signature.as_bytes());
        let signed = SignedAnnouncement::from_parts(message, signature, id.as_str().as_bytes());
        let read = signed.unwrap().verify();
        assert_eq!(read.err(), Some(AnnouncementError::Malformed), "{text}");
    }
}
