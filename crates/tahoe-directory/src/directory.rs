//! A directory as its capability describes it.

use crate::{Access, Node};
use tahoe_caps::{MutableReadCap, MutableWriteCap, ReadCap, ReadFileCap, Target, WriteCap};
use tahoe_crypto::StorageIndex;

/// A directory that can be read, and changed if its capability allows that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory(File);

/// The file that holds a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum File {
    /// Mutable, to read and change.
    Write(MutableWriteCap),
    /// Of any sort, to read.
    Read(ReadFileCap),
}

impl Directory {
    /// The directory that a node is; none if it is something else.
    pub fn of(node: &Node) -> Option<Self> {
        let file = match node {
            Node::Write(cap) if cap.target == Target::Directory => File::Write(cap.file.clone()),
            Node::Read(cap) if cap.target == Target::Directory => File::Read(cap.file.clone()),
            Node::Write(_) | Node::Read(_) | Node::Unknown(_) => return None,
        };
        Some(Self(file))
    }

    /// The directory in a mutable file.
    pub fn writable(file: MutableWriteCap) -> Self {
        Self(File::Write(file))
    }

    /// The directory in a file that is only read.
    pub fn readable(file: ReadFileCap) -> Self {
        Self(File::Read(file))
    }

    /// The directory as an entry of another one.
    pub fn to_node(&self) -> Node {
        let target = Target::Directory;
        match &self.0 {
            File::Write(file) => Node::Write(WriteCap {
                target,
                file: file.clone(),
            }),
            File::Read(file) => Node::Read(ReadCap {
                target,
                file: file.clone(),
            }),
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }

    /// What changes its file, if the capability allows that.
    pub(crate) fn write_cap(&self) -> Option<&MutableWriteCap> {
        match &self.0 {
            File::Write(cap) => Some(cap),
            File::Read(_) => None,
        }
    }

    /// What reads its file, if that is mutable.
    pub fn mutable_read_cap(&self) -> Option<MutableReadCap> {
        match &self.0 {
            File::Write(cap) => Some(cap.to_read()),
            File::Read(ReadFileCap::Mutable(cap)) => Some(cap.clone()),
            File::Read(ReadFileCap::Chk(_) | ReadFileCap::Literal(_)) => None,
        }
    }

    /// What its reader may see and do.
    pub fn access(&self) -> Access {
        match &self.0 {
            File::Write(cap) => Access::Write(cap.write_key.clone()),
            File::Read(ReadFileCap::Mutable(_)) => Access::Read,
            File::Read(ReadFileCap::Chk(_) | ReadFileCap::Literal(_)) => Access::Immutable,
        }
    }

    /// Whether it can be changed with this capability.
    pub fn is_writable(&self) -> bool {
        matches!(self.0, File::Write(_))
    }

    /// Whether it may change at all.
    pub fn is_mutable(&self) -> bool {
        !matches!(self.access(), Access::Immutable)
    }

    /// Where servers keep it; nowhere if it is in its capability.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        self.to_node().storage_index()
    }
}
