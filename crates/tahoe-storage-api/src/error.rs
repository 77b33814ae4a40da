//! How a call on a storage server can fail.

use std::path::PathBuf;
use std::time::Duration;

/// A storage server didn't do what it was asked.
///
/// The variants say whose fault it is: the caller's ([`Self::NoSuchShare`] to
/// [`Self::InvalidRequest`]), the server's lack of resources, its disk, the network, or a peer that
/// breaks the protocol. None of the texts holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The share, or the upload in progress, doesn't exist.
    #[error("no such share")]
    NoSuchShare,
    /// The upload secret isn't that of the upload.
    #[error("wrong upload secret")]
    BadUploadSecret,
    /// The write enabler isn't the slot's.
    #[error("wrong write enabler{}", .recorded_by.as_ref().map(|id| format!(" (it was recorded by node {id})")).unwrap_or_default())]
    BadWriteEnabler {
        /// Tub id of the node that recorded the slot's write enabler, where the server says so.
        recorded_by: Option<String>,
    },
    /// Other bytes were written there before.
    #[error("conflicting write: other bytes were written to this range before")]
    ConflictingWrite,
    /// A write reaches beyond the allocated size, or a range isn't one.
    #[error("the range lies outside the share")]
    OutOfRange,
    /// The share is complete, so the upload can't be aborted.
    #[error("the share is already complete")]
    AlreadyComplete,
    /// The request breaks a limit or a rule of the protocol.
    #[error("invalid request: {reason}")]
    InvalidRequest {
        /// Which rule.
        reason: String,
    },
    /// The swissnum isn't the server's: the NURL or FURL is wrong or was revoked.
    #[error("the server doesn't know this swissnum")]
    Unauthorized,
    /// The server has no room for it.
    #[error("no space left on the server")]
    NoSpace,
    /// The stored container can't be what it claims.
    #[error("corrupt container: {reason}")]
    CorruptContainer {
        /// What is wrong with it.
        reason: String,
    },
    /// The server's own disk failed.
    #[error("could not {step} {}", .path.display())]
    Io {
        /// What was being done, as in "could not … PATH".
        step: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// No connection, or it was lost before the answer.
    #[error("the server can't be reached: {reason}")]
    Unreachable {
        /// What happened, without secrets.
        reason: String,
        /// Whether the server may have carried out the call.
        may_have_happened: bool,
    },
    /// The server didn't answer in time.
    #[error("no answer within {} s", .after.as_secs())]
    TimedOut {
        /// How long the caller waited.
        after: Duration,
    },
    /// The certificate isn't the one that the NURL pins.
    #[error("the server's certificate isn't the one its NURL names")]
    WrongCertificate,
    /// The peer broke the protocol: an endless body, bad CBOR, an impossible answer.
    #[error("the server broke the protocol: {reason}")]
    PeerMisbehaved {
        /// What it did.
        reason: String,
    },
    /// The server failed for a reason of its own.
    #[error("the server failed with status {status}: {reason}")]
    ServerFailed {
        /// HTTP status, or 0 over other transports.
        status: u16,
        /// The server's words, shortened.
        reason: String,
    },
}
