//! SHA-256 of up to four messages at once, with the SHA instructions of x86 processors.
//!
//! Each round waits for the one before, so that a single message leaves the instructions idle most of
//! the time: four independent messages take little longer than two. There is nothing like it in the
//! crates we use; `sha2`, which hashes everything else, is what this is compared with in the tests.
#![allow(
    unsafe_code,
    reason = "a function for processors with the SHA instructions is called after a look at the processor"
)]

use super::Hash;
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_setzero_si128,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi32,
};

/// Most messages at once; with more the registers don't suffice.
pub(super) const MOST: usize = 4;

/// What is compressed at a time.
type Block = [u8; 64];
/// The words a to h.
type State = [u32; 8];

/// The state before the first block.
const INITIAL: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The constants of four rounds each.
#[rustfmt::skip]
const CONSTANTS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// The SHA-256 of `prefix ‖ message` for 2 to 4 messages of one length.
///
/// `None` if this processor, or the lengths, aren't what this is made for.
pub(super) fn digests(prefix: &[u8], messages: &[&[u8]]) -> Option<Vec<Hash>> {
    if !is_available() {
        return None;
    }
    match *messages {
        [a, b] => digest_all(prefix, [a, b]).map(Vec::from),
        [a, b, c] => digest_all(prefix, [a, b, c]).map(Vec::from),
        [a, b, c, d] => digest_all(prefix, [a, b, c, d]).map(Vec::from),
        _ => None,
    }
}

fn is_available() -> bool {
    is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("sse4.1")
}

/// Needs a processor that [`is_available`] has looked at.
fn digest_all<const N: usize>(prefix: &[u8], messages: [&[u8]; N]) -> Option<[Hash; N]> {
    let length = messages.first()?.len();
    let cut = size_of::<Block>().checked_sub(prefix.len())?;
    if length < cut || messages.iter().any(|message| message.len() != length) {
        return None;
    }
    let first = messages.map(|message| {
        let mut block = [0; size_of::<Block>()];
        block[..prefix.len()].copy_from_slice(prefix);
        block[prefix.len()..].copy_from_slice(&message[..cut]);
        [block]
    });
    let rest = messages.map(|message| message[cut..].as_chunks());
    let last = rest.map(|(_, end)| padded(end, prefix.len() + length));
    let mut states = [INITIAL; N];
    let steps = [
        first.each_ref().map(|blocks| blocks.as_slice()),
        rest.map(|(blocks, _)| blocks),
        last.each_ref().map(|(blocks, used)| &blocks[..*used]),
    ];
    for blocks in steps {
        // SAFETY: the caller has found that the processor has these instructions.
        unsafe { compress(&mut states, blocks) };
    }
    Some(states.map(|state| {
        let mut digest = [0; size_of::<Hash>()];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }))
}

/// The end of a message of `length` bytes with its padding, and how many blocks that takes.
fn padded(end: &[u8], length: usize) -> ([Block; 2], usize) {
    let mut bytes = [0; 2 * size_of::<Block>()];
    bytes[..end.len()].copy_from_slice(end);
    bytes[end.len()] = 0x80;
    let used = if end.len() < size_of::<Block>() - 8 {
        1
    } else {
        2
    };
    let bits = (length as u64).wrapping_mul(8).to_be_bytes();
    let place = used * size_of::<Block>();
    bytes[place - 8..place].copy_from_slice(&bits);
    let mut blocks = [[0; size_of::<Block>()]; 2];
    blocks.as_flattened_mut().copy_from_slice(&bytes);
    (blocks, used)
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
        for (four_rounds, &constants) in CONSTANTS.iter().enumerate() {
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
