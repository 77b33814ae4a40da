//! Large buffers that are used again.
//!
//! Fresh memory for every segment costs about as much as hashing it: the kernel clears each page, and
//! the allocator gives large pieces back at once.
//!
//! **Invariant:** a buffer that is taken belongs to the taker alone.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Remembers buffers that were handed out and takes them back once nobody else holds them.
#[derive(Debug)]
pub struct Buffers {
    lent: Mutex<VecDeque<Bytes>>,
    most: usize,
    /// What size of buffer is remembered, in bytes.
    smallest: usize,
    largest: usize,
}

impl Buffers {
    /// Remembers at most that many buffers, of any size.
    pub const fn new(most: usize) -> Self {
        Self::of_sizes(most, 0, usize::MAX)
    }

    /// Remembers at most that many buffers, if they have at least `smallest` bytes and at most
    /// `largest`; for others it does nothing more than the allocator.
    pub const fn of_sizes(most: usize, smallest: usize, largest: usize) -> Self {
        Self {
            lent: Mutex::new(VecDeque::new()),
            most,
            smallest,
            largest,
        }
    }

    fn remembers(&self, size: usize) -> bool {
        (self.smallest..=self.largest).contains(&size)
    }

    /// A buffer of `length` bytes with arbitrary content, and room for `spare` more.
    pub fn take(&self, length: usize, spare: usize) -> BytesMut {
        let again = self.remembers(length + spare).then(|| self.returned());
        let mut buffer = again.flatten().unwrap_or_default();
        if buffer.capacity() < length + spare {
            buffer = BytesMut::with_capacity(length + spare);
        }
        buffer.resize(length, 0);
        buffer
    }

    /// Hands a buffer out; it comes back when its clones and slices are gone.
    pub fn lend(&self, buffer: BytesMut) -> Bytes {
        let is_remembered = self.remembers(buffer.capacity());
        let buffer = buffer.freeze();
        if !is_remembered {
            return buffer;
        }
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if lent.len() == self.most {
            lent.pop_front();
        }
        lent.push_back(buffer.clone());
        buffer
    }

    /// The buffer that has been out longest of those that are back.
    fn returned(&self) -> Option<BytesMut> {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = lent.iter().position(Bytes::is_unique)?;
        lent.remove(place)?.try_into_mut().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_only_when_nobody_holds_it() {
        let buffers = Buffers::new(3);
        let _longer_out = buffers.lend(buffers.take(1, 0));
        let mut first = buffers.take(1000, 24);
        first.fill(7);
        let place = first.as_ptr();
        let first = buffers.lend(first);
        let slice = first.slice(500..501);
        drop(first);
        assert_ne!(buffers.take(1000, 0).as_ptr(), place);
        assert_eq!(slice[0], 7);
        drop(slice);
        let again = buffers.take(900, 124);
        assert_eq!((again.as_ptr(), again.len()), (place, 900));
    }

    #[test]
    fn other_sizes_are_not_remembered() {
        let buffers = Buffers::of_sizes(4, 100, 1000);
        for (size, is_remembered) in [(99, false), (100, true), (1000, true), (1001, false)] {
            let before = buffers.lent.lock().unwrap().len();
            drop(buffers.lend(BytesMut::zeroed(size)));
            let after = buffers.lent.lock().unwrap().len();
            assert_eq!(after > before, is_remembered, "{size}");
        }
        assert_eq!(buffers.take(0, 1001).capacity(), 1001);
        assert_eq!(buffers.take(0, 99).capacity(), 99);
        assert_eq!(buffers.lent.lock().unwrap().len(), 2);
    }

    #[test]
    fn no_more_than_the_limit_is_remembered() {
        let buffers = Buffers::new(1);
        drop(buffers.lend(buffers.take(10, 0)));
        let kept = [buffers.take(10, 0), buffers.take(20, 0)].map(|b| buffers.lend(b));
        assert_eq!(buffers.lent.lock().unwrap().len(), 1);
        drop(kept);
    }
}
