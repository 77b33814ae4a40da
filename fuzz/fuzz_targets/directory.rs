//! Any bytes become a table or are refused; a table is written to bytes that mean the same, and who
//! may only read sees no write capability.
#![no_main]
#![allow(dead_code, unused_imports, missing_docs)]

// The crate itself needs a runtime and the network; the format is in these modules.
#[path = "../../crates/tahoe-directory/src/metadata.rs"]
mod metadata;
#[path = "../../crates/tahoe-directory/src/name.rs"]
mod name;
#[path = "../../crates/tahoe-directory/src/node.rs"]
mod node;
#[path = "../../crates/tahoe-directory/src/table.rs"]
mod table;

use bytes::Bytes;
use metadata::Metadata;
use name::ChildName;
use node::Node;
use table::{Access, Table};
use tahoe_crypto::WriteKey;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    let key = || WriteKey::from_bytes([7; 16]);
    for access in [Access::Write(key()), Access::Read, Access::Immutable] {
        let Ok(table) = Table::parse(&bytes, &access) else {
            continue;
        };
        let written = table.to_bytes();
        assert_eq!(written.len(), table.size());
        let again = Table::parse(&written.into(), &access).expect("what was written is a table");
        assert!(table.children(&access).eq(again.children(&access)));
        for (name, child) in table.children(&access) {
            assert!(matches!(access, Access::Write(_)) || child.node.write_cap_text().is_none());
            // What is read can be written anew and read again.
            let mut other = Table::default();
            if other.set(name.clone(), &child, &access).is_ok() {
                let read = other.child(name, &access).expect("a child that was there");
                assert!(read.node == child.node);
            }
        }
    }
});
