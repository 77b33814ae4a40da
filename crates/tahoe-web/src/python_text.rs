//! Texts spelled as Python spells them, because clients and tests match on them.

use serde::Serialize;
use serde_json::ser::Formatter;
use std::fmt::Write as _;
use std::io::{self, Write};

/// A byte string as Python's `repr` shows it: `b'maybe'`.
pub(crate) fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    format!("b{quote}{}{quote}", escaped_bytes(bytes, quote))
}

fn escaped_bytes(bytes: &[u8], quote: char) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            byte if char::from(*byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            byte => push_hex(&mut text, u32::from(*byte), 'x', 2),
        }
    }
    text
}

/// A text as Python's `repr` shows it, for printable ASCII: `'frob'`; the rest is escaped.
pub(crate) fn text_repr(text: &str) -> String {
    bytes_repr(text.as_bytes()).split_off(1)
}

/// A name in quotes, as the reference's messages show it.
///
/// Single quotes if every character can stand for itself; else double quotes with escapes; bytes
/// that aren't UTF-8 as `b"…"`.
pub(crate) fn quoted(name: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(name) else {
        let mut quoted = "b\"".to_owned();
        for byte in name {
            match byte {
                b' ' | b'!' | b'#' | b'%'..=b'[' | b']'..=b'_' | b'a'..=b'~' => {
                    quoted.push(char::from(*byte));
                }
                b'"' | b'$' | b'`' | b'\\' => {
                    quoted.push('\\');
                    quoted.push(char::from(*byte));
                }
                byte => push_hex(&mut quoted, u32::from(*byte), 'x', 2),
            }
        }
        quoted.push('"');
        return quoted;
    };
    if text.chars().all(|c| c != '\'' && !needs_escape(c)) {
        return format!("'{text}'");
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '$' | '`' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if !needs_escape(c) => quoted.push(c),
            c if u32::from(c) < 0x100 => push_hex(&mut quoted, u32::from(c), 'x', 2),
            c if u32::from(c) < 0x1_0000 => push_hex(&mut quoted, u32::from(c), 'u', 4),
            c => push_hex(&mut quoted, u32::from(c), 'U', 8),
        }
    }
    quoted.push('"');
    quoted
}

/// Control characters, code points that no text may hold, and all beyond the first plane.
fn needs_escape(c: char) -> bool {
    let code = u32::from(c);
    code < 0x20
        || (0x7f..0xa0).contains(&code)
        || (0xfdd0..=0xfdef).contains(&code)
        || code > 0xfffc
}

fn push_hex(text: &mut String, code: u32, letter: char, width: usize) {
    write!(text, "\\{letter}{code:0width$x}").expect("a String takes everything");
}

/// A name as the reference's messages show it without quotes, unless it needs them.
pub(crate) fn unquoted(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c == '\n' || (c != '\'' && !needs_escape(c)));
    if plain && !name.starts_with('"') {
        return name.to_owned();
    }
    quoted(name.as_bytes())
}

/// A value as `json.dumps(value, indent=1)` writes it, and a newline: non-ASCII characters escaped.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut text = dump(value, Layout::with_indent(b" "));
    text.push('\n');
    text
}

/// A value as `json.dumps(value)` writes it, on one line.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    dump(value, OneLine)
}

type Layout<'a> = serde_json::ser::PrettyFormatter<'a>;

/// Everything on one line, with a space after each comma and colon.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn dump(value: &impl Serialize, layout: impl Formatter) -> String {
    let mut bytes = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, layout);
    value
        .serialize(&mut serializer)
        .expect("our values have string keys and finite numbers");
    let text = String::from_utf8(bytes).expect("serde_json writes UTF-8");
    if text.bytes().all(|byte| byte.is_ascii() && byte != 0x7f) {
        return text;
    }
    let mut ascii = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c.is_ascii() && c != '\x7f' {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                push_hex(&mut ascii, u32::from(*unit), 'u', 4);
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right column is Python's own.
    #[test]
    fn bytes_as_python_shows_them() {
        for (bytes, expected) in [
            (&b"maybe"[..], "b'maybe'"),
            (b"", "b''"),
            (b"it's", "b\"it's\""),
            (b"it's \"x\"", "b'it\\'s \"x\"'"),
            (b"\x00\xff\n\t\\", "b'\\x00\\xff\\n\\t\\\\'"),
        ] {
            assert_eq!(bytes_repr(bytes), expected);
        }
        assert_eq!(text_repr("frob"), "'frob'");
    }

    /// The right column is what the reference answered.
    #[test]
    fn names_as_the_reference_quotes_them() {
        for (name, expected) in [
            (&b"x"[..], "'x'"),
            (b"", "''"),
            (b"it's", "\"it's\""),
            (b"a\"b<c", "'a\"b<c'"),
            (b"it's\"", "\"it's\\\"\""),
            (b"\xff", "b\"\\xff\""),
            ("é\n".as_bytes(), "\"é\\x0a\""),
            ("\u{1f600}".as_bytes(), "\"\\U0001f600\""),
        ] {
            assert_eq!(quoted(name), expected);
        }
        for (name, expected) in [("x", "x"), ("", ""), ("it's", "\"it's\""), ("a\nb", "a\nb")] {
            assert_eq!(unquoted(name), expected);
        }
    }

    #[test]
    fn json_as_python_writes_it() {
        let value = serde_json::json!(["filenode", {"b": 1, "a": [], "c": {}, "é\u{1f600}": 1.5}]);
        let expected = "[\n \"filenode\",\n {\n  \"b\": 1,\n  \"a\": [],\n  \"c\": {},\n  \
                        \"\\u00e9\\ud83d\\ude00\": 1.5\n }\n]\n";
        assert_eq!(json(&value), expected);
        let expected = "[\"filenode\", {\"b\": 1, \"a\": [], \"c\": {}, \
                        \"\\u00e9\\ud83d\\ude00\": 1.5}]";
        assert_eq!(json_line(&value), expected);
    }
}
