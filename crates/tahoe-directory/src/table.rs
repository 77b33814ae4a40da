//! The content of a directory's file: one entry per child (`docs/formats/directory.md`).
//!
//! A table is a sequence of netstrings, ordered by name; each holds four netstrings: name, read
//! capability, sealed write capability, metadata. An empty directory is an empty file.
//!
//! **Invariants:** an entry that nobody changes is written with the bytes that were read, also if
//! this program can't make sense of its capability or metadata. Without the write key of its
//! directory a table shows no write capability that was sealed. Whatever the bytes, parsing them
//! takes time and memory in proportion to their number.

use crate::{ChildName, Metadata, Node};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use tahoe_caps::{CapError, strip_prefix_for_read_slot};
use tahoe_crypto::WriteKey;
use tahoe_encoding::netstring::{self, NetstringError};

/// Most bytes of a table.
pub const MAX_TABLE_SIZE: usize = 64 << 20;
/// Most children of a directory.
pub const MAX_CHILDREN: usize = 250_000;

/// Where a table lies and what its reader may do.
#[derive(Debug, Clone)]
pub enum Access {
    /// In a mutable file that the reader may change.
    Write(WriteKey),
    /// In a mutable file that the reader may only read.
    Read,
    /// In an immutable file, so everything in it is immutable.
    Immutable,
}

/// A child: what it is and what the directory notes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// What it is.
    pub node: Node,
    /// What is noted of it.
    pub metadata: Metadata,
}

/// What an entry takes beside its bytes: where its parts are, its name, its place in the tree.
const ENTRY_MEMORY: usize = 256;

/// The entries of a directory.
#[derive(Debug, Clone, Default)]
pub struct Table {
    entries: BTreeMap<ChildName, Entry>,
    /// Of all entries, in bytes.
    size: usize,
}

/// An entry as it was read: parts of the same buffer.
#[derive(Clone)]
struct Entry {
    whole: Bytes,
    read_cap: Bytes,
    sealed_write_cap: Bytes,
    metadata: Bytes,
}

/// Why bytes aren't a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// It has more bytes than [`MAX_TABLE_SIZE`].
    #[error("a directory of {size} bytes is larger than {MAX_TABLE_SIZE} bytes")]
    TooLarge {
        /// In bytes.
        size: u64,
    },
    /// It has more entries than [`MAX_CHILDREN`].
    #[error("a directory has more than {MAX_CHILDREN} entries")]
    TooManyChildren,
    /// An entry isn't made of netstrings.
    #[error("the entry at byte {offset} of a directory is malformed")]
    BadEntry {
        /// Where the entry begins.
        offset: usize,
        /// What is wrong with it.
        source: NetstringError,
    },
    /// A name isn't UTF-8.
    #[error("the entry at byte {offset} of a directory has a name that isn't UTF-8")]
    BadName {
        /// Where the entry begins.
        offset: usize,
    },
    /// An entry of an immutable directory has something in the place for a write capability.
    #[error("the entry at byte {offset} of an immutable directory has a write capability")]
    WriteCapInImmutable {
        /// Where the entry begins.
        offset: usize,
    },
}

/// Why an object can't be an entry of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Everything in an immutable directory must be immutable.
    #[error("a mutable object can't be in an immutable directory")]
    MustBeDeepImmutable,
    /// The directory is full.
    #[error("the directory would have more than {MAX_CHILDREN} entries or {MAX_TABLE_SIZE} bytes")]
    Full,
}

impl Table {
    /// Reads a whole table.
    pub fn parse(contents: &Bytes, access: &Access) -> Result<Self, TableError> {
        if contents.len() > MAX_TABLE_SIZE {
            let size = contents.len() as u64;
            return Err(TableError::TooLarge { size });
        }
        let mut table = Self::default();
        let mut offset = 0;
        while offset < contents.len() {
            let bad_entry = |source| TableError::BadEntry { offset, source };
            let (whole, next) = netstring::split(contents, offset).map_err(bad_entry)?;
            let (name, entry) = Entry::parse(contents, whole, offset)?;
            if matches!(access, Access::Immutable) && !entry.sealed_write_cap.is_empty() {
                return Err(TableError::WriteCapInImmutable { offset });
            }
            table.insert(name, entry);
            if table.entries.len() > MAX_CHILDREN {
                return Err(TableError::TooManyChildren);
            }
            offset = next;
        }
        Ok(table)
    }

    /// Makes the table of a new directory.
    pub fn of_children(
        children: impl IntoIterator<Item = (ChildName, Child)>,
        access: &Access,
    ) -> Result<Self, (ChildName, EntryError)> {
        let mut table = Self::default();
        table.set_all(children, access)?;
        Ok(table)
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size);
        for entry in self.entries.values() {
            netstring::push(&mut bytes, &entry.whole);
        }
        bytes
    }

    /// How many bytes the file has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.size + self.entries.len() * ENTRY_MEMORY
    }

    /// How many entries there are, with those that aren't listed.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The children in the order of their names, without those whose capability may not be there.
    pub fn children<'a>(
        &'a self,
        access: &'a Access,
    ) -> impl Iterator<Item = (&'a ChildName, Child)> {
        self.children_after(None, access)
    }

    /// Of [`Self::children`], those whose names come after this one.
    pub fn children_after<'a>(
        &'a self,
        name: Option<&ChildName>,
        access: &'a Access,
    ) -> impl Iterator<Item = (&'a ChildName, Child)> + use<'a> {
        let start = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries
            .range::<ChildName, _>((start, Bound::Unbounded))
            .filter_map(move |(name, entry)| Some((name, entry.child(access)?)))
    }

    /// The child of a name.
    pub fn child(&self, name: &ChildName, access: &Access) -> Option<Child> {
        self.entries.get(name)?.child(access)
    }

    /// Links a child under a name, whatever was there.
    pub fn set(
        &mut self,
        name: ChildName,
        child: &Child,
        access: &Access,
    ) -> Result<(), EntryError> {
        let entry = Entry::new(&name, child, access)?;
        let old = self.insert(name.clone(), entry);
        if self.entries.len() <= MAX_CHILDREN && self.size <= MAX_TABLE_SIZE {
            return Ok(());
        }
        self.restore(name, old);
        Err(EntryError::Full)
    }

    /// Links all of these children, or none and names the one that can't be linked.
    pub fn set_all(
        &mut self,
        children: impl IntoIterator<Item = (ChildName, Child)>,
        access: &Access,
    ) -> Result<(), (ChildName, EntryError)> {
        let mut done = Vec::new();
        for (name, child) in children {
            let old = self.entries.get(&name).cloned();
            match self.set(name.clone(), &child, access) {
                Ok(()) => done.push((name, old)),
                Err(error) => {
                    for (name, old) in done.into_iter().rev() {
                        self.restore(name, old);
                    }
                    return Err((name, error));
                }
            }
        }
        Ok(())
    }

    /// Moves an entry to another name, where it becomes `child`; says whether there was one.
    pub fn rename(
        &mut self,
        from: &ChildName,
        to: ChildName,
        child: &Child,
        access: &Access,
    ) -> Result<bool, EntryError> {
        let Some(moved) = self.take(from) else {
            return Ok(false);
        };
        let set = self.set(to, child, access);
        if set.is_err() {
            self.restore(from.clone(), Some(moved));
        }
        set.map(|()| true)
    }

    /// Removes an entry; says whether there was one.
    pub fn remove(&mut self, name: &ChildName) -> bool {
        self.take(name).is_some()
    }

    fn restore(&mut self, name: ChildName, old: Option<Entry>) {
        match old {
            Some(old) => self.insert(name, old),
            None => self.take(&name),
        };
    }

    fn insert(&mut self, name: ChildName, entry: Entry) -> Option<Entry> {
        self.size += entry.size();
        let old = self.entries.insert(name, entry);
        self.size -= old.as_ref().map_or(0, Entry::size);
        old
    }

    fn take(&mut self, name: &ChildName) -> Option<Entry> {
        let old = self.entries.remove(name);
        self.size -= old.as_ref().map_or(0, Entry::size);
        old
    }
}

impl Entry {
    fn parse(
        contents: &Bytes,
        whole: &[u8],
        offset: usize,
    ) -> Result<(ChildName, Self), TableError> {
        let mut position = 0;
        let mut field = || {
            let (field, next) = netstring::split(whole, position)
                .map_err(|source| TableError::BadEntry { offset, source })?;
            position = next;
            Ok(field)
        };
        let (name, read_cap, sealed, metadata) = (field()?, field()?, field()?, field()?);
        let name = std::str::from_utf8(name).map_err(|_| TableError::BadName { offset })?;
        let entry = Self {
            whole: contents.slice_ref(whole),
            read_cap: contents.slice_ref(read_cap),
            sealed_write_cap: contents.slice_ref(sealed),
            metadata: contents.slice_ref(metadata),
        };
        Ok((ChildName::new(name), entry))
    }

    fn new(name: &ChildName, child: &Child, access: &Access) -> Result<Self, EntryError> {
        let deep_immutable = matches!(access, Access::Immutable);
        if deep_immutable && !child.node.may_be_immutable() {
            return Err(EntryError::MustBeDeepImmutable);
        }
        let read_cap = child.node.read_cap_text().unwrap_or_default();
        let read_cap = strip_prefix_for_read_slot(&read_cap, deep_immutable);
        let sealed = match access {
            Access::Write(key) => {
                let write_cap = child.node.write_cap_text().unwrap_or_default();
                key.seal_child_cap(write_cap.as_bytes())
            }
            Access::Read | Access::Immutable => Vec::new(),
        };
        let metadata = child.metadata.to_bytes();
        let mut whole = Vec::with_capacity(name.as_str().len() + read_cap.len() + 320);
        netstring::push(&mut whole, name.as_str().as_bytes());
        let read_at = push_field(&mut whole, read_cap.as_bytes());
        let sealed_at = push_field(&mut whole, &sealed);
        let metadata_at = push_field(&mut whole, &metadata);
        let whole = Bytes::from(whole);
        Ok(Self {
            read_cap: whole.slice(read_at),
            sealed_write_cap: whole.slice(sealed_at),
            metadata: whole.slice(metadata_at),
            whole,
        })
    }

    /// Bytes that it takes in the file.
    fn size(&self) -> usize {
        let length = self.whole.len();
        let digits = length.checked_ilog10().unwrap_or(0) as usize + 1;
        digits + length + 2
    }

    /// The child, if its capability may stand here. What can't be understood of its metadata is
    /// left out.
    fn child(&self, access: &Access) -> Option<Child> {
        let node = self.node(access);
        let node = node
            .inspect_err(|error| tracing::info!(%error, "an entry of a directory is left out"))
            .ok()?;
        let metadata = Metadata::parse(&self.metadata).unwrap_or_default();
        Some(Child { node, metadata })
    }

    fn node(&self, access: &Access) -> Result<Node, NodeError> {
        let opened = match access {
            Access::Write(key) => key.open_child_cap(&self.sealed_write_cap),
            Access::Read | Access::Immutable => zeroize::Zeroizing::default(),
        };
        let write = slot_text(&opened)?;
        let read = slot_text(&self.read_cap)?;
        match access {
            Access::Write(_) => Ok(Node::from_slots(Some(write), Some(read), false)?),
            // A write capability in the read slot, where only a broken writer puts it, isn't shown.
            Access::Read => Ok(Node::from_slots(None, Some(read), false)?.to_read_only()?),
            Access::Immutable => Ok(Node::from_slots(None, Some(read), true)?),
        }
    }
}

/// Shows no name and no capability.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({} bytes)", self.whole.len())
    }
}

#[derive(Debug, thiserror::Error)]
enum NodeError {
    #[error("its capability isn't UTF-8")]
    NotUtf8,
    #[error(transparent)]
    Cap(#[from] CapError),
}

/// The text of a slot. Spaces at its end are padding, of writers that want to hide its length.
fn slot_text(slot: &[u8]) -> Result<&str, NodeError> {
    let text = std::str::from_utf8(slot).map_err(|_| NodeError::NotUtf8)?;
    Ok(text.trim_end_matches(' '))
}

/// Appends a netstring and says where its content is.
fn push_field(out: &mut Vec<u8>, field: &[u8]) -> std::ops::Range<usize> {
    netstring::push(out, field);
    // Before the comma.
    let end = out.len() - 1;
    end - field.len()..end
}

#[cfg(test)]
mod tests;
