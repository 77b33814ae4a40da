//! Any k blocks give any other block back, whatever the code, the length and the engine.

use proptest::prelude::*;
use proptest::sample::subsequence;
use zfec::{Decoder, Encoder, Engine, Params};

/// A code, k of its block numbers in any order, and a segment.
fn case() -> impl Strategy<Value = (Params, Vec<u8>, Vec<u8>)> {
    let total = prop_oneof![1..=16_u16, 1..=256_u16];
    let code = total.prop_flat_map(|total| (1..=total, Just(total)));
    code.prop_flat_map(|(needed, total)| {
        let params = Params::new(needed, total).expect("valid");
        let all: Vec<u8> = (0..total)
            .map(|n| n.try_into().expect("below 256"))
            .collect();
        let numbers = subsequence(all, usize::from(needed)).prop_shuffle();
        let segment = prop::collection::vec(any::<u8>(), 0..20 * usize::from(needed) + 200);
        (Just(params), numbers, segment)
    })
}

fn given<'a>(numbers: &[u8], blocks: &'a [Vec<u8>]) -> Vec<(u8, &'a [u8])> {
    numbers
        .iter()
        .map(|&n| (n, blocks[usize::from(n)].as_slice()))
        .collect()
}

proptest! {
    #[test]
    fn any_k_blocks_give_the_segment((params, numbers, segment) in case()) {
        let blocks = Encoder::with_params(params).encode_segment(&segment);
        prop_assert_eq!(blocks.len(), usize::from(params.total()));
        for engine in Engine::available() {
            let decoder = Decoder::with_engine(params, engine);
            let decoded = decoder.decode_segment(&given(&numbers, &blocks), segment.len());
            prop_assert_eq!(decoded.as_ref(), Ok(&segment), "{}", engine.name());
        }
    }

    #[test]
    fn any_k_blocks_give_every_block((params, numbers, segment) in case()) {
        let blocks = Encoder::with_params(params).encode_segment(&segment);
        let wanted: Vec<u8> = (0..=u8::MAX).take(params.total().into()).collect();
        let mut out = vec![vec![0; blocks[0].len()]; wanted.len()];
        let mut slices: Vec<&mut [u8]> = out.iter_mut().map(Vec::as_mut_slice).collect();
        let decoder = Decoder::with_params(params);
        decoder.reconstruct(&given(&numbers, &blocks), &wanted, &mut slices).expect("fits");
        prop_assert_eq!(out, blocks);
    }

    #[test]
    fn only_missing_blocks_need_computing((params, numbers, segment) in case()) {
        let blocks = Encoder::with_params(params).encode_segment(&segment);
        let decoder = Decoder::with_params(params);
        let missing = decoder.missing(&numbers);
        let mut out = vec![vec![0; blocks[0].len()]; missing.len()];
        let mut slices: Vec<&mut [u8]> = out.iter_mut().map(Vec::as_mut_slice).collect();
        decoder.reconstruct(&given(&numbers, &blocks), &missing, &mut slices).expect("fits");
        for number in (0..=u8::MAX).take(params.needed().into()) {
            let is_given = numbers.contains(&number);
            prop_assert_ne!(is_given, missing.contains(&number));
        }
        for (number, block) in missing.iter().zip(out) {
            prop_assert_eq!(&block, &blocks[usize::from(*number)]);
        }
    }

    #[test]
    fn encoding_is_the_same_from_every_engine((params, _, segment) in case()) {
        let expected = Encoder::with_engine(params, Engine::reference()).encode_segment(&segment);
        for engine in Engine::available() {
            let blocks = Encoder::with_engine(params, engine).encode_segment(&segment);
            prop_assert!(blocks == expected, "{}", engine.name());
        }
    }
}

#[test]
fn coders_are_shared_between_threads() {
    let encoder = Encoder::new(3, 10).expect("valid");
    let decoder = Decoder::new(3, 10).expect("valid");
    std::thread::scope(|scope| {
        for seed in 0..8_u8 {
            let (encoder, decoder) = (&encoder, decoder.clone());
            scope.spawn(move || {
                let segment = vec![seed; 100];
                let blocks = encoder.encode_segment(&segment);
                for last in 3..10 {
                    let decoded = decoder.decode_segment(&given(&[last, 2, 1], &blocks), 100);
                    assert_eq!(decoded, Ok(segment.clone()));
                }
            });
        }
    });
}
