//! Plain data in Python's pickle format, protocols 0 to 4, as JSON.
//!
//! A pickle is a program for a small machine with a stack. This machine only knows how to build
//! numbers, texts, lists, tuples and dictionaries: whatever would make or call anything else is
//! refused. Tuples become lists and keys become texts, a pair of numbers `1,2`.

use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use tahoe_encoding::Reader;

/// Most levels of data in data.
const MAX_DEPTH: usize = 32;
/// Most values of the result: data may be shared in a pickle, and isn't any more in JSON.
const MAX_VALUES: usize = 4_000_000;

/// A pickle isn't one, or not of plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset} of the pickle")]
pub(super) struct PickleError {
    what: &'static str,
    offset: usize,
}

/// A value by its number in the machine.
type Id = usize;

/// A value under construction; containers refer to others.
#[derive(Debug, Clone)]
enum Node {
    Leaf(Value),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// Not a value: where the items of a container begin on the stack.
    Mark,
}

struct Machine<'a> {
    reader: Reader<'a>,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    memo: HashMap<u32, Id>,
}

/// Reads a pickle of plain data.
pub(super) fn read(bytes: &[u8]) -> Result<Value, PickleError> {
    let mut machine = Machine {
        reader: Reader::new(bytes),
        nodes: Vec::new(),
        stack: Vec::new(),
        memo: HashMap::new(),
    };
    machine.run().map_err(|what| PickleError {
        what,
        offset: machine.reader.offset(),
    })
}

type Step<T = ()> = Result<T, &'static str>;

const TOO_SHORT: &str = "the end comes too early";
const NOT_PLAIN: &str = "there is something else than plain data";
const BAD_NUMBER: &str = "there is no number";
const TOO_MUCH: &str = "there is more than anybody keeps";
const BAD_TEXT: &str = "there is no text";

impl Machine<'_> {
    fn run(&mut self) -> Step<Value> {
        loop {
            if self.nodes.len() > MAX_VALUES {
                return Err(TOO_MUCH);
            }
            let opcode = self.byte()?;
            match opcode {
                b'.' => {
                    let result = self.pop()?;
                    return self.to_json(result, 0, &mut 0);
                }
                // The protocol's number, and the size of a frame: nothing depends on them.
                0x80 => drop(self.bytes(1)?),
                0x95 => drop(self.bytes(8)?),
                b'0' => drop(self.pop()?),
                b'p' | b'q' | b'r' | 0x94 => self.put(opcode)?,
                b'g' | b'h' | b'j' => self.fetch(opcode)?,
                b'(' => self.push(Node::Mark),
                b')' | b']' | b'l' | b't' | 0x85..=0x87 | b'a' | b'e' => self.list(opcode)?,
                b'}' | b'd' | b's' | b'u' => self.dictionary(opcode)?,
                b'S' | b'V' | b'T' | b'U' | b'X' | 0x8c | 0x8d | b'B' | b'C' => {
                    let text = self.text(opcode)?;
                    self.push(Node::Leaf(text.into()));
                }
                _ => {
                    let number = self.number(opcode)?;
                    self.push(Node::Leaf(number));
                }
            }
        }
    }

    fn byte(&mut self) -> Step<u8> {
        self.reader.u8().map_err(|_| TOO_SHORT)
    }

    fn bytes(&mut self, count: usize) -> Step<Vec<u8>> {
        let bytes = self.reader.bytes(count).map_err(|_| TOO_SHORT)?;
        Ok(bytes.to_vec())
    }

    /// A little-endian number of so many bytes.
    fn size(&mut self, bytes: usize) -> Step<u64> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn sized_bytes(&mut self, size_bytes: usize) -> Step<Vec<u8>> {
        let size = self.size(size_bytes)?;
        self.bytes(usize::try_from(size).map_err(|_| TOO_SHORT)?)
    }

    /// Text to the end of the line.
    fn line(&mut self) -> Step<String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return String::from_utf8(line).map_err(|_| BAD_TEXT),
                byte => line.push(byte),
            }
        }
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn pop(&mut self) -> Step<Id> {
        self.stack.pop().ok_or(TOO_SHORT)
    }

    /// Takes what is above the last mark.
    fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        let is_mark = |id: &Id| matches!(self.nodes.get(*id), Some(Node::Mark));
        let mark = self.stack.iter().rposition(is_mark).ok_or(TOO_SHORT)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn memo_key(&mut self, opcode: u8) -> Step<u32> {
        let key = match opcode {
            b'p' | b'g' => self.line()?.parse().map_err(|_| BAD_NUMBER)?,
            b'q' | b'h' => self.size(1)?,
            b'r' | b'j' => self.size(4)?,
            _ => self.memo.len() as u64,
        };
        u32::try_from(key).map_err(|_| BAD_NUMBER)
    }

    fn put(&mut self, opcode: u8) -> Step {
        let key = self.memo_key(opcode)?;
        let top = *self.stack.last().ok_or(TOO_SHORT)?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn fetch(&mut self, opcode: u8) -> Step {
        let key = self.memo_key(opcode)?;
        let id = self.memo.get(&key).ok_or(NOT_PLAIN)?;
        self.stack.push(*id);
        Ok(())
    }

    fn list(&mut self, opcode: u8) -> Step {
        let items = match opcode {
            b')' | b']' => Vec::new(),
            b'a' => vec![self.pop()?],
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or(TOO_SHORT)?;
                self.stack.split_off(start)
            }
            _ => self.pop_to_mark()?,
        };
        if !matches!(opcode, b'a' | b'e') {
            self.push(Node::List(items));
            return Ok(());
        }
        let top = *self.stack.last().ok_or(TOO_SHORT)?;
        match self.nodes.get_mut(top) {
            Some(Node::List(list)) => list.extend(items),
            _ => return Err(NOT_PLAIN),
        }
        Ok(())
    }

    fn dictionary(&mut self, opcode: u8) -> Step {
        let items = match opcode {
            b'}' => Vec::new(),
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_to_mark()?,
        };
        if items.len() % 2 != 0 {
            return Err(NOT_PLAIN);
        }
        let entries = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        if !matches!(opcode, b's' | b'u') {
            self.push(Node::Dict(entries.collect()));
            return Ok(());
        }
        let top = *self.stack.last().ok_or(TOO_SHORT)?;
        match self.nodes.get_mut(top) {
            Some(Node::Dict(dict)) => dict.extend(entries),
            _ => return Err(NOT_PLAIN),
        }
        Ok(())
    }

    fn text(&mut self, opcode: u8) -> Step<String> {
        let bytes = match opcode {
            b'S' => {
                let line = self.line()?;
                let line = line.trim();
                let quote = line.chars().next().filter(|c| matches!(c, '\'' | '"'));
                let inner = quote.and_then(|q| line.strip_prefix(q)?.strip_suffix(q));
                return unescape(inner.ok_or(BAD_TEXT)?);
            }
            b'V' => return unescape(&self.line()?),
            b'U' | b'C' | 0x8c => self.sized_bytes(1)?,
            0x8d => self.sized_bytes(8)?,
            _ => self.sized_bytes(4)?,
        };
        String::from_utf8(bytes).map_err(|_| BAD_TEXT)
    }

    fn number(&mut self, opcode: u8) -> Step<Value> {
        let integer = |number: i128| {
            let number = i64::try_from(number).map_err(|_| BAD_NUMBER)?;
            Ok(Value::from(number))
        };
        match opcode {
            b'N' => Ok(Value::Null),
            0x88 => Ok(true.into()),
            0x89 => Ok(false.into()),
            b'I' | b'L' => match self.line()?.trim_end_matches('L') {
                "01" => Ok(true.into()),
                "00" => Ok(false.into()),
                digits => integer(digits.parse().map_err(|_| BAD_NUMBER)?),
            },
            b'K' => Ok(self.size(1)?.into()),
            b'M' => Ok(self.size(2)?.into()),
            b'J' => integer(signed(&self.bytes(4)?)?),
            0x8a => {
                let bytes = self.sized_bytes(1)?;
                integer(signed(&bytes)?)
            }
            0x8b => {
                let bytes = self.sized_bytes(4)?;
                integer(signed(&bytes)?)
            }
            b'F' => real(self.line()?.parse().map_err(|_| BAD_NUMBER)?),
            b'G' => {
                let bits: [u8; 8] = self.reader.array().map_err(|_| TOO_SHORT)?;
                real(f64::from_be_bytes(bits))
            }
            _ => Err(NOT_PLAIN),
        }
    }

    fn to_json(&self, id: Id, depth: usize, count: &mut usize) -> Step<Value> {
        *count += 1;
        if depth > MAX_DEPTH || *count > MAX_VALUES {
            return Err(TOO_MUCH);
        }
        match self.nodes.get(id).ok_or(NOT_PLAIN)? {
            Node::Leaf(value) => Ok(value.clone()),
            Node::List(items) => {
                let items = items
                    .iter()
                    .map(|item| self.to_json(*item, depth + 1, count));
                items.collect()
            }
            Node::Dict(entries) => {
                let mut fields = Map::new();
                for (key, value) in entries {
                    let key = self.to_json(*key, depth + 1, count)?;
                    let value = self.to_json(*value, depth + 1, count)?;
                    fields.insert(key_text(&key).ok_or(NOT_PLAIN)?, value);
                }
                Ok(fields.into())
            }
            Node::Mark => Err(NOT_PLAIN),
        }
    }
}

fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(key_text).collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}

fn real(number: f64) -> Step<Value> {
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or(BAD_NUMBER)
}

/// A little-endian number in two's complement.
fn signed(bytes: &[u8]) -> Step<i128> {
    if bytes.len() > 8 {
        return Err(BAD_NUMBER);
    }
    let fill = if bytes.last().is_some_and(|top| *top >= 0x80) {
        0xff
    } else {
        0
    };
    let mut wide = [fill; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    Ok(i128::from_le_bytes(wide))
}

/// Resolves `\\`, `\'`, `\"`, `\n`, `\r`, `\t`, `\xNN` and `\uNNNN`.
fn unescape(text: &str) -> Step<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        let digits = match rest.next().ok_or(BAD_TEXT)? {
            c @ ('\\' | '\'' | '"') => {
                plain.push(c);
                continue;
            }
            'n' => "a",
            'r' => "d",
            't' => "9",
            'x' => take(&mut rest, 2)?,
            'u' => take(&mut rest, 4)?,
            _ => return Err(BAD_TEXT),
        };
        let code = u32::from_str_radix(digits, 16).map_err(|_| BAD_TEXT)?;
        plain.push(char::from_u32(code).ok_or(BAD_TEXT)?);
    }
    Ok(plain)
}

/// The next few characters.
fn take<'a>(rest: &mut std::str::Chars<'a>, count: usize) -> Step<&'a str> {
    let text = rest.as_str();
    let taken = text.get(..count).ok_or(BAD_TEXT)?;
    *rest = text.get(count..).ok_or(BAD_TEXT)?.chars();
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(pickle: &[u8], expected: &Value) {
        assert_eq!(
            read(pickle).as_ref(),
            Ok(expected),
            "{}",
            pickle.escape_ascii()
        );
    }

    #[test]
    fn plain_data_in_old_and_new_protocols() {
        // {u'a': (1, 2L, None), 'b\'': [True, -1.5]}
        let old = b"(dp0\nVa\np1\n(I1\nL2L\nNtp2\nsS\"b'\"\np3\n(lp4\nI01\naF-1.5\nas.";
        check(old, &json!({"a": [1, 2, null], "b'": [true, -1.5]}));
        // The same list twice, {(0, 86400): 300}, -2, 2**40.
        let new = b"\x80\x04\x95\0\0\0\0\0\0\0\0](]\x94h\0}K\0J\x80\x51\x01\0\x86M\x2c\x01s\
            J\xfe\xff\xff\xff\x8a\x06\0\0\0\0\0\x01e.";
        check(new, &json!([[], [], {"0,86400": 300}, -2, 1u64 << 40]));
        check(b"S'\\x41\\n'\n.", &json!("A\n"));
    }

    #[test]
    fn whatever_does_something_is_refused() {
        for pickle in [
            &b"cos\nsystem\n(S'ls'\ntR."[..],
            b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
            b"(d",
            b".",
            b"}K\x01.",
            b"]\x94h\0a.",
            b"(.",
        ] {
            let read = read(pickle);
            assert!(read.is_err() || read == Ok(json!(1)), "{read:?}");
        }
        // A list that holds itself has no end.
        let endless = read(b"]q\0h\0a.").expect_err("endless");
        assert_eq!(endless.what, TOO_MUCH);
        // Neither has one that doubles sixty times.
        let mut bomb = b"]".to_vec();
        for _ in 0..30 {
            bomb.extend(b"q\x010h\x01h\x01\x86");
        }
        bomb.push(b'.');
        read(&bomb).expect_err("too much");
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&bytes));
        }
    }
}
