//! Keeps the coefficients for the sets of blocks that were decoded last.

use std::sync::{Arc, Mutex, PoisonError};

use crate::matrix::Matrix;

/// The most matrices kept. The largest one has 128 × 128 bytes.
const CAPACITY: usize = 32;

/// A set of block numbers, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NumberSet([u64; 4]);

impl NumberSet {
    fn word_and_bit(number: u8) -> (usize, u32) {
        (usize::from(number / 64), u32::from(number % 64))
    }

    /// Adds a number and tells whether it is new.
    pub(super) fn insert(&mut self, number: u8) -> bool {
        let is_new = !self.contains(number);
        let (word, bit) = Self::word_and_bit(number);
        self.0[word] |= 1 << bit;
        is_new
    }

    /// Tells whether the number is in the set.
    pub(super) fn contains(&self, number: u8) -> bool {
        let (word, bit) = Self::word_and_bit(number);
        self.0[word] >> bit & 1 == 1
    }

    /// Returns how many smaller numbers are in the set.
    pub(super) fn rank(&self, number: u8) -> usize {
        let (word, bit) = Self::word_and_bit(number);
        let below = self.0[word] & ((1 << bit) - 1);
        let smaller_words = self.0[..word]
            .iter()
            .map(|word| word.count_ones())
            .sum::<u32>();
        (smaller_words + below.count_ones()) as usize
    }

    /// Returns how many numbers are in the set.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones()).sum::<u32>() as usize
    }

    /// Returns the numbers ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |&number| self.contains(number))
    }
}

impl FromIterator<u8> for NumberSet {
    fn from_iter<I: IntoIterator<Item = u8>>(numbers: I) -> Self {
        let mut set = Self::default();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

/// The matrices used last, the latest one at the end.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    known: NumberSet,
    wanted: NumberSet,
    matrix: Arc<Matrix>,
}

impl Cache {
    /// Returns the rows that make the blocks `wanted` from the blocks `known`, both ascending.
    pub(super) fn matrix(&self, known: NumberSet, wanted: NumberSet) -> Arc<Matrix> {
        if let Some(matrix) = self.recall(known, wanted) {
            return matrix;
        }
        // Computed outside the lock: at worst two threads compute the same.
        let numbers: Vec<u8> = known.iter().collect();
        let matrix = Arc::new(Matrix::between(&numbers, wanted.iter()));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CAPACITY {
            entries.remove(0);
        }
        entries.push(Entry {
            known,
            wanted,
            matrix: Arc::clone(&matrix),
        });
        matrix
    }

    /// Finds a kept matrix and marks it as the latest.
    fn recall(&self, known: NumberSet, wanted: NumberSet) -> Option<Arc<Matrix>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |entry: &Entry| entry.known == known && entry.wanted == wanted;
        let found = entries.iter().rposition(is_it)?;
        entries[found..].rotate_left(1);
        entries.last().map(|entry| Arc::clone(&entry.matrix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u8]) -> NumberSet {
        numbers.iter().copied().collect()
    }

    #[test]
    fn ranks_count_smaller_numbers() {
        let numbers = [0, 1, 63, 64, 127, 128, 254, 255];
        let all = set(&numbers);
        assert_eq!(all.iter().collect::<Vec<_>>(), numbers);
        assert_eq!(all.len(), 8);
        for (rank, &number) in numbers.iter().enumerate() {
            assert_eq!(all.rank(number), rank);
        }
        assert_eq!(all.rank(2), 2);
    }

    #[test]
    fn keeps_the_latest() {
        let cache = Cache::default();
        let first = cache.matrix(set(&[0]), set(&[255]));
        for wanted in 1..=100 {
            cache.matrix(set(&[0]), set(&[wanted]));
            // Asked for in between, the first one is never the oldest.
            assert!(Arc::ptr_eq(&first, &cache.matrix(set(&[0]), set(&[255]))));
        }
        let entries = cache.entries.lock().expect("not poisoned");
        assert_eq!(entries.len(), CAPACITY);
        assert!(
            entries
                .iter()
                .all(|entry| entry.matrix.row(0) == Some(&[1]))
        );
    }
}
