use super::*;

#[test]
fn leftover_keys_are_shown_last() {
    let hashes = crate::FileHashes {
        crypttext_hash: [1; 32],
        crypttext_root_hash: [2; 32],
        share_root_hash: [3; 32],
    };
    let encoding = crate::EncodingParameters::new(1, 1).unwrap();
    let geometry = crate::SegmentGeometry::for_upload(encoding, 60, 60).unwrap();
    let mut block = UriExtension::new(&geometry, hashes);
    for (key, value) in [
        ("plaintext_hash", b"\xff\xff"),
        ("zebra", b"no"),
        ("a_hash", b"\0\0"),
    ] {
        block.other.insert(key.to_owned(), value.to_vec());
    }
    let description = ImmutableDescription {
        layout: ShareLayout::for_upload(&geometry).unwrap(),
        uri_extension_length: 9,
        uri_extension_hash: UriExtension::hash_of(b""),
        uri_extension: block,
    };
    let contents = description.contents(Some("CAP"));
    assert!(contents.contains("\n      plaintext_hash: 777q\n      crypttext_hash: "));
    let end = "\nLEFTOVER:\n              a_hash: aaaa\n               zebra: no\n          \
               verify-cap: CAP\n\n Size of data within the share:\n";
    assert!(contents.contains(end), "{contents}");
}

#[test]
fn an_unreadable_share_is_an_error() {
    let mut read = |_: Range<u64>| Err(io::Error::other("gone"));
    assert!(matches!(
        ImmutableDescription::read(&mut read),
        Err(DescribeError::Read(_))
    ));
    assert!(matches!(
        MutableDescription::read(&mut read),
        Err(DescribeError::Read(_))
    ));
}

#[test]
fn a_mutable_share_is_not_immutable() {
    let mut read =
        |range: Range<u64>| Ok(vec![0; usize::try_from(range.end - range.start).unwrap()]);
    assert!(matches!(
        ImmutableDescription::read(&mut read),
        Err(DescribeError::Layout(LayoutError::UnknownVersion {
            version: 0
        }))
    ));
    assert!(matches!(
        MutableDescription::read(&mut read),
        Err(DescribeError::MutableLayout(_))
    ));
}

#[test]
fn a_ridiculous_public_key_is_not_read() {
    let mut header = [0; 0x7b];
    header[0] = 1;
    header[0x5b] = 1; // where the public key ends
    header[0x73] = 2; // where the share ends
    let mut read = |range: Range<u64>| {
        assert_eq!(range, 0..0x7b, "nothing else is read");
        Ok(header.to_vec())
    };
    assert!(matches!(
        MutableDescription::read(&mut read),
        Err(DescribeError::RidiculousPublicKey { .. })
    ));
}
