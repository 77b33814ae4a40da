//! Which names are left out of a backup.

use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use glob::Pattern;
use std::path::Path;

/// What version control systems keep in a tree.
const VERSION_CONTROL: [&str; 18] = [
    "CVS",
    "RCS",
    "SCCS",
    ".git",
    ".gitignore",
    ".cvsignore",
    ".svn",
    ".arch-ids",
    "{arch}",
    "=RELEASE-ID",
    "=meta-update",
    "=update",
    ".bzr",
    ".bzrignore",
    ".bzrtags",
    ".hg",
    ".hgignore",
    "_darcs",
];

/// Patterns for single names, as Python's `fnmatch` reads them.
#[derive(Debug, Default)]
pub(super) struct Exclusions {
    patterns: Vec<Pattern>,
}

impl Exclusions {
    /// Adds a pattern; spaces around it don't count.
    pub(super) fn add(&mut self, pattern: &str) {
        let pattern = pattern.trim();
        if !pattern.is_empty() {
            self.patterns.push(compiled(pattern));
        }
    }

    /// Adds a pattern for each line of a file.
    pub(super) fn add_lines_of(&mut self, path: &Path) -> Result {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let path = quoted_path(path);
            CommandError::failed(format!(
                "Error opening exclude file {path}. (Error: {error})"
            ))
        })?;
        for line in text.lines() {
            self.add(line);
        }
        Ok(())
    }

    pub(super) fn add_version_control(&mut self) {
        for name in VERSION_CONTROL {
            self.add(name);
        }
    }

    /// Says whether a name is left out.
    pub(super) fn exclude(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// `*`, `?`, `[a-z]`, `[!a-z]`; several `*` are one, and a `[` that nothing closes is itself.
fn compiled(pattern: &str) -> Pattern {
    let mut text = pattern.to_owned();
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    Pattern::new(&text).unwrap_or_else(|_| {
        let text = text.replace('[', "[[]");
        let literal = || Pattern::new(&Pattern::escape(pattern));
        Pattern::new(&text)
            .or_else(|_| literal())
            .unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values are what Python's fnmatch gives.
    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.tmp", "a.tmp", true),
            ("*.tmp", "a.tmp.b", false),
            ("*", ".hidden", true),
            ("a**b", "axxb", true),
            ("?", "ü", true),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[a-c]", "b", true),
            ("[]]", "]", true),
            ("[", "[", true),
            ("a[*", "a[bc", true),
            ("{arch}", "{arch}", true),
            ("{arch}", "arch", false),
            ("a\\b", "a\\b", true),
            ("A", "a", false),
        ] {
            let mut exclusions = Exclusions::default();
            exclusions.add(pattern);
            assert_eq!(exclusions.exclude(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn files_of_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exclude");
        std::fs::write(&path, "  *.o \n\nü*\n").unwrap();
        let mut exclusions = Exclusions::default();
        exclusions.add_lines_of(&path).unwrap();
        exclusions.add_version_control();
        for name in ["x.o", "über", ".git", "=update"] {
            assert!(exclusions.exclude(name), "{name}");
        }
        assert!(!exclusions.exclude("x"));
        assert!(
            exclusions
                .add_lines_of(&folder.path().join("none"))
                .is_err()
        );
    }
}
