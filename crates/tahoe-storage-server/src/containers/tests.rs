//! Parsers of containers against whole, damaged and arbitrary files; edits against plain models.

use super::*;
use proptest::prelude::*;
use tahoe_crypto::{LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, TubId, WriteEnabler};

const NODE: TubId = TubId::from_bytes([7; 20]);

fn new_lease(who: u8, expires: u32) -> NewLease {
    NewLease {
        owner: 1,
        secrets: LeaseSecrets {
            renew: LeaseRenewSecret::from_bytes([who; 32]),
            cancel: LeaseCancelSecret::from_bytes([who ^ 0xff; 32]),
        },
        expires,
        node: NODE,
    }
}

/// Carries out edits on bytes in memory.
fn apply(file: &mut Vec<u8>, edits: &[Edit]) {
    for edit in edits {
        let end = usize::try_from(edit.end()).unwrap();
        if file.len() < end {
            file.resize(end, 0);
        }
        match edit {
            Edit::Write { offset, data } => {
                file[usize::try_from(*offset).unwrap()..end].copy_from_slice(data);
            }
            Edit::Zero { offset, .. } => file[usize::try_from(*offset).unwrap()..end].fill(0),
            Edit::Truncate { length } => file.truncate(usize::try_from(*length).unwrap()),
        }
    }
}

fn immutable(data: &[u8], leases: &[NewLease]) -> Vec<u8> {
    let (first, others) = leases.split_first().expect("a share comes with a lease");
    let header = new_immutable_header(data.len() as u64);
    let mut file = [&header[..], data, &new_immutable_lease(first)].concat();
    for lease in others {
        let container = ImmutableContainer::read(&file[..]).unwrap();
        let old = container.leases(&file[..]).unwrap();
        let edits = container.add_or_renew_lease(&old, lease, 72).unwrap();
        apply(&mut file, &edits);
    }
    file
}

fn mutable(data: &[u8], leases: &[NewLease]) -> Vec<u8> {
    let mut editor = MutableEditor::create(NODE, WriteEnabler::from_bytes([3; 32]));
    editor.write(0, &Bytes::copy_from_slice(data));
    for lease in leases {
        editor.add_or_renew_lease(lease, 92).unwrap();
    }
    let mut file = Vec::new();
    apply(&mut file, &editor.into_edits());
    file
}

fn edit(file: &mut Vec<u8>, change: impl FnOnce(&mut MutableEditor)) {
    let mut editor = MutableEditor::read(&file[..]).unwrap();
    change(&mut editor);
    apply(file, &editor.into_edits());
}

#[test]
fn the_magic_of_version_2_is_the_hash_of_its_line() {
    let line = b"Tahoe mutable container v2\n";
    let hash = tahoe_crypto::hash::tagged(b"allmydata_mutable_container_header", line);
    let magic = [&line[..], &hash[..5]].concat();
    assert_eq!(mutable::version_of(&magic), Some(ContainerVersion::V2));
}

#[test]
fn immutable_leases_are_appended_and_renewed_in_place() {
    let leases = [
        new_lease(1, 100),
        new_lease(2, 200),
        new_lease(1, 150),
        new_lease(2, 50),
    ];
    let file = immutable(b"the data", &leases);
    assert_eq!(file.len(), 12 + 8 + 2 * 72);
    let container = ImmutableContainer::read(&file[..]).unwrap();
    assert_eq!(container.data(), 12..20);
    assert_eq!(container.lease_count(), 2);
    let found = container.leases(&file[..]).unwrap();
    let ends: Vec<_> = found.iter().map(|lease| lease.expires).collect();
    assert_eq!(ends, [150, 200], "renewal never shortens");
    assert!(found[0].renew.matches(&[1; 32]) && found[0].cancel.matches(&[0xfe; 32]));
    assert!(!found[0].renew.matches(&[2; 32]));
    let stored = found[0].renew.to_base32();
    assert!(stored.starts_with("hash:"), "{stored}");
    assert!(
        !format!("{:?}", found[0]).contains(&stored[5..]),
        "Debug keeps secrets"
    );
}

#[test]
fn leases_need_room_and_renewals_none() {
    let file = immutable(b"the data", &[new_lease(1, 100)]);
    let container = ImmutableContainer::read(&file[..]).unwrap();
    let leases = container.leases(&file[..]).unwrap();
    let add = |who, space| container.add_or_renew_lease(&leases, &new_lease(who, 200), space);
    assert_eq!(add(2, 71), Err(NoRoomForLease));
    assert!(add(2, 72).is_ok());
    assert!(add(1, 0).is_ok());

    let mut file = mutable(b"the data", &[]);
    edit(&mut file, |editor| {
        for who in 0..4 {
            editor.add_or_renew_lease(&new_lease(who, 100), 0).unwrap();
        }
        let fifth = editor.add_or_renew_lease(&new_lease(4, 100), 91);
        assert_eq!(fifth, Err(NoRoomForLease));
        editor.add_or_renew_lease(&new_lease(4, 100), 92).unwrap();
        editor.add_or_renew_lease(&new_lease(4, 200), 0).unwrap();
    });
    let container = MutableContainer::read(&file[..]).unwrap();
    let leases = container.leases(&file[..]).unwrap();
    let ends: Vec<_> = leases
        .iter()
        .map(|(place, lease)| (*place, lease.expires))
        .collect();
    assert_eq!(ends, [(0, 100), (1, 100), (2, 100), (3, 100), (4, 200)]);
}

#[test]
fn damaged_headers_are_refused_by_name() {
    let whole = immutable(b"the data", &[new_lease(1, 100)]);
    let check = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut file = whole.clone();
        change(&mut file);
        let error = Container::read(&file[..]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(&|file| file.clear(), "it has 0 bytes, too few for a header");
    check(
        &|file| file.truncate(3),
        "it has 3 bytes, too few for a header",
    );
    check(
        &|file| file.truncate(11),
        "it has 11 bytes, too few for a header",
    );
    check(&|file| file[3] = 3, "it begins with an unknown version");
    check(&|file| file[0] = 1, "it begins with an unknown version");
    check(&|file| file.truncate(12 + 71), "it can't hold 1 leases");
    check(&|file| file[11] = 2, "it can't hold 2 leases");
    check(&|file| file[8] = 0xff, "it can't hold 4278190081 leases");

    let whole = mutable(b"the data", &[new_lease(1, 100)]);
    let check = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut file = whole.clone();
        change(&mut file);
        let error = Container::read(&file[..]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(&|file| file[31] ^= 1, "it begins with an unknown version");
    check(
        &|file| file.truncate(467),
        "it has 467 bytes, too few for a header",
    );
    check(
        &|file| file.truncate(479),
        "its extra leases can't begin at byte 476",
    );
    check(
        &|file| file[99] = 0,
        "its extra leases can't begin at byte 256",
    );
    check(
        &|file| file[92..100].fill(0xff),
        "its extra leases can't begin at byte 18446744073709551615",
    );
    check(&|file| file[91] = 9, "it has no room for 9 bytes of data");
    check(
        &|file| file[84..92].fill(0xff),
        "it has no room for 18446744073709551615 bytes of data",
    );
    check(&|file| file[479] = 1, "it can't hold 1 leases");
    check(&|file| file[476] = 0x80, "it can't hold 2147483648 leases");
}

#[test]
fn more_leases_than_anybody_keeps_are_refused() {
    let count = usize::try_from(MAX_LEASES).unwrap() + 1;
    let mut file = immutable(b"", &[new_lease(1, 100)]);
    file.resize(12 + count * 72, 0);
    file[8..12].copy_from_slice(&u32::try_from(count).unwrap().to_be_bytes());
    let error = Container::read(&file[..]).unwrap_err();
    assert!(matches!(error, ContainerError::BadLeaseCount { .. }));
    // One less is full.
    file.truncate(12 + (count - 1) * 72);
    file[8..12].copy_from_slice(&MAX_LEASES.to_be_bytes());
    let container = ImmutableContainer::read(&file[..]).unwrap();
    let leases = container.leases(&file[..]).unwrap();
    let added = container.add_or_renew_lease(&leases, &new_lease(2, 100), u64::MAX);
    assert_eq!(added, Err(NoRoomForLease));
}

/// What is done to a slot's share, on a plain vector.
#[derive(Debug, Clone)]
enum Act {
    Write(usize, Vec<u8>),
    Truncate(usize),
    Lease(u8, u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let data = prop::collection::vec(1u8.., 0..300);
    prop::collection::vec(
        prop_oneof![
            (0..600usize, data).prop_map(|(offset, data)| Act::Write(offset, data)),
            (0..600usize).prop_map(Act::Truncate),
            (0..8u8, 0..1000u32).prop_map(|(who, expires)| Act::Lease(who, expires)),
        ],
        0..20,
    )
}

proptest! {
    #[test]
    fn slots_hold_what_a_plain_vector_would(acts in acts(), at_once: bool) {
        let mut file = mutable(b"", &[]);
        let (mut data, mut leases) = (Vec::new(), Vec::<(u8, u32)>::new());
        for acts in acts.chunks(if at_once { 20 } else { 1 }) {
            edit(&mut file, |editor| for act in acts {
                match act {
                    Act::Write(offset, bytes) => {
                        editor.write(*offset as u64, &Bytes::copy_from_slice(bytes));
                        let end = offset.saturating_add(bytes.len());
                        data.resize(data.len().max(end), 0);
                        data[*offset..end].copy_from_slice(bytes);
                    }
                    Act::Truncate(length) => {
                        editor.truncate(*length as u64);
                        data.truncate(*length);
                    }
                    Act::Lease(who, expires) => {
                        editor.add_or_renew_lease(&new_lease(*who, *expires), 92).unwrap();
                        match leases.iter_mut().find(|(old, _)| old == who) {
                            Some((_, end)) => *end = (*end).max(*expires),
                            None => leases.push((*who, *expires)),
                        }
                    }
                }
            });
        }
        let container = MutableContainer::read(&file[..]).unwrap();
        let found = file[..].read_at(MUTABLE_DATA_OFFSET, data.len()).unwrap();
        let length = container.data().end.checked_sub(MUTABLE_DATA_OFFSET);
        prop_assert_eq!(length, Some(data.len() as u64));
        prop_assert_eq!(found, data);
        let found = container.leases(&file[..]).unwrap();
        prop_assert_eq!(found.len(), leases.len());
        for ((who, expires), (_, lease)) in leases.iter().zip(&found) {
            prop_assert!(lease.renew.matches(&[*who; 32]));
            prop_assert_eq!(lease.expires, *expires);
        }
    }

    #[test]
    fn damaged_containers_are_read_or_refused(
        kind: bool,
        data: Vec<u8>,
        lease_count in 1..7u8,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut: prop::sample::Index,
        truncate: bool,
    ) {
        let leases: Vec<_> = (0..lease_count).map(|who| new_lease(who, 100)).collect();
        let mut file = if kind { mutable(&data, &leases) } else { immutable(&data, &leases) };
        for (position, byte) in damage {
            // Headers matter more than data.
            let limit = file.len().min(480);
            file[position.index(limit)] = byte;
        }
        if truncate {
            file.truncate(cut.index(file.len()));
        }
        check_bounds(&file);
    }

    #[test]
    fn anything_is_read_or_refused(version in 0..4u32, bytes: Vec<u8>) {
        check_bounds(&bytes);
        check_bounds(&[&version.to_be_bytes()[..], &bytes].concat());
        let magic = mutable(b"", &[])[..32].to_vec();
        check_bounds(&[&magic[..], &bytes].concat());
    }
}

/// Reads a container; if that works, everything it says must lie inside the file.
fn check_bounds(file: &[u8]) {
    let length = file.len() as u64;
    match Container::read(file) {
        Ok(Container::Immutable(container)) => {
            assert!(container.data().start <= container.data().end);
            assert!(container.data().end <= length);
            let leases = container.leases(file).expect("leases lie inside");
            assert_eq!(leases.len(), container.lease_count() as usize);
        }
        Ok(Container::Mutable(container)) => {
            assert!(container.data().end <= length);
            container.leases(file).expect("leases lie inside");
            let mut editor = MutableEditor::read(file).expect("the same container");
            editor.write(7, &Bytes::from_static(b"some data"));
            editor.add_or_renew_lease(&new_lease(9, 9), 1000).ok();
            let mut changed = file.to_vec();
            apply(&mut changed, &editor.into_edits());
            Container::read(&changed[..]).expect("a changed container is one");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
