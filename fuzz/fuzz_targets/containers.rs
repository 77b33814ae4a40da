//! Share containers on disk: whatever the bytes, ranges lie inside the file or it is refused.
#![no_main]

// Only this module: the crate around it would bring a runtime with it.
#[allow(dead_code, unused_imports, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-storage-server/src/containers/mod.rs"]
mod containers;

use containers::{ImmutableContainer, MutableContainer, read_kind};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let size = input.len() as u64;
    let _ = read_kind(input).is_ok();
    if let Ok(container) = ImmutableContainer::read(input) {
        assert!(container.data().end <= size);
        let _ = container.leases(input).is_ok();
    }
    if let Ok(container) = MutableContainer::read(input) {
        assert!(container.data().end <= size);
        let _ = container.leases(input).is_ok();
    }
});
