//! Errors of the storage service as exceptions, and the other way round.

use foolscap::{CallError, ConnectError, RemoteFailure};
use tahoe_storage_api::StorageError;

const BAD_WRITE_ENABLER: &str = "allmydata.interfaces.BadWriteEnablerError";
const CONFLICTING_WRITE: &str = "allmydata.interfaces.ConflictingWriteError";
const DATA_TOO_LARGE: &str = "allmydata.interfaces.DataTooLargeError";
const NO_SPACE: &str = "allmydata.interfaces.NoSpace";
const NO_SUCH_SHARE: &str = "builtins.FileNotFoundError";
const NO_SUCH_NAME: &str = "builtins.KeyError";
const PRECONDITION: &str = "builtins.AssertionError";
const VIOLATION: &str = "foolscap.tokens.Violation";

/// Most characters of a server's words that are kept.
const MAX_REASON: usize = 300;

/// The exception that tells a client of an error.
pub(crate) fn to_remote(error: &StorageError) -> RemoteFailure {
    let type_name = match error {
        StorageError::BadWriteEnabler { recorded_by } => {
            let node = recorded_by.as_deref().unwrap_or_default();
            let text = format!("The write enabler was recorded by nodeid '{node}'.");
            return RemoteFailure::new(BAD_WRITE_ENABLER, text);
        }
        StorageError::NoSuchShare => NO_SUCH_SHARE,
        StorageError::ConflictingWrite => CONFLICTING_WRITE,
        StorageError::OutOfRange => DATA_TOO_LARGE,
        StorageError::NoSpace => NO_SPACE,
        StorageError::InvalidRequest { .. } => VIOLATION,
        StorageError::AlreadyComplete | StorageError::BadUploadSecret => PRECONDITION,
        StorageError::Io { .. } => {
            // Where our files lie is nobody's business.
            return RemoteFailure::new("builtins.OSError", "the server's disk failed");
        }
        _ => "builtins.RuntimeError",
    };
    RemoteFailure::new(type_name, error.to_string())
}

/// What a failed call means.
pub(crate) fn from_call(error: CallError) -> StorageError {
    match error {
        CallError::Remote(failure) => from_remote(&failure),
        CallError::Violation(violation) => misbehaved(violation),
        lost @ CallError::Lost(_) => StorageError::Unreachable {
            reason: lost.to_string(),
            may_have_happened: true,
        },
        other => misbehaved(other),
    }
}

fn from_remote(failure: &RemoteFailure) -> StorageError {
    let reason = || failure.to_string().chars().take(MAX_REASON).collect();
    match failure.type_name.as_str() {
        BAD_WRITE_ENABLER => StorageError::BadWriteEnabler {
            recorded_by: recorder(&failure.message),
        },
        CONFLICTING_WRITE => StorageError::ConflictingWrite,
        DATA_TOO_LARGE => StorageError::OutOfRange,
        NO_SPACE => StorageError::NoSpace,
        NO_SUCH_SHARE => StorageError::NoSuchShare,
        VIOLATION => StorageError::InvalidRequest { reason: reason() },
        _ => StorageError::ServerFailed {
            status: 0,
            reason: reason(),
        },
    }
}

/// The node id between the quotes of the message; Python puts `b'…'` there.
fn recorder(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("nodeid '")?;
    let rest = rest.strip_prefix("b'").unwrap_or(rest);
    let (node, _) = rest.split_once('\'')?;
    node.parse::<tahoe_crypto::TubId>()
        .ok()
        .map(|id| id.to_string())
}

/// What it means that a server can't be connected to.
pub(crate) fn from_connect(error: &ConnectError) -> StorageError {
    let failure = match error {
        ConnectError::LookUp(CallError::Remote(failure)) => Some(failure),
        _ => None,
    };
    if failure.is_some_and(|failure| failure.type_name == NO_SUCH_NAME) {
        return StorageError::Unauthorized;
    }
    StorageError::Unreachable {
        reason: error.to_string(),
        may_have_happened: false,
    }
}

/// The server's answer can't be.
pub(crate) fn misbehaved(reason: impl std::fmt::Display) -> StorageError {
    StorageError::PeerMisbehaved {
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_wire() {
        let node = "y3o76xcnlz2ozxc252v7sv5infn4cats";
        let errors = [
            StorageError::NoSuchShare,
            StorageError::ConflictingWrite,
            StorageError::OutOfRange,
            StorageError::NoSpace,
            StorageError::BadWriteEnabler {
                recorded_by: Some(node.to_owned()),
            },
        ];
        for error in errors {
            let back = from_call(CallError::Remote(to_remote(&error)));
            assert_eq!(back.to_string(), error.to_string());
        }
        let python = format!("The write enabler was recorded by nodeid 'b'{node}''.");
        assert_eq!(recorder(&python).as_deref(), Some(node));
        assert_eq!(recorder("nodeid '../../etc'"), None);
    }

    #[test]
    fn paths_stay_here() {
        let error = StorageError::Io {
            step: "open",
            path: "/secret/place".into(),
            source: std::io::Error::other("no"),
        };
        assert!(!format!("{:?}", to_remote(&error)).contains("secret"));
    }
}
