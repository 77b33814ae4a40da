//! How operations on a drive fail.

use crate::ids::Version;
use crate::limits::{MAX_DEPTH, MAX_LISTED_ENTRIES, MAX_NOTES_BYTES};
use crate::record::Forged;
use crate::wire::failure;
use foolscap::{CallError, ConnectionLost, RemoteFailure};

/// An operation on a drive fails.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// The directory isn't there, or has been removed.
    #[error("there is no such directory in the shared drive")]
    NoSuchDirectory,
    /// The entry isn't there.
    #[error("there is no such entry in the shared drive")]
    NoSuchEntry,
    /// It isn't in the trash any more.
    #[error("it isn't in the trash any more")]
    NotInTrash,
    /// A file is in the way, or a directory.
    #[error("the name is taken in the shared drive")]
    NameTaken,
    /// A directory has entries.
    #[error("the directory isn't empty")]
    NotEmpty,
    /// The entry leads to a file.
    #[error("it isn't a directory")]
    NotADirectory,
    /// Only a reader's FURL is there.
    #[error("the shared drive can only be read with this FURL")]
    ReadOnly,
    /// The entry isn't what the caller saw.
    #[error("the entry has been changed by somebody else")]
    Changed {
        /// Its version now; `None` if there is none.
        current: Option<Version>,
    },
    /// A directory can't go into itself.
    #[error("a directory can't be moved into itself")]
    Cycle,
    /// Too many levels.
    #[error("a path in the shared drive has at most {MAX_DEPTH} levels")]
    TooDeep,
    /// A directory is too large to be listed at once.
    #[error("the directory has more than {MAX_LISTED_ENTRIES} entries")]
    TooMany,
    /// The notes of an entry's metadata are too long.
    #[error("the metadata of an entry has at most {MAX_NOTES_BYTES} bytes")]
    NotesTooLong,
    /// The server can't be reached.
    #[error("the vdrive server isn't connected")]
    NotConnected,
    /// The connection was lost before the answer: a change may have been made, or not.
    #[error("the connection with the vdrive server was lost before its answer")]
    Lost(#[source] ConnectionLost),
    /// There was no answer in time: a change may have been made, or not.
    #[error("the vdrive server doesn't answer")]
    TimedOut,
    /// The server's database fails: a change may have been made, or not.
    #[error("the vdrive server can't work at the moment: {0}")]
    Unavailable(String),
    /// The server gives an entry that is older than one that it gave before.
    #[error("the vdrive server gives an old entry for a newer one: version {found} after {seen}")]
    RolledBack {
        /// The version that it gives.
        found: Version,
        /// The least that it could be.
        seen: Version,
    },
    /// The server gives an entry that no writer has made for this place.
    #[error("the vdrive server gives an entry that isn't genuine")]
    Forged(#[from] Forged),
    /// The server's answer isn't one.
    #[error("the vdrive server's answer to {0} makes no sense")]
    BadAnswer(&'static str),
    /// The server refuses for a reason of its own.
    #[error("the vdrive server refuses")]
    Refused(#[source] CallError),
    /// The system gives no randomness.
    #[error("no randomness from the system")]
    NoRandomness,
}

/// How a call fails: for good, or since the version has to be later.
pub(crate) enum CallFailure {
    Stale(Version),
    Drive(DriveError),
}

impl From<DriveError> for CallFailure {
    fn from(error: DriveError) -> Self {
        Self::Drive(error)
    }
}

impl From<CallError> for CallFailure {
    fn from(error: CallError) -> Self {
        let failure = match error {
            CallError::Remote(failure) => failure,
            CallError::Lost(why) => return Self::Drive(DriveError::Lost(why)),
            other => return Self::Drive(DriveError::Refused(other)),
        };
        match failure.type_name.as_str() {
            failure::STALE => match version(&failure) {
                Some(version) => Self::Stale(version),
                None => Self::Drive(DriveError::BadAnswer("a change")),
            },
            _ => Self::Drive(drive_error(failure)),
        }
    }
}

impl From<CallFailure> for DriveError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Drive(error) => error,
            CallFailure::Stale(_) => Self::BadAnswer("a call that changes nothing"),
        }
    }
}

fn drive_error(failure: RemoteFailure) -> DriveError {
    match failure.type_name.as_str() {
        failure::NO_SUCH_DIRECTORY => DriveError::NoSuchDirectory,
        failure::NO_SUCH_ENTRY => DriveError::NoSuchEntry,
        failure::NOT_IN_TRASH => DriveError::NotInTrash,
        failure::NAME_TAKEN => DriveError::NameTaken,
        failure::NOT_EMPTY => DriveError::NotEmpty,
        failure::READ_ONLY => DriveError::ReadOnly,
        failure::CHANGED => DriveError::Changed {
            current: version(&failure),
        },
        failure::CYCLE => DriveError::Cycle,
        failure::TOO_DEEP => DriveError::TooDeep,
        failure::UNAVAILABLE => DriveError::Unavailable(failure.message),
        _ => DriveError::Refused(failure.into()),
    }
}

fn version(failure: &RemoteFailure) -> Option<Version> {
    let version = failure.message.parse().ok().map(Version)?;
    (version.0 > 0 && version <= Version::MAX).then_some(version)
}
