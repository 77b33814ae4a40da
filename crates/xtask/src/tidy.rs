//! What the compiler doesn't check: file sizes, leftovers, secrets in `Debug`, titles, dead links.

use crate::run::{Problem, files, read, root};
use std::path::{Path, PathBuf};

/// A file with more lines than this before its tests should be looked at for a second concept.
const LARGE_FILE_LINES: usize = 600;
/// A file with more lines than this before its tests is refused.
const LARGEST_FILE_LINES: usize = 1000;

/// Types whose names end so hold secrets, and may not derive `Debug`.
const SECRET_SUFFIXES: &[&str] = &["Secret", "Swissnum", "Enabler", "ReadKey", "WriteKey"];

/// Reports everything that is untidy.
pub(crate) fn check() -> Result<(), Problem> {
    let mut problems = Vec::new();
    for path in files()? {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("rs") => check_source(&path, &read(&root().join(&path))?, &mut problems),
            Some("md") => check_document(&path, &read(&root().join(&path))?, &mut problems),
            _ => {}
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

fn check_source(path: &Path, text: &str, problems: &mut Vec<Problem>) {
    let shown = path.display();
    let is_test = path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem == "tests");
    let lines = text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .count();
    if !is_test && lines > LARGEST_FILE_LINES {
        problems.push(format!("{shown}: {lines} lines; split it"));
    } else if !is_test && lines > LARGE_FILE_LINES {
        println!("note: {shown}: {lines} lines before its tests");
    }
    let mut derives_debug = false;
    for (index, line) in text.lines().enumerate() {
        let at = format!("{shown}:{}", index + 1);
        // The words are split so that this file doesn't contain them.
        if line.contains(concat!("#[", "ignore")) {
            problems.push(format!("{at}: an ignored test"));
        }
        if line.contains(concat!("TO", "DO")) || line.contains(concat!("FIX", "ME")) {
            problems.push(format!("{at}: something left to do"));
        }
        let line = line.trim_start();
        if line.starts_with("#[derive(") {
            derives_debug = line.contains("Debug");
        } else if let Some(name) = declared_type(line) {
            if derives_debug && SECRET_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
                problems.push(format!("{at}: {name} derives Debug but holds a secret"));
            }
            derives_debug = false;
        }
    }
}

/// The name of the struct that a line declares.
fn declared_type(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("pub ")
        .or(line.strip_prefix("pub(crate) "))
        .unwrap_or(line);
    let name = rest.strip_prefix("struct ")?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
}

fn check_document(path: &Path, text: &str, problems: &mut Vec<Problem>) {
    let shown = path.display();
    if !text.starts_with("# ") {
        problems.push(format!("{shown}: doesn't begin with a title"));
    }
    for target in links(text) {
        let target: PathBuf = root()
            .join(path)
            .parent()
            .unwrap_or(Path::new(""))
            .join(target);
        if !target.exists() {
            problems.push(format!(
                "{shown}: links to {}, which isn't there",
                target.display()
            ));
        }
    }
}

/// Targets of links to other files of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        (!target.is_empty() && !target.contains("://") && !target.contains(' ')).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_source(Path::new("a.rs"), text, &mut problems);
        problems
    }

    #[test]
    fn finds_secrets_that_debug_would_show() {
        assert_eq!(
            problems_of("#[derive(Clone, Debug)]\npub struct UploadSecret(u8);").len(),
            1
        );
        assert!(problems_of("#[derive(Clone)]\npub struct UploadSecret(u8);").is_empty());
        assert!(problems_of("#[derive(Debug)]\nstruct A;\nstruct Secret;").is_empty());
    }

    #[test]
    fn finds_what_was_left() {
        assert_eq!(problems_of(concat!("#[", "ignore]")).len(), 1);
        assert_eq!(problems_of(&"x\n".repeat(LARGEST_FILE_LINES + 1)).len(), 1);
    }

    #[test]
    fn finds_links_to_files() {
        let found: Vec<&str> = links("[a](docs/a.md#b) [c](https://d) [e](#f)").collect();
        assert_eq!(found, ["docs/a.md"]);
    }
}
