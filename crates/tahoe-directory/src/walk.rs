//! Walks through everything that can be reached from a directory.
//!
//! Depth first: a directory, then its children that nobody knows, its files, and then each of its
//! directories with all that is below it, always in the order of names. An object that was seen is
//! passed over, so cycles end; literals, which have no verify capability to know them by, are met
//! every time.
//!
//! **Invariants:** a few directories are read ahead, so that the round trips of neighbours overlap;
//! the order doesn't depend on it. Memory is bounded by the largest directories on the way and 16
//! bytes for each object that was seen.

use crate::{ChildName, Directories, Directory, DirectoryError, Listing, Node};
use std::collections::{HashSet, VecDeque};
use tahoe_crypto::hash;
use tokio::task::JoinHandle;

/// Directories that are read ahead of the walk.
const READ_AHEAD: usize = 4;
/// Objects that a walk can keep apart.
const MOST_OBJECTS: usize = 5_000_000;

/// A step of a walk.
#[derive(Debug, Clone)]
pub enum Visit {
    /// An object was found.
    Node {
        /// Names from the root; none for the root itself.
        path: Vec<ChildName>,
        /// What it is.
        node: Node,
    },
    /// The directory that was visited last was read.
    Entered {
        /// Bytes of its file.
        size: u64,
        /// How many children it lists.
        children: u64,
    },
}

/// A walk under way. Dropping it ends it.
#[derive(Debug)]
pub struct Walk {
    directories: Directories,
    /// What was found and not yet told.
    ready: VecDeque<Visit>,
    /// The directory that was told of and not yet read.
    entering: Option<Pending>,
    /// Directories that are still to be visited, the next one last.
    stack: Vec<Pending>,
    seen: HashSet<[u8; 16]>,
}

#[derive(Debug)]
struct Pending {
    path: Vec<ChildName>,
    directory: Directory,
    reading: Option<Reading>,
}

/// A directory that is being read; dropping it ends that.
#[derive(Debug)]
struct Reading(JoinHandle<Result<Listing, DirectoryError>>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Walk {
    pub(crate) fn new(directories: Directories, root: &Directory) -> Self {
        let mut walk = Self {
            directories,
            ready: VecDeque::new(),
            entering: None,
            stack: Vec::new(),
            seen: HashSet::new(),
        };
        walk.is_new(&root.to_node());
        walk.stack.push(Pending {
            path: Vec::new(),
            directory: root.clone(),
            reading: None,
        });
        walk
    }

    /// Waits for the next step; none after the last.
    pub async fn next(&mut self) -> Result<Option<Visit>, DirectoryError> {
        loop {
            if let Some(visit) = self.ready.pop_front() {
                return Ok(Some(visit));
            }
            if let Some(entering) = self.entering.take() {
                self.enter(entering).await?;
                self.read_ahead();
            } else if let Some(next) = self.stack.pop() {
                let (path, node) = (next.path.clone(), next.directory.to_node());
                self.entering = Some(next);
                return Ok(Some(Visit::Node { path, node }));
            } else {
                return Ok(None);
            }
        }
    }

    async fn enter(&mut self, entering: Pending) -> Result<(), DirectoryError> {
        let Pending {
            path,
            directory,
            reading,
        } = entering;
        let listing = match reading {
            None => self.directories.list(&directory).await?,
            Some(mut reading) => (&mut reading.0)
                .await
                .map_err(|_| DirectoryError::Stopping)??,
        };
        let (mut unknown, mut files, mut below) = (Vec::new(), Vec::new(), Vec::new());
        let mut children = 0;
        for (name, child) in listing.children() {
            children += 1;
            let node = child.node;
            if !self.is_new(&node) {
                continue;
            }
            let path: Vec<_> = path.iter().chain([name]).cloned().collect();
            match (Directory::of(&node), node.target()) {
                (Some(directory), _) => below.push(Pending {
                    path,
                    directory,
                    reading: None,
                }),
                (None, Some(_)) => files.push(Visit::Node { path, node }),
                (None, None) => unknown.push(Visit::Node { path, node }),
            }
        }
        let size = listing.size();
        self.ready.push_back(Visit::Entered { size, children });
        self.ready.extend(unknown);
        self.ready.extend(files);
        self.stack.extend(below.into_iter().rev());
        if self.seen.len() > MOST_OBJECTS {
            return Err(DirectoryError::TooManyObjects { most: MOST_OBJECTS });
        }
        Ok(())
    }

    /// Notes an object; says whether it wasn't seen before.
    fn is_new(&mut self, node: &Node) -> bool {
        let Some(verify) = node.to_verify() else {
            return true;
        };
        let hash = hash::tagged(b"tahoe-rust walk", verify.to_text().as_bytes());
        let short = hash.first_chunk::<16>().expect("a hash has 32 bytes");
        self.seen.insert(*short)
    }

    /// Begins to read the directories that come next.
    fn read_ahead(&mut self) {
        for pending in self.stack.iter_mut().rev().take(READ_AHEAD) {
            let (directories, directory) = (&self.directories, &pending.directory);
            pending.reading.get_or_insert_with(|| {
                let (directories, directory) = (directories.clone(), directory.clone());
                let read = async move { directories.list(&directory).await };
                Reading(tokio::spawn(read))
            });
        }
    }
}
