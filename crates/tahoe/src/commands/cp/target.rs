//! Where to copy to: a file, a directory, or a name that isn't taken yet.

use super::grid_target::GridDirectory;
use super::local_target;
use super::source::Content;
use super::tree::Tree;
use crate::aliases::Place;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore};
use crate::objects::ObjectKind;
use crate::paths;
use crate::quote::quoted;
use std::path::PathBuf;

/// What the last argument names.
pub(super) enum Target {
    File(FileTarget),
    Directory(DirectoryTarget),
    Missing(FileTarget),
}

/// The place of one file.
pub(super) enum FileTarget {
    Local(PathBuf),
    Grid {
        /// Where the node takes the contents.
        url_path: String,
        /// A capability may be linked there instead.
        can_link: bool,
    },
}

/// A directory that is there.
pub(super) enum DirectoryTarget {
    Local(PathBuf),
    Grid(GridDirectory),
}

/// A directory that is there, and the files to be put into it.
pub(super) struct Job {
    pub(super) directory: DirectoryTarget,
    pub(super) files: Vec<(String, Content)>,
}

impl Target {
    /// Looks at what an argument names.
    pub(super) async fn find(store: &FileStore, text: &str) -> Result<Self> {
        let location = match store.aliases.place(text)? {
            Place::Local(path) => {
                let path = paths::absolute(&path)?;
                return Ok(match std::fs::metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => {
                        Self::Directory(DirectoryTarget::Local(path))
                    }
                    Ok(_) => Self::File(FileTarget::Local(path)),
                    Err(_) => Self::Missing(FileTarget::Local(path)),
                });
            }
            Place::Grid(location) => location,
        };
        let url_path = location.url_path();
        let what = format!("Error examining target {}", quoted(text));
        let found = store.find(&url_path, &what).await?;
        let has_path = !location.path.is_empty();
        Ok(match found {
            None => Self::Missing(FileTarget::Grid {
                url_path,
                can_link: has_path,
            }),
            Some(object) if object.kind == ObjectKind::Directory => {
                Self::Directory(DirectoryTarget::Grid(GridDirectory::of(object)))
            }
            Some(object) => Self::File(FileTarget::Grid {
                url_path,
                can_link: has_path && !object.attributes.mutable,
            }),
        })
    }

    /// The directory; one that is missing is made.
    pub(super) async fn into_directory(self, store: &FileStore) -> Result<DirectoryTarget> {
        match self {
            Self::Directory(directory) => Ok(directory),
            Self::Missing(FileTarget::Local(path)) => {
                local_target::make_directory(&path)?;
                Ok(DirectoryTarget::Local(path))
            }
            Self::Missing(FileTarget::Grid { url_path, .. }) => {
                let url_path = url_path.trim_end_matches('/');
                let call = Call::post(format!("{url_path}?t=mkdir"));
                let cap = store.ask_text(call, "Error during mkdir").await?;
                Ok(DirectoryTarget::Grid(GridDirectory::made(&cap)))
            }
            Self::File(_) => Err(CommandError::failed("the target is not a directory")),
        }
    }
}

impl DirectoryTarget {
    /// Makes the directories of a tree; returns what is left to do in each.
    pub(super) async fn lay_out(self, store: &FileStore, tree: Tree) -> Result<Vec<Job>> {
        match self {
            Self::Local(path) => {
                let mut jobs = Vec::new();
                local_target::lay_out(path, tree, &mut jobs)?;
                Ok(jobs)
            }
            Self::Grid(directory) => directory.lay_out(store, tree).await,
        }
    }
}
