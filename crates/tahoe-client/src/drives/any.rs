//! Directories of the grid and of shared drives, as one.

use super::directory::{DriveDirectory, Removal};
use super::error::AnyDirectoryError;
use crate::{Client, Room};
use std::time::SystemTime;
use tahoe_caps::MutableFormat;
use tahoe_crypto::StorageIndex;
use tahoe_directory::{
    Child, ChildName, Children, Directory, Listing, Metadata, NewChild, Node, Replace,
};

/// A directory of the grid or of a shared drive.
#[derive(Debug, Clone)]
pub enum AnyDirectory {
    /// On the grid: it has a capability.
    Grid(Directory),
    /// Of a shared drive: it has a path.
    Drive(DriveDirectory),
}

/// What a name leads to.
#[derive(Debug, Clone)]
pub enum AnyNode {
    /// Something with a capability.
    Grid(Node),
    /// A directory of a shared drive.
    Drive(DriveDirectory),
}

/// A child of a directory.
#[derive(Debug, Clone)]
pub struct AnyChild {
    /// What it is.
    pub node: AnyNode,
    /// What the directory notes of it.
    pub metadata: Metadata,
    /// Why nothing else is known of it: the drive's server gives an entry that isn't what it should
    /// be. Then the node is an unknown one without capabilities.
    pub problem: Option<String>,
}

/// What a directory held when it was read.
#[derive(Debug)]
pub struct AnyListing {
    children: Held,
    old_since: Option<SystemTime>,
}

#[derive(Debug)]
enum Held {
    Grid(Listing),
    Drive(Vec<(ChildName, AnyChild)>),
}

/// Names and what is behind them.
pub type AnyChildren<'a> = Box<dyn Iterator<Item = (&'a ChildName, AnyChild)> + 'a>;

/// A listing that takes so many bytes goes without room.
const SMALL_LISTING: u64 = 128 << 10;
/// About how much memory a child of a drive's directory takes, in bytes.
const DRIVE_CHILD_MEMORY: usize = 1 << 10;

/// Lists and changes directories of either sort.
#[derive(Debug, Clone, Copy)]
pub struct AnyDirectories<'a>(&'a Client);

impl AnyDirectory {
    /// The directory that a node is; none if it is something else.
    pub fn of(node: &AnyNode) -> Option<Self> {
        match node {
            AnyNode::Grid(node) => Directory::of(node).map(Self::Grid),
            AnyNode::Drive(directory) => Some(Self::Drive(directory.clone())),
        }
    }

    /// The directory as an entry of another one.
    pub fn to_node(&self) -> AnyNode {
        match self {
            Self::Grid(directory) => AnyNode::Grid(directory.to_node()),
            Self::Drive(directory) => AnyNode::Drive(directory.clone()),
        }
    }

    /// Whether it can be changed with its capability, or its drive's FURL.
    pub fn is_writable(&self) -> bool {
        match self {
            Self::Grid(directory) => directory.is_writable(),
            Self::Drive(directory) => directory.is_writable(),
        }
    }

    /// Whether it may change at all.
    pub fn is_mutable(&self) -> bool {
        match self {
            Self::Grid(directory) => directory.is_mutable(),
            Self::Drive(_) => true,
        }
    }

    /// Where servers keep it; nowhere if it is in its capability or in a drive.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        match self {
            Self::Grid(directory) => directory.storage_index(),
            Self::Drive(_) => None,
        }
    }

    /// Fails at once if it is known that a change would.
    pub fn check_changeable(&self) -> Result<(), AnyDirectoryError> {
        match self {
            Self::Grid(directory) if directory.is_writable() => Ok(()),
            Self::Grid(_) => Err(tahoe_directory::DirectoryError::NotWritable.into()),
            Self::Drive(directory) => directory.check_changeable(),
        }
    }
}

impl AnyNode {
    /// The node on the grid; none for a directory of a drive.
    pub fn grid(&self) -> Option<&Node> {
        match self {
            Self::Grid(node) => Some(node),
            Self::Drive(_) => None,
        }
    }

    /// Whether it is known to be a directory.
    pub fn is_directory(&self) -> bool {
        match self {
            Self::Grid(node) => node.is_directory(),
            Self::Drive(_) => true,
        }
    }

    /// Where servers keep it.
    pub fn storage_index(&self) -> Option<StorageIndex> {
        self.grid().and_then(Node::storage_index)
    }
}

impl AnyListing {
    /// The children in the order of their names.
    pub fn children(&self) -> AnyChildren<'_> {
        self.children_after(None)
    }

    /// The children whose names come after this one, in the order of their names.
    pub fn children_after(&self, name: Option<&ChildName>) -> AnyChildren<'_> {
        match &self.children {
            Held::Grid(listing) => {
                let children = listing.children_after(name);
                Box::new(children.map(|(name, child)| (name, child.into())))
            }
            Held::Drive(children) => {
                let start = match name {
                    None => 0,
                    Some(name) => children.partition_point(|(one, _)| one <= name),
                };
                let children = children.iter().skip(start);
                Box::new(children.map(|(name, child)| (name, child.clone())))
            }
        }
    }

    /// The child of a name.
    pub fn child(&self, name: &ChildName) -> Option<AnyChild> {
        match &self.children {
            Held::Grid(listing) => listing.child(name).map(AnyChild::from),
            Held::Drive(children) => {
                let found = children.binary_search_by(|(one, _)| one.cmp(name)).ok()?;
                children.get(found).map(|(_, child)| child.clone())
            }
        }
    }

    /// How many children there are, at most.
    pub fn len(&self) -> usize {
        match &self.children {
            Held::Grid(listing) => listing.len(),
            Held::Drive(children) => children.len(),
        }
    }

    /// Whether there are no children.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how much memory it takes, in bytes.
    fn memory(&self) -> u64 {
        let bytes = match &self.children {
            Held::Grid(listing) => listing.memory(),
            Held::Drive(children) => children.len() * DRIVE_CHILD_MEMORY,
        };
        bytes as u64
    }

    /// When it was so, if the drive's server can't be asked whether it still is.
    pub fn old_since(&self) -> Option<SystemTime> {
        self.old_since
    }
}

impl From<Child> for AnyChild {
    fn from(child: Child) -> Self {
        let Child { node, metadata } = child;
        Self {
            node: AnyNode::Grid(node),
            metadata,
            problem: None,
        }
    }
}

impl Client {
    /// Directories of the grid and of shared drives.
    pub fn any_directories(&self) -> AnyDirectories<'_> {
        AnyDirectories(self)
    }
}

impl AnyDirectories<'_> {
    /// Reads a directory as it is now, or as it was when a drive's server was last there.
    pub async fn list(&self, directory: &AnyDirectory) -> Result<AnyListing, AnyDirectoryError> {
        let (children, old_since) = match directory {
            AnyDirectory::Grid(directory) => {
                let listing = self.0.directories().list(directory).await?;
                (Held::Grid(listing), None)
            }
            AnyDirectory::Drive(directory) => {
                let (children, old_since) = directory.list().await?;
                (Held::Drive(children), old_since)
            }
        };
        Ok(AnyListing {
            children,
            old_since,
        })
    }

    /// As [`Self::list`], to tell somebody of it, once there is room for the listing and for what
    /// `extra` says that telling of it takes. The room is to be held as long as either; what is small
    /// needs none, so that nobody waits for it behind others.
    pub async fn list_with_room(
        &self,
        directory: &AnyDirectory,
        extra: impl Fn(&AnyListing) -> u64,
    ) -> Result<(AnyListing, Option<Room>), AnyDirectoryError> {
        let listing = self.list(directory).await?;
        let bytes = listing.memory() + extra(&listing);
        if bytes <= SMALL_LISTING {
            return Ok((listing, None));
        }
        if let Some(room) = self.0.room_to_list_at_once(bytes) {
            return Ok((listing, Some(room)));
        }
        // Whoever waits shall not hold in memory what there is no room for.
        drop(listing);
        let room = self.0.room_to_list(bytes).await;
        Ok((self.list(directory).await?, Some(room)))
    }

    /// The child of a name.
    pub async fn child(
        &self,
        directory: &AnyDirectory,
        name: &ChildName,
    ) -> Result<AnyChild, AnyDirectoryError> {
        match directory {
            AnyDirectory::Grid(directory) => {
                Ok(self.0.directories().child(directory, name).await?.into())
            }
            AnyDirectory::Drive(directory) => directory.child(name).await,
        }
    }

    /// Links something on the grid under a name. A directory of a drive is never replaced.
    pub async fn link(
        &self,
        directory: &AnyDirectory,
        name: ChildName,
        child: NewChild,
        replace: Replace,
    ) -> Result<(), AnyDirectoryError> {
        match directory {
            AnyDirectory::Grid(directory) => {
                let linked = self.0.directories().link(directory, name, child, replace);
                Ok(linked.await?)
            }
            AnyDirectory::Drive(directory) => {
                directory.link(&name, &child, replace, self.0.now()).await
            }
        }
    }

    /// Links several children: on the grid all or none; in a drive one after the other.
    pub async fn link_all(
        &self,
        directory: &AnyDirectory,
        children: Vec<(ChildName, NewChild)>,
        replace: Replace,
    ) -> Result<(), AnyDirectoryError> {
        match directory {
            AnyDirectory::Grid(directory) => {
                let linked = self.0.directories().link_all(directory, children, replace);
                Ok(linked.await?)
            }
            AnyDirectory::Drive(directory) => {
                for (name, child) in &children {
                    directory.link(name, child, replace, self.0.now()).await?;
                }
                Ok(())
            }
        }
    }

    /// Removes a child.
    pub async fn unlink(
        &self,
        directory: &AnyDirectory,
        name: ChildName,
        removal: Removal,
    ) -> Result<(), AnyDirectoryError> {
        match directory {
            AnyDirectory::Grid(directory) => {
                self.0.directories().unlink(directory, name).await?;
                Ok(())
            }
            AnyDirectory::Drive(directory) => directory.unlink(&name, removal).await,
        }
    }

    /// Moves a child to another name or directory. Within one drive that is one step; elsewhere it
    /// is linked there first and then unlinked here, so that it is never lost.
    pub async fn relink(
        &self,
        (from, from_name): (&AnyDirectory, ChildName),
        (to, to_name): (&AnyDirectory, ChildName),
        replace: Replace,
    ) -> Result<(), AnyDirectoryError> {
        match (from, to) {
            (AnyDirectory::Grid(from), AnyDirectory::Grid(to)) => {
                let (from, to) = ((from, from_name), (to, to_name));
                return Ok(self.0.directories().relink(from, to, replace).await?);
            }
            (AnyDirectory::Drive(from), AnyDirectory::Drive(to))
                if from.is_in_the_same_drive(to) =>
            {
                return from.relink(&from_name, to, &to_name, replace).await;
            }
            _ => {}
        }
        from.check_changeable()?;
        to.check_changeable()?;
        let moved = self.child(from, &from_name).await?;
        let AnyNode::Grid(node) = moved.node else {
            return Err(AnyDirectoryError::StaysInDrive);
        };
        let metadata = Some(moved.metadata);
        let child = NewChild { node, metadata };
        self.link(to, to_name, child, replace).await?;
        self.unlink(from, from_name, Removal::Empty).await
    }

    /// Makes a directory of the same sort in another one. In a drive, what has the name isn't
    /// replaced, and the children are linked once the directory is there.
    pub async fn make_directory(
        &self,
        parent: &AnyDirectory,
        name: ChildName,
        format: MutableFormat,
        children: Children,
        replace: Replace,
    ) -> Result<AnyDirectory, AnyDirectoryError> {
        parent.check_changeable()?;
        let AnyDirectory::Drive(drive) = parent else {
            let made = self.0.directories().create(format, None, children).await?;
            return self.link_directory(parent, name, made, replace).await;
        };
        let made = drive.make_directory(&name, self.0.now()).await?;
        let made = AnyDirectory::Drive(made);
        let child = |(name, child): (ChildName, Child)| {
            let metadata = Some(child.metadata);
            let node = child.node;
            (name, NewChild { node, metadata })
        };
        let children = children.into_iter().map(child).collect();
        self.link_all(&made, children, Replace::Nothing).await?;
        Ok(made)
    }

    /// Makes an immutable directory, which is always on the grid, and links it.
    pub async fn make_immutable_directory(
        &self,
        parent: &AnyDirectory,
        name: ChildName,
        children: Children,
        replace: Replace,
    ) -> Result<AnyDirectory, AnyDirectoryError> {
        parent.check_changeable()?;
        let made = self.0.directories().create_immutable(children).await?;
        self.link_directory(parent, name, made, replace).await
    }

    async fn link_directory(
        &self,
        parent: &AnyDirectory,
        name: ChildName,
        made: Directory,
        replace: Replace,
    ) -> Result<AnyDirectory, AnyDirectoryError> {
        let child = NewChild {
            node: made.to_node(),
            metadata: None,
        };
        self.link(parent, name, child, replace).await?;
        Ok(AnyDirectory::Grid(made))
    }
}
