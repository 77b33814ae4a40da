//! Any text becomes a drive's FURL or is refused, and is written back; any bytes become a sealed
//! entry, or what is sealed in one, and are written back to the same bytes.
#![no_main]
#![allow(dead_code, unused_imports, missing_docs)]

// The crate itself needs a runtime and databases; the formats are in these modules.
#[path = "../../crates/tahoe-vdrive/src/furl.rs"]
mod furl;
#[path = "../../crates/tahoe-vdrive/src/ids.rs"]
mod ids;
#[path = "../../crates/tahoe-vdrive/src/keys.rs"]
mod keys;
#[path = "../../crates/tahoe-vdrive/src/limits.rs"]
mod limits;
#[path = "../../crates/tahoe-vdrive/src/name.rs"]
mod name;
#[path = "../../crates/tahoe-vdrive/src/record.rs"]
mod record;

use bytes::Bytes;
use ids::DirectoryId;
use record::Record;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(Ok(furl)) = std::str::from_utf8(bytes).ok().map(furl::DriveFurl::parse) {
        let written = furl.to_text();
        let again = furl::DriveFurl::parse(&written).expect("what was written is read");
        assert_eq!(again.to_text(), written);
    }
    if let Ok(record) = Record::parse(Bytes::copy_from_slice(bytes)) {
        assert_eq!(record.as_bytes(), bytes);
    }
    if let Some(write) = record::read_write_slot(bytes) {
        let target = record::Target::File(record::Caps { write, read: None });
        assert_eq!(record::write_slot(&target).as_slice(), bytes);
    }
    for child in [None, Some(DirectoryId::from_bytes([7; 16]))] {
        if let Some(contents) = record::read_body(bytes, child) {
            assert_eq!(record::body(&contents).as_slice(), bytes);
        }
    }
});
