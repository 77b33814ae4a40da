//! The subset of CBOR that the protocol's messages use, read strictly and without copying.
//!
//! Integers may be wider than needed and strings, arrays and maps may be of indefinite length, as
//! every CBOR encoder is free to write them. Refused are other types than expected, duplicate and
//! unknown keys, more items than a limit, tags elsewhere, and bytes after the message.

use bytes::Bytes;
use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};
use std::borrow::Cow;

/// Tag of a set, that is an array without order.
const SET: Tag = Tag::new(258);
/// Byte strings of at least this length are sent from where they are instead of being copied.
const SHARED_LENGTH: usize = 4096;

/// A message breaks its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad message at byte {offset}: {expected} expected")]
pub struct CborError {
    /// Where in the message.
    pub offset: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// Reads one message.
#[derive(Debug)]
pub(crate) struct Reader<'b> {
    message: &'b Bytes,
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    /// Reads a whole message with `read`; nothing may follow it.
    pub(crate) fn message<T>(
        message: &'b Bytes,
        read: impl FnOnce(&mut Self) -> Result<T, CborError>,
    ) -> Result<T, CborError> {
        let decoder = Decoder::new(message);
        let mut reader = Self { message, decoder };
        let value = read(&mut reader)?;
        if reader.decoder.position() == message.len() {
            Ok(value)
        } else {
            Err(reader.expected("the end"))
        }
    }

    /// The error that something else is expected here.
    pub(crate) fn expected(&self, expected: &'static str) -> CborError {
        let offset = self.decoder.position();
        CborError { offset, expected }
    }

    fn datatype(&self, expected: &'static str) -> Result<Type, CborError> {
        self.decoder.datatype().map_err(|_| self.expected(expected))
    }

    /// An unsigned integer.
    pub(crate) fn uint(&mut self) -> Result<u64, CborError> {
        let error = self.expected("unsigned integer");
        self.decoder.u64().map_err(|_| error)
    }

    /// An unsigned integer, null or undefined.
    pub(crate) fn uint_or_null(&mut self) -> Result<Option<u64>, CborError> {
        let expected = "unsigned integer or null";
        match self.datatype(expected)? {
            Type::Null | Type::Undefined => {
                let error = self.expected(expected);
                self.decoder.skip().map_err(|_| error)?;
                Ok(None)
            }
            _ => self.uint().map(Some),
        }
    }

    /// `true` or `false`.
    pub(crate) fn bool(&mut self) -> Result<bool, CborError> {
        let error = self.expected("boolean");
        self.decoder.bool().map_err(|_| error)
    }

    /// A text string.
    pub(crate) fn text(&mut self) -> Result<Cow<'b, str>, CborError> {
        let error = self.expected("text string");
        if self.datatype(error.expected)? == Type::StringIndef {
            let parts = self.decoder.str_iter().map_err(|_| error)?;
            let text: Result<String, _> = parts.collect();
            return text.map(Cow::Owned).map_err(|_| error);
        }
        self.decoder.str().map(Cow::Borrowed).map_err(|_| error)
    }

    /// A byte string; it shares the message's memory unless it was sent in parts.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, CborError> {
        let error = self.expected("byte string");
        if self.datatype(error.expected)? == Type::BytesIndef {
            let parts = self.decoder.bytes_iter().map_err(|_| error)?;
            let mut whole = Vec::new();
            for part in parts {
                whole.extend_from_slice(part.map_err(|_| error)?);
            }
            return Ok(whole.into());
        }
        let bytes = self.decoder.bytes().map_err(|_| error)?;
        Ok(self.message.slice_ref(bytes))
    }

    /// An array of at most `most` items.
    pub(crate) fn array(
        &mut self,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        let error = self.expected("array");
        let length = self.decoder.array().map_err(|_| error)?;
        self.items(length, most, &mut item)
    }

    /// A map of at most `most` entries; `entry` reads key and value.
    pub(crate) fn map(
        &mut self,
        most: usize,
        mut entry: impl FnMut(&mut Self) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        let error = self.expected("map");
        let length = self.decoder.map().map_err(|_| error)?;
        self.items(length, most, &mut entry)
    }

    /// A set of at most `most` members.
    pub(crate) fn set(
        &mut self,
        most: usize,
        member: impl FnMut(&mut Self) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        let error = self.expected("set");
        if self.decoder.tag().map_err(|_| error)? != SET {
            return Err(error);
        }
        self.array(most, member)
    }

    /// A map with exactly these text keys, in any order; `value` gets the key's index.
    pub(crate) fn record<const N: usize>(
        &mut self,
        keys: [&'static str; N],
        mut value: impl FnMut(&mut Self, usize) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        let mut seen = [false; N];
        self.map(N, |reader| {
            let error = reader.expected("another key");
            let key = reader.text()?;
            let index = keys.iter().position(|known| *known == key).ok_or(error)?;
            if std::mem::replace(&mut seen[index], true) {
                return Err(error);
            }
            value(reader, index)
        })?;
        let missing = keys.iter().zip(seen).find(|(_, seen)| !seen);
        missing.map_or(Ok(()), |(key, _)| Err(self.expected(key)))
    }

    /// Passes over one value of any kind.
    pub(crate) fn skip(&mut self) -> Result<(), CborError> {
        let error = self.expected("value");
        self.decoder.skip().map_err(|_| error)
    }

    fn items(
        &mut self,
        length: Option<u64>,
        most: usize,
        item: &mut dyn FnMut(&mut Self) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        let too_many = self.expected("fewer items");
        let mut count = 0;
        loop {
            let more = match length {
                Some(length) => count < length,
                None => self.datatype("item or break")? != Type::Break,
            };
            if !more {
                break;
            }
            if usize::try_from(count).map_or(true, |count| count >= most) {
                return Err(too_many);
            }
            item(self)?;
            count += 1;
        }
        if length.is_none() {
            self.skip()?;
        }
        Ok(())
    }
}

/// Writes one message; long byte strings are taken over instead of copied.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    finished: Vec<Bytes>,
    open: Vec<u8>,
}

impl Writer {
    /// Ends the message: its parts, in order.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.finished.push(self.open.into());
        }
        self.finished
    }

    /// Writes anything but a long byte string.
    pub(crate) fn put(
        &mut self,
        write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Result<(), Infallible>,
    ) {
        let mut encoder = Encoder::new(&mut self.open);
        write(&mut encoder).expect("writing to memory can't fail");
    }

    /// Writes a byte string.
    pub(crate) fn bytes(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_LENGTH {
            return self.put(|e| e.bytes(bytes)?.ok());
        }
        self.put(|e| e.bytes_len(bytes.len() as u64)?.ok());
        self.finished.push(std::mem::take(&mut self.open).into());
        self.finished.push(bytes.clone());
    }

    /// Writes a set of small numbers.
    pub(crate) fn set(&mut self, members: impl ExactSizeIterator<Item = u8>) {
        self.put(|e| {
            e.tag(SET)?.array(members.len() as u64)?;
            for member in members {
                e.u8(member)?;
            }
            Ok(())
        });
    }
}

/// The error of an encoder that writes to memory.
pub(crate) type Infallible = minicbor::encode::Error<std::convert::Infallible>;
