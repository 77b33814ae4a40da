use super::*;

#[test]
fn recognises_what_looks_like_a_uri() {
    for text in ["URI:", "URI:NEW:x", "ro.URI:x", "imm.URI:"] {
        assert!(has_uri_prefix(text), "{text:?}");
    }
    for text in ["", "uri:x", "ro.", "ro.imm.URI:x", "lafs://x", " URI:CHK:"] {
        assert!(!has_uri_prefix(text), "{text:?}");
    }
}

#[test]
fn drops_only_the_prefix_that_the_place_implies() {
    for (text, in_mutable, in_immutable) in [
        ("x", "x", "x"),
        ("ro.x", "x", "x"),
        ("imm.x", "imm.x", "x"),
        ("ro.imm.x", "imm.x", "imm.x"),
    ] {
        assert_eq!(strip_prefix_for_read_slot(text, false), in_mutable);
        assert_eq!(strip_prefix_for_read_slot(text, true), in_immutable);
    }
}

#[test]
fn errors_say_what_is_wrong_without_the_text() {
    for (text, expected) in [
        (
            "ro.URI:SSK:secret",
            "URI:SSK file writecap used in a read-only context",
        ),
        (
            "imm.URI:DIR2-RO:secret",
            "URI:DIR2-RO readcap to a mutable directory used in an immutable context",
        ),
        (
            "URI:CHK:secret",
            "malformed URI:CHK: capability: it is cut off in or after its key",
        ),
        ("secret", "unrecognised capability"),
    ] {
        let Cap::Unknown(unknown) = Cap::parse(text) else {
            panic!("{text:?} was understood");
        };
        assert_eq!(unknown.reason().to_string(), expected);
    }
}

#[test]
fn slots_hide_their_texts() {
    let slots = UnknownSlots::new(Some("secret"), Some("ro.secret"), false).unwrap();
    let shown = format!("{slots:?}");
    assert_eq!(shown, "UnknownSlots { write: true, read: true }");
}
