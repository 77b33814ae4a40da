//! The shares on the servers are byte for byte those that Tahoe-LAFS makes.

use crate::grid::{Grid, content, parameters, read};
use crate::oracle::Oracle;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tahoe_caps::Cap;
use tahoe_crypto::ConvergenceSecret;
use tahoe_immutable::KeySource;
use tahoe_storage_api::ShareNumber;

/// File size, k, N, largest segment.
const CASES: [Case; 16] = [
    (56, 1, 1, 1 << 20),
    (56, 3, 10, 1 << 20),
    (57, 3, 10, 1 << 20),
    (1000, 2, 3, 1 << 20),
    (2999, 3, 5, 3000),
    (3000, 3, 5, 3000),
    (3001, 3, 5, 3000),
    (6000, 3, 5, 3000),
    (6001, 3, 5, 3001),
    (100_000, 7, 10, 1024),
    (50_000, 25, 100, 4096),
    (30_000, 71, 255, 8192),
    (30_000, 101, 256, 8192),
    (30_000, 256, 256, 8192),
    (1 << 20, 3, 10, 1 << 20),
    (3_000_000, 3, 10, 1 << 20),
];

type Case = (usize, u16, u16, u64);

/// Asks for hashes of all shares, or for whole shares with the header for large files.
fn question((size, k, n, segment_size): Case, large_header: bool) -> Value {
    json!({
        "data": BASE64.encode(&content(size)),
        "convergence": BASE64.encode(b"a convergence secret"),
        "k": k,
        "n": n,
        "segment_size": segment_size,
        "v2": large_header,
        "whole_shares": large_header,
    })
}

#[tokio::test]
async fn shares_with_the_header_for_large_files_are_read() {
    let cases = [
        (56, 1, 1, 1 << 20),
        (100_000, 3, 5, 3000),
        (3_000_000, 3, 5, 1 << 20),
    ];
    let mut oracle = Oracle::start("encode.py");
    oracle.tell(&cases.iter().map(|case| question(*case, true)).collect());
    for (size, _, n, _) in cases {
        let answer = oracle.answer();
        let Cap::Read(cap) = Cap::parse(answer["cap"].as_str().unwrap()) else {
            panic!("{answer}");
        };
        let grid = Grid::new(1).await;
        let storage_index = cap.storage_index().unwrap();
        for number in 0..n {
            let share = answer["shares"][usize::from(number)].as_str().unwrap();
            let share = BASE64.decode(share.as_bytes()).unwrap();
            assert_eq!(share[..4], [0, 0, 0, 2]);
            let number = ShareNumber(u8::try_from(number).unwrap());
            grid.put_share(0, &storage_index, number, share.into())
                .await;
        }
        let file = grid.open(&cap);
        assert_eq!(read(&file, 0..size as u64).await.unwrap(), content(size));
    }
}

#[tokio::test]
async fn every_share_is_the_originals() {
    let questions = CASES.iter().map(|case| question(*case, false));
    let mut oracle = Oracle::start("encode.py");
    oracle.tell(&questions.collect());
    for (size, k, n, segment_size) in CASES {
        let expected = oracle.answer();
        let grid = Grid::new(3).await;
        let secret = ConvergenceSecret::new(b"a convergence secret".to_vec());
        let parameters = parameters(k, 1, n, segment_size);
        let mut receiver = grid.receiver(parameters, KeySource::Convergent(secret));
        receiver.write(content(size)).await.unwrap();
        let file = receiver.finish().await.unwrap();
        let results = grid
            .uploader
            .upload(file, &Default::default())
            .await
            .unwrap();
        assert_eq!(expected["cap"], results.cap.to_text());
        let storage_index = results.cap.storage_index().unwrap();
        for number in 0..n {
            let share = ShareNumber(u8::try_from(number).unwrap());
            let mut stores = grid.stores.iter();
            let bytes = stores
                .find_map(|store| store.share(&storage_index, share))
                .unwrap();
            let hash = HEXLOWER.encode(&Sha256::digest(&bytes));
            let expected = &expected["shares"][usize::from(number)];
            assert_eq!(
                *expected, hash,
                "share {number} of {size} bytes, {k}-of-{n}"
            );
        }
    }
}
