//! A model of what a disk may hold after a loss of power.
//!
//! Data written to a file is on the disk for certain once the file was synced, a name once its
//! directory was synced. Of everything else any part may be there: each sector of a write and each
//! change of a name for itself, in any combination. That is more than real file systems do wrong.

use crate::disk::Operation;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;

/// A small pseudo-random generator (SplitMix64), so that a seed names a crash.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// Which part of what wasn't synced survives.
#[derive(Debug, Clone)]
pub(super) enum Survivors {
    /// Nothing: the power failed before the kernel wrote anything back.
    Nothing,
    /// Everything: only the program was killed.
    Everything,
    /// A random part.
    Some(Random),
}

impl Survivors {
    fn take(&mut self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(random) => random.next() % 2 == 0,
        }
    }
}

/// An operation as it was recorded.
#[derive(Debug, Clone)]
pub(super) enum Recorded {
    CreateFile(PathBuf),
    Write(PathBuf, usize, Vec<u8>),
    SetLength(PathBuf, usize),
    SyncFile(PathBuf),
    SyncDirectory(PathBuf),
    SyncAll,
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    MakeDirectory(PathBuf),
    RemoveDirectory(PathBuf),
}

impl Recorded {
    /// Keeps an operation that is about to happen; none if it changes nothing on the disk.
    pub(super) fn of(operation: &Operation<'_>) -> Option<Self> {
        let at = |offset: u64| usize::try_from(offset).unwrap();
        Some(match operation {
            Operation::CreateFile(path) => Self::CreateFile(path.to_path_buf()),
            Operation::Write(path, offset, data) => {
                Self::Write(path.to_path_buf(), at(*offset), data.to_vec())
            }
            Operation::SetLength(path, length) => Self::SetLength(path.to_path_buf(), at(*length)),
            Operation::Reserve(..) => return None,
            Operation::SyncFile(path) => Self::SyncFile(path.to_path_buf()),
            Operation::SyncDirectory(path) => Self::SyncDirectory(path.to_path_buf()),
            Operation::SyncAll(_) => Self::SyncAll,
            Operation::Rename(from, to) => Self::Rename(from.to_path_buf(), to.to_path_buf()),
            Operation::RemoveFile(path) => Self::Remove(path.to_path_buf()),
            Operation::MakeDirectory(path) => Self::MakeDirectory(path.to_path_buf()),
            Operation::RemoveDirectory(path) => Self::RemoveDirectory(path.to_path_buf()),
        })
    }
}

type Node = usize;
const ROOT: Node = 0;

/// Changes of a file's contents.
#[derive(Debug, Clone)]
enum Contents {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// A change of names; each concerns one or two directories.
#[derive(Debug, Clone)]
enum Naming {
    Add(Node, String, Node),
    Remove(Node, String),
    Rename((Node, String), (Node, String), Node),
}

impl Naming {
    fn concerns(&self, directory: Node) -> bool {
        match self {
            Self::Add(parent, ..) | Self::Remove(parent, _) => *parent == directory,
            Self::Rename(from, to, _) => from.0 == directory || to.0 == directory,
        }
    }
}

/// What is on the disk for certain, and what isn't yet.
#[derive(Debug, Clone, Default)]
pub(super) struct DiskModel {
    /// Names as the program sees them.
    now: HashMap<PathBuf, Node>,
    /// Nodes that are directories, with the names in them that are on the disk.
    directories: HashMap<Node, BTreeMap<String, Node>>,
    /// Nodes that are files, with the contents that are on the disk.
    files: HashMap<Node, Vec<u8>>,
    unsynced_contents: Vec<(Node, Contents)>,
    unsynced_names: Vec<Naming>,
    next_node: Node,
}

impl DiskModel {
    /// Begins with an empty directory.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            now: HashMap::from([(root.to_owned(), ROOT)]),
            directories: HashMap::from([(ROOT, BTreeMap::new())]),
            next_node: 1,
            ..Self::default()
        }
    }

    /// Begins with what is in a directory, as if it were synced.
    pub(super) fn of_directory(root: &Path) -> Self {
        let mut model = Self::new(root);
        let mut todo = vec![root.to_owned()];
        while let Some(directory) = todo.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    model.apply(&Recorded::MakeDirectory(path.clone()));
                    todo.push(path);
                } else {
                    model.apply(&Recorded::CreateFile(path.clone()));
                    let data = std::fs::read(&path).unwrap();
                    model.apply(&Recorded::Write(path, 0, data));
                }
            }
        }
        model.apply(&Recorded::SyncAll);
        model
    }

    /// Lets an operation happen.
    pub(super) fn apply(&mut self, operation: &Recorded) {
        match operation {
            Recorded::CreateFile(path) => {
                let node = self.add(path);
                self.files.insert(node, Vec::new());
            }
            // It was tried, and failed: it exists, or the one above it is made first.
            Recorded::MakeDirectory(path)
                if self.now.contains_key(path)
                    || !self.now.contains_key(path.parent().unwrap()) => {}
            Recorded::MakeDirectory(path) => {
                let node = self.add(path);
                self.directories.insert(node, BTreeMap::new());
            }
            Recorded::Write(path, offset, data) => {
                let change = Contents::Write(*offset, data.clone());
                self.unsynced_contents.push((self.now[path], change));
            }
            Recorded::SetLength(path, length) => {
                let change = Contents::Length(*length);
                self.unsynced_contents.push((self.now[path], change));
            }
            Recorded::SyncFile(path) => self.sync_contents(Some(self.now[path])),
            Recorded::SyncDirectory(path) => {
                // What lies above the model is there for certain.
                if let Some(node) = self.now.get(path) {
                    self.sync_names(Some(*node));
                }
            }
            Recorded::SyncAll => {
                self.sync_contents(None);
                self.sync_names(None);
            }
            Recorded::Rename(from, to) => {
                let node = self.now[from];
                let naming = Naming::Rename(self.place(from), self.place(to), node);
                self.unsynced_names.push(naming);
                for (path, node) in std::mem::take(&mut self.now) {
                    let moved = match path.strip_prefix(from) {
                        Ok(rest) if rest.as_os_str().is_empty() => to.clone(),
                        Ok(rest) => to.join(rest),
                        Err(_) if path == *to => continue,
                        Err(_) => path,
                    };
                    self.now.insert(moved, node);
                }
            }
            // It was tried, and failed.
            Recorded::RemoveDirectory(path) if !self.is_empty_directory(path) => {}
            Recorded::Remove(path) | Recorded::RemoveDirectory(path) => {
                let (parent, name) = self.place(path);
                self.unsynced_names.push(Naming::Remove(parent, name));
                self.now.remove(path);
            }
        }
    }

    fn is_empty_directory(&self, path: &Path) -> bool {
        let inside = |other: &PathBuf| other.parent() == Some(path);
        self.now.contains_key(path) && !self.now.keys().any(inside)
    }

    fn add(&mut self, path: &Path) -> Node {
        let node = self.next_node;
        self.next_node += 1;
        let (parent, name) = self.place(path);
        self.unsynced_names.push(Naming::Add(parent, name, node));
        self.now.insert(path.to_owned(), node);
        node
    }

    /// The directory of a path and its name there.
    fn place(&self, path: &Path) -> (Node, String) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (self.now[path.parent().unwrap()], name)
    }

    fn sync_contents(&mut self, only: Option<Node>) {
        for (node, change) in std::mem::take(&mut self.unsynced_contents) {
            if only.is_none_or(|only| only == node) {
                let whole = &mut Survivors::Everything;
                persist_contents(self.files.get_mut(&node).unwrap(), &change, whole);
            } else {
                self.unsynced_contents.push((node, change));
            }
        }
    }

    fn sync_names(&mut self, only: Option<Node>) {
        for naming in std::mem::take(&mut self.unsynced_names) {
            if only.is_none_or(|only| naming.concerns(only)) {
                self.persist_name(&naming);
            } else {
                self.unsynced_names.push(naming);
            }
        }
    }

    fn persist_name(&mut self, naming: &Naming) {
        let mut set = |directory: Node, name: &String, node: Option<Node>| {
            let names = self.directories.get_mut(&directory).unwrap();
            match node {
                Some(node) => names.insert(name.clone(), node),
                None => names.remove(name),
            };
        };
        match naming {
            Naming::Add(parent, name, node) => set(*parent, name, Some(*node)),
            Naming::Remove(parent, name) => set(*parent, name, None),
            Naming::Rename(from, to, node) => {
                set(from.0, &from.1, None);
                set(to.0, &to.1, Some(*node));
            }
        }
    }

    /// Writes what a disk may hold after a crash now to an empty directory.
    pub(super) fn crash(&self, mut survivors: Survivors, directory: &Path) {
        let mut disk = self.clone();
        for naming in std::mem::take(&mut disk.unsynced_names) {
            if survivors.take() {
                disk.persist_name(&naming);
            }
        }
        for (node, change) in std::mem::take(&mut disk.unsynced_contents) {
            let file = disk.files.get_mut(&node).unwrap();
            persist_contents(file, &change, &mut survivors);
        }
        disk.write_out(ROOT, directory);
    }

    fn write_out(&self, node: Node, path: &Path) {
        for (name, child) in &self.directories[&node] {
            let path = path.join(name);
            if let Some(data) = self.files.get(child) {
                std::fs::write(&path, data).unwrap();
            } else {
                std::fs::create_dir(&path).unwrap();
                self.write_out(*child, &path);
            }
        }
    }
}

/// Puts the part of a change that survives in a file.
fn persist_contents(file: &mut Vec<u8>, change: &Contents, survivors: &mut Survivors) {
    match change {
        Contents::Length(length) => {
            if survivors.take() {
                file.resize(*length, 0);
            }
        }
        Contents::Write(offset, data) => {
            let mut start = 0;
            while start < data.len() {
                // Pieces end where the sectors of the file do.
                let to_boundary = SECTOR - (offset + start) % SECTOR;
                let end = data.len().min(start + to_boundary);
                if survivors.take() {
                    if file.len() < offset + end {
                        file.resize(offset + end, 0);
                    }
                    file[offset + start..offset + end].copy_from_slice(&data[start..end]);
                }
                start = end;
            }
        }
    }
}
