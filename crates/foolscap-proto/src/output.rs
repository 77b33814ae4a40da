//! Bytes that wait to be sent.

use bytes::{BufMut as _, Bytes, BytesMut};
use std::collections::VecDeque;

/// A byte string of at least this many bytes is handed on as it is instead of being copied.
const COPY_LIMIT: usize = 4096;

/// Bytes to send, as few chunks as possible without copying large ones.
#[derive(Debug, Default)]
pub(crate) struct Output {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
}

impl Output {
    /// Adds bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
        self.tail.put_slice(bytes);
    }

    /// Adds a byte string that somebody else may hold too.
    pub(crate) fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < COPY_LIMIT {
            return self.put(bytes);
        }
        self.length = self.length.saturating_add(bytes.len());
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
        self.chunks.push_back(bytes.clone());
    }

    /// Takes the next chunk.
    pub(crate) fn next_chunk(&mut self) -> Option<Bytes> {
        let chunk = match self.chunks.pop_front() {
            Some(chunk) => chunk,
            None if self.tail.is_empty() => return None,
            None => self.tail.split().freeze(),
        };
        self.length = self.length.saturating_sub(chunk.len());
        Some(chunk)
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.length
    }
}
