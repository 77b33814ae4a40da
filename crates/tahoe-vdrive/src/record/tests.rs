use super::*;
use proptest::prelude::*;

const DIRECTORY: DirectoryId = DirectoryId::from_bytes([3; 16]);
const NONCE: [u8; 24] = [9; 24];

fn keys() -> WriteKeys {
    WriteKeys::from_secret([7; 32])
}

fn contents(name: &str) -> Contents {
    Contents {
        name: EntryName::new(name).unwrap(),
        target: Target::File(Caps {
            write: CapText::new("URI:SSK:writes"),
            read: CapText::new("URI:LIT:krugkidfnzsc4"),
        }),
        metadata: Metadata {
            created: 1,
            modified: 2,
            notes: "{}".to_owned(),
        },
    }
}

fn place(contents: &Contents) -> Place {
    let entry = keys().read_keys().entry_id(DIRECTORY, &contents.name);
    Place {
        directory: DIRECTORY,
        entry,
    }
}

#[test]
fn a_body_is_padded_to_its_length_and_no_other() {
    let whole = body(&contents("a"));
    assert!(read_body(&whole, None).is_some());
    assert!(read_body(&whole[..whole.len() - 1], None).is_none());
}

#[test]
fn what_is_sealed_opens_in_its_place_only() {
    let keys = keys();
    let mut contents = contents("a");
    for target in [contents.target.clone(), Target::Directory(DIRECTORY)] {
        contents.target = target;
        let record = keys.seal(DIRECTORY, Version(5), &contents, &NONCE);
        let read = Record::parse(record.as_bytes().clone()).unwrap();
        assert_eq!(read, record);
        let here = place(&contents);
        assert_eq!(keys.open(&here, &read), Ok(contents.clone()));
        let mut elsewhere = here;
        elsewhere.directory = DirectoryId::ROOT;
        let mut other = here;
        other.entry = keys
            .read_keys()
            .entry_id(DIRECTORY, &EntryName::new("b").unwrap());
        for place in [elsewhere, other] {
            let opened = keys.read_keys().open(&place, &read);
            assert_eq!(opened, Err(Forged::Signature));
        }
    }
}

#[test]
fn who_may_only_read_gets_no_capability_that_writes() {
    let writer = keys();
    let contents = contents("a");
    let record = writer.seal(DIRECTORY, Version(5), &contents, &NONCE);
    // What a reader has is what stands in vdrive-readonly.furl.
    let text = DriveKeys::ReadOnly(Box::new(writer.read_keys().clone())).to_text();
    let reader = DriveKeys::from_text(&text).unwrap();
    let opened = reader.open(&place(&contents), &record).unwrap();
    let Target::File(caps) = &opened.target else {
        panic!("a file was sealed");
    };
    assert_eq!(caps.write, None);
    assert_eq!(caps.read, CapText::new("URI:LIT:krugkidfnzsc4"));
    // Nor does any key that a reader has open the other slot, nor is it in the one that it opens.
    let (signed, _) = record
        .as_bytes()
        .split_last_chunk::<SIGNATURE_BYTES>()
        .unwrap();
    let (read, write) = split(signed, &place(&contents)).unwrap();
    let keys = reader.read_keys();
    let body = read.open(&keys.seal_key).unwrap();
    let secret = b"URI:SSK:writes";
    let is_in = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!is_in(&body) && !is_in(record.as_bytes()));
    let other_drive = WriteKeys::from_secret([8; 32]);
    for key in [&keys.seal_key, &other_drive.write_seal_key] {
        assert!(write.open(key).is_err());
    }
    assert!(is_in(&write.open(&writer.write_seal_key).unwrap()));
}

#[test]
fn the_server_does_not_see_which_entries_can_be_written() {
    let read = contents("a");
    let Target::File(caps) = &read.target else {
        panic!("a file");
    };
    let mut only_read = read.clone();
    only_read.target = Target::File(Caps {
        write: None,
        ..caps.clone()
    });
    let length = |contents: &Contents| {
        let record = keys().seal(DIRECTORY, Version(5), contents, &NONCE);
        record.as_bytes().len()
    };
    assert_eq!(length(&read), length(&only_read));
}

#[test]
fn slots_are_read_only_as_they_are_written() {
    let slot = write_slot(&contents("a").target);
    assert_eq!(read_write_slot(&slot), Some(CapText::new("URI:SSK:writes")));
    assert!(read_write_slot(&slot[..64]).is_none());
    let mut padded = slot.to_vec();
    padded.push(0);
    assert!(read_write_slot(&padded).is_none());
    let empty = vec![0; WRITE_PADDING];
    assert_eq!(read_write_slot(&empty), Some(None));
    assert!(read_write_slot(&[0; 2 * WRITE_PADDING]).is_none());
}

#[test]
fn no_changed_byte_goes_unseen() {
    let keys = keys();
    let contents = contents("a");
    let record = keys.seal(DIRECTORY, Version(5), &contents, &NONCE);
    for index in 0..record.as_bytes().len() {
        let mut bytes = record.as_bytes().to_vec();
        bytes[index] ^= 1;
        if let Ok(record) = Record::parse(bytes.into()) {
            let opened = keys.read_keys().open(&place(&contents), &record);
            assert_eq!(opened, Err(Forged::Signature), "byte {index}");
        }
    }
}

#[test]
fn a_reader_can_not_sign() {
    // Who has the read keys can encipher, but signs with another key.
    let keys = keys();
    let mut forger = WriteKeys::from_secret([8; 32]);
    forger.signing_key = tahoe_crypto::SigningKey::from_seed(&[1; 32]);
    let contents = contents("a");
    let forged = forger.seal(DIRECTORY, Version(6), &contents, &NONCE);
    let opened = keys.read_keys().open(&place(&contents), &forged);
    assert_eq!(opened, Err(Forged::Signature));
}

#[test]
fn the_server_sees_neither_name_nor_target() {
    let record = keys().seal(DIRECTORY, Version(5), &contents("krugkidf"), &NONCE);
    for secret in [&b"krugkidf"[..], b"URI:LIT", b"URI:SSK"] {
        assert!(
            !record
                .as_bytes()
                .windows(secret.len())
                .any(|window| window == secret)
        );
    }
    let longer = keys().seal(DIRECTORY, Version(5), &contents("krugkidfk"), &NONCE);
    assert_eq!(record.as_bytes().len(), longer.as_bytes().len());
}

#[test]
fn bad_headers_are_refused() {
    let record = keys().seal(DIRECTORY, Version(5), &contents("a"), &NONCE);
    let changed = |index: usize, byte: u8| {
        let mut bytes = record.as_bytes().to_vec();
        bytes[index] = byte;
        Record::parse(bytes.into()).err()
    };
    assert_eq!(changed(0, 2), Some(BadRecord::Format(2)));
    assert_eq!(changed(1, 0x80), Some(BadRecord::Header), "version");
    assert_eq!(changed(8, 0), Some(BadRecord::Header), "no version");
    assert_eq!(
        changed(9, 1),
        Some(BadRecord::Header),
        "the root as a child"
    );
    assert_eq!(changed(9, 2), Some(BadRecord::Header), "kind");
    assert_eq!(
        changed(10, 1),
        Some(BadRecord::Header),
        "a file with a directory"
    );
    let short = record.as_bytes().slice(..100);
    assert_eq!(Record::parse(short), Err(BadRecord::Size(100)));
    let long = Bytes::from(vec![1; MAX_RECORD_BYTES + 1]);
    assert!(Record::parse(long).is_err());
}

#[test]
fn the_largest_entry_has_room() {
    let contents = Contents {
        name: EntryName::new(&"n".repeat(crate::limits::MAX_NAME_BYTES)).unwrap(),
        target: Target::File(Caps {
            write: CapText::new(&"w".repeat(MAX_TARGET_BYTES)),
            read: CapText::new(&"t".repeat(MAX_TARGET_BYTES)),
        }),
        metadata: Metadata {
            notes: "m".repeat(MAX_NOTES_BYTES),
            ..Metadata::default()
        },
    };
    let record = keys().seal(DIRECTORY, Version(5), &contents, &NONCE);
    assert!(Record::parse(record.as_bytes().clone()).is_ok());
    let shown = format!("{contents:?}");
    assert!(!shown.contains("nnn") && !shown.contains("ttt") && !shown.contains("mmm"));
}

proptest! {
    #[test]
    fn any_contents_come_back(name in "[^/\0]{1,80}", cap in ".{0,200}", write in ".{0,200}",
            notes in ".{0,200}",
            version in 1u64..=i64::MAX.unsigned_abs()) {
        prop_assume!(EntryName::new(&name).is_ok());
        let contents = Contents {
            name: EntryName::new(&name).unwrap(),
            target: Target::File(Caps { write: CapText::new(&write), read: CapText::new(&cap) }),
            metadata: Metadata { created: 3, modified: 4, notes },
        };
        let record = keys().seal(DIRECTORY, Version(version), &contents, &NONCE);
        let record = Record::parse(record.as_bytes().clone()).unwrap();
        prop_assert_eq!(record.version(), Version(version));
        prop_assert_eq!(keys().open(&place(&contents), &record), Ok(contents));
    }

    #[test]
    fn parsing_never_panics(bytes: Vec<u8>) {
        let _ = Record::parse(bytes.into()).is_ok();
    }

    #[test]
    fn what_is_read_of_a_body_is_written_back(at in 0usize..128, byte: u8) {
        let mut bytes = body(&contents("name")).to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        for child in [None, Some(DIRECTORY)] {
            if let Some(contents) = read_body(&bytes, child) {
                prop_assert_eq!(&body(&contents)[..], &bytes[..]);
            }
        }
        let mut bytes = write_slot(&contents("name").target).to_vec();
        bytes[at] = byte;
        if let Some(write) = read_write_slot(&bytes) {
            let target = Target::File(Caps { write, read: None });
            prop_assert_eq!(&write_slot(&target)[..], &bytes[..]);
        }
    }
}
