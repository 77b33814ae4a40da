//! Parses what Tahoe-LAFS parsed and compares (`vectors/caps/parsed.json`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::Deserialize;
use tahoe_caps::{Cap, CapError, CapKind, UnknownSlots};

#[derive(Deserialize)]
struct Vectors {
    parsed: Vec<ParsedVector>,
    slots: Vec<SlotVector>,
}

#[derive(Deserialize)]
struct ParsedVector {
    given: String,
    anywhere: Parsed,
    deep_immutable: Parsed,
}

/// What the reference made of a text; all but `class` and `error` only if it is known.
#[derive(Debug, PartialEq, Deserialize)]
struct Parsed {
    class: Option<String>,
    error: Option<String>,
    text: Option<String>,
    read_only: Option<String>,
    verify: Option<String>,
    storage_index: Option<String>,
    is_mutable: Option<bool>,
    is_readonly: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct SlotVector {
    given_write: Option<String>,
    given_read: Option<String>,
    deep_immutable: bool,
    write: Option<String>,
    read: Option<String>,
    error: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../vectors/caps/parsed.json")).unwrap()
}

fn class_of(kind: CapKind) -> &'static str {
    match kind {
        CapKind::Chk => "CHKFileURI",
        CapKind::ChkVerifier => "CHKFileVerifierURI",
        CapKind::Lit => "LiteralFileURI",
        CapKind::Ssk => "WriteableSSKFileURI",
        CapKind::SskRo => "ReadonlySSKFileURI",
        CapKind::SskVerifier => "SSKVerifierURI",
        CapKind::Mdmf => "WriteableMDMFFileURI",
        CapKind::MdmfRo => "ReadonlyMDMFFileURI",
        CapKind::MdmfVerifier => "MDMFVerifierURI",
        CapKind::Dir2 => "DirectoryURI",
        CapKind::Dir2Ro => "ReadonlyDirectoryURI",
        CapKind::Dir2Verifier => "DirectoryURIVerifier",
        CapKind::Dir2Chk => "ImmutableDirectoryURI",
        CapKind::Dir2ChkVerifier => "ImmutableDirectoryURIVerifier",
        CapKind::Dir2Lit => "LiteralDirectoryURI",
        CapKind::Dir2Mdmf => "MDMFDirectoryURI",
        CapKind::Dir2MdmfRo => "ReadonlyMDMFDirectoryURI",
        CapKind::Dir2MdmfVerifier => "MDMFDirectoryURIVerifier",
    }
}

fn error_class(error: CapError) -> Option<String> {
    let class = match error {
        CapError::Unrecognised => return None,
        CapError::Malformed { .. } | CapError::CutOff { .. } => "BadURIError",
        CapError::MustBeReadOnly { .. } => "MustBeReadonlyError",
        CapError::MustBeDeepImmutable { .. } => "MustBeDeepImmutableError",
        CapError::MustNotBeUnknownWrite { .. } => "MustNotBeUnknownRWError",
        other => panic!("new error {other}"),
    };
    Some(class.to_owned())
}

fn described(given: &str, cap: &Cap) -> Parsed {
    let error = match cap {
        Cap::Unknown(unknown) => {
            assert_eq!(cap.to_text(), given, "an unknown cap is kept as it came");
            error_class(unknown.reason())
        }
        Cap::Write(_) | Cap::Read(_) | Cap::Verify(_) => None,
    };
    Parsed {
        class: cap.kind().map(|kind| class_of(kind).to_owned()),
        error,
        text: cap.kind().map(|_| cap.to_text()),
        read_only: cap.to_read_only().map(|cap| cap.to_text()),
        verify: cap.to_verify().map(|cap| cap.to_text()),
        storage_index: cap.storage_index().map(|index| index.to_string()),
        is_mutable: cap.is_mutable(),
        is_readonly: cap.is_readonly(),
    }
}

#[test]
fn every_text_is_understood_alike() {
    for vector in vectors().parsed {
        let given = &vector.given;
        let found = described(given, &Cap::parse(given));
        assert_eq!(found, vector.anywhere, "{given:?}");
        let found = described(given, &Cap::parse_deep_immutable(given));
        assert_eq!(found, vector.deep_immutable, "{given:?} deep immutable");
    }
}

#[test]
fn vectors_cover_every_kind() {
    let vectors = vectors().parsed;
    for kind in CapKind::ALL {
        let class = Some(class_of(kind).to_owned());
        assert!(
            vectors.iter().any(|v| v.anywhere.class == class),
            "{kind:?}"
        );
    }
}

#[test]
fn unknown_texts_are_sorted_into_slots_alike() {
    for vector in vectors().slots {
        let found = UnknownSlots::new(
            vector.given_write.as_deref(),
            vector.given_read.as_deref(),
            vector.deep_immutable,
        );
        match found {
            Ok(slots) => {
                assert_eq!(None, vector.error, "{vector:?}");
                assert_eq!(slots.write, vector.write, "{vector:?}");
                assert_eq!(slots.read, vector.read, "{vector:?}");
            }
            Err(error) => assert_eq!(error_class(error), vector.error, "{vector:?}"),
        }
    }
}
