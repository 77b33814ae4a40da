//! Any text becomes a capability; a known one prints as a text that means the same, and its weaker
//! forms do not depend on whether it was printed in between.
#![no_main]

use tahoe_caps::{Cap, UnknownSlots, cap_text_of_argument};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let cap = Cap::parse(text);
    match &cap {
        Cap::Unknown(unknown) => assert_eq!(unknown.text(), text),
        known => {
            let again = Cap::parse(&known.to_text());
            assert!(again == *known);
            assert!(again.to_verify() == known.to_verify());
            assert!(again.to_read_only() == known.to_read_only());
        }
    }
    let immutable = Cap::parse_deep_immutable(text);
    assert!(immutable.is_mutable() != Some(true));
    let _ = UnknownSlots::new(Some(text), None, false);
    let _ = UnknownSlots::new(None, Some(text), true);
    let _ = cap_text_of_argument(text);
});
