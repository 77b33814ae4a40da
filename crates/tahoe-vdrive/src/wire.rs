//! What servers and clients say to each other (`docs/protocols/vdrive.md`).

use crate::ids::{DirectoryId, EntryId, Revision, Version};
use crate::record::Record;
use crate::store::{Expected, Page, StoreError, StoredEntry, StoredLink, StoredTrash, TrashId};
use foolscap::{RemoteFailure, Value};

/// The interface of a directory, and of the root, which has more calls.
pub(crate) const DIRECTORY_INTERFACE: &str = "RIVdriveDirectory.tahoe";
/// The interface of who is told of changes.
pub(crate) const OBSERVER_INTERFACE: &str = "RIVdriveObserver.tahoe";

/// Names of failures: the classes of the exceptions that a Python server would raise.
pub(crate) mod failure {
    pub(crate) const NO_SUCH_DIRECTORY: &str = "tahoe.vdrive.NoSuchDirectory";
    pub(crate) const NO_SUCH_ENTRY: &str = "tahoe.vdrive.NoSuchEntry";
    pub(crate) const NOT_IN_TRASH: &str = "tahoe.vdrive.NotInTrash";
    pub(crate) const NAME_TAKEN: &str = "tahoe.vdrive.NameTaken";
    pub(crate) const NOT_EMPTY: &str = "tahoe.vdrive.NotEmpty";
    pub(crate) const READ_ONLY: &str = "tahoe.vdrive.ReadOnly";
    /// The message is the entry's version in decimal, empty if there is no entry.
    pub(crate) const CHANGED: &str = "tahoe.vdrive.Changed";
    /// The message is the latest version in decimal.
    pub(crate) const STALE: &str = "tahoe.vdrive.Stale";
    pub(crate) const CYCLE: &str = "tahoe.vdrive.Cycle";
    pub(crate) const TOO_DEEP: &str = "tahoe.vdrive.TooDeep";
    pub(crate) const WRONG_RECORD: &str = "tahoe.vdrive.WrongRecord";
    pub(crate) const TOO_MANY_SUBSCRIPTIONS: &str = "tahoe.vdrive.TooManySubscriptions";
    /// An observer is no longer interested.
    pub(crate) const UNSUBSCRIBED: &str = "tahoe.vdrive.Unsubscribed";
    pub(crate) const UNAVAILABLE: &str = "tahoe.vdrive.Unavailable";
}

/// The failure that a client sees of a refusal.
pub(crate) fn refusal(error: &StoreError) -> RemoteFailure {
    let class = match error {
        StoreError::NoSuchDirectory => failure::NO_SUCH_DIRECTORY,
        StoreError::NoSuchEntry => failure::NO_SUCH_ENTRY,
        StoreError::NotInTrash => failure::NOT_IN_TRASH,
        StoreError::NameTaken => failure::NAME_TAKEN,
        StoreError::NotEmpty => failure::NOT_EMPTY,
        StoreError::Changed { current } => {
            let current = current.map(|version| version.to_string());
            return RemoteFailure::new(failure::CHANGED, current.unwrap_or_default());
        }
        StoreError::Stale { latest } => {
            return RemoteFailure::new(failure::STALE, latest.to_string());
        }
        StoreError::Cycle => failure::CYCLE,
        StoreError::TooDeep => failure::TOO_DEEP,
        StoreError::WrongRecord => failure::WRONG_RECORD,
        StoreError::Database(_) => failure::UNAVAILABLE,
    };
    RemoteFailure::new(class, error.to_string())
}

pub(crate) fn id(bytes: &[u8; 16]) -> Value {
    Value::bytes(bytes.to_vec())
}

pub(crate) fn as_id(value: &Value) -> Option<[u8; 16]> {
    value.as_bytes()?.as_ref().try_into().ok()
}

pub(crate) fn as_record(value: &Value) -> Option<Record> {
    Record::parse(value.as_bytes()?.clone()).ok()
}

pub(crate) fn record(record: &Record) -> Value {
    Value::Bytes(record.as_bytes().clone())
}

/// Nothing, or a value that has to be right.
pub(crate) fn optional<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::None => Some(None),
        value => read(value).map(Some),
    }
}

pub(crate) fn as_version(value: &Value) -> Option<Version> {
    let version = value.as_integer().map(Version)?;
    (version.0 > 0 && version <= Version::MAX).then_some(version)
}

/// None: anything; 0: nothing; otherwise a version.
pub(crate) fn expected(expected: Expected) -> Value {
    match expected {
        Expected::Any => Value::None,
        Expected::Absent => Value::from(0u64),
        Expected::Version(version) => Value::from(version.0),
    }
}

pub(crate) fn as_expected(value: &Value) -> Option<Expected> {
    Some(match value {
        Value::None => Expected::Any,
        Value::Integer(0) => Expected::Absent,
        value => Expected::Version(as_version(value)?),
    })
}

pub(crate) fn page(page: &Page) -> Value {
    let entries = page.entries.iter().map(|listed| {
        Value::Tuple(vec![
            id(listed.entry.as_bytes()),
            Value::from(listed.revision.0),
            Value::Bytes(listed.bytes.clone()),
        ])
    });
    Value::Tuple(vec![
        Value::from(page.revision.0),
        Value::List(entries.collect()),
        Value::Bool(page.more),
    ])
}

pub(crate) fn as_page(value: &Value) -> Option<Page> {
    let [revision, entries, more] = value.as_sequence()? else {
        return None;
    };
    let entry = |value: &Value| {
        let [entry, revision, bytes] = value.as_sequence()? else {
            return None;
        };
        Some(StoredEntry {
            entry: EntryId::from_bytes(as_id(entry)?),
            revision: Revision(revision.as_integer()?),
            bytes: bytes.as_bytes()?.clone(),
        })
    };
    let entries = entries.as_sequence()?.iter().map(entry);
    Some(Page {
        revision: Revision(revision.as_integer()?),
        entries: entries.collect::<Option<_>>()?,
        more: more.as_bool()?,
    })
}

pub(crate) fn link(link: &StoredLink) -> Value {
    Value::Tuple(vec![
        id(link.place.directory.as_bytes()),
        id(link.place.entry.as_bytes()),
        link.bytes.clone().into(),
    ])
}

pub(crate) fn as_link(value: &Value) -> Option<StoredLink> {
    let [directory, entry, bytes] = value.as_sequence()? else {
        return None;
    };
    Some(StoredLink {
        place: crate::ids::Place {
            directory: DirectoryId::from_bytes(as_id(directory)?),
            entry: EntryId::from_bytes(as_id(entry)?),
        },
        bytes: bytes.as_bytes()?.clone(),
    })
}

pub(crate) fn trash(trash: &StoredTrash) -> Value {
    Value::Tuple(vec![
        Value::from(trash.id.0),
        id(trash.place.directory.as_bytes()),
        id(trash.place.entry.as_bytes()),
        Value::from(trash.removed),
        trash.bytes.clone().into(),
    ])
}

pub(crate) fn as_trash(value: &Value) -> Option<StoredTrash> {
    let [trash, directory, entry, removed, bytes] = value.as_sequence()? else {
        return None;
    };
    Some(StoredTrash {
        id: TrashId(trash.as_integer()?),
        place: crate::ids::Place {
            directory: DirectoryId::from_bytes(as_id(directory)?),
            entry: EntryId::from_bytes(as_id(entry)?),
        },
        removed: removed.as_integer()?,
        bytes: bytes.as_bytes()?.clone(),
    })
}
