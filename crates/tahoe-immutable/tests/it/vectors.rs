//! The published capability vectors (`vectors/caps`), through a whole upload.

use crate::grid::{Grid, parameters};
use bytes::Bytes;
use data_encoding::BASE64;
use serde_yaml_ng::Value;
use std::path::Path;
use tahoe_crypto::ConvergenceSecret;
use tahoe_immutable::KeySource;

fn chk_vectors() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/caps/test_vectors.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let file: Value = serde_yaml_ng::from_str(&text).unwrap();
    let vectors = file["vector"].as_sequence().unwrap().iter();
    let chk = vectors.filter(|vector| vector["format"]["kind"] == "chk");
    chk.cloned().collect()
}

fn base64(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[tokio::test]
async fn every_chk_vector_is_the_capability_of_its_upload() {
    let vectors = chk_vectors();
    assert_eq!(vectors.len(), 120);
    for vector in vectors {
        let grid = Grid::new(3).await;
        let sample = &vector["sample"];
        let length = usize::try_from(number(&sample["length"])).unwrap();
        let seed = base64(&sample["seed"]);
        let data: Vec<u8> = seed.iter().copied().cycle().take(length).collect();
        let zfec = &vector["zfec"];
        let [needed, total] =
            ["required", "total"].map(|name| u16::try_from(number(&zfec[name])).unwrap());
        let parameters = parameters(needed, 1, total, number(&zfec["segmentSize"]));
        let secret = ConvergenceSecret::new(base64(&vector["convergence"]));

        let mut receiver = grid.receiver(parameters, KeySource::Convergent(secret));
        receiver.write(Bytes::from(data)).await.unwrap();
        let file = receiver.finish().await.unwrap();
        let results = grid
            .uploader
            .upload(file, &Default::default())
            .await
            .unwrap();
        assert_eq!(results.cap.to_text(), vector["expected"].as_str().unwrap());
        assert_eq!(results.pushed_shares, usize::from(total));
    }
}
