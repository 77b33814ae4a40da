//! Words for codes: the PGP word list, whose words sound different from each other.

use super::{Result, secrets};

/// For each byte the word for even and the word for odd places.
const WORDS: &str = include_str!("pgp-words.txt");

/// Two random words: 16 bits, of which a stranger may guess once.
pub(super) fn choose() -> Result<String> {
    let [first, second] = secrets::random()?;
    // The reference begins with the list for odd places.
    Ok(format!("{}-{}", word(first, 1), word(second, 0)))
}

fn word(byte: u8, column: usize) -> &'static str {
    let line = WORDS.lines().nth(usize::from(byte)).unwrap_or_default();
    line.split(' ').nth(column).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_byte_has_two_words_of_its_own() {
        for column in [0, 1] {
            let words: HashSet<_> = (0..=255).map(|byte| word(byte, column)).collect();
            assert_eq!(words.len(), 256);
            assert!(words.iter().all(|word| word.len() > 2));
        }
        assert_eq!((word(0, 0), word(255, 1)), ("aardvark", "yucatan"));
        assert_eq!(choose().unwrap().split('-').count(), 2);
    }
}
