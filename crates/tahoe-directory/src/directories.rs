//! The façade: lists, changes and makes directories.

use crate::core::{Core, Surroundings};
use crate::edit::Changed;
use crate::queue;
use crate::{
    Access, Child, ChildName, Directory, DirectoryError, Edit, EditError, NewChild, Node, Replace,
    Table, Walk,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tahoe_caps::{MutableFormat, MutableWriteCap};
use tahoe_crypto::RsaPrivateKey;
use tahoe_mutable::Contents;

/// Directories on the grid. Clones share everything.
#[derive(Debug, Clone)]
pub struct Directories(Arc<Core>);

/// What a directory held when it was read.
#[derive(Debug, Clone)]
pub struct Listing {
    table: Table,
    access: Access,
}

/// Children of a directory that is to be made, by name.
pub type Children = BTreeMap<ChildName, Child>;

impl Listing {
    /// The children in the order of their names.
    pub fn children(&self) -> impl Iterator<Item = (&ChildName, Child)> {
        self.table.children(&self.access)
    }

    /// The child of a name.
    pub fn child(&self, name: &ChildName) -> Option<Child> {
        self.table.child(name, &self.access)
    }

    /// How many children there are, with those that aren't listed.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no child.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The children whose names come after this one, in the order of their names.
    pub fn children_after<'a>(
        &'a self,
        name: Option<&ChildName>,
    ) -> impl Iterator<Item = (&'a ChildName, Child)> + use<'a> {
        self.table.children_after(name, &self.access)
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Bytes of the directory's file.
    pub fn size(&self) -> u64 {
        self.table.size() as u64
    }
}

impl Directories {
    /// Keeps directories in these files.
    pub fn new(surroundings: Surroundings) -> Self {
        Self(Arc::new(Core::new(surroundings)))
    }

    /// Cancels changes that are under way.
    pub async fn stop(&self) {
        self.0.queues.stop().await;
    }

    /// Reads a directory as it is now.
    pub async fn list(&self, directory: &Directory) -> Result<Listing, DirectoryError> {
        let table = self.0.read(directory).await?;
        let access = directory.access();
        Ok(Listing { table, access })
    }

    /// The child of a name.
    pub async fn child(
        &self,
        directory: &Directory,
        name: &ChildName,
    ) -> Result<Child, DirectoryError> {
        let child = self.list(directory).await?.child(name);
        child.ok_or_else(|| EditError::NoSuchChild(name.clone()).into())
    }

    /// What a path leads to; the directory itself for an empty one.
    pub async fn node_at(
        &self,
        root: &Directory,
        path: &[ChildName],
    ) -> Result<Node, DirectoryError> {
        let mut node = root.to_node();
        for name in path {
            let directory = Directory::of(&node);
            let not_one = || DirectoryError::NotADirectory(name.clone());
            node = self
                .child(&directory.ok_or_else(not_one)?, name)
                .await?
                .node;
        }
        Ok(node)
    }

    /// Links a child under a name.
    pub async fn link(
        &self,
        directory: &Directory,
        name: ChildName,
        child: NewChild,
        replace: Replace,
    ) -> Result<(), DirectoryError> {
        let edit = Edit::link(name, child, replace);
        self.change(directory, edit).await.map(drop)
    }

    /// Links several children, all or none.
    pub async fn link_all(
        &self,
        directory: &Directory,
        children: Vec<(ChildName, NewChild)>,
        replace: Replace,
    ) -> Result<(), DirectoryError> {
        let edit = Edit::Link { children, replace };
        self.change(directory, edit).await.map(drop)
    }

    /// Removes a child; returns what it was, if it could be listed.
    pub async fn unlink(
        &self,
        directory: &Directory,
        name: ChildName,
    ) -> Result<Option<Child>, DirectoryError> {
        self.change(directory, Edit::Unlink { name }).await
    }

    /// Moves a child to another name, in the same directory in one step. Into another directory it
    /// is linked there first and then unlinked here, so that it is never lost.
    pub async fn relink(
        &self,
        (from, from_name): (&Directory, ChildName),
        (to, to_name): (&Directory, ChildName),
        replace: Replace,
    ) -> Result<(), DirectoryError> {
        if !from.is_writable() || !to.is_writable() {
            return Err(DirectoryError::NotWritable);
        }
        if from == to {
            let rename = Edit::Rename {
                from: from_name,
                to: to_name,
                replace,
            };
            return self.change(from, rename).await.map(drop);
        }
        let moved = self.child(from, &from_name).await?;
        let child = NewChild {
            node: moved.node,
            metadata: Some(moved.metadata),
        };
        self.link(to, to_name, child, replace).await?;
        self.unlink(from, from_name).await.map(drop)
    }

    async fn change(&self, directory: &Directory, edit: Edit) -> Result<Changed, DirectoryError> {
        let cap = directory.write_cap().ok_or(DirectoryError::NotWritable)?;
        queue::change(&self.0, cap, edit).await
    }

    /// Makes a mutable directory with a key of its own, or a given one.
    pub async fn create(
        &self,
        format: MutableFormat,
        key: Option<RsaPrivateKey>,
        children: Children,
    ) -> Result<Directory, DirectoryError> {
        let contents = move |cap: &MutableWriteCap| {
            let packed = pack(children, &Access::Write(cap.write_key.clone()));
            packed.map(Contents::from).map_err(DirectoryError::from)
        };
        let created = self.0.world.mutable.create_with(format, key, contents);
        Ok(Directory::writable(created.await?))
    }

    /// Makes an immutable directory; all children must be immutable.
    pub async fn create_immutable(&self, children: Children) -> Result<Directory, DirectoryError> {
        let pack = move || pack(children, &Access::Immutable);
        let packed = self.0.world.pool.run(pack).await?;
        let stored = self.0.world.immutable.store(packed.into()).await?;
        Ok(Directory::readable(stored))
    }

    /// Walks through everything that can be reached from a directory.
    pub fn walk(&self, root: &Directory) -> Walk {
        Walk::new(self.clone(), root)
    }
}

/// The file of a new directory.
fn pack(children: Children, access: &Access) -> Result<Vec<u8>, EditError> {
    let table = Table::of_children(children, access);
    let table = table.map_err(|(name, error)| EditError::BadEntry(name, error))?;
    Ok(table.to_bytes())
}
