//! What is to be copied: local or on the grid, file or directory.

use crate::aliases::Place;
use crate::error::{CommandError, Result};
use crate::file_store::FileStore;
use crate::objects::{GridObject, ObjectKind};
use crate::paths;
use crate::quote::{quoted, quoted_path};
use std::path::{Path, PathBuf};

/// Something that was named on the command line.
pub(super) enum Source {
    File {
        /// `None` for a mere capability.
        name: Option<String>,
        content: Content,
    },
    Directory {
        /// `None` for a mere capability or alias: its contents are meant.
        name: Option<String>,
        directory: Directory,
    },
}

/// The contents of a file.
pub(super) enum Content {
    Local {
        path: PathBuf,
        size_bytes: u64,
    },
    Grid {
        is_mutable: bool,
        read_cap: String,
        /// `None` if the node doesn't know.
        size_bytes: Option<u64>,
    },
}

/// A directory whose contents are still to be read.
pub(super) enum Directory {
    Local(PathBuf),
    Grid(Box<GridObject>),
}

impl Source {
    /// Looks at what an argument names.
    pub(super) async fn find(store: &FileStore, text: &str) -> Result<Self> {
        match store.aliases.place(text)? {
            Place::Local(path) => local(text, &path),
            Place::Grid(mut location) => {
                let has_slash = location.path.ends_with('/');
                if has_slash {
                    location.path.pop();
                }
                let what = format!("Error examining source {}", quoted(text));
                let found = store.find(&location.url_path(), &what).await?;
                let object = found.ok_or_else(|| missing(text))?;
                let name = location.last_name();
                let name = (!name.is_empty()).then(|| name.to_owned());
                match object.kind {
                    ObjectKind::Directory => Ok(Self::Directory {
                        name,
                        directory: Directory::Grid(Box::new(object)),
                    }),
                    ObjectKind::File if has_slash => Err(trailing_slash(text)),
                    ObjectKind::File => {
                        let content = Content::of(&object)?;
                        Ok(Self::File { name, content })
                    }
                    ObjectKind::Unknown => Err(unknown()),
                }
            }
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    pub(super) fn is_unnamed_file(&self) -> bool {
        matches!(self, Self::File { name: None, .. })
    }
}

fn local(text: &str, given: &str) -> Result<Source> {
    let path = paths::absolute(given)?;
    let name = match path.file_name() {
        Some(name) => Some(utf8(name.to_str(), &path)?),
        None => None, // the root
    };
    let metadata = std::fs::metadata(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => missing(text),
        _ => unreadable(&path, &error),
    })?;
    if metadata.is_dir() {
        let directory = Directory::Local(path);
        return Ok(Source::Directory { name, directory });
    }
    if given.ends_with('/') {
        return Err(trailing_slash(text));
    }
    if !metadata.is_file() {
        return Err(CommandError::failed(format!(
            "source '{}' is neither a file nor a directory, I can't handle it",
            quoted_path(&path)
        )));
    }
    let content = Content::Local {
        path,
        size_bytes: metadata.len(),
    };
    Ok(Source::File { name, content })
}

impl Content {
    /// The contents of a file on the grid.
    pub(super) fn of(object: &GridObject) -> Result<Self> {
        let attributes = &object.attributes;
        let read_cap = attributes.ro_uri.clone().filter(|cap| !cap.is_empty());
        let read_cap = read_cap.ok_or_else(|| {
            CommandError::failed("the node does not tell the capability of a file to be copied")
        })?;
        Ok(Self::Grid {
            is_mutable: attributes.mutable,
            read_cap,
            size_bytes: object.size_bytes(),
        })
    }

    /// How many bytes there are, if that is known.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Local { size_bytes, .. } => Some(*size_bytes),
            Self::Grid { size_bytes, .. } => *size_bytes,
        }
    }
}

/// A local name that the grid can hold.
pub(super) fn utf8(name: Option<&str>, path: &Path) -> Result<String> {
    name.map(str::to_owned).ok_or_else(|| {
        let path = quoted_path(path);
        CommandError::failed(format!("cannot copy {path}: its name is not UTF-8"))
            .hint("Names on the grid are text: rename the file first.")
    })
}

fn missing(text: &str) -> CommandError {
    CommandError::failed(format!("No such file or directory {}", quoted(text)))
}

fn trailing_slash(text: &str) -> CommandError {
    let text = quoted(text);
    CommandError::failed(format!(
        "source '{text}' is not a directory, but ends with a slash"
    ))
}

pub(super) fn unknown() -> CommandError {
    CommandError::failed(
        "Cannot copy unknown nodes (ticket #839). You probably need to use a later version of \
         Tahoe-LAFS to copy this directory.",
    )
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!("cannot read {}: {error}", quoted_path(path)))
}
