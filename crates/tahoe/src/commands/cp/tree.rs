//! The trees of all sources, read and laid on top of each other.

use super::source::{Content, Directory, Source, unknown, unreadable, utf8};
use crate::error::{CommandError, Result};
use crate::file_store::{FileStore, PARALLEL_REQUESTS};
use crate::objects::{GridObject, ObjectKind};
use crate::quote::{quoted, quoted_path};
use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// How deep a tree may be; deeper ones are taken for loops.
const DEEPEST: usize = 500;

/// What a directory will hold when everything is copied.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<String, Content>,
    pub(super) directories: BTreeMap<String, Self>,
}

impl Tree {
    /// Reads a source and adds it.
    pub(super) async fn add(&mut self, store: &FileStore, source: Source) -> Result {
        match source {
            Source::File { name, content } => {
                let name = name.unwrap_or_default();
                self.add_file(name, content)
            }
            Source::Directory { name, directory } => {
                let tree = read(store, directory).await?;
                match name {
                    Some(name) => self.add_directory(name, tree),
                    None => self.merge(tree),
                }
            }
        }
    }

    fn add_file(&mut self, name: String, content: Content) -> Result {
        match self.directories.contains_key(&name) || self.files.contains_key(&name) {
            true => Err(collision()),
            false => {
                self.files.insert(name, content);
                Ok(())
            }
        }
    }

    fn add_directory(&mut self, name: String, tree: Self) -> Result {
        match self.files.contains_key(&name) {
            true => Err(collision()),
            false => self.directories.entry(name).or_default().merge(tree),
        }
    }

    fn merge(&mut self, other: Self) -> Result {
        for (name, content) in other.files {
            self.add_file(name, content)?;
        }
        for (name, tree) in other.directories {
            self.add_directory(name, tree)?;
        }
        Ok(())
    }

    /// All files in the tree.
    pub(super) fn all_files(&self) -> Vec<&Content> {
        let mut all: Vec<&Content> = self.files.values().collect();
        for tree in self.directories.values() {
            all.extend(tree.all_files());
        }
        all
    }
}

fn collision() -> CommandError {
    CommandError::failed(
        "cannot copy multiple files with the same name into the same target directory",
    )
}

async fn read(store: &FileStore, directory: Directory) -> Result<Tree> {
    match directory {
        Directory::Local(path) => {
            let output = store.output;
            // Directories are read from the disk one after the other, which takes no time.
            read_local(&path, &mut Vec::new(), &mut |warning| output.note(warning))
        }
        Directory::Grid(object) => read_grid(store, *object, Vec::new()).await,
    }
}

fn read_local(
    path: &Path,
    above: &mut Vec<(u64, u64)>,
    warn: &mut dyn FnMut(&str),
) -> Result<Tree> {
    let mut tree = Tree::default();
    let identity = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    above.push((identity.dev(), identity.ino()));
    let entries = fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<DirEntry>>>);
    for entry in entries.map_err(|error| unreadable(path, &error))? {
        let path = entry.path();
        // A link stands for what it leads to.
        let Ok(metadata) = fs::metadata(&path) else {
            warn(&format!(
                "WARNING: cannot copy {}, which leads nowhere",
                quoted_path(&path)
            ));
            continue;
        };
        let name = utf8(entry.file_name().to_str(), &path)?;
        if metadata.is_file() {
            let content = Content::Local {
                path,
                size_bytes: metadata.len(),
            };
            tree.files.insert(name, content);
        } else if !metadata.is_dir() {
            warn(&format!(
                "WARNING: cannot copy special {}",
                quoted_path(&path)
            ));
        } else if above.contains(&(metadata.dev(), metadata.ino())) {
            warn(&format!(
                "WARNING: not following {}, which leads back up",
                quoted_path(&path)
            ));
        } else {
            tree.directories
                .insert(name, read_local(&path, above, warn)?);
        }
    }
    above.pop();
    Ok(tree)
}

/// Reads a directory of the grid and all below; `above` are the capabilities on the way to it.
fn read_grid(
    store: &FileStore,
    object: GridObject,
    mut above: Vec<String>,
) -> LocalBoxFuture<'_, Result<Tree>> {
    Box::pin(async move {
        let mut tree = Tree::default();
        above.extend(object.best_cap().map(str::to_owned));
        if above.len() > DEEPEST {
            let message = format!("cannot copy a tree deeper than {DEEPEST} directories");
            return Err(CommandError::failed(message));
        }
        let mut directories = Vec::new();
        for (name, child) in object.attributes.children {
            match child.kind {
                ObjectKind::File => {
                    tree.files.insert(name, Content::of(&child)?);
                }
                ObjectKind::Directory => directories.push((name, child)),
                ObjectKind::Unknown => return Err(unknown()),
            }
        }
        let above = &above;
        let reads = stream::iter(directories).map(|(name, child)| async move {
            let tree = read_child(store, &name, &child, above).await?;
            Ok::<_, CommandError>((name, tree))
        });
        let trees = reads.buffer_unordered(PARALLEL_REQUESTS);
        tree.directories = trees.try_collect().await?;
        Ok(tree)
    })
}

async fn read_child(
    store: &FileStore,
    name: &str,
    child: &GridObject,
    above: &[String],
) -> Result<Tree> {
    let cap = child.best_cap().unwrap_or_default();
    if above.iter().any(|one| one == cap) {
        return Err(CommandError::failed(format!(
            "cannot copy a directory that contains itself, as {}",
            quoted(name)
        )));
    }
    let url = child.url_path().unwrap_or_default();
    let what = "Error examining source directory";
    let object = store.find(&url, what).await?;
    let object = object.ok_or_else(|| CommandError::failed(format!("{what}: not found")))?;
    read_grid(store, object, above.to_vec()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Content {
        Content::Local {
            path: path.into(),
            size_bytes: 0,
        }
    }

    #[test]
    fn names_may_meet_only_as_directories() {
        let with = |name: &str| {
            let mut tree = Tree::default();
            tree.add_file(name.to_owned(), file(name)).unwrap();
            tree
        };
        let mut tree = Tree::default();
        tree.add_directory("d".to_owned(), with("a")).unwrap();
        tree.add_directory("d".to_owned(), with("b")).unwrap();
        tree.merge(with("f")).unwrap();
        assert_eq!(tree.all_files().len(), 3);
        assert!(tree.add_directory("d".to_owned(), with("a")).is_err());
        assert!(tree.add_directory("f".to_owned(), Tree::default()).is_err());
        assert!(tree.merge(with("f")).is_err());
        assert!(tree.merge(with("d")).is_err());
    }

    #[test]
    fn local_links_are_followed_but_not_in_circles() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/file"), "x").unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, path.join(name)).unwrap();
        link("a/b", "link");
        link("..", "a/up");
        link("nowhere", "dangling");
        let mut warnings = Vec::new();
        let mut warn = |warning: &str| warnings.push(warning.to_owned());
        let tree = read_local(path, &mut Vec::new(), &mut warn).unwrap();
        assert_eq!(tree.all_files().len(), 2);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
