//! A directory of a shared drive, in the words of the directories on the grid.

use super::any::{AnyChild, AnyNode};
use super::changes::DriveChanges;
use super::error::AnyDirectoryError;
use super::metadata;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_caps::CapError;
use tahoe_directory::{ChildName, DirectoryError, EditError, Metadata, NewChild, Node, Replace};
use tahoe_vdrive::{
    BadEntry, CapText, Caps, Directory, Drive, DriveError, Entry, EntryId, EntryName, Freshness,
    RemoveMode, Target,
};

/// How often a link is tried again because somebody else changed the entry meanwhile.
const ATTEMPTS: usize = 8;

/// What an entry is called whose name can't be read, before its id.
const UNREADABLE: &str = "unreadable entry ";

/// What may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Anything; of a drive's directories only those that are empty.
    Empty,
    /// Anything, with all that is in it.
    Recursive,
}

/// A directory of a shared drive, and how it was reached.
#[derive(Debug, Clone)]
pub struct DriveDirectory {
    drive_name: Arc<str>,
    drive: Drive,
    directory: Directory,
    path: Vec<ChildName>,
    /// The directories that the path's names are in, the root first.
    above: Vec<Directory>,
}

impl DriveDirectory {
    pub(super) fn root(drive_name: Arc<str>, drive: &Drive) -> Self {
        Self {
            drive_name,
            directory: drive.root(),
            drive: drive.clone(),
            path: Vec::new(),
            above: Vec::new(),
        }
    }

    /// What the client's owner calls the drive.
    pub fn drive_name(&self) -> &str {
        &self.drive_name
    }

    /// The names that lead to it from the drive's root.
    pub fn path(&self) -> &[ChildName] {
        &self.path
    }

    /// Whether the drive's server can be reached.
    pub fn is_connected(&self) -> bool {
        self.drive.status().is_connected
    }

    /// Tells of what happens to it from now on.
    pub async fn changes(&self) -> DriveChanges {
        DriveChanges::of(self).await
    }

    /// Whether its path still leads to it, as far as anybody can say.
    pub(super) async fn is_at_its_path(&self) -> bool {
        let names = self.path.iter().map(present_name);
        let Ok(names) = names.collect::<Result<Vec<_>, _>>() else {
            return false;
        };
        match self.drive.open(&names).await {
            Ok(found) => found.id() == self.directory.id(),
            Err(
                DriveError::NoSuchEntry | DriveError::NoSuchDirectory | DriveError::NotADirectory,
            ) => false,
            Err(_) => true,
        }
    }

    pub(super) fn above(&self) -> &[Directory] {
        &self.above
    }

    pub(super) fn drive(&self) -> &Drive {
        &self.drive
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether the drive's FURL allows changes.
    pub fn is_writable(&self) -> bool {
        !self.drive.is_read_only()
    }

    /// Fails at once if a change would, because of the FURL or because the server can't be reached.
    pub fn check_changeable(&self) -> Result<(), AnyDirectoryError> {
        if !self.is_writable() {
            return Err(DirectoryError::NotWritable.into());
        }
        match self.is_connected() {
            true => Ok(()),
            false => Err(DriveError::NotConnected.into()),
        }
    }

    pub(super) fn is_in_the_same_drive(&self, other: &Self) -> bool {
        self.drive_name == other.drive_name
    }

    fn below(&self, name: &ChildName, directory: Directory) -> Self {
        let mut path = self.path.clone();
        path.push(name.clone());
        let mut above = self.above.clone();
        above.push(self.directory.clone());
        Self {
            directory,
            path,
            above,
            ..self.clone()
        }
    }

    /// Its children, by name, and since when that may be old. An entry that isn't what it should be
    /// is an unknown child with its problem.
    pub(super) async fn list(&self) -> Result<Listed, AnyDirectoryError> {
        let listing = self.directory.list_all().await?;
        let mut children = Vec::with_capacity(listing.entries.len() + listing.bad.len());
        for entry in &listing.entries {
            let name = ChildName::new(entry.name.as_str());
            let child = match self.child_of(&name, entry) {
                Ok(child) => child,
                Err(problem) => {
                    let (directory, drive) = (self.directory.id(), self.drive_name());
                    tracing::warn!(drive, %directory, %problem, "an entry of the drive is bad");
                    unknown(&problem, metadata::shown(entry))?
                }
            };
            children.push((name, child));
        }
        for bad in &listing.bad {
            let child = unknown(&bad.problem, Metadata::default())?;
            children.push((bad_name(bad), child));
        }
        children.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok((children, old_since(listing.freshness)))
    }

    pub(super) async fn child(&self, name: &ChildName) -> Result<AnyChild, AnyDirectoryError> {
        let entry_name = present_name(name)?;
        let error = match self.directory.get(&entry_name).await {
            Ok(found) => return self.child_of(name, &found.entry),
            Err(error) => error,
        };
        let error = match (&error, unreadable_entry(name)) {
            (DriveError::NoSuchEntry, Some(entry)) => {
                let problem = self.directory.unreadable(entry).await;
                problem.map_or_else(|error| error, DriveError::from)
            }
            _ => error,
        };
        Err(AnyDirectoryError::about(name, error))
    }

    fn child_of(&self, name: &ChildName, entry: &Entry) -> Result<AnyChild, AnyDirectoryError> {
        let node = match &entry.target {
            Target::Directory(id) => AnyNode::Drive(self.below(name, self.drive.directory(*id))),
            Target::File(caps) => AnyNode::Grid(self.node(caps)?),
        };
        Ok(AnyChild {
            node,
            metadata: metadata::shown(entry),
            problem: None,
        })
    }

    /// Who may only read the drive has no key to what changes a file, and is shown nothing that
    /// does, should a writer have put it where only what reads belongs.
    pub(super) fn node(&self, caps: &Caps) -> Result<Node, AnyDirectoryError> {
        let text = |cap: &'_ Option<CapText>| cap.as_ref().map(|cap| cap.as_str().to_owned());
        let (write, read) = (text(&caps.write), text(&caps.read));
        if write.is_none() && read.is_none() {
            return Err(AnyDirectoryError::BadEntry);
        }
        let node = Node::from_slots(write.as_deref(), read.as_deref(), false);
        let node = match self.is_writable() {
            true => node,
            false => node.and_then(|node| node.to_read_only()),
        };
        node.map_err(|_: CapError| AnyDirectoryError::BadEntry)
    }

    pub(super) async fn make_directory(
        &self,
        name: &ChildName,
        now: SystemTime,
    ) -> Result<Self, AnyDirectoryError> {
        let metadata = metadata::kept(None, None, now);
        let entry_name = entry_name(name)?;
        let made = self.directory.make_directory(&entry_name, metadata).await;
        let made = made.map_err(|error| AnyDirectoryError::about(name, error))?;
        Ok(self.below(name, made))
    }

    pub(super) async fn link(
        &self,
        name: &ChildName,
        child: &NewChild,
        replace: Replace,
        now: SystemTime,
    ) -> Result<(), AnyDirectoryError> {
        self.check_changeable()?;
        let entry_name = entry_name(name)?;
        let caps = Caps {
            write: cap_text(child.node.write_cap_text())?,
            read: cap_text(child.node.read_cap_text())?,
        };
        for _ in 0..ATTEMPTS {
            let old = self.present(&entry_name).await?;
            let replace = self.replacement(name, old.as_ref(), replace)?;
            let metadata = metadata::kept(old.as_ref(), child.metadata.as_ref(), now);
            let set = self
                .directory
                .set_file(&entry_name, caps.clone(), metadata, replace);
            match set.await {
                Ok(_) => return Ok(()),
                Err(DriveError::Changed { .. } | DriveError::NameTaken) => {}
                Err(error) => return Err(AnyDirectoryError::about(name, error)),
            }
        }
        Err(DriveError::Changed { current: None }.into())
    }

    async fn present(&self, name: &EntryName) -> Result<Option<Entry>, AnyDirectoryError> {
        match self.directory.get(name).await {
            Ok(found) => Ok(Some(found.entry)),
            Err(DriveError::NoSuchEntry) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the server is asked to replace: exactly what was found, so that nothing is lost of
    /// which nobody knew.
    fn replacement(
        &self,
        name: &ChildName,
        old: Option<&Entry>,
        replace: Replace,
    ) -> Result<tahoe_vdrive::Replace, AnyDirectoryError> {
        let Some(old) = old else {
            return Ok(tahoe_vdrive::Replace::Never);
        };
        let is_directory = match &old.target {
            Target::Directory(_) => true,
            // What can't be read isn't known to be one.
            Target::File(caps) => self.node(caps).is_ok_and(|node| node.is_directory()),
        };
        let is_of_drive = matches!(old.target, Target::Directory(_));
        match replace {
            Replace::Anything if !is_of_drive => {}
            Replace::OnlyFiles if !is_directory => {}
            _ => return Err(EditError::ChildExists(name.clone()).into()),
        }
        Ok(tahoe_vdrive::Replace::IfVersion(old.version))
    }

    pub(super) async fn unlink(
        &self,
        name: &ChildName,
        removal: Removal,
    ) -> Result<(), AnyDirectoryError> {
        let entry_name = present_name(name)?;
        let mode = match removal {
            Removal::Empty => RemoveMode::Empty,
            Removal::Recursive => RemoveMode::Recursive,
        };
        let mut removed = self.directory.remove(&entry_name, mode, None).await;
        if let (Err(DriveError::NoSuchEntry), Some(entry)) = (&removed, unreadable_entry(name)) {
            removed = self.directory.remove_unreadable(entry, mode).await;
        }
        removed.map_err(|error| AnyDirectoryError::about(name, error))
    }

    /// Moves a child within the drive, in one step.
    pub(super) async fn relink(
        &self,
        from: &ChildName,
        to: &Self,
        to_name: &ChildName,
        replace: Replace,
    ) -> Result<(), AnyDirectoryError> {
        self.check_changeable()?;
        let from_name = present_name(from)?;
        let entry_name = entry_name(to_name)?;
        if self.directory.id() == to.directory.id() && from_name == entry_name {
            return self.child(from).await.map(drop);
        }
        for _ in 0..ATTEMPTS {
            let old = to.present(&entry_name).await?;
            let replace = to.replacement(to_name, old.as_ref(), replace)?;
            let (source, target) = (&self.directory, &to.directory);
            match source
                .move_entry(&from_name, target, &entry_name, replace)
                .await
            {
                Ok(_) => return Ok(()),
                Err(DriveError::Changed { .. } | DriveError::NameTaken) => {}
                Err(error) => return Err(AnyDirectoryError::about(from, error)),
            }
        }
        Err(DriveError::Changed { current: None }.into())
    }
}

/// Children, and since when they may be old.
pub(super) type Listed = (Vec<(ChildName, AnyChild)>, Option<SystemTime>);

pub(super) fn entry_name(name: &ChildName) -> Result<EntryName, AnyDirectoryError> {
    EntryName::new(name.as_str()).map_err(AnyDirectoryError::BadName)
}

/// The name of something that should be there already; what can't be a name isn't.
fn present_name(name: &ChildName) -> Result<EntryName, EditError> {
    EntryName::new(name.as_str()).map_err(|_| EditError::NoSuchChild(name.clone()))
}

fn cap_text(text: Option<String>) -> Result<Option<CapText>, AnyDirectoryError> {
    let cap = |text: String| CapText::new(&text).ok_or(AnyDirectoryError::CapTooLong);
    text.filter(|text| !text.is_empty()).map(cap).transpose()
}

/// A child of which only is known what is wrong with it.
fn unknown(
    problem: &dyn std::error::Error,
    metadata: Metadata,
) -> Result<AnyChild, AnyDirectoryError> {
    let node = Node::from_slots(None, None, false);
    let node = node.map_err(|_: CapError| AnyDirectoryError::BadEntry)?;
    let causes = std::iter::successors(problem.source(), |cause| cause.source());
    let problem = causes.fold(problem.to_string(), |text, cause| {
        format!("{text}: {cause}")
    });
    Ok(AnyChild {
        node: AnyNode::Grid(node),
        metadata,
        problem: Some(problem),
    })
}

/// What an entry is shown as whose own name may not be known.
fn bad_name(bad: &BadEntry) -> ChildName {
    match &bad.name {
        Some(name) => ChildName::new(name.as_str()),
        None => ChildName::new(&format!("{UNREADABLE}{}", bad.id)),
    }
}

/// The entry that is shown under such a name, unless one really has it.
fn unreadable_entry(name: &ChildName) -> Option<EntryId> {
    name.as_str().strip_prefix(UNREADABLE)?.parse().ok()
}

fn old_since(freshness: Freshness) -> Option<SystemTime> {
    match freshness {
        Freshness::Fresh => None,
        Freshness::Old { since } => Some(since),
    }
}
