//! Compares with what Tahoe-LAFS 1.20.0 itself makes of directories (`vectors/directory`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tahoe_caps::CapError;
use tahoe_crypto::WriteKey;
use tahoe_directory::{Access, Child, ChildName, DeepStats, EntryError, Metadata, Node, Table};

fn vectors() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/directory/directory.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn write_key(hex: &Value) -> WriteKey {
    let bytes = HEXLOWER.decode(hex.as_str().unwrap().as_bytes()).unwrap();
    WriteKey::from_bytes(bytes.try_into().unwrap())
}

fn metadata(value: &Value) -> Metadata {
    Metadata::new(value.as_object().unwrap().clone())
}

/// The name of the exception that the original has for an error.
fn class(error: CapError) -> &'static str {
    match error {
        CapError::Malformed { .. } | CapError::CutOff { .. } => "BadURIError",
        CapError::MustBeReadOnly { .. } => "MustBeReadonlyError",
        CapError::MustBeDeepImmutable { .. } => "MustBeDeepImmutableError",
        CapError::MustNotBeUnknownWrite { .. } => "MustNotBeUnknownRWError",
        other => panic!("{other}"),
    }
}

fn pack(case: &Value) -> Result<Vec<u8>, &'static str> {
    let key = &case["write_key"];
    let access = if key.is_null() {
        Access::Immutable
    } else {
        Access::Write(write_key(key))
    };
    let mut children = BTreeMap::new();
    for child in case["children"].as_array().unwrap() {
        let (write, read) = (child[1].as_str(), child[2].as_str());
        let node = Node::from_slots(write, read, key.is_null()).map_err(class)?;
        let metadata = metadata(&child[3]);
        let name = ChildName::new(child[0].as_str().unwrap());
        children.insert(name, Child { node, metadata });
    }
    let table = Table::of_children(children, &access).map_err(|(_, error)| match error {
        EntryError::MustBeDeepImmutable => "MustBeDeepImmutableError",
        other => panic!("{other}"),
    })?;
    Ok(table.to_bytes())
}

#[test]
fn packs_the_same_tables() {
    for case in vectors()["packed"].as_array().unwrap() {
        let what = format!("{} {}", case["what"], case["write_key"]);
        match (pack(case), &case["table"]) {
            (Ok(table), Value::String(expected)) => {
                let expected = HEXLOWER.decode(expected.as_bytes()).unwrap();
                let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
                assert_eq!(show(&table), show(&expected), "{what}");
            }
            (Err(class), expected) => assert_eq!(expected["error"], class, "{what}"),
            (Ok(_), expected) => panic!("{what}: {expected}"),
        }
    }
}

fn list(table: &Bytes, access: &Access) -> Option<Vec<Value>> {
    let table = Table::parse(table, access).ok()?;
    let child = |(name, child): (&ChildName, Child)| {
        serde_json::json!([
            name.as_str(),
            child.node.write_cap_text(),
            child.node.read_cap_text(),
            child.metadata.as_object(),
        ])
    };
    Some(table.children(access).map(child).collect())
}

#[test]
fn lists_the_same_children() {
    let vectors = vectors();
    let accesses = [
        ("write", Access::Write(write_key(&vectors["write_key"]))),
        ("read", Access::Read),
        ("immutable", Access::Immutable),
    ];
    for case in vectors["unpacked"].as_array().unwrap() {
        let what = case["what"].as_str().unwrap();
        let table: Bytes = HEXLOWER
            .decode(case["table"].as_str().unwrap().as_bytes())
            .unwrap()
            .into();
        for (name, access) in &accesses {
            let expected = &case["listed"][name];
            if (what, *name) == ("a writer in the read slot", "read") {
                // The original shows the write capability to a reader, too.
                assert!(expected[0][1].is_string());
                let listed = list(&table, access).unwrap();
                assert_eq!(
                    (&listed[0][1], &listed[0][2]),
                    (&Value::Null, &expected[0][2])
                );
                continue;
            }
            assert_eq!(
                list(&table, access).as_ref(),
                expected.as_array(),
                "{what}, {name}"
            );
        }
    }
}

#[test]
fn notes_the_same_times() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_500);
    for case in vectors()["metadata"].as_array().unwrap() {
        let side = |name: &str| (!case[name].is_null()).then(|| metadata(&case[name]));
        let (old, new) = (side("old"), side("new"));
        let made = Metadata::of_link(old.as_ref(), new.as_ref(), now);
        let made = serde_json::to_string(made.as_object()).unwrap();
        assert_eq!(
            made,
            serde_json::to_string(&case["updated"]).unwrap(),
            "{case}"
        );
    }
}

#[test]
fn sorts_sizes_into_the_same_ranges() {
    for case in vectors()["histogram"].as_array().unwrap() {
        let size = case[0].as_u64().unwrap();
        let cap = format!("URI:CHK:{}:{}:3:10:{size}", "a".repeat(26), "a".repeat(52));
        let mut stats = DeepStats::default();
        stats.add_node(&Node::from_slots(None, Some(&cap), false).unwrap());
        let expected = serde_json::json!([[case[1], case[2], 1]]);
        assert_eq!(stats.to_json()["size-files-histogram"], expected, "{size}");
    }
}
