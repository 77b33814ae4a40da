//! What can be done with a directory.

use super::connection::{Connection, Opened, Shared, call, lock, random};
use super::listings::OldPage;
use super::memory::Asked;
use super::{BadEntry, Changes, Entry, Found, Freshness, Listing, PageMark};
use crate::error::CallFailure;
use crate::ids::{DirectoryId, EntryId, Place, Version};
use crate::limits::{MAX_DEPTH, MAX_LISTED_ENTRIES, MAX_NOTES_BYTES, MAX_PAGE_ENTRIES};
use crate::name::EntryName;
use crate::record::{Caps, Contents, Forged, Metadata, Record, Target};
use crate::store::{Expected, Page};
use crate::{DriveError, wire};
use bytes::Bytes;
use foolscap::{RemoteReference, Value};
use std::sync::Arc;

/// How often a change is tried again because its version had to be later, or because the entry was
/// changed between reading and moving it.
const ATTEMPTS: usize = 8;

/// What a new entry may take the place of. A directory is never replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// A file, if there is one.
    Always,
    /// Nothing.
    Never,
    /// A file that is still of this version.
    IfVersion(Version),
}

/// What may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveMode {
    /// A file, or a directory without entries.
    Empty,
    /// A file, or a directory with all that is in it.
    Recursive,
}

/// A directory of a drive. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Directory {
    connection: Arc<Connection>,
    id: DirectoryId,
}

impl Directory {
    pub(super) fn new(connection: Arc<Connection>, id: DirectoryId) -> Self {
        Self { connection, id }
    }

    /// By what the drive knows it, wherever it is moved.
    pub fn id(&self) -> DirectoryId {
        self.id
    }

    pub(super) fn at(&self, id: DirectoryId) -> Self {
        Self::new(Arc::clone(&self.connection), id)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.connection.shared
    }

    pub(super) fn place(&self, name: &EntryName) -> Place {
        Place {
            directory: self.id,
            entry: self.shared().keys.read_keys().entry_id(self.id, name),
        }
    }

    /// Follows names from here.
    pub async fn open(&self, path: &[EntryName]) -> Result<Self, DriveError> {
        if path.len() > MAX_DEPTH {
            return Err(DriveError::TooDeep);
        }
        let mut directory = self.clone();
        for name in path {
            directory = match directory.get(name).await?.entry.target {
                Target::Directory(id) => self.at(id),
                Target::File(_) => return Err(DriveError::NotADirectory),
            };
        }
        Ok(directory)
    }

    /// Looks up an entry; as it was when last seen, if the server can't be reached.
    pub async fn get(&self, name: &EntryName) -> Result<Found, DriveError> {
        let place = self.place(name);
        match self.get_fresh(place).await {
            Ok(entry) => Ok(Found {
                entry,
                freshness: Freshness::Fresh,
            }),
            Err(error) if is_unreachable(&error) => {
                let seen = lock(&self.shared().listings).entry(self.id, place.entry);
                let (entry, since) = seen.ok_or(error)?;
                let freshness = Freshness::Old { since };
                Ok(Found { entry, freshness })
            }
            Err(error) => Err(error),
        }
    }

    async fn get_fresh(&self, place: Place) -> Result<Entry, DriveError> {
        let reference = self.connection.reference(self.id).await?;
        let shared = self.shared();
        let asked = lock(&shared.memory).ask();
        let arguments = vec![wire::id(place.entry.as_bytes())];
        let answer = match call(&reference, "get", arguments).await {
            Ok(answer) => answer,
            Err(error) => {
                let error = DriveError::from(error);
                if let DriveError::NoSuchEntry = error {
                    lock(&shared.memory).gone(place, asked);
                    shared.write_down().await;
                    lock(&shared.listings).put(self.id, place.entry, None, shared.now());
                }
                return Err(error);
            }
        };
        let (bytes, child) = as_found(&answer).ok_or(DriveError::BadAnswer("get"))?;
        let opening = Arc::clone(shared);
        let open = move || opening.open_one(&place, &bytes);
        let entry = shared.cpu.run(open).await?;
        self.check(place, &entry, asked)?;
        shared.write_down().await;
        if let (Target::Directory(id), Some(child)) = (&entry.target, child) {
            shared.keep_reference(*id, &child);
        }
        lock(&shared.listings).put(self.id, place.entry, Some(&entry), shared.now());
        Ok(entry)
    }

    /// Lists a page in the drive's own order; as it was when last seen, if the server can't be
    /// reached. At most [`MAX_PAGE_ENTRIES`] and perhaps fewer than asked for, also if others follow.
    pub async fn list(&self, after: Option<PageMark>, limit: usize) -> Result<Listing, DriveError> {
        let after = after.map(|mark| mark.0);
        let limit = limit.clamp(1, MAX_PAGE_ENTRIES);
        let error = match self.list_fresh(after, limit).await {
            Err(error) if is_unreachable(&error) => error,
            listed => return listed,
        };
        let seen = lock(&self.shared().listings).page(self.id, after, limit);
        let OldPage {
            entries,
            more,
            since,
        } = seen.ok_or(error)?;
        let next = entries.last().filter(|_| more).map(|(id, _)| PageMark(*id));
        Ok(Listing {
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            bad: Vec::new(),
            next,
            freshness: Freshness::Old { since },
        })
    }

    async fn list_fresh(
        &self,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<Listing, DriveError> {
        let reference = self.connection.reference(self.id).await?;
        let shared = self.shared();
        let asked = lock(&shared.memory).ask();
        let arguments = vec![
            after.map_or(Value::None, |after| wire::id(after.as_bytes())),
            Value::from(u64::try_from(limit).unwrap_or(u64::MAX)),
        ];
        let answer = call(&reference, "list", arguments).await?;
        let page = wire::as_page(&answer).filter(|page| is_page_after(page, after));
        let page = page.ok_or(DriveError::BadAnswer("list"))?;
        let last = page.entries.last().map(|listed| listed.entry);
        let up_to = last.filter(|_| page.more);
        let opened = shared.open(self.id, page.entries).await;
        let (entries, bad) = self.sort_out(opened, asked);
        shared.write_down().await;
        let now = shared.now();
        lock(&shared.listings).put_page(self.id, after, up_to, &entries, now);
        Ok(Listing {
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            bad,
            next: up_to.map(PageMark),
            freshness: Freshness::Fresh,
        })
    }

    /// Tells the entries that are as they should be from the others, which the log is told of.
    fn sort_out(
        &self,
        opened: Vec<Opened>,
        asked: Asked,
    ) -> (Vec<(EntryId, Entry)>, Vec<BadEntry>) {
        let mut entries = Vec::with_capacity(opened.len());
        let mut bad = Vec::new();
        for (place, opened) in opened {
            let (name, problem) = match opened {
                Err(forged) => (None, forged.into()),
                Ok(entry) => match self.check(place, &entry, asked) {
                    Ok(()) => {
                        entries.push((place.entry, entry));
                        continue;
                    }
                    Err(problem) => (Some(entry.name), problem),
                },
            };
            let id = place.entry;
            bad.push(BadEntry { id, name, problem });
        }
        if let Some(BadEntry { id, problem, .. }) = bad.first() {
            let (directory, count) = (self.id, bad.len());
            tracing::warn!(%directory, count, first = %id, %problem, "entries of the drive are bad");
        }
        (entries, bad)
    }

    /// Lists the whole directory, by name.
    pub async fn list_all(&self) -> Result<Listing, DriveError> {
        let mut all = self.list(None, MAX_PAGE_ENTRIES).await?;
        while let Some(mark) = all.next {
            if all.entries.len() + all.bad.len() >= MAX_LISTED_ENTRIES {
                return Err(DriveError::TooMany);
            }
            let page = self.list(Some(mark), MAX_PAGE_ENTRIES).await?;
            all.entries.extend(page.entries);
            all.bad.extend(page.bad);
            all.next = page.next;
            if page.freshness != Freshness::Fresh {
                all.freshness = page.freshness;
            }
        }
        all.entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// Checks a version against what was known when it was asked for, and remembers it.
    fn check(&self, place: Place, entry: &Entry, asked: Asked) -> Result<(), DriveError> {
        lock(&self.shared().memory).check(place, entry.version, asked)?;
        self.shared().note(entry.version);
        Ok(())
    }

    /// Makes a directory where nothing is.
    pub async fn make_directory(
        &self,
        name: &EntryName,
        metadata: Metadata,
    ) -> Result<Self, DriveError> {
        let child = DirectoryId::from_bytes(random()?);
        let target = Target::Directory(child);
        let contents = contents(name, target, metadata)?;
        let reference = self.connection.reference(self.id).await?;
        let arguments = |place: Place, record: &Record| {
            [wire::id(place.entry.as_bytes()), wire::record(record)].into()
        };
        self.change(&contents, &reference, "add_directory", arguments)
            .await?;
        Ok(self.at(child))
    }

    /// Sets where a name leads; returns the entry's version.
    pub async fn set_file(
        &self,
        name: &EntryName,
        caps: Caps,
        metadata: Metadata,
        replace: Replace,
    ) -> Result<Version, DriveError> {
        let contents = contents(name, Target::File(caps), metadata)?;
        let reference = self.connection.reference(self.id).await?;
        let arguments = |place: Place, record: &Record| {
            vec![
                wire::id(place.entry.as_bytes()),
                wire::record(record),
                wire::expected(replace.into()),
            ]
        };
        self.change(&contents, &reference, "add_file", arguments)
            .await
    }

    /// Puts an entry into the trash.
    pub async fn remove(
        &self,
        name: &EntryName,
        mode: RemoveMode,
        version: Option<Version>,
    ) -> Result<(), DriveError> {
        self.remove_at(self.place(name), mode, version).await
    }

    async fn remove_at(
        &self,
        place: Place,
        mode: RemoveMode,
        version: Option<Version>,
    ) -> Result<(), DriveError> {
        self.writable()?;
        let reference = self.connection.reference(self.id).await?;
        let arguments = vec![
            wire::id(place.entry.as_bytes()),
            version.map_or(Value::None, |version| Value::from(version.0)),
            Value::Bool(mode == RemoveMode::Recursive),
        ];
        call(&reference, "remove", arguments).await?;
        self.forget(place).await;
        Ok(())
    }

    /// What is wrong with an entry of which a listing tells no name ([`BadEntry::id`]). Fails with
    /// [`DriveError::NoSuchEntry`] if there is none, and if it can be read: then it has a name.
    pub async fn unreadable(&self, entry: EntryId) -> Result<Forged, DriveError> {
        Ok(self.find_unreadable(entry).await?.0)
    }

    /// Puts such an entry away, if it is still as it was found. Nobody can restore it, because nobody
    /// can read it.
    pub async fn remove_unreadable(
        &self,
        entry: EntryId,
        mode: RemoveMode,
    ) -> Result<(), DriveError> {
        let (_, version) = self.find_unreadable(entry).await?;
        let directory = self.id;
        let place = Place { directory, entry };
        match self.remove_at(place, mode, version).await {
            // Its bytes may be too bad to tell the version that it was kept as.
            Err(DriveError::Changed { current }) => {
                self.find_unreadable(entry).await?;
                self.remove_at(place, mode, current).await
            }
            removed => removed,
        }
    }

    /// What is wrong with an entry, and which version of it that is, as far as that can be told.
    async fn find_unreadable(
        &self,
        entry: EntryId,
    ) -> Result<(Forged, Option<Version>), DriveError> {
        let directory = self.id;
        let place = Place { directory, entry };
        let reference = self.connection.reference(directory).await?;
        let answer = call(&reference, "get", vec![wire::id(entry.as_bytes())]).await?;
        let (bytes, _) = as_found(&answer).ok_or(DriveError::BadAnswer("get"))?;
        let version = Record::parse(bytes.clone()).ok();
        let version = version.map(|record| record.version());
        let opening = Arc::clone(self.shared());
        let opened = move || opening.open_one(&place, &bytes);
        match self.shared().cpu.run(opened).await {
            Ok(_) => Err(DriveError::NoSuchEntry),
            Err(problem) => Ok((problem, version)),
        }
    }

    /// Takes an entry to another directory, or another name, or both, in one step; returns its new
    /// version.
    pub async fn move_entry(
        &self,
        name: &EntryName,
        to: &Self,
        new_name: &EntryName,
        replace: Replace,
    ) -> Result<Version, DriveError> {
        self.writable()?;
        let from = self.place(name);
        let root = self.connection.root()?;
        for attempt in 1.. {
            let source = self.get_fresh(from).await?;
            let contents = contents(new_name, source.target, source.metadata)?;
            let arguments = |place: Place, record: &Record| {
                vec![
                    wire::id(from.directory.as_bytes()),
                    wire::id(from.entry.as_bytes()),
                    Value::from(source.version.0),
                    wire::id(place.directory.as_bytes()),
                    wire::id(place.entry.as_bytes()),
                    wire::record(record),
                    wire::expected(replace.into()),
                ]
            };
            match to.change(&contents, &root, "move", arguments).await {
                // What has changed may be the source.
                Err(DriveError::Changed { .. })
                    if attempt < ATTEMPTS && !matches!(replace, Replace::IfVersion(_)) => {}
                Ok(version) => {
                    if from != to.place(new_name) {
                        self.forget(from).await;
                    }
                    return Ok(version);
                }
                Err(error) => return Err(error),
            }
        }
        Err(DriveError::Changed { current: None })
    }

    /// Tells of changes of the directory's entries from now on.
    pub async fn subscribe(&self) -> Changes {
        let root = self.connection.root().ok();
        self.shared().subscribed.add(self.id, root.as_ref()).await
    }

    fn writable(&self) -> Result<(), DriveError> {
        match self.shared().keys.write_keys() {
            Some(_) => Ok(()),
            None => Err(DriveError::ReadOnly),
        }
    }

    /// Remembers that an entry that may have been known is gone.
    async fn forget(&self, place: Place) {
        let shared = self.shared();
        let asked = lock(&shared.memory).ask();
        lock(&shared.memory).gone(place, asked);
        shared.write_down().await;
        lock(&shared.listings).put(self.id, place.entry, None, shared.now());
    }

    /// Seals an entry and has it put here by a call; again, with a later version, if it has to be
    /// later.
    pub(super) async fn change(
        &self,
        contents: &Contents,
        reference: &RemoteReference,
        method: &str,
        arguments: impl Fn(Place, &Record) -> Vec<Value>,
    ) -> Result<Version, DriveError> {
        let shared = self.shared();
        for _ in 0..ATTEMPTS {
            let (sealing, sealed) = (Arc::clone(shared), contents.clone());
            let id = self.id;
            let sealing = shared.cpu.run(move || sealing.seal(id, &sealed)).await;
            let (place, record) = sealing?;
            match call(reference, method, arguments(place, &record)).await {
                Ok(_) => {
                    let version = record.version();
                    lock(&shared.memory).learn(place, version);
                    shared.write_down().await;
                    let entry = super::connection::entry_of(contents.clone(), version);
                    lock(&shared.listings).put(self.id, place.entry, Some(&entry), shared.now());
                    return Ok(version);
                }
                Err(CallFailure::Stale(latest)) => shared.note(latest),
                Err(CallFailure::Drive(error)) => return Err(error),
            }
        }
        Err(DriveError::BadAnswer("a change"))
    }
}

impl From<Replace> for Expected {
    fn from(replace: Replace) -> Self {
        match replace {
            Replace::Always => Self::Any,
            Replace::Never => Self::Absent,
            Replace::IfVersion(version) => Self::Version(version),
        }
    }
}

/// Says whether what was seen before may be shown instead.
fn is_unreachable(error: &DriveError) -> bool {
    matches!(
        error,
        DriveError::NotConnected
            | DriveError::Lost(_)
            | DriveError::TimedOut
            | DriveError::Unavailable(_)
    )
}

fn contents(name: &EntryName, target: Target, metadata: Metadata) -> Result<Contents, DriveError> {
    if metadata.notes.len() > MAX_NOTES_BYTES {
        return Err(DriveError::NotesTooLong);
    }
    Ok(Contents {
        name: name.clone(),
        target,
        metadata,
    })
}

fn as_found(answer: &Value) -> Option<(Bytes, Option<RemoteReference>)> {
    let [_revision, bytes, child] = answer.as_sequence()? else {
        return None;
    };
    let child = child
        .as_reference()
        .and_then(|child| child.remote())
        .cloned();
    Some((bytes.as_bytes()?.clone(), child))
}

/// Says whether entries come in their order, after the one asked for, and the end isn't put off.
fn is_page_after(page: &Page, after: Option<EntryId>) -> bool {
    let ids = page.entries.iter().map(|stored| stored.entry);
    let in_order = ids
        .clone()
        .zip(ids.clone().skip(1))
        .all(|(one, next)| one < next);
    let begins = match (after, ids.clone().next()) {
        (Some(after), Some(first)) => after < first,
        _ => true,
    };
    let ends = !page.more || !page.entries.is_empty();
    in_order && begins && ends && page.entries.len() <= MAX_PAGE_ENTRIES
}
