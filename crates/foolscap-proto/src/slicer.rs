//! From values to tokens.

use crate::output::Output;
use crate::token::{
    ABORT, CLOSE, ERROR, FLOAT, INT, LONGINT, LONGNEG, NEG, OPEN, PING, PONG, STRING, VOCAB,
};
use crate::vocabulary::Vocabulary;
use crate::{Limits, RemoteFailure, Value, WireReference};
use bytes::Bytes;

/// Writes values as Banana tokens.
///
/// The names of sequences, and byte strings that happen to be words of the vocabulary, go as VOCAB
/// tokens. Nothing is ever sent as a `reference` to something sent before.
#[derive(Debug, Default)]
pub struct Slicer {
    output: Output,
    next_open: u64,
    vocabulary: Vocabulary,
}

impl Slicer {
    /// Makes a writer for a connection on which this table was agreed upon.
    pub fn new(vocabulary: Vocabulary) -> Self {
        Self {
            vocabulary,
            ..Self::default()
        }
    }

    /// Takes the next bytes to send.
    pub fn next_chunk(&mut self) -> Option<Bytes> {
        self.output.next_chunk()
    }

    /// How many bytes wait to be sent.
    pub fn pending_bytes(&self) -> usize {
        self.output.len()
    }

    /// Writes a value.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::None => self.sequence("none", |_| {}),
            Value::Bool(b) => self.sequence("boolean", |s| s.integer(i128::from(*b))),
            Value::Integer(integer) => self.integer(*integer),
            Value::Float(float) => {
                self.output.put(&[FLOAT]);
                self.output.put(&float.to_be_bytes());
            }
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Text(text) => self.sequence("unicode", |s| s.string(text.as_bytes())),
            Value::Decimal(text) => self.sequence("decimal", |s| s.string(text.as_bytes())),
            Value::List(items) => self.items("list", items),
            Value::Tuple(items) => self.items("tuple", items),
            Value::Set(items) => self.items("set", items),
            Value::FrozenSet(items) => self.items("immutable-set", items),
            Value::Dict(entries) => self.sequence("dict", |s| {
                for (key, value) in entries {
                    s.value(key);
                    s.value(value);
                }
            }),
            Value::Copied(object) => self.sequence("copyable", |s| {
                s.string(object.class_name.as_bytes());
                for (name, value) in &object.attributes {
                    s.string(name.as_bytes());
                    s.value(value);
                }
            }),
            Value::Reference(reference) => self.reference(reference),
        }
    }

    fn items(&mut self, kind: &str, items: &[Value]) {
        self.sequence(kind, |s| items.iter().for_each(|item| s.value(item)));
    }

    fn reference(&mut self, reference: &WireReference) {
        match reference {
            WireReference::Sender {
                clid,
                interface,
                url,
            } => self.sequence("my-reference", |s| {
                s.integer(i128::from(clid.0));
                // Both only the first time; the interface may be empty, the FURL is left out.
                if let Some(interface) = interface {
                    s.string(interface.as_bytes());
                    if let Some(url) = url {
                        s.string(url.as_bytes());
                    }
                }
            }),
            WireReference::Receiver { clid } => {
                self.sequence("your-reference", |s| s.integer(i128::from(clid.0)));
            }
            WireReference::Third { gift, url } => self.sequence("their-reference", |s| {
                s.integer(i128::from(*gift));
                s.string(url.as_bytes());
            }),
        }
    }

    /// Writes a `call`; request 0 wants no answer.
    pub fn call(
        &mut self,
        request: u64,
        target: i64,
        method: &str,
        positional: &[Value],
        named: &[(String, Value)],
    ) {
        self.sequence("call", |s| {
            s.integer(i128::from(request));
            s.integer(i128::from(target));
            s.string(method.as_bytes());
            s.sequence("arguments", |s| {
                s.integer(i128::try_from(positional.len()).unwrap_or_default());
                positional.iter().for_each(|value| s.value(value));
                for (name, value) in named {
                    s.string(name.as_bytes());
                    s.value(value);
                }
            });
        });
    }

    /// Writes an `answer`.
    pub fn answer(&mut self, request: u64, value: &Value) {
        self.sequence("answer", |s| {
            s.integer(i128::from(request));
            s.value(value);
        });
    }

    /// Writes an `error`.
    pub fn error(&mut self, request: u64, failure: &RemoteFailure) {
        self.sequence("error", |s| {
            s.integer(i128::from(request));
            s.value(&failure.to_value());
        });
    }

    /// Writes a PING.
    pub fn ping(&mut self, number: u64) {
        self.header(number, PING);
    }

    /// Writes the PONG that a PING asks for.
    pub fn pong(&mut self, number: u64) {
        self.header(number, PONG);
    }

    /// Gives up the innermost sequence that the peer believes open.
    pub fn abort(&mut self, open: u64) {
        self.number(open);
        self.output.put(&[ABORT]);
    }

    /// Writes an ERROR, after which the connection is closed.
    pub fn protocol_error(&mut self, text: &str) {
        let mut end = text.len().min(Limits::ERROR_BYTES);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let text = text.get(..end).unwrap_or_default();
        self.number(u64::try_from(text.len()).unwrap_or_default());
        self.output.put(&[ERROR]);
        self.output.put(text.as_bytes());
    }

    fn sequence(&mut self, kind: &str, body: impl FnOnce(&mut Self)) {
        let open = self.next_open;
        self.next_open = open.wrapping_add(1);
        self.number(open);
        self.output.put(&[OPEN]);
        self.string(kind.as_bytes());
        body(self);
        self.number(open);
        self.output.put(&[CLOSE]);
    }

    fn integer(&mut self, integer: i128) {
        const EDGE: u128 = 1 << 31;
        let magnitude = integer.unsigned_abs();
        match u64::try_from(magnitude) {
            Ok(small) if integer >= 0 && magnitude < EDGE => {
                self.number(small);
                self.output.put(&[INT]);
            }
            Ok(small) if integer < 0 && magnitude <= EDGE => {
                self.number(small);
                self.output.put(&[NEG]);
            }
            _ => {
                let bytes = magnitude.to_be_bytes();
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                let bytes = bytes.get(zeros..).unwrap_or_default();
                self.number(u64::try_from(bytes.len()).unwrap_or_default());
                self.output
                    .put(&[if integer < 0 { LONGNEG } else { LONGINT }]);
                self.output.put(bytes);
            }
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        if let Some(index) = self.vocabulary.index(bytes) {
            self.number(index);
            self.output.put(&[VOCAB]);
        } else {
            self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.output.put(&[STRING]);
            self.output.put(bytes);
        }
    }

    fn bytes(&mut self, bytes: &Bytes) {
        if self.vocabulary.index(bytes).is_some() {
            return self.string(bytes);
        }
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.output.put(&[STRING]);
        self.output.put_shared(bytes);
    }

    /// PING and PONG leave out a zero.
    fn header(&mut self, number: u64, kind: u8) {
        if number != 0 {
            self.number(number);
        }
        self.output.put(&[kind]);
    }

    /// A token's number: base 128, the lowest digit first, at least one digit.
    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 10];
        let mut length: usize = 0;
        for digit in &mut digits {
            *digit = u8::try_from(number & 0x7f).unwrap_or_default();
            length = length.saturating_add(1);
            number >>= 7;
            if number == 0 {
                break;
            }
        }
        self.output.put(digits.get(..length).unwrap_or_default());
    }
}
