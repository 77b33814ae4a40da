//! Arguments of a request: the query string first, then the fields of a form.

use crate::error::WebError;
use crate::python_text::{bytes_repr, text_repr};
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use percent_encoding::percent_decode;
use tahoe_caps::MutableFormat;
use tahoe_client::{Replace, RsaPrivateKey};

/// Arguments by name, in the order in which they came; the first of a name counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Args(Vec<(Vec<u8>, Vec<u8>)>);

/// What kind of object an upload asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Immutable.
    Chk,
    /// Mutable, one segment.
    Sdmf,
    /// Mutable, several segments.
    Mdmf,
}

impl Format {
    /// Which kind of mutable file it is.
    pub(crate) fn mutable(self) -> Option<MutableFormat> {
        match self {
            Self::Chk => None,
            Self::Sdmf => Some(MutableFormat::Sdmf),
            Self::Mdmf => Some(MutableFormat::Mdmf),
        }
    }
}

impl Args {
    /// Reads a query string or an urlencoded form.
    ///
    /// As in the reference, `;` separates as `&` does, and a part without `=` is ignored.
    pub(crate) fn parse(query: &[u8]) -> Self {
        let parts = query.split(|byte| matches!(byte, b'&' | b';'));
        let pair = |part: &[u8]| {
            let equals = part.iter().position(|byte| *byte == b'=')?;
            let (name, value) = part.split_at(equals);
            Some((unquote(name), unquote(value.get(1..)?)))
        };
        Self(parts.filter_map(pair).collect())
    }

    /// Adds a field of a form.
    pub(crate) fn push(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first value of this name.
    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        let same_name = |(one, _): &&(Vec<u8>, Vec<u8>)| one == name.as_bytes();
        self.0.iter().find(same_name).map(|(_, value)| &value[..])
    }

    /// The value of `t`, without spaces around; empty if there is none.
    pub(crate) fn t(&self) -> Result<&str, WebError> {
        let t = self.first("t").unwrap_or_default().trim_ascii();
        let ascii = std::str::from_utf8(t).ok().filter(|t| t.is_ascii());
        ascii.ok_or_else(|| WebError::text(StatusCode::BAD_REQUEST, "t= isn't ASCII"))
    }

    /// A boolean, or `default` if there is none of this name.
    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool, WebError> {
        let Some(value) = self.first(name) else {
            return Ok(default);
        };
        match value.to_ascii_lowercase().as_slice() {
            b"true" | b"t" | b"1" | b"on" => Ok(true),
            b"false" | b"f" | b"0" | b"off" => Ok(false),
            _ => Err(WebError::text(
                StatusCode::BAD_REQUEST,
                format!("invalid boolean argument: {}", bytes_repr(value)),
            )),
        }
    }

    /// The value of `replace=` of a PUT: false, true, or `only-files` (which replaces a file).
    pub(crate) fn replace(&self) -> Result<bool, WebError> {
        match self.first("replace") {
            Some(value) if value.eq_ignore_ascii_case(b"only-files") => Ok(true),
            Some(value) => self.boolean("replace", true).map_err(|_| {
                let shown = text_repr(&String::from_utf8_lossy(value));
                let text = format!("invalid replace= argument: {shown}");
                WebError::text(StatusCode::BAD_REQUEST, text)
            }),
            None => Ok(true),
        }
    }

    /// What `replace=` of a change in a directory allows to replace.
    pub(crate) fn replacement(&self) -> Result<Replace, WebError> {
        let only_files = self.first("replace");
        let only_files = only_files.is_some_and(|v| v.eq_ignore_ascii_case(b"only-files"));
        Ok(match self.replace()? {
            true if only_files => Replace::OnlyFiles,
            true => Replace::Anything,
            false => Replace::Nothing,
        })
    }

    /// The value of `format=`, or of `mutable=` if that is missing or empty.
    pub(crate) fn format(&self) -> Result<Option<Format>, WebError> {
        let value = self.first("format").unwrap_or_default();
        match value.to_ascii_uppercase().as_slice() {
            b"" if self.boolean("mutable", false)? => Ok(Some(Format::Sdmf)),
            b"" => Ok(None),
            b"CHK" => Ok(Some(Format::Chk)),
            b"SDMF" => Ok(Some(Format::Sdmf)),
            b"MDMF" => Ok(Some(Format::Mdmf)),
            _ => Err(WebError::text(
                StatusCode::BAD_REQUEST,
                format!(
                    "Unknown format: {}, I know CHK, SDMF, MDMF",
                    String::from_utf8_lossy(value)
                ),
            )),
        }
    }

    /// The key of `private-key=`: url-safe base64 of DER.
    pub(crate) fn private_key(&self) -> Result<Option<RsaPrivateKey>, WebError> {
        let Some(text) = self.first("private-key") else {
            return Ok(None);
        };
        let text: Vec<u8> = text.iter().filter(|byte| **byte != b'=').copied().collect();
        let der = BASE64URL_NOPAD.decode(&text).ok();
        let key = der.map(|der| RsaPrivateKey::from_der(&der));
        match key {
            Some(Ok(key)) => Ok(Some(key)),
            Some(Err(error)) => {
                let text = format!("private-key= is refused: {error}");
                Err(WebError::text(StatusCode::BAD_REQUEST, text))
            }
            None => {
                let text = "private-key= is refused: not url-safe base64";
                Err(WebError::text(StatusCode::BAD_REQUEST, text))
            }
        }
    }

    /// All pairs, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&name[..], &value[..]))
    }
}

fn unquote(text: &[u8]) -> Vec<u8> {
    let spaces: Vec<u8> = text
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    percent_decode(&spaces).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_as_the_reference_does() {
        let args = Args::parse(b"t=json&save&a=1;b=%C3%A9+x&a=2&=y&empty=");
        let pairs: Vec<_> = args.iter().collect();
        let expected: &[(&[u8], &[u8])] = &[
            (b"t", b"json"),
            (b"a", b"1"),
            (b"b", "é x".as_bytes()),
            (b"a", b"2"),
            (b"", b"y"),
            (b"empty", b""),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(args.first("a"), Some(&b"1"[..]));
        assert_eq!(args.first("save"), None);
    }

    #[test]
    fn t_is_trimmed_ascii() {
        assert_eq!(Args::parse(b"t=%20json%20").t().unwrap(), "json");
        assert_eq!(Args::parse(b"").t().unwrap(), "");
        assert!(Args::parse(b"t=%C3%A9").t().is_err());
    }

    #[test]
    fn booleans() {
        for (text, expected) in [
            ("true", Some(true)),
            ("T", Some(true)),
            ("1", Some(true)),
            ("ON", Some(true)),
            ("False", Some(false)),
            ("f", Some(false)),
            ("0", Some(false)),
            ("off", Some(false)),
            ("maybe", None),
            ("", None),
            ("yes", None),
        ] {
            let parsed = Args::parse(format!("x={text}").as_bytes()).boolean("x", true);
            assert_eq!(parsed.ok(), expected, "{text}");
        }
        let error = Args::parse(b"x=maybe").boolean("x", true).unwrap_err();
        assert_eq!(error.to_string(), "invalid boolean argument: b'maybe'");
        assert!(Args::default().boolean("x", true).unwrap());
    }

    #[test]
    fn formats() {
        for (query, expected) in [
            ("", Ok(None)),
            ("format=", Ok(None)),
            ("format=chk", Ok(Some(Format::Chk))),
            ("format=Sdmf", Ok(Some(Format::Sdmf))),
            ("format=MDMF&mutable=false", Ok(Some(Format::Mdmf))),
            ("format=CHK&mutable=true", Ok(Some(Format::Chk))),
            ("mutable=true", Ok(Some(Format::Sdmf))),
            ("mutable=false", Ok(None)),
            ("mutable=maybe", Err("invalid boolean argument: b'maybe'")),
            (
                "format=FOO",
                Err("Unknown format: FOO, I know CHK, SDMF, MDMF"),
            ),
        ] {
            let parsed = Args::parse(query.as_bytes()).format();
            let parsed = parsed.map_err(|error| error.to_string());
            assert_eq!(parsed, expected.map_err(str::to_owned), "{query}");
        }
    }

    #[test]
    fn replace_arguments() {
        for (query, expected) in [
            ("", Ok(true)),
            ("replace=only-files", Ok(true)),
            ("replace=false", Ok(false)),
            ("replace=frob", Err("invalid replace= argument: 'frob'")),
        ] {
            let parsed = Args::parse(query.as_bytes()).replace();
            let parsed = parsed.map_err(|error| error.to_string());
            assert_eq!(parsed, expected.map_err(str::to_owned), "{query}");
        }
    }
}
