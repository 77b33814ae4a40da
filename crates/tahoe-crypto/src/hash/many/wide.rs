//! SHA-256 of up to 16 messages at once with AVX-512: a message per 32-bit lane of its registers.
#![allow(
    unsafe_code,
    reason = "loads of registers, and a function for processors with AVX-512 that is called after a look at the processor"
)]

use super::{Block, CONSTANTS, Engine, INITIAL, State, lanes};
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set1_epi32,
    _mm512_set4_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4,
    _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

const LANES: usize = 16;
/// Fewer lanes are faster in fours with the SHA instructions; measured on Sapphire Rapids.
const LEAST_WITH_SHA: usize = 9;
/// The same without them.
const LEAST: usize = 3;

/// The truth tables of the functions of three bits.
const XOR: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

pub(super) fn engine() -> Option<Engine> {
    let is_available = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    let least = lanes::engine().map_or(LEAST, |_| LEAST_WITH_SHA);
    is_available.then_some(Engine {
        least,
        most: LANES,
        compress: compress_some,
    })
}

/// Is only reached through an [`engine`]. Unused lanes repeat the first.
fn compress_some(states: &mut [State], messages: &[&[Block]]) {
    let Some(first) = messages.first() else {
        return;
    };
    let mut lanes = [INITIAL; LANES];
    let mut blocks = [*first; LANES];
    lanes[..states.len()].copy_from_slice(states);
    blocks[..messages.len()].copy_from_slice(messages);
    // SAFETY: `engine` has found that the processor has these instructions.
    unsafe { compress(&mut lanes, blocks) };
    states.copy_from_slice(&lanes[..states.len()]);
}

/// Sixteen rounds, after which each word of the state is in its place again.
macro_rules! sixteen_rounds {
    ($state:ident, $words:ident, $constants:ident, $($round:literal)*) => {
        $(round::<$round>(&mut $state, $words[$round], $constants[$round]);)*
    };
}

/// Replaces the words of the message schedule by the next sixteen.
macro_rules! schedule_sixteen {
    ($words:ident, $($round:literal)*) => {
        $($words[$round] = next_word::<$round>(&$words);)*
    };
}

#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut [State; LANES], messages: [&[Block]; LANES]) {
    let mut state = load_states(states);
    let count = messages.iter().map(|blocks| blocks.len()).min();
    for position in 0..count.unwrap_or(0) {
        let before = state;
        let mut words = load_words(&messages, position);
        for (sixteen, constants) in CONSTANTS.as_chunks::<16>().0.iter().enumerate() {
            if sixteen > 0 {
                schedule_sixteen!(words, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            }
            sixteen_rounds!(state, words, constants, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
        for (now, before) in state.iter_mut().zip(before) {
            *now = _mm512_add_epi32(*now, before);
        }
    }
    store_states(state, states);
}

/// Instead of moving each word of the state by a place, a round counts from another place.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn round<const ROUND: usize>(state: &mut [__m512i; 8], word: __m512i, constant: u32) {
    let place = |letter: usize| (16 - ROUND + letter) % 8;
    let [a, b, c] = [state[place(0)], state[place(1)], state[place(2)]];
    let [e, f, g] = [state[place(4)], state[place(5)], state[place(6)]];
    let constant = _mm512_set1_epi32(constant.cast_signed());
    let input = _mm512_add_epi32(state[place(7)], _mm512_add_epi32(word, constant));
    let chosen = _mm512_add_epi32(input, _mm512_ternarylogic_epi32::<CHOOSE>(e, f, g));
    let first = _mm512_add_epi32(chosen, xor_of_rotated::<6, 11, 25>(e));
    let second = _mm512_add_epi32(
        xor_of_rotated::<2, 13, 22>(a),
        _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c),
    );
    state[place(3)] = _mm512_add_epi32(state[place(3)], first);
    state[place(7)] = _mm512_add_epi32(first, second);
}

/// The word of the message schedule that comes 16 rounds after the one in its place.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn next_word<const ROUND: usize>(words: &[__m512i; 16]) -> __m512i {
    let (one, fourteen) = (words[(ROUND + 1) % 16], words[(ROUND + 14) % 16]);
    let small_0 = _mm512_ternarylogic_epi32::<XOR>(
        _mm512_ror_epi32::<7>(one),
        _mm512_ror_epi32::<18>(one),
        _mm512_srli_epi32::<3>(one),
    );
    let small_1 = _mm512_ternarylogic_epi32::<XOR>(
        _mm512_ror_epi32::<17>(fourteen),
        _mm512_ror_epi32::<19>(fourteen),
        _mm512_srli_epi32::<10>(fourteen),
    );
    let old = _mm512_add_epi32(words[ROUND], words[(ROUND + 9) % 16]);
    _mm512_add_epi32(old, _mm512_add_epi32(small_0, small_1))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn xor_of_rotated<const A: i32, const B: i32, const C: i32>(word: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<XOR>(
        _mm512_ror_epi32::<A>(word),
        _mm512_ror_epi32::<B>(word),
        _mm512_ror_epi32::<C>(word),
    )
}

/// The next block of each message: a register per word, with a lane per message.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load_words(messages: &[&[Block]; LANES], position: usize) -> [__m512i; 16] {
    let big_endian = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, blocks) in rows.iter_mut().zip(messages) {
        let block = &blocks[position];
        // SAFETY: a block has the 64 bytes of a register; the load needs no alignment.
        let loaded = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        *row = _mm512_shuffle_epi8(loaded, big_endian);
    }
    transposed(rows)
}

/// Exchanges rows and columns of 16 × 16 words: first in pairs of rows, then in fours, then the fours.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn transposed(mut rows: [__m512i; 16]) -> [__m512i; 16] {
    for four in rows.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *four;
        let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (low_2, high_2) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *four = [
            _mm512_unpacklo_epi64(low, low_2),
            _mm512_unpackhi_epi64(low, low_2),
            _mm512_unpacklo_epi64(high, high_2),
            _mm512_unpackhi_epi64(high, high_2),
        ];
    }
    let mut columns = rows;
    for i in 0..4 {
        let [a, b, c, d] = [rows[i], rows[4 + i], rows[8 + i], rows[12 + i]];
        let (low, high) = (
            _mm512_shuffle_i32x4::<0x44>(a, b),
            _mm512_shuffle_i32x4::<0xee>(a, b),
        );
        let (low_2, high_2) = (
            _mm512_shuffle_i32x4::<0x44>(c, d),
            _mm512_shuffle_i32x4::<0xee>(c, d),
        );
        columns[i] = _mm512_shuffle_i32x4::<0x88>(low, low_2);
        columns[4 + i] = _mm512_shuffle_i32x4::<0xdd>(low, low_2);
        columns[8 + i] = _mm512_shuffle_i32x4::<0x88>(high, high_2);
        columns[12 + i] = _mm512_shuffle_i32x4::<0xdd>(high, high_2);
    }
    columns
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load_states(states: &[State; LANES]) -> [__m512i; 8] {
    let mut loaded = [_mm512_setzero_si512(); 8];
    for (letter, register) in loaded.iter_mut().enumerate() {
        let lanes = states.map(|state| state[letter]);
        // SAFETY: sixteen words are as long as a register; the load needs no alignment.
        *register = unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) };
    }
    loaded
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn store_states(registers: [__m512i; 8], states: &mut [State; LANES]) {
    for (letter, register) in registers.into_iter().enumerate() {
        let mut lanes = [0_u32; LANES];
        // SAFETY: sixteen words are as long as a register; the store needs no alignment.
        unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), register) };
        for (state, word) in states.iter_mut().zip(lanes) {
            state[letter] = word;
        }
    }
}
