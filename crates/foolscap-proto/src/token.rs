//! Banana tokens: what goes over the wire.
//!
//! ```text
//! token  = number type [body]
//! number = up to 64 bytes below 0x80: base 128, lowest digit first; none means 0
//! type   = one byte from 0x81 on; what the number means depends on it
//!
//! 0x81 INT      the number                0x88 OPEN    begins sequence number n
//! 0x82 STRING   n bytes follow            0x89 CLOSE   ends sequence number n
//! 0x83 NEG      minus the number          0x8a ABORT   the innermost sequence is given up
//! 0x84 FLOAT    8 bytes follow, big-endian  0x8d ERROR  n bytes of text, then the end
//! 0x85 LONGINT  n bytes follow, big-endian  0x8e PING   answered with PONG n
//! 0x86 LONGNEG  the same, negative        0x8f PONG
//! 0x87 VOCAB    word n of the vocabulary
//! ```

use crate::{Limits, ProtocolError};
use bytes::{Buf as _, Bytes, BytesMut};

const LIST: u8 = 0x80;
pub(crate) const INT: u8 = 0x81;
pub(crate) const STRING: u8 = 0x82;
pub(crate) const NEG: u8 = 0x83;
pub(crate) const FLOAT: u8 = 0x84;
pub(crate) const LONGINT: u8 = 0x85;
pub(crate) const LONGNEG: u8 = 0x86;
pub(crate) const VOCAB: u8 = 0x87;
pub(crate) const OPEN: u8 = 0x88;
pub(crate) const CLOSE: u8 = 0x89;
pub(crate) const ABORT: u8 = 0x8a;
pub(crate) const ERROR: u8 = 0x8d;
pub(crate) const PING: u8 = 0x8e;
pub(crate) const PONG: u8 = 0x8f;

/// How much room is made ahead for the body of a token that has begun to arrive, in bytes.
///
/// It is address space, not memory, until the bytes have come: what a peer claims costs it as many
/// bytes as it costs us.
const READ_AHEAD: usize = 2 << 20;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// An integer, from any of the four kinds of token for it.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// Bytes.
    String(Bytes),
    /// A word of the vocabulary.
    Vocab(u64),
    /// Begins a sequence.
    Open(u64),
    /// Ends a sequence.
    Close(u64),
    /// The sender gives up the innermost sequence.
    Abort,
    /// The sender saw a breach of the protocol and closes.
    Error(String),
    /// Is answered with a PONG of the same number.
    Ping(u64),
    /// Answers a PING.
    Pong(u64),
}

/// Cuts a stream of bytes into tokens.
#[derive(Debug)]
pub struct TokenDecoder {
    buffer: BytesMut,
    largest: usize,
}

impl TokenDecoder {
    /// Makes a decoder that accepts tokens of up to `limits.message_bytes`.
    pub fn new(limits: &Limits) -> Self {
        Self {
            buffer: BytesMut::new(),
            largest: limits.message_bytes,
        }
    }

    /// Changes how large a token may be that comes from now on.
    pub(crate) fn set_largest(&mut self, largest: usize) {
        self.largest = largest;
    }

    /// Where received bytes are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Takes the next token; `None` if it hasn't arrived completely.
    pub fn next_token(&mut self) -> Result<Option<Token>, ProtocolError> {
        let digits = self.buffer.iter().take(Limits::TOKEN_PREFIX_BYTES + 1);
        let Some(length) = digits.clone().position(|byte| *byte >= 0x80) else {
            if self.buffer.len() > Limits::TOKEN_PREFIX_BYTES {
                return Err(ProtocolError::TokenPrefix);
            }
            return Ok(None);
        };
        let number = number(digits.take(length))?;
        let kind = self.buffer.get(length).copied().unwrap_or_default();
        let header = length.saturating_add(1);
        let token = match kind {
            INT => Token::Integer(i128::from(number)),
            NEG => Token::Integer(i128::from(number).wrapping_neg()),
            VOCAB => Token::Vocab(number),
            OPEN => Token::Open(number),
            CLOSE => Token::Close(number),
            ABORT => Token::Abort,
            PING => Token::Ping(number),
            PONG => Token::Pong(number),
            LIST => return Err(ProtocolError::OldBanana),
            _ => return self.token_with_body(kind, number, header),
        };
        self.buffer.advance(header);
        Ok(Some(token))
    }

    fn token_with_body(
        &mut self,
        kind: u8,
        number: u64,
        header: usize,
    ) -> Result<Option<Token>, ProtocolError> {
        let limit = match kind {
            STRING => self.largest,
            LONGINT | LONGNEG => Limits::INTEGER_BYTES,
            FLOAT => 8,
            ERROR => Limits::ERROR_BYTES,
            other => return Err(ProtocolError::TypeByte(other)),
        };
        let length = if kind == FLOAT { 8 } else { number };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > limit {
            return Err(match kind {
                ERROR => ProtocolError::ErrorTooLong,
                _ => ProtocolError::MessageTooLarge { limit },
            });
        }
        let missing = header
            .saturating_add(length)
            .saturating_sub(self.buffer.len());
        if missing > 0 {
            self.buffer.reserve(missing.min(READ_AHEAD));
            return Ok(None);
        }
        self.buffer.advance(header);
        let body = self.buffer.split_to(length).freeze();
        Ok(Some(match kind {
            STRING => Token::String(body),
            FLOAT => {
                let bytes = <[u8; 8]>::try_from(&body[..]).unwrap_or_default();
                Token::Float(f64::from_be_bytes(bytes))
            }
            ERROR => Token::Error(String::from_utf8_lossy(&body).into_owned()),
            _ => Token::Integer(long_integer(&body, kind == LONGNEG)?),
        }))
    }
}

fn number<'a>(digits: impl Iterator<Item = &'a u8>) -> Result<u64, ProtocolError> {
    let mut number: u64 = 0;
    for (place, digit) in digits.enumerate() {
        let factor = u32::try_from(place)
            .ok()
            .and_then(|p| 128_u64.checked_pow(p));
        let part = match (factor, digit) {
            (_, 0) => 0,
            (Some(factor), digit) => factor
                .checked_mul(u64::from(*digit))
                .ok_or(ProtocolError::TokenPrefix)?,
            (None, _) => return Err(ProtocolError::TokenPrefix),
        };
        number = number.checked_add(part).ok_or(ProtocolError::TokenPrefix)?;
    }
    Ok(number)
}

fn long_integer(body: &[u8], negative: bool) -> Result<i128, ProtocolError> {
    const TOO_LARGE: ProtocolError = ProtocolError::Unexpected("an integer beyond 127 bits");
    let mut magnitude: i128 = 0;
    for byte in body {
        let shifted = magnitude.checked_mul(256).ok_or(TOO_LARGE)?;
        magnitude = shifted.checked_add(i128::from(*byte)).ok_or(TOO_LARGE)?;
    }
    Ok(if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Slicer, Value};

    fn decode(bytes: &[u8]) -> Result<Vec<Token>, ProtocolError> {
        let mut decoder = TokenDecoder::new(&Limits::default());
        decoder.buffer().extend_from_slice(bytes);
        let mut tokens = Vec::new();
        while let Some(token) = decoder.next_token()? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    fn encode(value: Value) -> Vec<u8> {
        let mut slicer = Slicer::default();
        slicer.value(&value);
        std::iter::from_fn(|| slicer.next_chunk())
            .flatten()
            .collect()
    }

    #[test]
    fn integers_take_the_original_s_tokens() {
        let table: [(i128, &[u8]); 9] = [
            (0, b"\x00\x81"),
            (1, b"\x01\x81"),
            (300, b"\x2c\x02\x81"),
            ((1 << 31) - 1, b"\x7f\x7f\x7f\x7f\x07\x81"),
            (1 << 31, b"\x04\x85\x80\x00\x00\x00"),
            (-1, b"\x01\x83"),
            (-(1 << 31), b"\x00\x00\x00\x00\x08\x83"),
            (-(1 << 31) - 1, b"\x04\x86\x80\x00\x00\x01"),
            (1 << 64, b"\x09\x85\x01\x00\x00\x00\x00\x00\x00\x00\x00"),
        ];
        for (integer, bytes) in table {
            assert_eq!(encode(Value::Integer(integer)), bytes, "{integer}");
            assert_eq!(decode(bytes).unwrap(), [Token::Integer(integer)]);
        }
    }

    #[test]
    fn tokens_may_come_byte_by_byte() {
        let bytes = b"\x03\x82abc\x84\x3f\xf8\x00\x00\x00\x00\x00\x00\x8e\x05\x88";
        let mut decoder = TokenDecoder::new(&Limits::default());
        let mut tokens = Vec::new();
        for byte in bytes {
            decoder.buffer().extend_from_slice(&[*byte]);
            tokens.extend(decoder.next_token().unwrap());
        }
        let string = Token::String(Bytes::from_static(b"abc"));
        assert_eq!(
            tokens,
            [string, Token::Float(1.5), Token::Ping(0), Token::Open(5)]
        );
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_arrives() {
        let limit = Limits::default().message_bytes;
        let too_large = Err(ProtocolError::MessageTooLarge { limit });
        // A string of 2^28 bytes is announced, and nothing of it comes.
        assert_eq!(decode(b"\x00\x00\x00\x00\x01\x82"), too_large);
        assert_eq!(decode(&[0x7f; 65]), Err(ProtocolError::TokenPrefix));
        assert_eq!(decode(&[0x7f; 12]), Ok(vec![]));
        let mut huge = vec![0x7f; 12];
        huge.push(0x81);
        assert_eq!(decode(&huge), Err(ProtocolError::TokenPrefix));
        assert_eq!(decode(b"\x68\x07\x8d"), Ok(vec![]));
        assert_eq!(decode(b"\x69\x07\x8d"), Err(ProtocolError::ErrorTooLong));
        assert_eq!(decode(b"\x80"), Err(ProtocolError::OldBanana));
        assert_eq!(decode(b"\x9f"), Err(ProtocolError::TypeByte(0x9f)));
        assert!(decode(b"\x11\x85\x01aaaaaaaaaaaaaaaa").is_err());
    }
}
