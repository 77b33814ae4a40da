use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const LITERAL: &str = "URI:LIT:nbswy3dp";
const SSK: &str =
    "URI:SSK:fs6ul2fju2fvb2cfx7gt6ngycm:hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq";

fn write_access() -> Access {
    Access::Write(WriteKey::from_bytes([3; 16]))
}

fn child(write: Option<&str>, read: Option<&str>) -> Child {
    Child {
        node: Node::from_slots(write, read, false).unwrap(),
        metadata: Metadata::default(),
    }
}

fn entry(fields: &[&[u8]]) -> Vec<u8> {
    let mut whole = Vec::new();
    for field in fields {
        netstring::push(&mut whole, field);
    }
    netstring::encode(&whole)
}

fn parse(table: &[u8], access: &Access) -> Result<Table, TableError> {
    Table::parse(&Bytes::copy_from_slice(table), access)
}

#[test]
fn entries_that_are_not_touched_keep_their_bytes() {
    let odd = [
        // A name in another normal form, a capability that may not stand here, one that isn't
        // UTF-8, metadata that isn't JSON, and more fields than there are.
        entry(&["e\u{301}".as_bytes(), LITERAL.as_bytes(), b"", b"{}"]),
        entry(&[b"f", b"imm.URI:SSK:x", b"", b"{}"]),
        entry(&[b"g", b"\xff", b"", b"{}"]),
        entry(&[b"h", LITERAL.as_bytes(), b"", b"[NaN"]),
        entry(&[b"i", LITERAL.as_bytes(), b"", b"{}", b"more"]),
    ];
    let access = write_access();
    let mut table = parse(&odd.concat(), &access).unwrap();
    let listed: Vec<_> = table
        .children(&access)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(listed, ["h", "i", "\u{e9}"]);

    let added = child(Some(SSK), None);
    table.set(ChildName::new("z"), &added, &access).unwrap();
    table.set(ChildName::new("h"), &added, &access).unwrap();
    assert!(table.remove(&ChildName::new("i")));
    assert!(!table.remove(&ChildName::new("i")));
    let bytes = table.to_bytes();
    let again = parse(&bytes, &access).unwrap();
    assert_eq!(
        again.child(&ChildName::new("h"), &access),
        Some(added.clone())
    );
    assert_eq!(again.child(&ChildName::new("z"), &access), Some(added));
    for kept in [&odd[0], &odd[1], &odd[2]] {
        assert!(bytes.windows(kept.len()).any(|window| window == kept));
    }
    assert_eq!(bytes.len(), table.size());
}

#[test]
fn readers_see_no_write_capability() {
    let (writer, node) = (write_access(), child(Some(SSK), None));
    let mut table = Table::default();
    table.set(ChildName::new("x"), &node, &writer).unwrap();
    // As only a broken writer would have it.
    let misplaced = entry(&[b"y", SSK.as_bytes(), b"", b"{}"]);
    let bytes = [table.to_bytes(), misplaced].concat();
    let table = parse(&bytes, &Access::Read).unwrap();
    for name in ["x", "y"].map(ChildName::new) {
        let written = table.child(&name, &writer).unwrap();
        let read = table.child(&name, &Access::Read).unwrap();
        assert_eq!(written.node.write_cap_text().as_deref(), Some(SSK));
        assert_eq!(read.node, written.node.to_read_only().unwrap());
        assert_eq!(read.node.write_cap_text(), None);
    }
    assert_eq!(
        bytes
            .windows(SSK.len())
            .filter(|w| *w == SSK.as_bytes())
            .count(),
        1
    );
}

#[test]
fn immutable_directories_hold_nothing_mutable() {
    let mut table = Table::default();
    let name = || ChildName::new("x");
    for (write, read) in [
        (Some(SSK), None),
        (
            None,
            Some(
                "URI:SSK-RO:fs6ul2fju2fvb2cfx7gt6ngycm:hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq",
            ),
        ),
        (Some("future:w"), Some("future:r")),
    ] {
        let refused = table.set(name(), &child(write, read), &Access::Immutable);
        assert_eq!(refused, Err(EntryError::MustBeDeepImmutable));
    }
    let literal = child(None, Some(LITERAL));
    table.set(name(), &literal, &Access::Immutable).unwrap();
    let again = parse(&table.to_bytes(), &Access::Immutable).unwrap();
    assert_eq!(again.child(&name(), &Access::Immutable), Some(literal));
    let sealed = entry(&[b"x", LITERAL.as_bytes(), b"s", b"{}"]);
    assert_eq!(
        parse(&sealed, &Access::Immutable).unwrap_err(),
        TableError::WriteCapInImmutable { offset: 0 }
    );
}

#[test]
fn malformed_tables_are_refused_where_they_break() {
    let good = entry(&[b"x", LITERAL.as_bytes(), b"", b"{}"]);
    let length = good.len();
    for (bad, expected) in [
        (&b"hello"[..], "the entry at byte"),
        (b"9999999999999999999:x", "the entry at byte"),
        (b"3:x", "the entry at byte"),
        (&entry(&[b"x", b"y", b""]), "the entry at byte"),
        (
            &entry(&[b"\xff", b"y", b"", b"{}"]),
            "a name that isn't UTF-8",
        ),
    ] {
        let error = parse(&[&good, bad].concat(), &Access::Read).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(expected) && text.contains(&format!("byte {length} ")),
            "{text}"
        );
    }
}

#[test]
fn size_and_number_are_limited() {
    let large = Bytes::from(vec![b'0'; MAX_TABLE_SIZE + 1]);
    let error = Table::parse(&large, &Access::Read).unwrap_err();
    assert!(matches!(error, TableError::TooLarge { .. }), "{error}");

    let mut many = Vec::new();
    for number in 0..=MAX_CHILDREN {
        many.extend(entry(&[number.to_string().as_bytes(), b"", b"", b""]));
    }
    let error = Table::parse(&many.into(), &Access::Read).unwrap_err();
    assert_eq!(error, TableError::TooManyChildren);
}

fn any_child() -> impl Strategy<Value = Child> {
    let read = vec(any::<u8>(), 0..60)
        .prop_map(|data| format!("URI:LIT:{}", tahoe_encoding::base32::encode(&data)));
    let node = prop_oneof![
        read.prop_map(|read| Node::from_slots(None, Some(&read), false).unwrap()),
        Just(Node::from_slots(Some(SSK), None, false).unwrap()),
        ("[a-z]{1,9}", "[a-z]{1,9}").prop_map(|(write, read)| {
            let (write, read) = (format!("x-{write}"), format!("x-{read}"));
            Node::from_slots(Some(&write), Some(&read), false).unwrap()
        }),
    ];
    let metadata = btree_map(".*", any::<Option<i32>>(), 0..3).prop_map(|object| {
        Metadata::new(
            object
                .into_iter()
                .map(|(key, value)| (key, value.into()))
                .collect(),
        )
    });
    (node, metadata).prop_map(|(node, metadata)| Child { node, metadata })
}

proptest! {
    #[test]
    fn round_trips(children in btree_map(".*", any_child(), 0..8), key: [u8; 16]) {
        let access = Access::Write(WriteKey::from_bytes(key));
        let children: BTreeMap<_, _> = children
            .into_iter()
            .map(|(name, child)| (ChildName::new(&name), child))
            .collect();
        let table = Table::of_children(children.clone(), &access).unwrap();
        prop_assert_eq!(table.size(), table.to_bytes().len());
        let bytes = Bytes::from(table.to_bytes());
        let again = Table::parse(&bytes, &access).unwrap();
        let listed: BTreeMap<_, _> = again
            .children(&access)
            .map(|(name, child)| (name.clone(), child))
            .collect();
        prop_assert_eq!(&listed, &children);
        prop_assert_eq!(again.to_bytes(), bytes.to_vec());
        // For who may only read, the same without write capabilities.
        for (name, child) in Table::parse(&bytes, &Access::Read).unwrap().children(&Access::Read) {
            prop_assert_eq!(&child.node, &children[name].node.to_read_only().unwrap());
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(bytes: Vec<u8>, key: [u8; 16]) {
        for access in [Access::Write(WriteKey::from_bytes(key)), Access::Read, Access::Immutable] {
            if let Ok(table) = parse(&bytes, &access) {
                let again = parse(&table.to_bytes(), &access).unwrap();
                prop_assert_eq!(again.children(&access).count(), table.children(&access).count());
            }
        }
    }
}
