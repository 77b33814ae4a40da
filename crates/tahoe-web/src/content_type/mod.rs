//! Which content type a file is served with, by the extension of its name.
//!
//! As in the reference: Python's built-in table, overridden by the system's `mime.types` where there
//! is one, and nine types of Twisted's that always stand. A name with none of these extensions is
//! `text/plain`.

mod table;

use std::collections::HashMap;
use std::path::Path;

/// Where systems keep their table; the first two are Debian's and Red Hat's.
const SYSTEM_TABLES: &[&str] = &[
    "/etc/mime.types",
    "/etc/httpd/mime.types",
    "/etc/apache/mime.types",
    "/usr/local/etc/mime.types",
];
/// A larger table isn't read; Debian's has 75 KB.
const MAX_TABLE_SIZE: u64 = 4 << 20;

/// Content types by extension.
#[derive(Debug, Clone)]
pub(crate) struct ContentTypes(HashMap<String, String>);

/// What a file is served as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ContentType<'a> {
    pub(crate) content_type: &'a str,
    /// `Content-Encoding`, for `.gz` and `.bz2`.
    pub(crate) encoding: Option<&'static str>,
}

impl ContentTypes {
    /// Reads the system's tables; those that can't be read don't count.
    pub(crate) fn of_this_system() -> Self {
        let tables = SYSTEM_TABLES
            .iter()
            .filter_map(|path| read_table(Path::new(path)));
        Self::new(&tables.collect::<Vec<_>>())
    }

    fn new(tables: &[String]) -> Self {
        let owned = |(extension, kind): &(&str, &str)| ((*extension).into(), (*kind).into());
        let mut types: HashMap<String, String> = table::BUILT_IN.iter().map(owned).collect();
        for table in tables {
            types.extend(parse_table(table));
        }
        types.extend(table::FIXED.iter().map(owned));
        Self(types)
    }

    /// The type for a file of this name.
    ///
    /// For a compressed file, the reference means to look at the extension before (`.tar` of
    /// `a.tar.gz`) but never finds one, and serves `text/plain` with the encoding; so do we.
    pub(crate) fn of<'a>(&'a self, file_name: &[u8]) -> ContentType<'a> {
        let extension = extension(file_name);
        let encoding = match extension.as_str() {
            "gz" => Some("gzip"),
            "bz2" => Some("bzip2"),
            _ => None,
        };
        let known = self.0.get(&extension).filter(|_| encoding.is_none());
        ContentType {
            content_type: known.map_or("text/plain", String::as_str),
            encoding,
        }
    }
}

/// The part after the last dot of the last component, in lower case; leading dots don't count.
fn extension(file_name: &[u8]) -> String {
    let base = file_name
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    let dots = base.iter().take_while(|byte| **byte == b'.').count();
    let visible = base.get(dots..).unwrap_or_default();
    match visible.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => {
            let extension = visible.get(dot + 1..).unwrap_or_default();
            String::from_utf8_lossy(extension).to_lowercase()
        }
        None => String::new(),
    }
}

fn read_table(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path).ok()?.len();
    if size > MAX_TABLE_SIZE {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads lines `type extension extension …`; what follows a word that begins with `#` is a comment.
fn parse_table(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.lines().flat_map(|line| {
        let mut words = line
            .split_whitespace()
            .take_while(|word| !word.starts_with('#'));
        let kind = words
            .next()
            .filter(|kind| is_header_text(kind))
            .unwrap_or_default();
        let kept = words.filter(move |_| !kind.is_empty());
        kept.map(move |extension| (extension.to_owned(), kind.to_owned()))
    })
}

fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names() {
        let types = ContentTypes::new(&[]);
        for (name, content_type, encoding) in [
            ("a.txt", "text/plain", None),
            ("a.html", "text/html", None),
            ("a.PNG", "image/png", None),
            ("dir.png/a", "text/plain", None),
            ("a/b.png", "image/png", None),
            ("a.jpg", "image/jpeg", None),
            ("a.js", "application/javascript", None),
            ("a.pdf", "application/pdf", None),
            ("a.flac", "audio/x-flac", None),
            ("a", "text/plain", None),
            ("", "text/plain", None),
            ("a.", "text/plain", None),
            (".html", "text/plain", None),
            ("..png", "text/plain", None),
            ("a.unknownext", "text/plain", None),
            ("a.gz", "text/plain", Some("gzip")),
            ("a.tar.gz", "text/plain", Some("gzip")),
            ("a.html.bz2", "text/plain", Some("bzip2")),
            ("é.png", "image/png", None),
        ] {
            let expected = ContentType {
                content_type,
                encoding,
            };
            assert_eq!(types.of(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(types.of(b"\xff.png").content_type, "image/png");
        assert_eq!(types.of(b"a.\xff").content_type, "text/plain");
    }

    #[test]
    fn a_system_table_overrides() {
        let table = "# comment\ntext/x-test  tst foo # bar\nimage/test png\nlonely\n\n\
                     bad\u{e9}/type flac2\naudio/other flac\n";
        let types = ContentTypes::new(&[table.to_owned()]);
        assert_eq!(types.of(b"a.tst").content_type, "text/x-test");
        assert_eq!(types.of(b"a.foo").content_type, "text/x-test");
        assert_eq!(types.of(b"a.bar").content_type, "text/plain");
        assert_eq!(types.of(b"a.png").content_type, "image/test");
        assert_eq!(types.of(b"a.flac2").content_type, "text/plain");
        assert_eq!(
            types.of(b"a.flac").content_type,
            "audio/x-flac",
            "Twisted's stand"
        );
    }
}
