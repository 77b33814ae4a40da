//! Local directories and files to copy to.

use super::target::{DirectoryTarget, Job};
use super::tree::Tree;
use crate::error::{CommandError, Result};
use crate::quote::{quoted, quoted_path};
use std::path::{Path, PathBuf};

/// Makes the directories of a tree below a local one.
///
/// Names come from the grid, where anyone who may write a directory chooses them: one that would
/// lead out of its directory is refused.
pub(super) fn lay_out(path: PathBuf, tree: Tree, jobs: &mut Vec<Job>) -> Result {
    let names = tree.files.keys().chain(tree.directories.keys());
    names.into_iter().try_for_each(|name| check_name(name))?;
    for name in tree.files.keys() {
        let path = path.join(name);
        if path.is_dir() {
            let path = quoted_path(&path);
            let message = format!("cannot write the file {path}: a directory is in the way");
            return Err(CommandError::failed(message));
        }
    }
    for (name, tree) in tree.directories {
        let path = path.join(name);
        make_directory(&path)?;
        lay_out(path, tree, jobs)?;
    }
    jobs.push(Job {
        directory: DirectoryTarget::Local(path),
        files: tree.files.into_iter().collect(),
    });
    Ok(())
}

fn check_name(name: &str) -> Result {
    let leads_away = matches!(name, "" | "." | "..") || name.contains(['/', '\0']);
    match leads_away {
        true => Err(CommandError::failed(format!(
            "refusing to copy {}: no local file can have this name",
            quoted(name)
        ))),
        false => Ok(()),
    }
}

/// Makes a directory and those above it; one that is there is left as it is.
pub(super) fn make_directory(path: &Path) -> Result {
    std::fs::create_dir_all(path).map_err(|error| {
        let path = quoted_path(path);
        CommandError::failed(format!("cannot make the directory {path}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_away_are_refused() {
        for name in ["", ".", "..", "/etc/passwd", "../x", "a/b", "a\0b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "...", "a..b", ".profile", "ü ☃"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
