//! The capability vectors that Tahoe-LAFS publishes (`vectors/caps/test_vectors.yaml`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::Deserialize;
use tahoe_caps::{Cap, CapKind};

#[derive(Deserialize)]
struct Vectors {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    expected: String,
    format: Format,
    sample: Sample,
    zfec: Zfec,
}

#[derive(Deserialize)]
struct Format {
    kind: String,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    format: String,
}

#[derive(Deserialize)]
struct Sample {
    length: u64,
}

#[derive(Deserialize)]
struct Zfec {
    required: u64,
    total: u64,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../vectors/caps/test_vectors.yaml");
    serde_yaml_ng::from_str::<Vectors>(text).unwrap().vector
}

fn expected_kind(format: &Format) -> CapKind {
    let mutable = format.params.as_ref().map(|params| params.format.as_str());
    match (format.kind.as_str(), mutable) {
        ("chk", None) => CapKind::Chk,
        ("ssk", Some("sdmf")) => CapKind::Ssk,
        ("ssk", Some("mdmf")) => CapKind::Mdmf,
        other => panic!("unexpected format {other:?}"),
    }
}

#[test]
fn all_parse_and_print_again() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 360);
    for vector in vectors {
        let cap = Cap::parse(&vector.expected);
        assert_eq!(cap.kind(), Some(expected_kind(&vector.format)));
        assert_eq!(cap.to_text(), vector.expected);
    }
}

#[test]
fn immutable_ones_state_their_encoding_and_size() {
    let mut count = 0;
    for vector in vectors() {
        let Cap::Read(cap) = Cap::parse(&vector.expected) else {
            continue;
        };
        assert_eq!(cap.size(), Some(vector.sample.length));
        let tahoe_caps::ReadFileCap::Chk(chk) = &cap.file else {
            panic!("not CHK: {cap:?}");
        };
        let encoding = (chk.shares_needed, chk.shares_total);
        assert_eq!(encoding, (vector.zfec.required, vector.zfec.total));
        count += 1;
    }
    assert_eq!(count, 120);
}
