//! Which bytes of a share are wanted, and which have come.

use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::ops::Range;

/// Wanted ranges are fetched as one if no more than this many bytes lie between them: a request
/// costs more than the bytes.
const LARGEST_GAP: u64 = 2048;
/// Most bytes of one request.
const LARGEST_READ: u64 = 4 * 1024 * 1024;

/// Joins wanted ranges into the requests that fetch them, in order of their offsets.
pub(super) fn requests(wanted: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut wanted: Vec<_> = wanted
        .into_iter()
        .filter(|range| !range.is_empty())
        .collect();
    wanted.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in wanted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(LARGEST_GAP) => {
                last.end = last.end.max(range.end);
            }
            Some(_) | None => joined.push(range),
        }
    }
    joined.into_iter().flat_map(pieces).collect()
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut rest = range;
    std::iter::from_fn(move || {
        let start = rest.start;
        let end = rest.end.min(start.saturating_add(LARGEST_READ));
        rest.start = end;
        (start < end).then_some(start..end)
    })
}

/// Bytes of one share that have been asked for, and what has come of them.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// By offset; they don't overlap.
    data: BTreeMap<u64, Bytes>,
    /// Sorted, and never adjacent.
    asked: Vec<Range<u64>>,
}

impl Received {
    /// Takes the answer to a request; an answer that is too short has ended where the share ends.
    pub(super) fn insert(&mut self, request: Range<u64>, data: Bytes) {
        if !data.is_empty() {
            self.data.insert(request.start, data);
        }
        self.asked.push(request);
        self.asked.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in self.asked.drain(..) {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                Some(_) | None => joined.push(range),
            }
        }
        self.asked = joined;
    }

    /// The parts of a range that haven't been asked for.
    pub(super) fn not_asked(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut start = range.start;
        for asked in &self.asked {
            if asked.end <= start || range.end <= asked.start {
                continue;
            }
            if start < asked.start {
                missing.push(start..asked.start);
            }
            start = asked.end;
        }
        if start < range.end {
            missing.push(start..range.end);
        }
        missing
    }

    /// The bytes of a range if all of them have come.
    pub(super) fn get(&self, range: Range<u64>) -> Option<Bytes> {
        if range.is_empty() {
            return Some(Bytes::new());
        }
        let first = self.part(range.start)?;
        let length = usize::try_from(range.end - range.start).ok()?;
        if length <= first.len() {
            return Some(first.slice(..length));
        }
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&first);
        while whole.len() < length {
            let part = self.part(range.start + whole.len() as u64)?;
            whole.extend_from_slice(&part[..part.len().min(length - whole.len())]);
        }
        Some(whole.freeze())
    }

    /// What has come in one piece from `offset` on; at least one byte.
    fn part(&self, offset: u64) -> Option<Bytes> {
        let (start, data) = self.data.range(..=offset).next_back()?;
        let skip = usize::try_from(offset - start).ok()?;
        (skip < data.len()).then(|| data.slice(skip..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_ranges_are_joined_and_large_ones_cut() {
        let check = |wanted: &[(u64, u64)], expected: &[(u64, u64)]| {
            let requests = requests(wanted.iter().map(|(start, end)| *start..*end));
            let requests: Vec<_> = requests.iter().map(|r| (r.start, r.end)).collect();
            assert_eq!(requests, expected);
        };
        check(&[(500, 600), (0, 100), (90, 120), (7, 7)], &[(0, 600)]);
        check(&[(0, 1), (2050, 2051)], &[(0, 1), (2050, 2051)]);
        let large = LARGEST_READ + 5;
        check(&[(0, large)], &[(0, LARGEST_READ), (LARGEST_READ, large)]);
        check(&[], &[]);
    }

    #[test]
    fn a_short_answer_is_remembered_as_asked() {
        let mut received = Received::default();
        received.insert(10..20, Bytes::from_static(b"abc"));
        assert_eq!(received.get(10..13).unwrap(), &b"abc"[..]);
        assert_eq!(received.get(11..14), None);
        assert_eq!(received.not_asked(8..22), [8..10, 20..22]);
        assert!(received.not_asked(12..20).is_empty());
    }

    /// Share sizes in this test are small.
    fn index(offset: u64) -> usize {
        usize::try_from(offset).unwrap()
    }

    proptest! {
        #[test]
        fn what_came_is_what_was_sent(
            asked in proptest::collection::vec((0u64..80, 1u64..30), 1..10),
            probe in (0u64..80, 0u64..40),
        ) {
            let share: Vec<u8> = (0..100).collect();
            let mut received = Received::default();
            let mut known = [false; 200];
            for (start, length) in asked {
                for range in received.not_asked(start..start + length) {
                    let (start, end) = (index(range.start), index(range.end));
                    known[start..end].fill(true);
                    let data = &share[start.min(100)..end.min(100)];
                    received.insert(range, Bytes::copy_from_slice(data));
                }
            }
            let range = probe.0..probe.0 + probe.1;
            let indices = index(range.start)..index(range.end);
            let there = indices.clone().all(|i| known[i] && i < 100);
            let got = received.get(range.clone());
            prop_assert_eq!(got.is_some(), there || range.is_empty());
            if let Some(got) = got.filter(|got| !got.is_empty()) {
                prop_assert_eq!(&got[..], &share[indices.clone()]);
            }
            let missing: u64 = received.not_asked(range).iter().map(|r| r.end - r.start).sum();
            prop_assert_eq!(index(missing), indices.filter(|&i| !known[i]).count());
        }
    }
}
