use super::*;
use crate::EncodingParameters;
use proptest::prelude::*;

fn geometry(k: u64, n: u64, size: u64, max: u64) -> SegmentGeometry {
    SegmentGeometry::for_upload(EncodingParameters::new(k, n).unwrap(), size, max).unwrap()
}

fn sample() -> UriExtension {
    let hashes = FileHashes {
        crypttext_hash: [1; 32],
        crypttext_root_hash: [2; 32],
        share_root_hash: [3; 32],
    };
    UriExtension::new(&geometry(3, 10, 300_000, 131_072), hashes)
}

#[test]
fn fields_are_sorted_netstrings() {
    let mut expected = b"codec_name:3:crs,codec_params:11:131073-3-10,crypttext_hash:32:".to_vec();
    expected.extend([1; 32]);
    expected.extend(b",crypttext_root_hash:32:");
    expected.extend([2; 32]);
    expected.extend(b",needed_shares:1:3,num_segments:1:3,segment_size:6:131073,");
    expected.extend(b"share_root_hash:32:");
    expected.extend([3; 32]);
    expected.extend(b",size:6:300000,tail_codec_params:10:37854-3-10,total_shares:2:10,");
    assert_eq!(sample().to_bytes(), expected);
    assert_eq!(UriExtension::parse(&expected).unwrap(), sample());
    let length = UriExtension::length_for(&geometry(3, 10, 300_000, 131_072));
    assert_eq!(length, expected.len() as u64);
}

/// Replaces the first occurrence of one byte string by another.
fn edited(from: &[u8], to: &[u8]) -> Vec<u8> {
    let bytes = sample().to_bytes();
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn check_refused(bytes: &[u8], expected: UriExtensionError) {
    assert_eq!(UriExtension::parse(bytes), Err(expected));
}

#[test]
fn refuses_missing_root_hash() {
    let field = "crypttext_root_hash";
    check_refused(
        &edited(b"crypttext_root_hash", b"crypttext_ROOT_hash"),
        UriExtensionError::Missing { field },
    );
}

#[test]
fn refuses_missing_segment_size() {
    let field = "segment_size";
    check_refused(
        &edited(b"segment_size:6:131073,", b""),
        UriExtensionError::Missing { field },
    );
}

#[test]
fn refuses_short_hash() {
    let field = "share_root_hash";
    let mut three = b"share_root_hash:32:".to_vec();
    three.extend([3; 32]);
    check_refused(
        &edited(&three, b"share_root_hash:3:333"),
        UriExtensionError::BadValue { field },
    );
}

#[test]
fn refuses_numbers_that_are_not_decimal() {
    for bad in ["-3", "+3", " 3", "3x", "0x3", "99999999999999999999999"] {
        let value = format!("needed_shares:{}:{bad},", bad.len());
        check_refused(
            &edited(b"needed_shares:1:3,", value.as_bytes()),
            UriExtensionError::BadValue {
                field: "needed_shares",
            },
        );
    }
}

#[test]
fn refuses_duplicate_key() {
    check_refused(
        &edited(b"codec_name:3:crs,", b"codec_name:3:crs,codec_name:3:crs,"),
        UriExtensionError::DuplicateKey { offset: 17 },
    );
}

#[test]
fn refuses_trailing_garbage_and_truncation() {
    let mut bytes = sample().to_bytes();
    bytes.push(b'x');
    let offset = bytes.len() - 1;
    check_refused(&bytes, UriExtensionError::BadKey { offset });
    let complete_at = bytes.windows(6).position(|w| w == b",size:").unwrap();
    for length in 1..=complete_at {
        assert!(UriExtension::parse(&bytes[..length]).is_err(), "{length}");
    }
    assert!(UriExtension::parse(b"").is_err());
}

#[test]
fn refuses_ridiculous_length() {
    let long = edited(b"size:6:300000,", format!("x:1700:{:1700},", "").as_bytes());
    let length = long.len() as u64;
    check_refused(&long, UriExtensionError::TooLong { length });
}

#[test]
fn keeps_unknown_keys() {
    let bytes = edited(b"segment_size", b"plaintext_hash:2:ab,segment_size");
    let parsed = UriExtension::parse(&bytes).unwrap();
    assert_eq!(parsed.other["plaintext_hash"], b"ab");
    assert_eq!(parsed.to_bytes(), bytes);
}

#[test]
fn a_reader_needs_only_three_fields() {
    let mut minimal = sample();
    minimal.codec_name = None;
    minimal.codec_params = None;
    minimal.tail_codec_params = None;
    minimal.size = None;
    minimal.num_segments = None;
    minimal.needed_shares = None;
    minimal.total_shares = None;
    minimal.crypttext_hash = None;
    let parsed = UriExtension::parse(&minimal.to_bytes()).unwrap();
    assert_eq!(parsed, minimal);
    assert!(
        parsed
            .check_against(&geometry(3, 10, 300_000, 131_072))
            .is_ok()
    );
}

#[test]
fn notices_every_contradiction() {
    const WRONG: CodecParameters = CodecParameters {
        segment_size: 131_073,
        shares_needed: 3,
        shares_total: 11,
    };
    let right = geometry(3, 10, 300_000, 131_072);
    assert_eq!(sample().check_against(&right), Ok(()));
    type Break = fn(&mut UriExtension);
    let break_field: [(&str, Break); 8] = [
        ("codec_name", |u| u.codec_name = Some(b"xor".to_vec())),
        ("codec_params", |u| u.codec_params = Some(WRONG)),
        ("tail_codec_params", |u| u.tail_codec_params = Some(WRONG)),
        ("size", |u| u.size = Some(1)),
        ("segment_size", |u| u.segment_size = 3),
        ("num_segments", |u| u.num_segments = Some(4)),
        ("needed_shares", |u| u.needed_shares = Some(4)),
        ("total_shares", |u| u.total_shares = Some(0)),
    ];
    for (field, break_it) in break_field {
        let mut wrong = sample();
        break_it(&mut wrong);
        assert_eq!(
            wrong.check_against(&right),
            Err(UriExtensionError::Inconsistent { field })
        );
    }
}

proptest! {
    #[test]
    fn round_trips(k in 1u64..=256, extra in 0u64..256, size in 1u64.., max in 1u64..) {
        let n = (k + extra).min(256);
        let encoding = EncodingParameters::new(k, n).unwrap();
        if let Ok(geometry) = SegmentGeometry::for_upload(encoding, size, max) {
            let hashes = FileHashes {
                crypttext_hash: [1; 32],
                crypttext_root_hash: [2; 32],
                share_root_hash: [3; 32],
            };
            let block = UriExtension::new(&geometry, hashes);
            let bytes = block.to_bytes();
            prop_assert_eq!(bytes.len() as u64, UriExtension::length_for(&geometry));
            prop_assert_eq!(block.check_against(&geometry), Ok(()));
            prop_assert_eq!(UriExtension::parse(&bytes).unwrap(), block);
        }
    }

    #[test]
    fn whatever_parses_survives_rewriting(at in 0usize..400, byte: u8) {
        let mut bytes = sample().to_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(parsed) = UriExtension::parse(&bytes) {
            let again = UriExtension::parse(&parsed.to_bytes()).unwrap();
            prop_assert_eq!(again, parsed);
        }
    }
}
