//! JSON in the bytes that Python's `json.dumps` writes, because directories are made of them.

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::Formatter;
use std::io;

/// A value on one line: `{"a": [1, 2.5]}`, everything outside of ASCII escaped.
pub(crate) fn to_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PythonFormatter);
    value
        .serialize(&mut serializer)
        .expect("a value has string keys, and a Vec takes everything");
    bytes
}

struct PythonFormatter;

fn separator<W: ?Sized + io::Write>(writer: &mut W, first: bool) -> io::Result<()> {
    if first {
        Ok(())
    } else {
        writer.write_all(b", ")
    }
}

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separator(writer, first)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separator(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float_repr(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if matches!(c, ' '..='~') {
                writer.write_all(&[c as u8])?;
                continue;
            }
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
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
        Ok(exponent) if exponent < 0 => format!("{digits}e-{:02}", -exponent),
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
        assert_eq!(String::from_utf8(to_bytes(&value)).unwrap(), expected);
    }
}
