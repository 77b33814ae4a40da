//! The vectors that the Python zfec wrote; `vectors/README.md` describes them.

mod common;

use common::{hex, noise};
use sha2::{Digest as _, Sha256};
use zfec::{Encoder, Engine, Params};

const MATRICES: &str = include_str!("vectors/matrices.txt");
const BLOCKS: &str = include_str!("vectors/blocks.txt");

/// Returns all check blocks, one after the other.
fn check_blocks(encoder: &Encoder, primary: &[Vec<u8>]) -> Vec<u8> {
    let params = encoder.params();
    let wanted: Vec<u8> = (params.needed()..params.total())
        .map(|n| n.try_into().expect("below 256"))
        .collect();
    let primary: Vec<&[u8]> = primary.iter().map(Vec::as_slice).collect();
    let length = primary[0].len();
    let mut blocks = vec![vec![0; length]; wanted.len()];
    let mut out: Vec<&mut [u8]> = blocks.iter_mut().map(Vec::as_mut_slice).collect();
    encoder
        .encode(&primary, &wanted, &mut out)
        .expect("blocks fit");
    blocks.concat()
}

fn unit_vectors(needed: u16) -> Vec<Vec<u8>> {
    (0..needed)
        .map(|j| (0..needed).map(|i| u8::from(i == j)).collect())
        .collect()
}

#[test]
fn the_matrix_of_every_code() {
    let mut lines = MATRICES.lines();
    for needed in 1..=256 {
        let mut digest = Sha256::new();
        for total in needed..=256 {
            let encoder = Encoder::new(needed, total).expect("valid");
            digest.update(check_blocks(&encoder, &unit_vectors(needed)));
        }
        let line = format!("{needed} {}", hex(&digest.finalize()));
        assert_eq!(Some(line.as_str()), lines.next());
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn check_blocks_of_many_lengths_by_every_engine() {
    for line in BLOCKS.lines() {
        let [needed, total, length, shown] = line
            .split(' ')
            .collect::<Vec<_>>()
            .try_into()
            .expect("four fields");
        let params = Params::new(
            needed.parse().expect("a number"),
            total.parse().expect("a number"),
        );
        let length = length.parse().expect("a number");
        let primary: Vec<_> = (0..needed.parse().expect("a number"))
            .map(|seed| noise(seed, length))
            .collect();
        for engine in Engine::available() {
            let encoder = Encoder::with_engine(params.expect("valid"), engine);
            let blocks = check_blocks(&encoder, &primary);
            let found = match shown.starts_with("hex:") {
                true => format!("hex:{}", hex(&blocks)),
                false => format!("sha256:{}", hex(&Sha256::digest(&blocks))),
            };
            assert_eq!(found, shown, "{line} by {}", engine.name());
        }
    }
}
