//! Blocks of `key: value` lines.

use super::NegotiationError;
use crate::Limits;
use std::collections::BTreeMap;

const END: &[u8] = b"\r\n\r\n";

/// A block; keys are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block(BTreeMap<String, String>);

impl Block {
    /// Reads a block without the empty line that ends it.
    pub fn parse(bytes: &[u8]) -> Result<Self, NegotiationError> {
        let text = std::str::from_utf8(bytes).map_err(|_| NegotiationError::MalformedBlock)?;
        let pair = |line: &str| {
            let (key, value) = line
                .split_once(':')
                .ok_or(NegotiationError::MalformedBlock)?;
            Ok((key.to_ascii_lowercase(), value.trim_start().to_owned()))
        };
        text.split("\r\n")
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Adds a line; line ends in the value become spaces.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string().replace(['\r', '\n'], " ");
        self.0.insert(key.to_owned(), value);
        self
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Two numbers, as ranges are written.
    pub(super) fn pair(&self, key: &'static str) -> Option<Result<(u32, u32), NegotiationError>> {
        let text = self.value(key)?;
        let numbers = || {
            let (low, high) = text.split_once(' ')?;
            Some((low.parse().ok()?, high.trim().parse().ok()?))
        };
        Some(numbers().ok_or(NegotiationError::Missing(key)))
    }

    /// Writes the block with the empty line that ends it, keys in order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines = self
            .0
            .iter()
            .map(|(key, value)| format!("{key}: {value}\r\n"));
        let mut text: String = lines.collect();
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// Cuts a stream of bytes into blocks.
#[derive(Debug, Default)]
pub struct BlockReader {
    buffer: Vec<u8>,
}

impl BlockReader {
    /// Adds received bytes.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the bytes of the next block without the empty line; `None` if it isn't complete.
    pub fn next_block(&mut self) -> Result<Option<Vec<u8>>, NegotiationError> {
        let end = self
            .buffer
            .windows(END.len())
            .position(|window| window == END);
        match end {
            Some(end) if end <= Limits::BLOCK_BYTES => {
                let block = self.buffer.drain(..end).collect();
                self.buffer.drain(..END.len());
                Ok(Some(block))
            }
            None if self.buffer.len() <= Limits::BLOCK_BYTES => Ok(None),
            _ => Err(NegotiationError::BlockTooLong),
        }
    }

    /// What was received after the last block.
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_written_in_order_and_read_back() {
        let block = Block::default().with("b", 2).with("a", "x\r\ny");
        assert_eq!(block.to_bytes(), b"a: x  y\r\nb: 2\r\n\r\n");
        let mut reader = BlockReader::default();
        reader.receive(b"A:1\r\nb: 2\r\n");
        assert_eq!(reader.next_block(), Ok(None));
        reader.receive(b"\r\nrest");
        let read = Block::parse(&reader.next_block().unwrap().unwrap()).unwrap();
        assert_eq!((read.value("a"), read.value("b")), (Some("1"), Some("2")));
        assert_eq!(reader.into_rest(), b"rest");
        assert!(Block::parse(b"no colon").is_err());
        assert!(Block::parse(b"\xff: 1").is_err());
    }

    #[test]
    fn an_endless_block_is_refused() {
        let mut reader = BlockReader::default();
        reader.receive(&[b'x'; Limits::BLOCK_BYTES]);
        assert_eq!(reader.next_block(), Ok(None));
        reader.receive(b"x");
        assert_eq!(reader.next_block(), Err(NegotiationError::BlockTooLong));
    }
}
