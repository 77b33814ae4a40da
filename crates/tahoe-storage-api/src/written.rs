//! Which bytes of a share in upload have been written.

use std::ops::Range;

/// Byte ranges that have been written, as few as possible, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenRanges {
    /// Neither empty, overlapping nor touching; ascending.
    ranges: Vec<Range<u64>>,
}

impl WrittenRanges {
    /// Adds a range; empty ranges change nothing.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|r| r.end < range.start);
        let last = self.ranges.partition_point(|r| r.start <= range.end);
        let touched = &self.ranges[first..last];
        let start = touched
            .first()
            .map_or(range.start, |r| r.start.min(range.start));
        let end = touched.last().map_or(range.end, |r| r.end.max(range.end));
        self.ranges.splice(first..last, std::iter::once(start..end));
    }

    /// The parts of `range` that have been written, in order.
    pub fn overlaps(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.ranges.partition_point(|r| r.end <= range.start);
        self.ranges[first..]
            .iter()
            .take_while(move |r| r.start < range.end)
            .map(move |r| r.start.max(range.start)..r.end.min(range.end))
    }

    /// The parts of the first `size` bytes that haven't been written, in order.
    pub fn missing(&self, size: u64) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut position = 0;
        for range in &self.ranges {
            if range.start >= size {
                break;
            }
            if position < range.start {
                missing.push(position..range.start);
            }
            position = range.end;
        }
        if position < size {
            missing.push(position..size);
        }
        missing
    }

    /// Says whether the first `size` bytes have all been written.
    pub fn covers(&self, size: u64) -> bool {
        size == 0 || matches!(self.ranges.first(), Some(r) if r.start == 0 && r.end >= size)
    }

    /// How many separate ranges there are.
    pub fn count(&self) -> usize {
        self.ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: u64 = 40;

    fn flags(ranges: impl IntoIterator<Item = Range<u64>>) -> Vec<bool> {
        let mut flags = vec![false; 40];
        for byte in ranges.into_iter().flatten() {
            flags[usize::try_from(byte).unwrap()] = true;
        }
        flags
    }

    proptest! {
        #[test]
        fn agrees_with_a_flag_per_byte(
            writes in prop::collection::vec((0..SIZE, 0u64..12), 0..12),
            probe in (0..SIZE, 0u64..20),
        ) {
            let clip = |(start, length): (u64, u64)| start..(start + length).min(SIZE);
            let mut written = WrittenRanges::default();
            let mut expected = flags([]);
            for write in writes {
                written.insert(clip(write));
                for byte in clip(write) {
                    expected[usize::try_from(byte).unwrap()] = true;
                }
            }
            let missing: Vec<bool> = expected.iter().map(|set| !set).collect();
            prop_assert_eq!(flags(written.missing(SIZE)), missing);
            prop_assert_eq!(written.covers(SIZE), expected.iter().all(|set| *set));
            let mut in_probe = flags([clip(probe)]);
            in_probe.iter_mut().zip(&expected).for_each(|(probed, set)| *probed &= set);
            prop_assert_eq!(flags(written.overlaps(clip(probe))), in_probe);
            let touching = written.ranges.windows(2).any(|pair| pair[0].end >= pair[1].start);
            prop_assert!(!touching, "ranges are merged: {:?}", written);
        }
    }

    #[test]
    fn nothing_is_missing_of_nothing() {
        assert!(WrittenRanges::default().covers(0));
        assert_eq!(WrittenRanges::default().missing(0), []);
    }
}
