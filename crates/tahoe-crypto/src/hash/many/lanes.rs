//! SHA-256 of up to four messages at once, with the SHA instructions of x86 processors.
//!
//! Each round waits for the one before, so that a single message leaves the instructions idle most of
//! the time: four independent messages take little longer than two. There is nothing like it in the
//! crates we use; `sha2`, which hashes everything else, is what this is compared with in the tests.
#![allow(
    unsafe_code,
    reason = "a function for processors with the SHA instructions is called after a look at the processor"
)]

use super::{Block, CONSTANTS, Engine, State};
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_setzero_si128,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi32,
};

/// Most messages at once; with more the registers don't suffice.
const MOST: usize = 4;

pub(super) fn engine() -> Option<Engine> {
    let is_available = is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("sse4.1");
    is_available.then_some(Engine {
        least: 2,
        most: MOST,
        compress: compress_some,
    })
}

/// Is only reached through an [`engine`].
fn compress_some(states: &mut [State], messages: &[&[Block]]) {
    match states.len() {
        2 => compress_all::<2>(states, messages),
        3 => compress_all::<3>(states, messages),
        MOST => compress_all::<MOST>(states, messages),
        lanes => unreachable!("the engine has 2 to {MOST} lanes, not {lanes}"),
    }
}

fn compress_all<const N: usize>(states: &mut [State], messages: &[&[Block]]) {
    let states = states.as_mut_array().expect("the lanes were counted");
    let messages = messages.as_array().expect("each lane has a message");
    // SAFETY: `engine` has found that the processor has these instructions.
    unsafe { compress::<N>(states, *messages) };
}

/// Takes the next blocks of each message; as many of each.
#[expect(
    clippy::needless_range_loop,
    reason = "a lane is an index into several arrays, and closures of iterators would stay calls"
)]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress<const N: usize>(states: &mut [State; N], messages: [&[Block]; N]) {
    // The order in which the instructions want the words.
    let mut abef = [_mm_setzero_si128(); N];
    let mut cdgh = abef;
    for (lane, &[a, b, c, d, e, f, g, h]) in states.iter().enumerate() {
        abef[lane] = vector([f, e, b, a]);
        cdgh[lane] = vector([h, g, d, c]);
    }
    let count = messages.iter().map(|blocks| blocks.len()).min();
    for position in 0..count.unwrap_or(0) {
        let before = (abef, cdgh);
        let mut words = [[_mm_setzero_si128(); 4]; N];
        for lane in 0..N {
            words[lane] = load(&messages[lane][position]);
        }
        for (four_rounds, &constants) in CONSTANTS.as_chunks().0.iter().enumerate() {
            let now = four_rounds % 4;
            for lane in 0..N {
                if four_rounds >= 4 {
                    words[lane][now] = schedule(&words[lane], now);
                }
                let sum = _mm_add_epi32(words[lane][now], vector(constants));
                cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
                let upper = _mm_shuffle_epi32(sum, 0x0e);
                abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], upper);
            }
        }
        for lane in 0..N {
            abef[lane] = _mm_add_epi32(abef[lane], before.0[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], before.1[lane]);
        }
    }
    for (lane, state) in states.iter_mut().enumerate() {
        let ([f, e, b, a], [h, g, d, c]) = (words_of(abef[lane]), words_of(cdgh[lane]));
        *state = [a, b, c, d, e, f, g, h];
    }
}

/// The next four words of the message schedule, which take the place of the oldest.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn schedule(words: &[__m128i; 4], oldest: usize) -> __m128i {
    let (w0, w1) = (words[oldest], words[(oldest + 1) % 4]);
    let (w2, w3) = (words[(oldest + 2) % 4], words[(oldest + 3) % 4]);
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    _mm_sha256msg2_epu32(sum, w3)
}

// Closures don't inherit the processor's features and would stay calls, so there are none below.

#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn load(block: &Block) -> [__m128i; 4] {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = words;
    [
        vector([a, b, c, d]),
        vector([e, f, g, h]),
        vector([i, j, k, l]),
        vector([m, n, o, p]),
    ]
}

/// Four words, the first in the lowest place.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn vector([a, b, c, d]: [u32; 4]) -> __m128i {
    _mm_set_epi32(
        d.cast_signed(),
        c.cast_signed(),
        b.cast_signed(),
        a.cast_signed(),
    )
}

/// What [`vector`] was made of.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn words_of(vector: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32(vector, 0).cast_unsigned(),
        _mm_extract_epi32(vector, 1).cast_unsigned(),
        _mm_extract_epi32(vector, 2).cast_unsigned(),
        _mm_extract_epi32(vector, 3).cast_unsigned(),
    ]
}
