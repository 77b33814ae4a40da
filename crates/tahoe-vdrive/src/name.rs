//! Names of entries.

use crate::limits::MAX_NAME_BYTES;
use unicode_normalization::UnicodeNormalization as _;

/// A text can't be an entry's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It is empty, `.` or `..`.
    #[error("a name is not empty, '.' or '..'")]
    Reserved,
    /// It holds a slash, or a NUL.
    #[error("a name holds no '/' and no NUL")]
    Separator,
    /// It is too long.
    #[error("a name has at most {MAX_NAME_BYTES} bytes")]
    TooLong,
}

/// An entry's name in Unicode's normal form C. Texts that differ only in their form are one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(Box<str>);

impl EntryName {
    /// Takes a text and brings it into normal form C.
    pub fn new(text: &str) -> Result<Self, BadName> {
        if text.len() > 4 * MAX_NAME_BYTES {
            return Err(BadName::TooLong);
        }
        let name: String = text.nfc().collect();
        match name.as_str() {
            "" | "." | ".." => Err(BadName::Reserved),
            name if name.contains(['/', '\0']) => Err(BadName::Separator),
            name if name.len() > MAX_NAME_BYTES => Err(BadName::TooLong),
            name => Ok(Self(name.into())),
        }
    }

    /// The name in normal form C.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for EntryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names are private; a log shows only how long they are.
impl std::fmt::Debug for EntryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EntryName({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normal_and_stay_in_their_directory() {
        for (text, expected) in [
            ("a", Ok("a")),
            ("e\u{301}", Ok("\u{e9}")),
            ("...", Ok("...")),
            ("", Err(BadName::Reserved)),
            (".", Err(BadName::Reserved)),
            ("..", Err(BadName::Reserved)),
            ("a/b", Err(BadName::Separator)),
            ("a\0", Err(BadName::Separator)),
        ] {
            let name = EntryName::new(text);
            let name = name.as_ref().map(EntryName::as_str).map_err(|error| *error);
            assert_eq!(name, expected, "{text:?}");
        }
        assert!(EntryName::new(&"x".repeat(MAX_NAME_BYTES)).is_ok());
        let long = EntryName::new(&"x".repeat(MAX_NAME_BYTES + 1));
        assert_eq!(long, Err(BadName::TooLong));
        assert_eq!(
            format!("{:?}", EntryName::new("secret").unwrap()),
            "EntryName(6 bytes)"
        );
    }
}
