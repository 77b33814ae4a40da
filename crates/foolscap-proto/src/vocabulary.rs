//! Words that a VOCAB token abbreviates.
//!
//! The two sides agree on one of the tables below during negotiation and use it in both directions.
//! The Python library knows sequences that change a table later; it neither sends nor, on a
//! connection between tubs, accepts them. Nor do we.

use sha1::Digest as _;

/// The tables that we know, as a range of their numbers.
pub const RANGE: (u32, u32) = (0, 1);

/// Table 1; table 0 is empty.
const TABLE_1: [&str; 25] = [
    "none",
    "boolean",
    "reference",
    "dict",
    "list",
    "tuple",
    "set",
    "immutable-set",
    "unicode",
    "set-vocab",
    "add-vocab",
    "call",
    "arguments",
    "answer",
    "error",
    "my-reference",
    "your-reference",
    "their-reference",
    "copyable",
    "instance",
    "module",
    "class",
    "method",
    "function",
    "attrdict",
];

/// A vocabulary table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vocabulary(u32);

impl Vocabulary {
    /// The table of this number, if we know it.
    pub fn numbered(number: u32) -> Option<Self> {
        (RANGE.0..=RANGE.1)
            .contains(&number)
            .then_some(Self(number))
    }

    /// The table's number.
    pub fn number(self) -> u32 {
        self.0
    }

    fn words(self) -> &'static [&'static str] {
        if self.0 == 0 { &[] } else { &TABLE_1 }
    }

    /// The word behind a VOCAB token.
    pub fn word(self, index: u64) -> Option<&'static str> {
        let index = usize::try_from(index).ok()?;
        self.words().get(index).copied()
    }

    /// The number of a word.
    pub fn index(self, word: &[u8]) -> Option<u64> {
        // The longest words have 15 bytes; shares' bytes needn't be compared with each.
        if word.len() > 15 {
            return None;
        }
        let found = self.words().iter().position(|w| w.as_bytes() == word)?;
        u64::try_from(found).ok()
    }

    /// Four hex digits by which the two sides check that their tables are the same.
    pub fn hash(self) -> String {
        let digest = sha1::Sha1::digest(self.words().join("\0"));
        let mut hex = data_encoding::HEXLOWER.encode(&digest);
        hex.truncate(4);
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_original_s_hashes() {
        assert_eq!(Vocabulary(0).hash(), "da39");
        assert_eq!(Vocabulary(1).hash(), "bb33");
        assert_eq!(Vocabulary::numbered(2), None);
    }

    #[test]
    fn words_and_numbers_agree() {
        let table = Vocabulary(1);
        for (index, word) in (0..).zip(TABLE_1) {
            assert_eq!(table.word(index), Some(word));
            assert_eq!(table.index(word.as_bytes()), Some(index));
            assert!(word.len() <= 15, "{word} is never looked for");
        }
        assert_eq!(table.word(25), None);
        assert_eq!(table.index(b"unknown"), None);
        assert_eq!(Vocabulary(0).index(b"list"), None);
    }
}
