//! Large buffers that are used again, by all of the process.
//!
//! Fresh memory for every segment costs about as much as hashing it: the kernel clears each page, and
//! the allocator gives large pieces back at once, or keeps them for one thread.
//!
//! **Invariants:** a buffer that is taken belongs to the taker alone; no more than 24 MiB are
//! kept that nobody uses.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// Bytes of all buffers that are remembered, used or not.
const MOST_BYTES: usize = 24 << 20;
/// Sizes of buffers that are remembered. Smaller ones aren't worth it, larger ones are rare.
const SIZES: RangeInclusive<usize> = 64 << 10..=2 << 20;

static BUFFERS: Buffers = Buffers::new(MOST_BYTES);

/// A buffer of `length` bytes with arbitrary content, and room for `spare` more.
pub fn take(length: usize, spare: usize) -> BytesMut {
    BUFFERS.take(length, spare)
}

/// Hands a buffer out; its memory serves again when its clones and slices are gone.
pub fn lend(buffer: BytesMut) -> Bytes {
    BUFFERS.lend(buffer)
}

/// Remembers buffers that were handed out and takes them back once nobody else holds them.
struct Buffers {
    lent: Mutex<Lent>,
    most_bytes: usize,
}

/// The buffer that has been out longest comes first.
struct Lent {
    buffers: VecDeque<(usize, Bytes)>,
    /// Sum of their capacities.
    bytes: usize,
}

impl Lent {
    fn remove(&mut self, place: usize) -> Option<Bytes> {
        let (capacity, buffer) = self.buffers.remove(place)?;
        self.bytes -= capacity;
        Some(buffer)
    }
}

impl Buffers {
    const fn new(most_bytes: usize) -> Self {
        let lent = Lent {
            buffers: VecDeque::new(),
            bytes: 0,
        };
        Self {
            lent: Mutex::new(lent),
            most_bytes,
        }
    }

    fn take(&self, length: usize, spare: usize) -> BytesMut {
        let capacity = length + spare;
        let again = SIZES.contains(&capacity).then(|| self.returned(capacity));
        let mut buffer = again
            .flatten()
            .unwrap_or_else(|| BytesMut::with_capacity(capacity));
        buffer.resize(length, 0);
        buffer
    }

    fn lend(&self, buffer: BytesMut) -> Bytes {
        let capacity = buffer.capacity();
        let buffer = buffer.freeze();
        if !SIZES.contains(&capacity) || capacity > self.most_bytes {
            return buffer;
        }
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        while lent.bytes + capacity > self.most_bytes {
            // Rather one that nobody uses.
            let unused = lent.buffers.iter().position(|(_, lent)| lent.is_unique());
            drop(lent.remove(unused.unwrap_or(0)));
        }
        lent.bytes += capacity;
        lent.buffers.push_back((capacity, buffer.clone()));
        buffer
    }

    /// A buffer that is back, and large enough.
    fn returned(&self, wanted: usize) -> Option<BytesMut> {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(capacity, lent): &(usize, Bytes)| *capacity >= wanted && lent.is_unique();
        let place = lent.buffers.iter().position(fits)?;
        lent.remove(place)?.try_into_mut().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 100 << 10;

    #[test]
    fn a_buffer_comes_back_only_when_nobody_holds_it() {
        let buffers = Buffers::new(10 * SIZE);
        let _longer_out = buffers.lend(buffers.take(SIZE, 0));
        let mut first = buffers.take(SIZE, 24);
        first.fill(7);
        let place = first.as_ptr();
        let first = buffers.lend(first);
        let slice = first.slice(500..501);
        drop(first);
        assert_ne!(buffers.take(SIZE, 0).as_ptr(), place);
        assert_eq!(slice[0], 7);
        drop(slice);
        assert_ne!(buffers.take(SIZE, 25).as_ptr(), place, "too small");
        let again = buffers.take(SIZE - 100, 124);
        assert_eq!((again.as_ptr(), again.len()), (place, SIZE - 100));
    }

    #[test]
    fn no_more_than_the_limit_is_remembered_and_unused_ones_go_first() {
        let buffers = Buffers::new(3 * SIZE);
        let used = buffers.lend(buffers.take(SIZE, 0));
        for _ in 0..2 {
            let two = [buffers.take(SIZE, 0), buffers.take(SIZE, 0)];
            drop(two.map(|buffer| buffers.lend(buffer)));
        }
        let larger = buffers.lend(buffers.take(2 * SIZE, 0));
        let lent = buffers.lent.lock().unwrap();
        assert_eq!((lent.buffers.len(), lent.bytes), (2, 3 * SIZE));
        assert_eq!(lent.buffers[0].1.as_ptr(), used.as_ptr());
        assert_eq!(lent.buffers[1].1.as_ptr(), larger.as_ptr());
    }

    #[test]
    fn other_sizes_are_not_remembered() {
        let buffers = Buffers::new(10 << 20);
        for size in [SIZES.start() - 1, SIZES.end() + 1] {
            drop(buffers.lend(buffers.take(size, 0)));
            assert_eq!(buffers.lent.lock().unwrap().bytes, 0);
            assert_eq!(buffers.take(1, size - 1).capacity(), size);
        }
    }
}
