//! Text as the reference shows it to people: quoted so that nothing in it can be mistaken.

use std::fmt::Write as _;
use std::path::Path;

/// Quotes a path, a name or a message that must stay on one line.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().all(|c| is_plain(c) && c != '\n') {
        format!("'{text}'")
    } else {
        double_quoted(text, true)
    }
}

/// Quotes a path.
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Quotes text only if it holds something that could be mistaken; its lines stay lines.
pub(crate) fn quoted_if_needed(text: &str) -> String {
    if !text.chars().all(is_plain) {
        double_quoted(text, false)
    } else if text.starts_with('"') {
        format!("'{text}'")
    } else {
        text.to_owned()
    }
}

/// Quotes a name or path only if it holds something that could be mistaken; it stays on one line.
pub(crate) fn quoted_name_if_needed(text: &str) -> String {
    match text.contains('\n') {
        true => double_quoted(text, true),
        false => quoted_if_needed(text),
    }
}

/// Like [`quoted`] for bytes that may not be text.
pub(crate) fn quoted_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => quoted(text),
        Err(_) => quoted_binary(bytes, true),
    }
}

/// Like [`quoted_if_needed`] for bytes that may not be text.
pub(crate) fn quoted_bytes_if_needed(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => quoted_if_needed(text),
        Err(_) => quoted_binary(bytes, false),
    }
}

fn quoted_binary(bytes: &[u8], escape_newlines: bool) -> String {
    let mut out = String::from("b\"");
    for byte in bytes {
        let c = char::from(*byte);
        match c {
            '"' | '$' | '`' | '\\' => out.extend(['\\', c]),
            '\n' if !escape_newlines => out.push(c),
            ' '..='~' => out.push(c),
            _ => push_escape(&mut out, u32::from(*byte)),
        }
    }
    out.push('"');
    out
}

/// What may stand between single quotes: printable, and no single quote itself.
fn is_plain(c: char) -> bool {
    c == '\n' || (is_printable(c) && c != '\'')
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffc}')
}

fn double_quoted(text: &str, escape_newlines: bool) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '$' | '`' | '\\' => out.extend(['\\', c]),
            '\n' if !escape_newlines => out.push(c),
            _ if is_printable(c) => out.push(c),
            _ => push_escape(&mut out, u32::from(c)),
        }
    }
    out.push('"');
    out
}

fn push_escape(out: &mut String, code: u32) {
    // Writing to a String can't fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Bytes as Python's `repr` shows them.
pub(crate) fn python_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut out = format!("b{quote}");
    for byte in bytes {
        match char::from(*byte) {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c @ ' '..='~' => out.push(c),
            _ => push_escape(&mut out, u32::from(*byte)),
        }
    }
    out.push(quote);
    out
}

/// JSON of which a terminal takes nothing for a command: all but ASCII is escaped.
pub(crate) fn ascii_json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    push_json_escape(&mut out, *unit);
                }
            }
        }
    }
    out
}

fn push_json_escape(out: &mut String, unit: u16) {
    // Writing to a String can't fail.
    let _ = write!(out, "\\u{unit:04x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values are what the reference's quote_output gives.
    #[test]
    fn paths() {
        assert_eq!(quoted("/tmp/x y"), "'/tmp/x y'");
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("a\nb"), "\"a\\x0ab\"");
        assert_eq!(quoted("ünï\u{2603}"), "'ünï\u{2603}'");
        assert_eq!(quoted("$`\\\"'"), "\"\\$\\`\\\\\\\"'\"");
        assert_eq!(quoted("\u{1f600}"), "\"\\U0001f600\"");
        assert_eq!(quoted("\u{fdd0}"), "\"\\ufdd0\"");
    }

    #[test]
    fn messages() {
        assert_eq!(quoted_if_needed("200 OK"), "200 OK");
        assert_eq!(quoted_if_needed("a\nb"), "a\nb");
        assert_eq!(quoted_if_needed("a\nb'"), "\"a\nb'\"");
        assert_eq!(quoted_name_if_needed("a\nb"), "\"a\\x0ab\"");
        assert_eq!(quoted_name_if_needed("a b"), "a b");
        assert_eq!(quoted_if_needed("\"x\""), "'\"x\"'");
        assert_eq!(quoted_bytes_if_needed(b"URI:CHK:x"), "URI:CHK:x");
        assert_eq!(quoted_bytes_if_needed(b"\xff$\n"), "b\"\\xff\\$\n\"");
    }

    #[test]
    fn json_is_ascii() {
        let value = serde_json::json!({"a\n": "é\u{9b}\u{1f600}"});
        let text = ascii_json(&value);
        assert_eq!(text, r#"{"a\n":"\u00e9\u009b\ud83d\ude00"}"#);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn representations() {
        assert_eq!(python_repr(b"a\n\xff"), "b'a\\n\\xff'");
        assert_eq!(python_repr(b"it's"), "b\"it's\"");
        assert_eq!(python_repr(b"'\"\\"), "b'\\'\"\\\\'");
        assert_eq!(python_repr(b""), "b''");
    }
}
