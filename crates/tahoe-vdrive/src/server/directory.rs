//! A directory that peers may call, and the root, which answers for the whole drive.

use super::Inner;
use crate::ids::{DirectoryId, EntryId, Place, Revision};
use crate::record::Record;
use crate::store::{Change, StoreError, TrashId};
use crate::wire::{self, DIRECTORY_INTERFACE, failure};
use async_trait::async_trait;
use foolscap::{Arguments, Call, Reference, Referenceable, RemoteFailure, Value};
use std::sync::{Arc, Weak};

/// What a reference allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// What a reference leads to.
pub(super) struct Directory {
    server: Arc<Inner>,
    id: DirectoryId,
    access: Access,
}

type Answer = Result<Value, RemoteFailure>;

impl Directory {
    pub(super) fn root(server: &Arc<Inner>, access: Access) -> Self {
        Self {
            server: Arc::clone(server),
            id: DirectoryId::ROOT,
            access,
        }
    }

    /// A reference to another directory that allows no more than this one.
    fn reference(&self, id: DirectoryId, access: Access) -> Value {
        Reference::value(Arc::new(Self {
            server: Arc::clone(&self.server),
            id,
            access,
        }))
    }

    fn place(&self, entry: [u8; 16]) -> Place {
        Place {
            directory: self.id,
            entry: EntryId::from_bytes(entry),
        }
    }

    async fn apply(&self, change: Change) -> Result<Revision, RemoteFailure> {
        if self.access == Access::ReadOnly {
            let message = "this reference only reads";
            return Err(RemoteFailure::new(failure::READ_ONLY, message));
        }
        let now = (self.server.clock)();
        let applied = self.server.store.apply(change, now).await;
        applied.map_err(|error| refused(&error))
    }

    async fn list(&self, arguments: Arguments) -> Answer {
        let takes = "an entry id or None, and a number";
        let (after, limit) = take("list", takes, arguments, |arguments| {
            let [after, limit] = arguments.take(["after", "limit"])?;
            Some((wire::optional(&after, wire::as_id)?, limit.as_integer()?))
        })?;
        let after = after.map(EntryId::from_bytes);
        let page = self.server.store.list(self.id, after, limit).await;
        Ok(wire::page(&page.map_err(|error| refused(&error))?))
    }

    async fn get(&self, arguments: Arguments) -> Answer {
        let entry = take("get", "an entry id", arguments, |arguments| {
            let [entry] = arguments.take(["entry"])?;
            wire::as_id(&entry)
        })?;
        let stored = self.server.store.entry(self.place(entry)).await;
        let stored = stored.map_err(|error| refused(&error))?;
        let record = Record::parse(stored.bytes.clone());
        let child = record.ok().and_then(|record| record.child());
        Ok(Value::Tuple(vec![
            Value::from(stored.revision.0),
            stored.bytes.into(),
            child.map_or(Value::None, |child| self.reference(child, self.access)),
        ]))
    }

    async fn add_directory(&self, arguments: Arguments) -> Answer {
        let takes = "an entry id and a sealed entry of a directory";
        let (place, record, child) = take("add_directory", takes, arguments, |arguments| {
            let [entry, record] = arguments.take(["entry", "record"])?;
            let record = wire::as_record(&record)?;
            let child = record.child()?;
            Some((self.place(wire::as_id(&entry)?), record, child))
        })?;
        let revision = self.apply(Change::AddDirectory { place, record }).await?;
        let reference = self.reference(child, self.access);
        Ok(Value::Tuple(vec![Value::from(revision.0), reference]))
    }

    async fn add_file(&self, arguments: Arguments) -> Answer {
        let takes = "an entry id, a sealed entry of a file, and what is expected";
        let change = take("add_file", takes, arguments, |arguments| {
            let [entry, record, expected] = arguments.take(["entry", "record", "expected"])?;
            Some(Change::AddFile {
                place: self.place(wire::as_id(&entry)?),
                record: wire::as_record(&record)?,
                expected: wire::as_expected(&expected)?,
            })
        })?;
        self.apply(change).await.map(revision)
    }

    async fn remove(&self, arguments: Arguments) -> Answer {
        let takes = "an entry id, a version or None, and a truth value";
        let change = take("remove", takes, arguments, |arguments| {
            let [entry, version, recursive] = arguments.take(["entry", "version", "recursive"])?;
            Some(Change::Remove {
                place: self.place(wire::as_id(&entry)?),
                version: wire::optional(&version, wire::as_version)?,
                recursive: recursive.as_bool()?,
            })
        })?;
        self.apply(change).await.map(revision)
    }

    /// A reference that only reads. The root's is the one that has a FURL, so that it can be shared.
    fn read_only(&self) -> Value {
        let root = self.server.read_only_root.get().and_then(Weak::upgrade);
        match (self.id, root) {
            (DirectoryId::ROOT, Some(root)) => Reference::value(root),
            _ => self.reference(self.id, Access::ReadOnly),
        }
    }

    fn subscribe(&self, call: Call) -> Answer {
        let connection = call.caller.connection();
        let observer = take("subscribe", "an observer", call.arguments, |arguments| {
            let [observer] = arguments.take(["observer"])?;
            observer.as_reference()?.remote().cloned()
        })?;
        let subscriptions = &self.server.subscriptions;
        match subscriptions.add(self.id, connection, observer) {
            true => Ok(Value::None),
            false => {
                let message = "there are as many subscriptions as there may be";
                Err(RemoteFailure::new(failure::TOO_MANY_SUBSCRIPTIONS, message))
            }
        }
    }
}

/// What only the root answers.
impl Directory {
    async fn directory(&self, arguments: Arguments) -> Answer {
        let id = take("directory", "a directory id", arguments, |arguments| {
            let [directory] = arguments.take(["directory"])?;
            wire::as_id(&directory).map(DirectoryId::from_bytes)
        })?;
        match self.server.store.has_directory(id).await {
            Ok(true) => Ok(self.reference(id, self.access)),
            Ok(false) => Err(refused(&StoreError::NoSuchDirectory)),
            Err(error) => Err(refused(&error)),
        }
    }

    async fn relocate(&self, arguments: Arguments) -> Answer {
        let takes = "two ids and a version, two ids, a sealed entry, and what is expected";
        let change = take("move", takes, arguments, |arguments| {
            let [
                directory,
                entry,
                version,
                new_directory,
                new_entry,
                record,
                expected,
            ] = arguments.take([
                "directory",
                "entry",
                "version",
                "new_directory",
                "new_entry",
                "record",
                "expected",
            ])?;
            Some(Change::Move {
                from: as_place(&directory, &entry)?,
                version: wire::as_version(&version)?,
                to: as_place(&new_directory, &new_entry)?,
                record: wire::as_record(&record)?,
                expected: wire::as_expected(&expected)?,
            })
        })?;
        self.apply(change).await.map(revision)
    }

    /// The trash is for those who may restore from it.
    async fn trash(&self, arguments: Arguments) -> Answer {
        let takes = "an id or None, and a number";
        let (before, limit) = take("trash", takes, arguments, |arguments| {
            let [before, limit] = arguments.take(["before", "limit"])?;
            let before = wire::optional(&before, |before| before.as_integer().map(TrashId))?;
            Some((before, limit.as_integer()?))
        })?;
        self.check_sees_trash()?;
        let trash = self.server.store.trash(before, limit).await;
        let trash = trash.map_err(|error| refused(&error))?;
        Ok(Value::List(trash.iter().map(wire::trash).collect()))
    }

    /// Also that of what is in the trash, and so for those who see that.
    async fn way_to(&self, arguments: Arguments) -> Answer {
        let id = take("way_to", "a directory's id", arguments, |arguments| {
            let [directory] = arguments.take(["directory"])?;
            wire::as_id(&directory).map(DirectoryId::from_bytes)
        })?;
        self.check_sees_trash()?;
        let way = self.server.store.way_to(id).await;
        let way = way.map_err(|error| refused(&error))?;
        Ok(Value::List(way.iter().map(wire::link).collect()))
    }

    fn check_sees_trash(&self) -> Result<(), RemoteFailure> {
        match self.access {
            Access::ReadOnly => {
                let message = "this reference doesn't see the trash";
                Err(RemoteFailure::new(failure::READ_ONLY, message))
            }
            Access::ReadWrite => Ok(()),
        }
    }

    async fn restore(&self, arguments: Arguments) -> Answer {
        let takes = "an id, a directory's and an entry's, and a sealed entry";
        let change = take("restore", takes, arguments, |arguments| {
            let [trash, directory, entry, record] =
                arguments.take(["trash", "directory", "entry", "record"])?;
            Some(Change::Restore {
                trash: TrashId(trash.as_integer()?),
                place: as_place(&directory, &entry)?,
                record: wire::as_record(&record)?,
            })
        })?;
        self.apply(change).await.map(revision)
    }
}

#[async_trait]
impl Referenceable for Directory {
    fn interface(&self) -> Option<&str> {
        Some(DIRECTORY_INTERFACE)
    }

    async fn call(&self, call: Call) -> Answer {
        let is_root = self.id == DirectoryId::ROOT;
        match call.method.as_str() {
            "list" => self.list(call.arguments).await,
            "get" => self.get(call.arguments).await,
            "add_directory" => self.add_directory(call.arguments).await,
            "add_file" => self.add_file(call.arguments).await,
            "remove" => self.remove(call.arguments).await,
            "read_only" => Ok(self.read_only()),
            "subscribe" => self.subscribe(call),
            "directory" if is_root => self.directory(call.arguments).await,
            "move" if is_root => self.relocate(call.arguments).await,
            "trash" if is_root => self.trash(call.arguments).await,
            "way_to" if is_root => self.way_to(call.arguments).await,
            "restore" if is_root => self.restore(call.arguments).await,
            _ => Err(call.unknown_method(DIRECTORY_INTERFACE)),
        }
    }
}

/// Takes arguments apart; says what a method takes if they aren't that.
fn take<T>(
    method: &str,
    takes: &str,
    arguments: Arguments,
    read: impl FnOnce(Arguments) -> Option<T>,
) -> Result<T, RemoteFailure> {
    read(arguments).ok_or_else(|| Call::bad_arguments(method, takes))
}

fn as_place(directory: &Value, entry: &Value) -> Option<Place> {
    Some(Place {
        directory: DirectoryId::from_bytes(wire::as_id(directory)?),
        entry: EntryId::from_bytes(wire::as_id(entry)?),
    })
}

fn revision(revision: Revision) -> Value {
    Value::from(revision.0)
}

/// The failure that a peer sees; what is wrong with our own database, it doesn't.
fn refused(error: &StoreError) -> RemoteFailure {
    if let StoreError::Database(cause) = error {
        tracing::warn!(error = %cause, "a call of the shared drive failed");
    }
    wire::refusal(error)
}
