//! The published CHK vectors, through `PUT /uri` of a real gateway.

use crate::ours;
use data_encoding::{BASE32_NOPAD, BASE64};
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use tahoe_test_support::{Encoding, Grid};

/// A vector's encoding and convergence secret, which are a gateway's settings: needed and total
/// shares, segment size, secret in base64.
type Settings = (u16, u16, u64, String);

/// A file and its capability.
struct Vector {
    contents: Vec<u8>,
    expected: String,
}

#[test]
fn all_chk_vectors() {
    let by_settings = vectors();
    assert_eq!(by_settings.values().map(Vec::len).sum::<usize>(), 120);
    let any = Encoding {
        needed: 1,
        happy: 1,
        total: 1,
    };
    let mut grid = Grid::create(&[&ours()], &[&ours()], any);
    grid.start_servers();
    for ((needed, total, segment_size, secret), vectors) in by_settings {
        let gateway = &grid.gateways[0];
        let option = "shares._max_immutable_segment_size_for_testing";
        gateway.set("client", option, &segment_size.to_string());
        let secret = BASE64.decode(secret.as_bytes()).unwrap();
        let secret = BASE32_NOPAD.encode(&secret).to_lowercase();
        gateway.write_file("private/convergence", secret + "\n");
        grid.set_encoding(Encoding {
            needed,
            happy: 1,
            total,
        });
        for vector in vectors {
            assert_eq!(grid.gateway(0).put(&vector.contents), vector.expected);
            assert_eq!(grid.servers[0].shares().len(), usize::from(total));
            assert!(grid.gateway(0).get(&vector.expected) == vector.contents);
            grid.delete_shares();
        }
    }
}

fn vectors() -> BTreeMap<Settings, Vec<Vector>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/caps/test_vectors.yaml"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let all: Value = serde_yaml_ng::from_str(&text).unwrap();
    let mut by_settings = BTreeMap::<Settings, Vec<Vector>>::new();
    for entry in all["vector"].as_sequence().unwrap() {
        if entry["format"]["kind"] != "chk" {
            continue;
        }
        let zfec = |name: &str| entry["zfec"][name].as_u64().unwrap();
        let shares = |name: &str| u16::try_from(zfec(name)).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let settings = (
            shares("required"),
            shares("total"),
            zfec("segmentSize"),
            text(&entry["convergence"]),
        );
        let seed = BASE64
            .decode(text(&entry["sample"]["seed"]).as_bytes())
            .unwrap();
        let length = entry["sample"]["length"].as_u64().unwrap();
        by_settings.entry(settings).or_default().push(Vector {
            contents: seed
                .iter()
                .copied()
                .cycle()
                .take(usize::try_from(length).unwrap())
                .collect(),
            expected: text(&entry["expected"]),
        });
    }
    by_settings
}
