//! Texts spelled as Python spells them, because clients and tests match on them.

use serde::Serialize;
use std::fmt::Write as _;
use tahoe_encoding::python_json;

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

/// A value as `json.dumps(value, indent=1)` writes it, and a newline.
pub(crate) fn json(value: &impl Serialize) -> String {
    python_json::indented(value, 1) + "\n"
}

/// A value as `json.dumps(value)` writes it, on one line.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    python_json::one_line(value)
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
}
