use super::*;
use proptest::prelude::*;

fn signed() -> SignedFields {
    SignedFields {
        sequence_number: 5,
        root_hash: [6; 32],
        shares_needed: 3,
        shares_total: 10,
        segment_size: 12,
        data_length: 11,
    }
}

fn sdmf() -> SdmfHeader {
    SdmfHeader {
        signed: signed(),
        salt: [7; 16],
        signature: 0x6b + 2,
        share_hash_chain: 0x6b + 5,
        block_hash_tree: 0x6b + 5 + 34,
        share_data: 0x6b + 5 + 34 + 32,
        encrypted_private_key: 0x6b + 5 + 34 + 32 + 4,
        end: 0x6b + 5 + 34 + 32 + 4 + 6,
    }
}

fn mdmf() -> MdmfHeader {
    MdmfHeader {
        signed: signed(),
        encrypted_private_key: 0x7b,
        share_hash_chain: 1340,
        signature: 1340 + 34,
        public_key: 1340 + 34 + 256,
        public_key_end: 1340 + 34 + 256 + 294,
        share_data: 2167,
        block_hash_tree: 2187,
        end: 2219,
    }
}

fn sdmf_share() -> Vec<u8> {
    let mut share = sdmf().to_bytes();
    share.extend(b"PKSIG");
    share.extend([0, 9]);
    share.extend([8; 32]);
    share.extend([4; 32]);
    share.extend(b"DATAsecret");
    share
}

#[test]
fn headers_have_the_documented_lengths() {
    assert_eq!(sdmf().to_bytes().len() as u64, SdmfHeader::LENGTH);
    assert_eq!(mdmf().to_bytes().len() as u64, MdmfHeader::LENGTH);
    assert_eq!(
        (sdmf().checkstring().len(), sdmf().signed_prefix().len()),
        (57, 75)
    );
    assert_eq!(
        (mdmf().checkstring().len(), mdmf().signed_prefix().len()),
        (41, 59)
    );
}

#[test]
fn sdmf_share_comes_apart() {
    let bytes = sdmf_share();
    let share = SdmfShare::parse(&bytes).unwrap();
    assert_eq!(share.header, sdmf());
    assert_eq!(
        (share.public_key, share.signature),
        (&b"PK"[..], &b"SIG"[..])
    );
    assert_eq!(share.share_hash_chain, [(9, [8; 32])]);
    assert_eq!(share.block_hash_tree, [[4; 32]]);
    let rest = (share.share_data, share.encrypted_private_key);
    assert_eq!(rest, (&b"DATA"[..], &b"secret"[..]));
}

#[test]
fn cut_shares_are_refused_everywhere() {
    let bytes = sdmf_share();
    for length in 0..bytes.len() {
        let found = SdmfShare::parse(&bytes[..length]);
        assert!(
            matches!(found, Err(MutableLayoutError::Truncated(_))),
            "{length}"
        );
    }
    let bytes = mdmf().to_bytes();
    for length in 0..bytes.len() {
        let found = MutableHeader::parse(&bytes[..length]);
        assert!(
            matches!(found, Err(MutableLayoutError::Truncated(_))),
            "{length}"
        );
    }
}

#[test]
fn unknown_version_is_refused() {
    let mut bytes = mdmf().to_bytes();
    bytes[0] = 2;
    let error = MutableLayoutError::UnknownVersion { version: 2 };
    assert_eq!(MutableHeader::parse(&bytes), Err(error));
    assert_eq!(SdmfHeader::parse(&bytes), Err(error));
    assert_eq!(MdmfHeader::parse(&bytes), Err(error));
}

#[test]
fn part_that_ends_before_it_begins_is_refused() {
    let mut header = sdmf();
    header.signature = 0x6a;
    let error = MutableLayoutError::BackwardPart {
        part: "public key",
        start: 0x6b,
        end: 0x6a,
    };
    assert_eq!(header.public_key_range(), Err(error));
    let mut header = mdmf();
    header.block_hash_tree = 0;
    assert!(header.share_data_range().is_err());
}

#[test]
fn broken_block_hash_tree_is_refused() {
    let mut header = sdmf();
    header.share_data += 1;
    let mut bytes = header.to_bytes();
    bytes.extend([0; 200]);
    assert_eq!(
        SdmfShare::parse(&bytes),
        Err(MutableLayoutError::BadBlockHashTree { length: 33 })
    );
}

#[test]
fn broken_share_hash_chain_is_refused() {
    let mut header = sdmf();
    header.block_hash_tree += 1;
    let mut bytes = header.to_bytes();
    bytes.extend([0; 200]);
    assert!(matches!(
        SdmfShare::parse(&bytes),
        Err(MutableLayoutError::BadShareHashChain(_))
    ));
}

proptest! {
    #[test]
    fn any_header_is_written_back(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 0u8..3) {
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        match MutableHeader::parse(&bytes) {
            Ok(MutableHeader::Sdmf(header)) => {
                prop_assert_eq!(&header.to_bytes()[..], &bytes[..0x6b]);
            }
            Ok(MutableHeader::Mdmf(header)) => {
                prop_assert_eq!(&header.to_bytes()[..], &bytes[..0x7b]);
            }
            Err(_) => {}
        }
        let _ = SdmfShare::parse(&bytes).is_ok();
        if let Ok(header) = MutableHeader::parse(&bytes)
            && let Ok(geometry) = MutableGeometry::of(&header)
        {
            let last = geometry.segment_count().saturating_sub(1);
            let parts = [
                header.block_hash_tree_range(&geometry),
                header.block_range(&geometry, 0),
                header.block_range(&geometry, last),
            ];
            prop_assert!(parts.into_iter().flatten().all(|part| part.start <= part.end));
        }
    }

    #[test]
    fn any_change_of_a_share_is_survived(at: usize, byte: u8) {
        let mut bytes = sdmf_share();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(share) = SdmfShare::parse(&bytes) {
            prop_assert_eq!(&share.header.to_bytes()[..], &bytes[..0x6b]);
        }
    }
}

fn encoding(k: u64, n: u64) -> crate::EncodingParameters {
    crate::EncodingParameters::new(k, n).unwrap()
}

#[test]
fn files_are_cut_as_the_reference_cuts_them() {
    for (size, segment_size, count) in
        [(0, 0, 0), (1, 3, 1), (10, 12, 1), (1_000_000, 1_000_002, 1)]
    {
        let geometry = MutableGeometry::for_sdmf(encoding(3, 10), size).unwrap();
        let found = (geometry.segment_size(), geometry.segment_count());
        assert_eq!(found, (segment_size, count), "{size}");
    }
    for (size, count) in [(0, 0), (1, 1), (131_073, 1), (131_074, 2), (1_000_000, 8)] {
        let geometry = MutableGeometry::for_mdmf(encoding(3, 10), size).unwrap();
        let found = (geometry.segment_size(), geometry.segment_count());
        assert_eq!(found, (131_073, count), "{size}");
    }
    // Two whole blocks and one of 20 bytes, each after its salt.
    let geometry = MutableGeometry::for_mdmf(encoding(3, 10), 2 * 131_073 + 58).unwrap();
    assert_eq!(geometry.stored_range(1).unwrap(), 43_707..87_414);
    assert_eq!(geometry.stored_range(2).unwrap(), 87_414..87_450);
    assert_eq!(geometry.share_data_length(), 87_450);
    assert!(geometry.stored_range(3).is_err());
}

#[test]
fn shares_are_built_as_they_are_read() {
    let chain = [(2, [5; 32]), (9, [8; 32])];
    let tree = [[4; 32]];
    let parts = ShareParts {
        public_key: b"public",
        signature: b"signature",
        encrypted_private_key: b"private",
        share_hash_chain: &chain,
        block_hash_tree: &tree,
    };
    let header = SdmfHeader::for_share(signed(), [7; 16], &parts, 4).unwrap();
    let bytes = header.share_bytes(&parts, b"DATA");
    let share = SdmfShare::parse(&bytes).unwrap();
    assert_eq!((share.header, bytes.len() as u64), (header, header.end));
    assert_eq!(share.public_key, parts.public_key);
    assert_eq!(share.signature, parts.signature);
    assert_eq!(share.share_hash_chain, chain);
    assert_eq!(share.block_hash_tree, tree);
    assert_eq!(share.share_data, b"DATA");
    assert_eq!(share.encrypted_private_key, parts.encrypted_private_key);

    let geometry = MutableGeometry::for_mdmf(encoding(3, 10), 11).unwrap();
    let header = MdmfHeader::for_share(signed(), &parts, &geometry).unwrap();
    let bytes = header.leading_bytes(&parts);
    assert_eq!(MdmfHeader::parse(&bytes), Ok(header));
    let part = |range: Range<u64>| {
        let range = range.start.try_into().unwrap()..range.end.try_into().unwrap();
        &bytes[range]
    };
    assert_eq!(part(header.public_key_range().unwrap()), b"public");
    assert_eq!(part(header.signature_range().unwrap()), b"signature");
    let key = header.encrypted_private_key_range().unwrap();
    assert_eq!(part(key), b"private");
    assert_eq!(header.share_data_range().unwrap(), 0x877..0x877 + 20);
    assert_eq!(header.end, 0x877 + 20 + 32);
    let long = ShareParts {
        encrypted_private_key: &[0; 2000],
        ..parts
    };
    assert!(MdmfHeader::for_share(signed(), &long, &geometry).is_err());
}

#[test]
fn several_sdmf_segments_are_refused() {
    let mut header = sdmf();
    header.signed.segment_size = 6;
    let refused = MutableGeometry::of(&MutableHeader::Sdmf(header));
    let error = MutableLayoutError::SeveralSegments {
        segment_size: 6,
        data_length: 11,
    };
    assert_eq!(refused, Err(error));
    header.signed.shares_needed = 0;
    assert!(MutableGeometry::of(&MutableHeader::Sdmf(header)).is_err());
}
