//! Finds what there is to back up.

use super::exclude::Exclusions;
use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

/// A tree: what to do in the order of the walk, and the directories.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) steps: Vec<Step>,
    /// The first is the root; a directory stands before those in it.
    pub(super) directories: Vec<Directory>,
    /// Of all files together.
    pub(super) size_bytes: u64,
}

/// One entry of a directory that isn't a directory.
#[derive(Debug)]
pub(super) enum Step {
    File {
        path: PathBuf,
        /// Index of its directory.
        directory: usize,
    },
    Skip(Skip),
}

/// Something that can't be backed up.
#[derive(Debug)]
pub(super) struct Skip {
    pub(super) warning: String,
    pub(super) is_directory: bool,
}

#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// Index of the directory it is in; the root is in none.
    pub(super) parent: Option<usize>,
    /// How many files and directories are in it.
    pub(super) children: usize,
}

impl Walk {
    /// Walks a tree.
    pub(super) fn of(root: &Path, exclusions: &Exclusions) -> Result<Self> {
        let mut walk = Self::default();
        let entries = sorted_entries(root).map_err(|error| {
            CommandError::failed(format!("cannot list {}: {error}", quoted_path(root)))
                .hint("Name a directory that you may read.")
        })?;
        walk.directory(root.to_owned(), None, entries, exclusions);
        Ok(walk)
    }

    /// How many things there are to deal with.
    pub(super) fn len(&self) -> usize {
        self.steps.len() + self.directories.len()
    }

    fn directory(
        &mut self,
        path: PathBuf,
        parent: Option<usize>,
        entries: Vec<DirEntry>,
        exclusions: &Exclusions,
    ) {
        let this = self.directories.len();
        self.directories.push(Directory {
            path,
            parent,
            children: 0,
        });
        for entry in entries {
            self.entry(&entry, this, exclusions);
        }
    }

    fn entry(&mut self, entry: &DirEntry, directory: usize, exclusions: &Exclusions) {
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return self.skip(false, |kind| {
                let path = quoted_path(&path);
                format!("could not list {kind} {path} due to a filename encoding error")
            });
        };
        if exclusions.exclude(name) {
            return;
        }
        let Ok(kind) = entry.file_type() else {
            return self.skip(false, |kind| denied(kind, &path));
        };
        if kind.is_symlink() {
            self.skip(false, |_| {
                format!("cannot backup symlink {}", quoted_path(&path))
            });
        } else if kind.is_dir() {
            match sorted_entries(&path) {
                Ok(entries) => {
                    self.add_child(directory);
                    self.directory(path, Some(directory), entries, exclusions);
                }
                Err(_) => self.skip(true, |kind| denied(kind, &path)),
            }
        } else if kind.is_file() {
            self.add_child(directory);
            self.size_bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            self.steps.push(Step::File { path, directory });
        } else {
            self.skip(false, |_| {
                format!("cannot backup special {}", quoted_path(&path))
            });
        }
    }

    fn add_child(&mut self, directory: usize) {
        if let Some(directory) = self.directories.get_mut(directory) {
            directory.children += 1;
        }
    }

    fn skip(&mut self, is_directory: bool, why: impl FnOnce(&str) -> String) {
        let why = why(if is_directory { "directory" } else { "file" });
        self.steps.push(Step::Skip(Skip {
            warning: format!("WARNING: {why}"),
            is_directory,
        }));
    }
}

/// The reason why something that can't be read is skipped.
pub(super) fn denied(kind: &str, path: &Path) -> String {
    format!("permission denied on {kind} {}", quoted_path(path))
}

fn sorted_entries(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn finds_files_directories_and_what_must_be_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/empty")).unwrap();
        fs::write(root.join("a/file"), "12345").unwrap();
        fs::write(root.join("left.tmp"), "x").unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"\xff");
        fs::write(root.join(odd), "x").unwrap();
        std::os::unix::fs::symlink("a", root.join("link")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let mut exclusions = Exclusions::default();
        exclusions.add("*.tmp");
        let walk = Walk::of(root, &exclusions).unwrap();
        drop(socket);
        assert_eq!((walk.len(), walk.size_bytes), (7, 5));
        let children = walk.directories.iter().map(|directory| directory.children);
        assert_eq!(children.collect::<Vec<_>>(), [1, 2, 0]);
        let warning = |step: &Step| match step {
            Step::Skip(skip) => Some(skip.warning.clone()),
            Step::File { .. } => None,
        };
        let warnings: Vec<_> = walk.steps.iter().filter_map(warning).collect();
        assert_eq!(warnings.len(), 3);
        assert!(warnings[0].starts_with("WARNING: cannot backup symlink '"));
        assert!(warnings[1].starts_with("WARNING: cannot backup special '"));
        assert!(warnings[2].ends_with(" due to a filename encoding error"));
        assert!(Walk::of(&root.join("missing"), &exclusions).is_err());
    }
}
