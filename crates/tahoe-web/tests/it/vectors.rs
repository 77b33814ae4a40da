//! The published capability vectors (`vectors/caps`), through `PUT /uri` and back.

use crate::grid::Grid;
use data_encoding::{BASE64, BASE64URL};
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use tahoe_client::{EncodingParameters, UploadParameters};
use tahoe_crypto::{ConvergenceSecret, RsaPrivateKey};

fn vectors(kind: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/caps/test_vectors.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let file: Value = serde_yaml_ng::from_str(&text).unwrap();
    let vectors = file["vector"].as_sequence().unwrap().iter();
    let wanted = vectors.filter(|vector| vector["format"]["kind"] == kind);
    wanted.cloned().collect()
}

fn base64(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

#[tokio::test]
async fn every_chk_vector_is_what_put_answers() {
    let vectors = vectors("chk");
    assert_eq!(vectors.len(), 120);
    for vector in vectors {
        let number = |value: &Value| value.as_u64().unwrap();
        let zfec = &vector["zfec"];
        let encoding = EncodingParameters::new(number(&zfec["required"]), number(&zfec["total"]));
        let segment_size = number(&zfec["segmentSize"]);
        let encoding = UploadParameters::new(encoding.unwrap(), 1, segment_size).unwrap();
        let secret = ConvergenceSecret::new(base64(&vector["convergence"]));
        let grid = Grid::start(2, encoding, secret).await;

        let length = usize::try_from(number(&vector["sample"]["length"])).unwrap();
        let seed = base64(&vector["sample"]["seed"]);
        let data: Vec<u8> = seed.iter().copied().cycle().take(length).collect();
        let cap = grid.put(&data).await;
        assert_eq!(cap, vector["expected"].as_str().unwrap());
        assert!(grid.get(&format!("/uri/{cap}")).await.body == data, "{cap}");
        grid.client.stop().await;
    }
}

/// The key of a vector, as `private-key=` has it.
fn key_of(vector: &Value) -> String {
    let pem = vector["format"]["params"]["key"].as_str().unwrap();
    let key = RsaPrivateKey::from_pem(pem).unwrap();
    BASE64URL.encode(key.as_pkcs8_der()).replace('=', "%3D")
}

/// The key of the first vector of a format.
pub(crate) fn private_key(format: &str) -> String {
    let vectors = vectors("ssk");
    let mut vectors = vectors.iter();
    let vector = vectors.find(|vector| vector["format"]["params"]["format"] == format);
    key_of(vector.unwrap())
}

#[tokio::test]
async fn every_mutable_vector_is_what_put_answers() {
    let vectors = vectors("ssk");
    assert_eq!(vectors.len(), 240);
    let mut grids = BTreeMap::new();
    for vector in vectors {
        let number = |value: &Value| value.as_u64().unwrap();
        let zfec = &vector["zfec"];
        let encoding = (number(&zfec["required"]), number(&zfec["total"]));
        if let Entry::Vacant(entry) = grids.entry(encoding) {
            entry.insert(Grid::with(2, encoding.0, 1, encoding.1).await);
        }
        let grid = &grids[&encoding];
        let length = usize::try_from(number(&vector["sample"]["length"])).unwrap();
        let seed = base64(&vector["sample"]["seed"]);
        let data: Vec<u8> = seed.iter().copied().cycle().take(length).collect();
        let format = vector["format"]["params"]["format"].as_str().unwrap();
        let uri = format!("/uri?format={format}&private-key={}", key_of(&vector));
        let put = grid.ask_with("PUT", &uri, &[], data.clone()).await;
        assert_eq!(put.text(), vector["expected"].as_str().unwrap());
        let read = grid.get(&format!("/uri/{}", put.text())).await;
        assert!(read.body == data, "{}", put.text());
    }
    for grid in grids.values() {
        grid.client.stop().await;
    }
}
