//! What failed operations mean over HTTP: one function for each family.

use crate::error::WebError;
use crate::file::exists;
use crate::python_text::{quoted, unquoted};
use http::StatusCode;
use tahoe_caps::CapError;
use tahoe_client::{
    AnyDirectoryError, CheckError, ChildName, DirectoryError, DownloadError, DriveError, EditError,
    EntryError, MutableRepairError, PublishError, ReadError, UploadError,
};

/// A file that could not be stored: always 500, with the name of the reference's exception.
pub(crate) fn upload(error: &UploadError) -> WebError {
    let class = match error {
        UploadError::NoServers => "allmydata.interfaces.NoServersError",
        UploadError::Unhappy(_) => "allmydata.interfaces.UploadUnhappinessError",
        UploadError::Spool { .. } | UploadError::ReadSpool { .. } => "builtins.OSError",
        _ => "builtins.ValueError",
    };
    WebError::failure(class, chain(error))
}

/// An object that could not be checked or repaired.
pub(crate) fn check(error: &CheckError) -> WebError {
    match error {
        CheckError::Download(error) => download(error),
        CheckError::Upload(error) => upload(error),
        CheckError::Mutable(error) => repair_of_mutable(error),
        CheckError::BadCapability(_) => of_no_file(error),
        _ => WebError::failure("builtins.ValueError", chain(error)),
    }
}

/// A capability with numbers that no upload can have given it: what it names is nowhere.
fn of_no_file(error: &dyn std::error::Error) -> WebError {
    WebError::text(StatusCode::GONE, format!("BadURIError: {}\n", chain(error)))
}

/// A mutable file that could not be repaired.
fn repair_of_mutable(error: &MutableRepairError) -> WebError {
    let class = match error {
        MutableRepairError::NewerVersion | MutableRepairError::SeveralVersions => {
            "allmydata.mutable.repairer.MustForceRepairError"
        }
        _ => "allmydata.mutable.common.NotEnoughServersError",
    };
    WebError::failure(class, chain(error))
}

/// A file that could not be read: 410 if shares are missing, with the words that clients know.
pub(crate) fn download(error: &DownloadError) -> WebError {
    match error {
        DownloadError::NoShares { .. } => WebError::text(
            StatusCode::GONE,
            format!(
                "NoSharesError: no shares could be found. Zero shares usually indicates a corrupt \
                 URI, or that no servers were connected, but it might also indicate severe \
                 corruption. You should perform a filecheck on this object to learn more.\n\n\
                 The full error message is:\n{error}"
            ),
        ),
        DownloadError::NotEnoughShares(_) => not_enough_shares(error),
        DownloadError::BadCiphertext { .. } => WebError::failure(
            "allmydata.immutable.downloader.common.BadCiphertextHashError",
            chain(error),
        ),
        DownloadError::BadCapability(_) => of_no_file(error),
        _ => WebError::failure("builtins.AssertionError", chain(error)),
    }
}

/// A mutable file that could not be read: 410 if shares are missing.
pub(crate) fn read(error: &ReadError) -> WebError {
    match error {
        ReadError::Unrecoverable => WebError::text(
            StatusCode::GONE,
            "UnrecoverableFileError: the directory (or mutable file) could not be retrieved, \
             because there were insufficient good shares. This might indicate that no servers were \
             connected, insufficient servers were connected, the URI was corrupt, or that shares \
             have been lost due to server departure, hard drive failure, or disk corruption. You \
             should perform a filecheck on this object to learn more.",
        ),
        ReadError::NotEnoughShares { .. } => not_enough_shares(error),
        ReadError::TooLargeForMemory { .. } => {
            WebError::text(StatusCode::PAYLOAD_TOO_LARGE, chain(error))
        }
        _ => WebError::failure("builtins.AssertionError", chain(error)),
    }
}

/// A mutable file that could not be written.
pub(crate) fn publish(error: &PublishError) -> WebError {
    let class = match error {
        PublishError::Read(error) => return read(error),
        PublishError::TooLarge { .. } => {
            return WebError::text(StatusCode::PAYLOAD_TOO_LARGE, chain(error));
        }
        PublishError::OffsetPastEnd { .. } => {
            return WebError::text(StatusCode::BAD_REQUEST, chain(error));
        }
        PublishError::UncoordinatedWrite | PublishError::NewerVersionUnreadable { .. } => {
            "allmydata.mutable.common.UncoordinatedWriteError"
        }
        PublishError::NotEnoughServers { .. } => "allmydata.mutable.common.NotEnoughServersError",
        PublishError::Spool { .. } | PublishError::ReadSpool { .. } => "builtins.OSError",
        _ => "builtins.ValueError",
    };
    WebError::failure(class, chain(error))
}

fn not_enough_shares(error: &dyn std::error::Error) -> WebError {
    WebError::text(
        StatusCode::GONE,
        format!(
            "NotEnoughSharesError: This indicates that some servers were unavailable, or that \
             shares have been lost to server departure, hard drive failure, or disk corruption. \
             You should perform a filecheck on this object to learn more.\n\n\
             The full error message is:\n{error}"
        ),
    )
}

/// An operation on a directory that failed.
pub(crate) fn directory(error: &DirectoryError) -> WebError {
    let bad = |text: &str| WebError::text(StatusCode::BAD_REQUEST, text);
    match error {
        DirectoryError::NotWritable => {
            let class = "allmydata.mutable.common.NotWriteableError";
            WebError::failure(class, chain(error))
        }
        DirectoryError::NotADirectory(name) => {
            let name = quoted(name.as_str().as_bytes());
            bad(&format!("what should hold {name} isn't a directory"))
        }
        DirectoryError::Edit(error) => edit(error),
        DirectoryError::Table(_) => WebError::failure("builtins.ValueError", chain(error)),
        DirectoryError::Read(error) => read(error),
        DirectoryError::Publish(error) => publish(error),
        DirectoryError::Download(error) => download(error),
        DirectoryError::Upload(error) => upload(error),
        DirectoryError::Stopping => {
            WebError::text(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        _ => WebError::text(StatusCode::INTERNAL_SERVER_ERROR, chain(error)),
    }
}

/// An operation on a directory of the grid or of a shared drive that failed.
pub(crate) fn any_directory(error: &AnyDirectoryError) -> WebError {
    match error {
        AnyDirectoryError::Directory(error) => directory(error),
        AnyDirectoryError::Drive(error) => drive(error),
        AnyDirectoryError::BadName(_)
        | AnyDirectoryError::CapTooLong
        | AnyDirectoryError::StaysInDrive => WebError::text(StatusCode::BAD_REQUEST, chain(error)),
        _ => WebError::text(StatusCode::BAD_GATEWAY, chain(error)),
    }
}

/// The same said while the path is walked: a page, or a line that says what is wrong with a drive.
pub(crate) fn on_the_way(error: &AnyDirectoryError) -> WebError {
    match error {
        AnyDirectoryError::Drive(error) => drive(error),
        error => any_directory(error).into_page(),
    }
}

/// What only a shared drive refuses or fails at.
fn drive(error: &DriveError) -> WebError {
    let status = match error {
        DriveError::NotConnected => {
            let text = "The vdrive server isn't connected: the shared drive can neither be read nor \
                        changed now.";
            return WebError::text(StatusCode::SERVICE_UNAVAILABLE, text);
        }
        DriveError::Lost(_) | DriveError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        DriveError::NoSuchDirectory | DriveError::NoSuchEntry | DriveError::NotInTrash => {
            StatusCode::NOT_FOUND
        }
        DriveError::NotEmpty => {
            let text = "The directory isn't empty. To remove it with all that is in it, add \
                        recursive=true.";
            return WebError::text(StatusCode::CONFLICT, text);
        }
        DriveError::NameTaken | DriveError::Changed { .. } => StatusCode::CONFLICT,
        DriveError::Cycle | DriveError::TooDeep | DriveError::NotesTooLong => {
            StatusCode::BAD_REQUEST
        }
        DriveError::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
        DriveError::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_GATEWAY,
    };
    WebError::text(status, chain(error))
}

fn edit(error: &EditError) -> WebError {
    match error {
        EditError::NoSuchChild(name) => no_such_child(name.as_str()),
        EditError::ChildExists(_) => exists(),
        EditError::BadCapability(name, error) => capability(*error, name),
        EditError::BadEntry(name, EntryError::MustBeDeepImmutable) => must_be_deep_immutable(name),
        error => WebError::text(StatusCode::PAYLOAD_TOO_LARGE, chain(error)),
    }
}

/// There is no child of that name.
pub(crate) fn no_such_child(name: &str) -> WebError {
    let text = format!("No such child: {}", unquoted(name));
    WebError::text(StatusCode::NOT_FOUND, text)
}

fn must_be_deep_immutable(name: &ChildName) -> WebError {
    let name = quoted(name.as_str().as_bytes());
    let text = format!(
        "MustBeDeepImmutableError: a cap passed to this operation for the child named {name}, \
         needed to be immutable but was not. Either the cap is being added to an immutable \
         directory, or it was originally retrieved from an immutable directory as an unknown cap."
    );
    WebError::text(StatusCode::BAD_REQUEST, text)
}

/// A capability that can't be the child of that name.
pub(crate) fn capability(error: CapError, name: &ChildName) -> WebError {
    let shown = quoted(name.as_str().as_bytes());
    let text = match error {
        CapError::MustBeDeepImmutable { .. } => return must_be_deep_immutable(name),
        CapError::MustBeReadOnly { .. } => format!(
            "MustBeReadonlyError: a cap passed to this operation for the child named '{shown}', \
             needed to be read-only but was not. The cap is being passed in a read slot (ro_uri), \
             or was retrieved from a read slot as an unknown cap."
        ),
        CapError::MustNotBeUnknownWrite {
            deep_immutable: true,
        } => format!(
            "MustNotBeUnknownRWError: an operation to add a child named {shown} to a directory was \
             given an unknown cap in a write slot.\nIf the cap is actually an immutable readcap, \
             then using a webapi server that supports a later version of Tahoe may help.\n\nIf you \
             are using the webapi directly, then specifying an immutable readcap in the read slot \
             (ro_uri) of the JSON PROPDICT, and omitting the write slot (rw_uri), would also work \
             in this case."
        ),
        CapError::MustNotBeUnknownWrite { .. } => format!(
            "MustNotBeUnknownRWError: an operation to add a child named {shown} to a directory was \
             given an unknown cap in a write slot.\nUsing a webapi server that supports a later \
             version of Tahoe may help.\n\nIf you are using the webapi directly, specifying a \
             readcap in the read slot (ro_uri) of the JSON PROPDICT, as well as a writecap in the \
             write slot if desired, would also work in this case."
        ),
        error => format!("the capability of the child named {shown} is bad: {error}"),
    };
    WebError::text(StatusCode::BAD_REQUEST, text)
}

/// What the reference calls the exception, without its module.
pub(crate) fn exception_name(error: &DirectoryError) -> &'static str {
    match error {
        DirectoryError::Read(error) => match **error {
            ReadError::Unrecoverable => "UnrecoverableFileError",
            ReadError::NotEnoughShares { .. } => "NotEnoughSharesError",
            _ => "AssertionError",
        },
        DirectoryError::Download(error) => match **error {
            DownloadError::NoShares { .. } => "NoSharesError",
            DownloadError::NotEnoughShares(_) => "NotEnoughSharesError",
            _ => "AssertionError",
        },
        DirectoryError::Table(_) => "ValueError",
        _ => "AssertionError",
    }
}

/// An error with its causes; what an error already says itself isn't said again.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text += ": ";
            text += &said;
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error that says its cause itself.
    #[derive(Debug)]
    struct Lost(std::io::Error);

    impl std::fmt::Display for Lost {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "the helper failed: {}", self.0)
        }
    }

    impl std::error::Error for Lost {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let lost = Lost(std::io::Error::other("the peer closed the connection"));
        assert_eq!(
            chain(&UploadError::Helper(Box::new(lost))),
            "the upload helper did not store the file: the helper failed: the peer closed the \
             connection"
        );
    }
}
