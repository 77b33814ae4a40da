use super::*;
use crate::Target;
use proptest::prelude::*;
use tahoe_crypto::{Fingerprint, ImmutableReadKey, UriExtensionHash, WriteKey};

const KEY: &str = "fs6ul2fju2fvb2cfx7gt6ngycm";
const HASH: &str = "hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq";

fn chk(size: u64) -> ChkReadCap {
    ChkReadCap {
        key: ImmutableReadKey::from_bytes([1; 16]),
        uri_extension_hash: UriExtensionHash::from_bytes([2; 32]),
        shares_needed: 3,
        shares_total: 10,
        size,
    }
}

/// The strongest capability of every sort, and so, by attenuation, all of them.
fn any_cap() -> impl Strategy<Value = Cap> {
    let target = prop_oneof![Just(Target::File), Just(Target::Directory)];
    let format = prop_oneof![Just(MutableFormat::Sdmf), Just(MutableFormat::Mdmf)];
    let mutable = (target.clone(), format, any::<[u8; 16]>(), any::<[u8; 32]>()).prop_map(
        |(target, format, key, fingerprint)| {
            let file = MutableWriteCap {
                format,
                write_key: WriteKey::from_bytes(key),
                fingerprint: Fingerprint::from_bytes(fingerprint),
            };
            Cap::Write(WriteCap { target, file })
        },
    );
    let chk = (
        target.clone(),
        any::<[u8; 16]>(),
        any::<[u8; 32]>(),
        any::<[u64; 3]>(),
    )
        .prop_map(|(target, key, hash, [shares_needed, shares_total, size])| {
            let file = ReadFileCap::Chk(ChkReadCap {
                key: ImmutableReadKey::from_bytes(key),
                uri_extension_hash: UriExtensionHash::from_bytes(hash),
                shares_needed,
                shares_total,
                size,
            });
            Cap::Read(ReadCap { target, file })
        });
    let literal = (target, any::<Vec<u8>>()).prop_map(|(target, content)| {
        let file = ReadFileCap::Literal(LiteralCap::new(content));
        Cap::Read(ReadCap { target, file })
    });
    prop_oneof![mutable, chk, literal]
}

proptest! {
    #[test]
    fn parse_undoes_print(cap in any_cap()) {
        prop_assert_eq!(&Cap::parse(&cap.to_text()), &cap);
        if let Some(verify) = cap.to_verify() {
            prop_assert_eq!(Cap::parse(&verify.to_text()), Cap::Verify(verify));
        }
    }

    #[test]
    fn attenuation_commutes_with_parsing(cap in any_cap()) {
        let weaker = cap.to_read_only().unwrap();
        let parsed = Cap::parse(&cap.to_text());
        prop_assert_eq!(parsed.to_read_only().unwrap().to_text(), weaker.to_text());
        prop_assert_eq!(Cap::parse(&weaker.to_text()).to_verify(), cap.to_verify());
        prop_assert_eq!(weaker.storage_index(), cap.storage_index());
        let verified = cap.to_verify().map(|verify| verify.storage_index());
        prop_assert_eq!(verified, cap.storage_index());
    }

    #[test]
    fn attenuation_only_weakens(cap in any_cap()) {
        let weaker = cap.to_read_only().unwrap();
        prop_assert_eq!(weaker.is_readonly(), Some(true));
        prop_assert!(weaker.kind().unwrap().power() >= cap.kind().unwrap().power());
        prop_assert_eq!(weaker.kind().unwrap().target(), cap.kind().unwrap().target());
        if let Some(verify) = cap.to_verify() {
            prop_assert_eq!(verify.kind().power(), Power::Verify);
            prop_assert_eq!(verify.kind().target(), cap.kind().unwrap().target());
        }
    }

    #[test]
    fn alleged_prefixes_are_checked(cap in any_cap()) {
        let read_only = Cap::parse(&format!("ro.{}", cap.to_text()));
        let immutable = Cap::parse(&format!("imm.{}", cap.to_text()));
        prop_assert_eq!(read_only.kind().is_some(), cap.is_readonly().unwrap());
        prop_assert_eq!(immutable.kind().is_some(), !cap.is_mutable().unwrap());
        prop_assert_eq!(immutable, Cap::parse_deep_immutable(&cap.to_text()).alleged_immutable());
    }

    #[test]
    fn debug_never_shows_authority(cap in any_cap()) {
        let shown = format!("{cap:?}{:?}{:?}", cap.to_read_only(), cap.to_verify());
        for caps in [Some(cap.clone()), cap.to_read_only()] {
            let text = caps.unwrap().to_text();
            // Everything after the prefix, up to the fingerprint or hash, is the authority.
            let (_, fields) = CapKind::of_text(&text).unwrap();
            let secret = fields.split(':').next().unwrap();
            prop_assert!(secret.len() < 4 || !shown.contains(secret), "{}", shown);
        }
    }

    #[test]
    fn any_text_becomes_some_cap(text in "(ro\\.|imm\\.)?(URI:)?(DIR2-?)?(CHK|LIT|SSK|MDMF)?(-RO|-Verifier)?:?.{0,120}") {
        check_any_text(&text);
    }

    #[test]
    fn any_change_of_a_cap_becomes_some_cap(cap in any_cap(), at: usize, change in ".{0,2}") {
        let mut text: Vec<char> = cap.to_text().chars().collect();
        let at = at % text.len();
        text.splice(at..=at, change.chars());
        check_any_text(&text.into_iter().collect::<String>());
    }
}

fn check_any_text(text: &str) {
    for cap in [Cap::parse(text), Cap::parse_deep_immutable(text)] {
        match &cap {
            Cap::Unknown(unknown) => assert_eq!(unknown.text(), text),
            known => {
                let again = Cap::parse(&known.to_text());
                assert_eq!(again.to_text(), known.to_text());
            }
        }
    }
}

impl Cap {
    /// The same with `imm.` before the text of an unknown one.
    fn alleged_immutable(self) -> Self {
        match self {
            Self::Unknown(UnknownCap { text, reason }) => Self::Unknown(UnknownCap {
                text: format!("imm.{text}"),
                reason,
            }),
            known => known,
        }
    }
}

fn check_malformed(text: &str, kind: CapKind, field: &'static str) {
    let Cap::Unknown(unknown) = Cap::parse(text) else {
        panic!("{text:?} was understood");
    };
    let expected = [
        CapError::Malformed { kind, field },
        CapError::CutOff { kind, field },
    ];
    assert!(
        expected.contains(&unknown.reason()),
        "{text:?}: {unknown:?}"
    );
}

#[test]
fn every_beginning_is_cut_off() {
    let text = format!("URI:CHK:{KEY}:{HASH}:3:10:1234");
    for end in "URI:CHK:".len()..text.len() - "1234".len() {
        for cut in [text[..end].to_owned(), format!("{}\n", &text[..end])] {
            let Cap::Unknown(unknown) = Cap::parse(&cut) else {
                panic!("{cut:?} was understood");
            };
            let reason = unknown.reason();
            assert!(
                matches!(reason, CapError::CutOff { .. }),
                "{cut:?}: {reason}"
            );
        }
    }
    let otherwise = format!("URI:CHK:{KEY}:{HASH}:3:10:x");
    check_reason(&otherwise, "malformed URI:CHK: capability: bad size");
    check_reason("URI:CHK:1", "malformed URI:CHK: capability: bad key");
}

fn check_reason(text: &str, expected: &str) {
    let Cap::Unknown(unknown) = Cap::parse(text) else {
        panic!("{text:?} was understood");
    };
    assert_eq!(unknown.reason().to_string(), expected);
}

#[test]
fn key_cut_short() {
    check_malformed("URI:SSK:fs6ul", CapKind::Ssk, "write key");
    check_malformed(
        &format!("URI:SSK-RO:{}:{HASH}", &KEY[1..]),
        CapKind::SskRo,
        "read key",
    );
}

#[test]
fn key_too_long() {
    let text = format!("URI:DIR2-Verifier:{KEY}a:{HASH}");
    check_malformed(&text, CapKind::Dir2Verifier, "storage index");
}

#[test]
fn key_with_trailing_bits() {
    let text = format!("URI:CHK:{}n:{HASH}:3:10:1", &KEY[..25]);
    check_malformed(&text, CapKind::Chk, "key");
}

#[test]
fn key_in_upper_case() {
    let text = format!("URI:MDMF:{}:{HASH}", KEY.to_uppercase());
    check_malformed(&text, CapKind::Mdmf, "write key");
}

#[test]
fn hash_cut_short() {
    let text = format!("URI:CHK:{KEY}:{}:3:10:1", &HASH[1..]);
    check_malformed(&text, CapKind::Chk, "UEB hash");
    let text = format!("URI:SSK:{KEY}:{}", &HASH[1..]);
    check_malformed(&text, CapKind::Ssk, "fingerprint");
}

#[test]
fn number_missing() {
    check_malformed(
        &format!("URI:CHK:{KEY}:{HASH}::10:1"),
        CapKind::Chk,
        "needed shares",
    );
    check_malformed(&format!("URI:CHK:{KEY}:{HASH}:3:10:"), CapKind::Chk, "size");
    check_malformed(
        &format!("URI:CHK:{KEY}:{HASH}:3:10"),
        CapKind::Chk,
        "total shares",
    );
}

#[test]
fn number_with_sign() {
    check_malformed(
        &format!("URI:CHK:{KEY}:{HASH}:+3:10:1"),
        CapKind::Chk,
        "needed shares",
    );
    check_malformed(
        &format!("URI:CHK:{KEY}:{HASH}:3:10:-1"),
        CapKind::Chk,
        "size",
    );
}

#[test]
fn number_beyond_64_bits() {
    let text = format!("URI:CHK:{KEY}:{HASH}:3:10:18446744073709551616");
    check_malformed(&text, CapKind::Chk, "size");
}

#[test]
fn text_after_the_end() {
    check_malformed(
        &format!("URI:CHK:{KEY}:{HASH}:3:10:1:1"),
        CapKind::Chk,
        "end",
    );
    check_malformed(&format!("URI:SSK:{KEY}:{HASH}:x"), CapKind::Ssk, "end");
    check_malformed(
        &format!("URI:DIR2-MDMF:{KEY}:{HASH}x"),
        CapKind::Dir2Mdmf,
        "end",
    );
}

#[test]
fn literal_of_impossible_length() {
    check_malformed("URI:LIT:a", CapKind::Lit, "content");
    check_malformed("URI:DIR2-LIT:aaa", CapKind::Dir2Lit, "content");
}

#[test]
fn literal_with_padding() {
    check_malformed("URI:LIT:aa======", CapKind::Lit, "content");
}

#[test]
fn non_ascii_inside_a_field() {
    let text = format!("URI:SSK:é{}:{HASH}", &KEY[2..]);
    check_malformed(&text, CapKind::Ssk, "write key");
}

#[test]
fn size_is_known_of_immutable_files_only() {
    let size = |text: &str| match Cap::parse(text) {
        Cap::Read(cap) => cap.size(),
        other => panic!("{other:?}"),
    };
    assert_eq!(size("URI:LIT:"), Some(0));
    assert_eq!(size("URI:LIT:mzxw6ytb"), Some(5));
    assert_eq!(size(&Cap::from(chk(u64::MAX)).to_text()), Some(u64::MAX));
    assert_eq!(size(&format!("URI:SSK-RO:{KEY}:{HASH}")), None);
}

#[test]
fn repair_needs_the_verify_cap_or_the_write_cap() {
    let repair = |text: &str| Cap::parse(text).to_repair().and_then(|cap| cap.kind());
    let chk = Cap::from(chk(1));
    assert_eq!(repair(&chk.to_text()), Some(CapKind::ChkVerifier));
    let verify = chk.to_verify().unwrap().to_text();
    assert_eq!(repair(&verify), Some(CapKind::ChkVerifier));
    for (prefix, expected) in [
        ("URI:SSK:", Some(CapKind::Ssk)),
        ("URI:MDMF:", Some(CapKind::Mdmf)),
        ("URI:DIR2:", Some(CapKind::Dir2)),
        ("URI:DIR2-MDMF:", Some(CapKind::Dir2Mdmf)),
        ("URI:SSK-RO:", None),
        ("URI:DIR2-RO:", None),
        ("URI:SSK-Verifier:", None),
    ] {
        assert_eq!(
            repair(&format!("{prefix}{KEY}:{HASH}")),
            expected,
            "{prefix}"
        );
    }
    assert_eq!(
        repair(&chk.to_text().replace("URI:CHK:", "URI:DIR2-CHK:")),
        None
    );
    assert_eq!(repair("URI:LIT:"), None);
    assert_eq!(repair("unknown"), None);
}

#[test]
fn debug_prints_kind_and_storage_index() {
    let cap = Cap::parse(&format!("URI:DIR2:{KEY}:{HASH}"));
    let index = cap.storage_index().unwrap();
    assert_eq!(format!("{cap:?}"), format!("Cap(URI:DIR2 {index})"));
    let literal = Cap::parse("URI:LIT:mzxw6ytb");
    assert_eq!(format!("{literal:?}"), "Cap(URI:LIT)");
    let unknown = Cap::parse("secret of the future");
    assert_eq!(
        format!("{unknown:?}"),
        "UnknownCap(unrecognised capability)"
    );
}
