//! JSON in the bytes that Python's `json.dumps` writes: directories are made of them, and programs
//! that read the web API or what commands print may match on them.
//!
//! Everything outside of printable ASCII is escaped, numbers are as Python's `repr` has them.

use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// A value as `json.dumps(value)` writes it: `{"a": [1, 2.5]}`.
///
/// # Panics
/// If the value can't be JSON: if an object's key is no text, or a [`Serialize`] fails.
pub fn one_line(value: &impl Serialize) -> String {
    dump(value, None)
}

/// A value as `json.dumps(value, indent=…)` writes it, each level behind so many spaces more.
///
/// # Panics
/// As [`one_line`] does.
pub fn indented(value: &impl Serialize, spaces: usize) -> String {
    dump(value, Some(spaces))
}

fn dump(value: &impl Serialize, indent: Option<usize>) -> String {
    let mut bytes = Vec::with_capacity(128);
    let formatter = PythonFormatter {
        indent,
        depth: 0,
        has_members: false,
    };
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value
        .serialize(&mut serializer)
        .expect("the caller's values have text keys, and a Vec takes everything");
    String::from_utf8(bytes).expect("only ASCII was written")
}

struct PythonFormatter {
    /// Spaces of each level; None for one line.
    indent: Option<usize>,
    depth: usize,
    /// Whether the array or object that ends next has members.
    has_members: bool,
}

impl PythonFormatter {
    fn begin<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_add(1);
        self.has_members = false;
        out.write_all(bracket)
    }

    fn end<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.has_members {
            self.break_line(out)?;
        }
        out.write_all(bracket)
    }

    fn separate<W: ?Sized + Write>(&self, out: &mut W, first: bool) -> io::Result<()> {
        match (first, self.indent) {
            (true, _) => {}
            (false, None) => out.write_all(b", ")?,
            (false, Some(_)) => out.write_all(b",")?,
        }
        self.break_line(out)
    }

    fn break_line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        let Some(indent) = self.indent else {
            return Ok(());
        };
        let width = indent.saturating_mul(self.depth);
        write!(out, "\n{:width$}", "")
    }
}

impl Formatter for PythonFormatter {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.has_members = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.has_members = true;
        Ok(())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(float_repr(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c| !matches!(c, ' '..='~')) {
            let (plain, special) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut chars = special.chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

/// The shortest digits that give the same number, with an exponent below 1e-4 and from 1e16 on.
fn float_repr(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent @ -4..16) if exponent < 0 || value.fract() != 0.0 => format!("{value}"),
        Ok(-4..16) => format!("{value}.0"),
        Ok(exponent) if exponent < 0 => format!("{digits}e-{:02}", exponent.unsigned_abs()),
        Ok(exponent) => format!("{digits}e+{exponent:02}"),
        Err(_) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right column is Python's own.
    #[test]
    fn floats_as_python_writes_them() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1_717_150_148.123_456, "1717150148.123456"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (1e22, "1e+22"),
            (1e100, "1e+100"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (-2.5e-10, "-2.5e-10"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        ] {
            assert_eq!(float_repr(value), expected);
        }
    }

    #[test]
    fn values_as_python_writes_them() {
        let value = serde_json::json!({
            "b": [1, 2.5, []], "a": {}, "\u{e9}\u{1f600}\u{7f}\"\\\n/": null, "t": true
        });
        let expected = "{\"b\": [1, 2.5, []], \"a\": {}, \
                        \"\\u00e9\\ud83d\\ude00\\u007f\\\"\\\\\\n/\": null, \"t\": true}";
        assert_eq!(one_line(&value), expected);
    }

    #[test]
    fn levels_as_python_indents_them() {
        let value = serde_json::json!({"a": [], "b": {}, "c": [1, {"x": 1e-5}], "d": [[]]});
        let expected = "{\n \"a\": [],\n \"b\": {},\n \"c\": [\n  1,\n  {\n   \"x\": 1e-05\n  }\n ],\n \
                        \"d\": [\n  []\n ]\n}";
        assert_eq!(indented(&value, 1), expected);
        let value = serde_json::json!([[1], 2]);
        assert_eq!(indented(&value, 4), "[\n    [\n        1\n    ],\n    2\n]");
    }

    #[test]
    fn times_come_out_as_they_went_in() {
        // Without serde_json's feature float_roundtrip the last digit changes.
        for text in ["1795659749.6986365", "1795659749.6952295", "1600000000.0"] {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(one_line(&value), text);
        }
    }
}
