//! The order of a backup: several files at a time, and each directory when all in it is stored.

use super::Session;
use super::database::{Cap, Database};
use super::directory_hash::directory_hash;
use super::metadata::{Fingerprint, StoredMetadata};
use super::progress_report::Report;
use super::transfer::{Child, Found};
use super::walk::{Directory, Skip, Step, Walk, denied};
use crate::error::{CommandError, Result};
use crate::file_store::PARALLEL_REQUESTS;
use crate::quote::quoted_path;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::fs::{Metadata, metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

/// What is still to be done.
struct Plan {
    steps: vec::IntoIter<Step>,
    directories: Vec<Pending>,
    /// Directories in which all is stored.
    ready: Vec<usize>,
    /// The capability of the first directory, in the end.
    root: Option<Cap>,
}

/// A directory that is still to be stored.
struct Pending {
    path: PathBuf,
    parent: Option<usize>,
    /// How many files and directories in it aren't dealt with.
    missing: usize,
    children: Vec<Child>,
}

/// Work for the node, with what is needed afterwards.
enum Task {
    File(FileTask),
    Directory(DirectoryTask),
}

struct FileTask {
    path: PathBuf,
    directory: usize,
    fingerprint: Fingerprint,
    metadata: StoredMetadata,
}

struct DirectoryTask {
    path: PathBuf,
    parent: Option<usize>,
    children: Vec<Child>,
    hash: String,
    metadata: StoredMetadata,
}

/// Backs a tree up; returns the capability of its root.
pub(super) async fn carry_out(
    session: &Session<'_>,
    walk: Walk,
    database: &mut Database,
    report: &Report,
) -> Result<String> {
    let mut plan = Plan::of(walk);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < PARALLEL_REQUESTS {
            let Some(task) = plan.next(report)? else {
                break;
            };
            let stored = task.stored(session, database)?;
            running.push(async move {
                let found = match &task {
                    Task::File(file) => {
                        let size = file.fingerprint.size_bytes;
                        session.file(&file.path, size, stored, report).await?
                    }
                    Task::Directory(directory) => {
                        let DirectoryTask { path, children, .. } = directory;
                        session.directory(path, children, stored, report).await?
                    }
                };
                Ok::<_, CommandError>((task, found))
            });
        }
        let Some(done) = running.next().await else {
            break;
        };
        let (task, found) = done?;
        task.remember(&found, database)?;
        plan.finish(task, found, report);
        database.flush_if_due()?;
    }
    let root = plan.root.map(|cap| cap.0);
    root.ok_or_else(|| CommandError::failed("the directory could not be stored"))
}

impl Plan {
    fn of(walk: Walk) -> Self {
        let pending = |directory: Directory| Pending {
            path: directory.path,
            parent: directory.parent,
            missing: directory.children,
            children: Vec::new(),
        };
        let directories: Vec<Pending> = walk.directories.into_iter().map(pending).collect();
        let is_ready = |index: &usize| {
            let directory = directories.get(*index);
            directory.is_some_and(|directory| directory.missing == 0)
        };
        Self {
            ready: (0..directories.len()).filter(is_ready).collect(),
            steps: walk.steps.into_iter(),
            directories,
            root: None,
        }
    }

    /// The next work for the node; what needs none is dealt with on the way.
    fn next(&mut self, report: &Report) -> Result<Option<Task>> {
        loop {
            if let Some(number) = self.ready.pop() {
                return self.directory_task(number).map(Some);
            }
            match self.steps.next() {
                None => return Ok(None),
                Some(Step::Skip(skip)) => report.skip(&skip),
                Some(Step::File { path, directory }) => match regular_file(&path) {
                    Ok(metadata) => {
                        return Ok(Some(Task::File(FileTask {
                            path,
                            directory,
                            fingerprint: Fingerprint::of(&metadata),
                            metadata: StoredMetadata::of(&metadata),
                        })));
                    }
                    Err(error) => {
                        report.skip(&unreadable(&path, &error));
                        self.one_less(directory);
                    }
                },
            }
        }
    }

    fn directory_task(&mut self, number: usize) -> Result<Task> {
        let pending = self.directories.get_mut(number);
        let pending = pending.ok_or_else(|| CommandError::failed("no such directory"))?;
        let path = std::mem::take(&mut pending.path);
        let children = std::mem::take(&mut pending.children);
        let parent = pending.parent;
        let metadata = metadata(&path).map_err(|error| {
            CommandError::failed(format!("cannot read {}: {error}", quoted_path(&path)))
        })?;
        let entries = children.iter();
        let hash = directory_hash(entries.map(|child| (child.name.as_str(), child.cap.0.as_str())));
        Ok(Task::Directory(DirectoryTask {
            path,
            parent,
            children,
            hash,
            metadata: StoredMetadata::of(&metadata),
        }))
    }

    /// Puts what was stored into its directory, and counts it.
    fn finish(&mut self, task: Task, found: Found, report: &Report) {
        let is_directory = matches!(task, Task::Directory(_));
        let (path, metadata, parent) = match task {
            Task::File(file) => (file.path, file.metadata, Some(file.directory)),
            Task::Directory(directory) => (directory.path, directory.metadata, directory.parent),
        };
        let cap = match found {
            Found::New(cap) => {
                report.count(match is_directory {
                    true => &report.directories_created,
                    false => &report.files_created,
                });
                cap
            }
            Found::Old { cap, .. } => {
                report.count(match is_directory {
                    true => &report.directories_reused,
                    false => &report.files_reused,
                });
                cap
            }
            Found::Unreadable(error) => {
                report.skip(&unreadable(&path, &error));
                return parent.into_iter().for_each(|parent| self.one_less(parent));
            }
        };
        let Some(parent) = parent else {
            self.root = Some(cap);
            return;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(directory) = self.directories.get_mut(parent) {
            directory.children.push(Child {
                name: name.into_owned(),
                is_directory,
                cap,
                metadata,
            });
        }
        self.one_less(parent);
    }

    fn one_less(&mut self, directory: usize) {
        if let Some(pending) = self.directories.get_mut(directory) {
            pending.missing = pending.missing.saturating_sub(1);
            if pending.missing == 0 {
                self.ready.push(directory);
            }
        }
    }
}

impl Task {
    /// What the database knows of it.
    fn stored(
        &self,
        session: &Session<'_>,
        database: &Database,
    ) -> Result<Option<super::database::Stored>> {
        match self {
            Self::File(file) => {
                let path = file.path.to_string_lossy();
                database.file(&path, &file.fingerprint, session.use_timestamps)
            }
            Self::Directory(directory) => database.directory(&directory.hash),
        }
    }

    /// Tells the database what has become of it.
    fn remember(&self, found: &Found, database: &mut Database) -> Result {
        match (self, found) {
            (Self::File(file), Found::New(cap)) => {
                let path = file.path.to_string_lossy();
                database.file_was_stored(&path, &file.fingerprint, &cap.0)
            }
            (Self::Directory(directory), Found::New(cap)) => {
                database.directory_was_stored(&directory.hash, &cap.0)
            }
            (
                Self::File(_),
                Found::Old {
                    cap,
                    was_checked: true,
                },
            ) => database.file_is_healthy(&cap.0),
            (
                Self::Directory(_),
                Found::Old {
                    cap,
                    was_checked: true,
                },
            ) => database.directory_is_healthy(&cap.0),
            _ => Ok(()),
        }
    }
}

/// What the system tells of a file that was one a moment ago.
fn regular_file(path: &Path) -> io::Result<Metadata> {
    let metadata = metadata(path)?;
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(io::Error::other("it is no file any more")),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Skip {
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied => denied("file", path),
        _ => format!("cannot read file {}: {error}", quoted_path(path)),
    };
    Skip {
        warning: format!("WARNING: {why}"),
        is_directory: false,
    }
}
