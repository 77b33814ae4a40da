use super::*;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

fn joined(parts: Vec<Bytes>) -> Bytes {
    parts.concat().into()
}

fn hex(text: &str) -> Bytes {
    let digits: String = text.split_whitespace().collect();
    data_encoding::HEXLOWER
        .decode(digits.as_bytes())
        .unwrap()
        .into()
}

/// A message made of bytes and text literals.
fn raw(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

fn share_set() -> impl Strategy<Value = BTreeSet<ShareNumber>> {
    btree_set(any::<u8>().prop_map(ShareNumber), 0..30)
}

fn data() -> impl Strategy<Value = Bytes> {
    let size = prop_oneof![0..40usize, Just(4095), Just(4096), Just(70_000)];
    (size, any::<u8>()).prop_map(|(size, byte)| Bytes::from(vec![byte; size]))
}

fn vectors() -> impl Strategy<Value = TestWriteVectors> {
    let test =
        (any::<u64>(), any::<u64>(), data()).prop_map(|(offset, size, specimen)| TestVector {
            offset,
            size,
            specimen,
        });
    let write = (any::<u64>(), data()).prop_map(|(offset, data)| WriteVector { offset, data });
    let new_length = proptest::option::of(any::<u64>());
    (vec(test, 0..3), vec(write, 0..3), new_length).prop_map(|(tests, writes, new_length)| {
        TestWriteVectors {
            tests,
            writes,
            new_length,
        }
    })
}

fn change() -> impl Strategy<Value = ReadTestWrite> {
    let read =
        (any::<u64>(), any::<u64>()).prop_map(|(offset, length)| ShareRange { offset, length });
    let share = any::<u8>().prop_map(ShareNumber);
    (btree_map(share, vectors(), 0..4), vec(read, 0..31))
        .prop_map(|(vectors, reads)| ReadTestWrite { vectors, reads })
}

proptest! {
    #[test]
    fn sets_round_trip(already_have in share_set(), allocated in share_set(), size: u64) {
        let message = joined(encode_shares(&allocated));
        prop_assert_eq!(&decode_shares(&message).unwrap(), &allocated);
        let message = joined(encode_allocation_request(&allocated, size));
        let request = AllocationRequest { shares: allocated.clone(), share_size: size };
        prop_assert_eq!(decode_allocation_request(&message).unwrap(), request);
        let allocation = Allocation { already_have, allocated };
        let message = joined(encode_allocation(&allocation));
        prop_assert_eq!(decode_allocation(&message).unwrap(), allocation);
    }

    #[test]
    fn changes_round_trip(change in change()) {
        let message = joined(encode_change(&change));
        prop_assert_eq!(decode_change(&message).unwrap(), change);
    }

    #[test]
    fn outcomes_round_trip(
        success: bool,
        data in btree_map(any::<u8>().prop_map(ShareNumber), vec(data(), 0..4), 0..4),
    ) {
        let outcome = ReadTestWriteOutcome { success, data };
        let message = joined(encode_outcome(&outcome));
        prop_assert_eq!(decode_outcome(&message).unwrap(), outcome);
    }

    #[test]
    fn others_round_trip(reason in ".{1,100}", sizes: [u64; 3], mut bounds in btree_set(any::<u64>(), 0..20)) {
        let message = joined(encode_advice(&reason));
        prop_assert_eq!(decode_advice(&message).unwrap(), reason);
        let version = ServerVersion {
            maximum_immutable_share_size: sizes[0],
            maximum_mutable_share_size: sizes[1],
            available_space: sizes[2],
            application_version: "tahoe-lafs/1.20.0".to_owned(),
        };
        let message = joined(encode_version(&version));
        prop_assert_eq!(decode_version(&message).unwrap(), version);
        let mut missing = Vec::new();
        while let (Some(start), Some(end)) = (bounds.pop_first(), bounds.pop_first()) {
            missing.push(start..end);
        }
        let message = joined(encode_missing(&missing));
        prop_assert_eq!(decode_missing(&message).unwrap(), missing);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        decode_all(&bytes.into());
    }

    #[test]
    fn damaged_messages_are_read_or_refused(
        change in change(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end: prop::sample::Index,
    ) {
        let mut message = encode_change(&change).concat();
        for (index, byte) in damage {
            let index = index.index(message.len());
            message[index] = byte;
        }
        decode_all(&Bytes::copy_from_slice(&message));
        message.truncate(end.index(message.len()));
        prop_assert!(decode_change(&message.into()).is_err());
    }
}

fn decode_all(message: &Bytes) {
    drop(decode_version(message));
    drop(decode_allocation_request(message));
    drop(decode_allocation(message));
    drop(decode_missing(message));
    drop(decode_shares(message));
    drop(decode_advice(message));
    drop(decode_change(message));
    drop(decode_outcome(message));
}

#[test]
fn writes_what_the_reference_writes() {
    let shares = |numbers: &[u8]| numbers.iter().copied().map(ShareNumber).collect();
    let allocation = Allocation {
        already_have: BTreeSet::new(),
        allocated: shares(&[1, 2]),
    };
    let expected = raw(&[
        b"\xa2\x6calready-have\xd9\x01\x02\x80",
        b"\x69allocated\xd9\x01\x02\x82\x01\x02",
    ]);
    assert_eq!(joined(encode_allocation(&allocation)), expected);
    assert_eq!(joined(encode_shares(&BTreeSet::new())), hex("d9 0102 80"));
    let expected = raw(&[b"\xa1\x68required\x81\xa2\x65begin\x0a\x63end\x18\x64"]);
    let missing = std::slice::from_ref(&(10..100));
    assert_eq!(joined(encode_missing(missing)), expected);
    let outcome = ReadTestWriteOutcome {
        success: true,
        data: BTreeMap::from([(
            ShareNumber(3),
            vec![Bytes::from_static(b"hre"), Bytes::new()],
        )]),
    };
    let expected = raw(&[b"\xa2\x67success\xf5\x64data\xa1\x03\x82\x43hre\x40"]);
    assert_eq!(joined(encode_outcome(&outcome)), expected);
    let version = ServerVersion {
        maximum_immutable_share_size: 1 << 33,
        maximum_mutable_share_size: 69_105_000_000_000_000,
        available_space: 5,
        application_version: "tahoe-lafs/1.20.0".to_owned(),
    };
    let expected = raw(&[
        b"\xa2\x58\x2fhttp://allmydata.org/tahoe/protocols/storage/v1\xa3",
        b"\x58\x1cmaximum-immutable-share-size\x1b\0\0\0\x02\0\0\0\0",
        b"\x58\x1amaximum-mutable-share-size\x1b\0\xf5\x82\x9a\x0d\x66\xa0\0",
        b"\x4favailable-space\x05",
        b"\x53application-version\x51tahoe-lafs/1.20.0",
    ]);
    let written = joined(encode_version(&version));
    let (head, tail) = (&written[..110], &expected[..110]);
    assert_eq!(head, tail);
    assert_eq!(decode_version(&written).unwrap(), version);
}

#[test]
fn reads_what_other_encoders_write() {
    let share_numbers = b"\x6dshare-numbers\xd9\x01\x02";
    let size = b"\x6eallocated-size";
    for message in [
        raw(&[
            b"\xbf",
            share_numbers,
            b"\x82\x01\x02",
            size,
            b"\x18\x64\xff",
        ]),
        raw(&[
            b"\xa2",
            share_numbers,
            b"\x9f\x01\x02\xff",
            size,
            b"\x18\x64",
        ]),
        raw(&[
            b"\xa2",
            share_numbers,
            b"\x82\x01\x18\x02",
            size,
            b"\x19\0\x64",
        ]),
        raw(&[
            b"\xa2",
            share_numbers,
            b"\x83\x01\x02\x01",
            size,
            b"\x18\x64",
        ]),
        raw(&[b"\xa2", size, b"\x18\x64", share_numbers, b"\x82\x02\x01"]),
        raw(&[
            b"\xa2\x7f",
            share_numbers,
            b"\x82\x01\x02",
            size,
            b"\x18\x64",
        ])
        .iter()
        .copied()
        .take(2 + 14)
        .chain(*b"\xff\xd9\x01\x02\x82\x01\x02\x6eallocated-size\x18\x64")
        .collect(),
    ] {
        let request = decode_allocation_request(&message).unwrap();
        assert_eq!(request.share_size, 100);
        assert!(
            request
                .shares
                .iter()
                .copied()
                .eq([ShareNumber(1), ShareNumber(2)])
        );
    }
    let in_parts = raw(&[
        b"\xa2\x72test-write-vectors\xa1\x00\xa3\x64test\x80\x65write\x81\xa2\x66offset\x00",
        b"\x64data\x5f\x42ab\x41c\xff\x6anew-length\xf7\x6bread-vector\x80",
    ]);
    let change = decode_change(&in_parts).unwrap();
    assert_eq!(change.vectors[&ShareNumber(0)].writes[0].data, "abc");
    assert_eq!(change.vectors[&ShareNumber(0)].new_length, None);
}

#[test]
fn a_version_may_say_more() {
    let message = raw(&[
        b"\xa3\x58\x2fhttp://allmydata.org/tahoe/protocols/storage/v1\xa4",
        b"\x4favailable-space\x05\x43new\x81\xa1\x01\x02",
        b"\x58\x1cmaximum-immutable-share-size\x06\x58\x1amaximum-mutable-share-size\x07",
        b"\x53application-version\x44a\x00\xffb\x42hm\xf6",
    ]);
    let version = decode_version(&message).unwrap();
    assert_eq!(version.available_space, 5);
    assert_eq!(version.maximum_immutable_share_size, 6);
    assert_eq!(version.maximum_mutable_share_size, 7);
    assert_eq!(version.application_version, "a\u{fffd}b");
}

#[test]
fn refuses_broken_allocations() {
    let share_numbers = b"\x6dshare-numbers\xd9\x01\x02\x81\x01";
    let size = b"\x6eallocated-size\x01";
    for (fault, message) in [
        ("nothing", raw(&[])),
        ("another type", raw(&[b"\x80"])),
        ("missing key", raw(&[b"\xa1", size])),
        (
            "unknown key",
            raw(&[b"\xa3", share_numbers, size, b"\x61x\x01"]),
        ),
        ("duplicate key", raw(&[b"\xa3", share_numbers, size, size])),
        (
            "key of bytes",
            raw(&[b"\xa2\x4dshare-numbers\xd9\x01\x02\x80", size]),
        ),
        ("array, not set", raw(&[b"\xa2\x6dshare-numbers\x80", size])),
        (
            "another tag",
            raw(&[b"\xa2\x6dshare-numbers\xd9\x01\x03\x80", size]),
        ),
        (
            "negative size",
            raw(&[b"\xa2", share_numbers, b"\x6eallocated-size\x20"]),
        ),
        (
            "size of float",
            raw(&[b"\xa2", share_numbers, b"\x6eallocated-size\xf9\0\0"]),
        ),
        (
            "share 256",
            raw(&[b"\xa2\x6dshare-numbers\xd9\x01\x02\x81\x19\x01\0", size]),
        ),
        ("more bytes", raw(&[b"\xa2", share_numbers, size, b"\0"])),
        (
            "fewer bytes",
            raw(&[b"\xa2", share_numbers, b"\x6eallocated-size"]),
        ),
        ("endless map", raw(&[b"\xbf", share_numbers, size])),
        (
            "huge array",
            raw(&[b"\xa2\x6dshare-numbers\xd9\x01\x02\x9b", &[0xff; 8]]),
        ),
        ("huge map", raw(&[b"\xbb", &[0xff; 8], share_numbers, size])),
    ] {
        assert!(decode_allocation_request(&message).is_err(), "{fault}");
    }
}

#[test]
fn counts_have_limits() {
    let set = |count: usize| -> Bytes {
        let head = [
            &b"\xd9\x01\x02\x99"[..],
            &u16::try_from(count).unwrap().to_be_bytes(),
        ];
        [head.concat(), vec![7; count]].concat().into()
    };
    assert!(decode_shares(&set(256)).is_ok());
    assert!(decode_shares(&set(257)).is_err());
    let reads = |count: u8| {
        let read = b"\xa2\x66offset\x00\x64size\x01".repeat(count.into());
        raw(&[
            b"\xa2\x72test-write-vectors\xa0\x6bread-vector\x98",
            &[count],
            &read,
        ])
    };
    assert_eq!(decode_change(&reads(30)).unwrap().reads.len(), 30);
    assert!(decode_change(&reads(31)).is_err());
    let tests = |count: u8| {
        let test = b"\xa3\x66offset\x00\x64size\x01\x68specimen\x40".repeat(count.into());
        raw(&[
            b"\xa2\x72test-write-vectors\xa1\x00\xa3\x64test\x98",
            &[count],
            &test,
            b"\x65write\x80\x6anew-length\xf6\x6bread-vector\x80",
        ])
    };
    assert!(decode_change(&tests(30)).is_ok());
    assert!(decode_change(&tests(31)).is_err());
    for (length, accepted) in [(0, false), (1, true), (32_765, true), (32_766, false)] {
        let message = joined(encode_advice(&"x".repeat(length)));
        assert_eq!(decode_advice(&message).is_ok(), accepted, "{length}");
    }
}

#[test]
fn ranges_that_miss_must_ascend() {
    let message = |ranges: &[(u8, u8)]| {
        let ranges: Vec<u8> = ranges
            .iter()
            .flat_map(|(begin, end)| {
                [&b"\xa2\x65begin"[..], &[*begin], b"\x63end", &[*end]].concat()
            })
            .collect();
        let count = u8::try_from(ranges.len() / 13).unwrap();
        raw(&[b"\xa1\x68required", &[0x80 + count], &ranges])
    };
    assert_eq!(
        decode_missing(&message(&[(1, 2), (2, 5)])).unwrap(),
        [1..2, 2..5]
    );
    for ranges in [
        &[(2, 2)][..],
        &[(3, 2)],
        &[(1, 3), (2, 5)],
        &[(5, 6), (1, 2)],
    ] {
        assert!(decode_missing(&message(ranges)).is_err(), "{ranges:?}");
    }
}

#[test]
fn data_is_not_copied() {
    let data = Bytes::from(vec![1; 5000]);
    let change = ReadTestWrite {
        vectors: BTreeMap::from([(
            ShareNumber(0),
            TestWriteVectors {
                writes: vec![WriteVector {
                    offset: 0,
                    data: data.clone(),
                }],
                ..TestWriteVectors::default()
            },
        )]),
        reads: Vec::new(),
    };
    let parts = encode_change(&change);
    assert_eq!(parts[1].as_ptr(), data.as_ptr());
    let message = joined(parts);
    let decoded = decode_change(&message).unwrap();
    let found = &decoded.vectors[&ShareNumber(0)].writes[0].data;
    assert!(message.as_ptr_range().contains(&found.as_ptr()));
}
