//! Reproducible contents and choices.

use std::io::{Read, Result};

/// A small reproducible generator of numbers; the same seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which isn't 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.number() % limit as u64).expect("below a usize")
    }
}

/// Bytes without structure, the same for the same seed and length.
pub fn sample(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    sample_reader(seed, length as u64)
        .read_to_end(&mut bytes)
        .expect("reading from memory");
    bytes
}

/// The bytes of [`sample`] one after another, for contents too large for memory.
pub fn sample_reader(seed: u64, length: u64) -> impl Read {
    SampleReader {
        random: Random::new(seed),
        word: [0; 8],
        used: 8,
    }
    .take(length)
}

struct SampleReader {
    random: Random,
    word: [u8; 8],
    used: usize,
}

impl Read for SampleReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        for byte in buffer.iter_mut() {
            if self.used == self.word.len() {
                self.word = self.random.number().to_le_bytes();
                self.used = 0;
            }
            *byte = self.word[self.used];
            self.used += 1;
        }
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_reproducible_and_has_no_short_period() {
        let bytes = sample(7, 1003);
        assert_eq!(bytes, sample(7, 1003));
        assert_ne!(bytes, sample(8, 1003));
        assert_eq!(bytes[..500], sample(7, 500));
        assert_ne!(bytes[..100], bytes[100..200]);
    }
}
