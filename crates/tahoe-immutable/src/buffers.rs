//! Large buffers that are used again.
//!
//! Fresh memory for every segment costs about as much as hashing it: the kernel clears each page.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Remembers buffers that were handed out and takes them back once nobody else holds them.
#[derive(Debug)]
pub(crate) struct Buffers {
    lent: Mutex<VecDeque<Bytes>>,
    most: usize,
}

impl Buffers {
    /// Remembers at most that many buffers.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            lent: Mutex::default(),
            most,
        }
    }

    /// A buffer of `length` bytes with arbitrary content, and room for `spare` more.
    pub(crate) fn take(&self, length: usize, spare: usize) -> BytesMut {
        let mut buffer = self.returned().unwrap_or_default();
        if buffer.capacity() < length + spare {
            buffer = BytesMut::with_capacity(length + spare);
        }
        buffer.resize(length, 0);
        buffer
    }

    /// Hands a buffer out; it comes back when its clones and slices are gone.
    pub(crate) fn lend(&self, buffer: BytesMut) -> Bytes {
        let buffer = buffer.freeze();
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if lent.len() == self.most {
            lent.pop_front();
        }
        lent.push_back(buffer.clone());
        buffer
    }

    /// The buffer that has been out longest, if it is back.
    fn returned(&self) -> Option<BytesMut> {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        match lent.pop_front()?.try_into_mut() {
            Ok(buffer) => Some(buffer),
            Err(in_use) => {
                lent.push_front(in_use);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_only_when_nobody_holds_it() {
        let buffers = Buffers::new(2);
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
    fn no_more_than_the_limit_is_remembered() {
        let buffers = Buffers::new(1);
        drop(buffers.lend(buffers.take(10, 0)));
        let kept = [buffers.take(10, 0), buffers.take(20, 0)].map(|b| buffers.lend(b));
        assert_eq!(buffers.lent.lock().unwrap().len(), 1);
        drop(kept);
    }
}
