//! Names of children.

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// A child's name: any text in Unicode's normal form C, also the empty one.
///
/// Texts that differ only in their normal form are the same name. Names order by code points, as
/// the entries of a directory do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildName(Box<str>);

impl ChildName {
    /// Takes any text; brings it into normal form C.
    pub fn new(text: &str) -> Self {
        if is_nfc(text) {
            return Self(text.into());
        }
        Self(text.nfc().collect::<String>().into())
    }

    /// The name in normal form C.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ChildName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names are private; a log shows only how long they are.
impl std::fmt::Debug for ChildName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChildName({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms_are_the_same_name() {
        for (text, expected) in [
            ("", ""),
            ("e\u{301}", "\u{e9}"),
            ("\u{e9}", "\u{e9}"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("\u{212b}", "\u{c5}"),
            // Compatibility forms stay apart.
            ("\u{fb01}", "\u{fb01}"),
            ("a/b\0\n", "a/b\0\n"),
            // The order of combining marks is canonical.
            ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ] {
            assert_eq!(ChildName::new(text).as_str(), expected);
        }
    }

    #[test]
    fn order_is_that_of_code_points() {
        let names = ["", "B", "a", "\u{e9}", "\u{ffee}", "\u{1f600}"].map(ChildName::new);
        assert!(names.is_sorted());
    }
}
