//! How a request is refused: one table from errors to statuses.

use super::response::{ResponseBody, empty, text};
use crate::wire::cbor::CborError;
use crate::wire::headers::{SecretsError, WRONG_SWISSNUM};
use http::header::{ALLOW, HeaderValue};
use http::{Response, StatusCode};
use tahoe_storage_api::StorageError;

/// Why a request isn't carried out.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No such path.
    UnknownPath,
    /// The path exists, but not for this method.
    WrongMethod { allowed: &'static str },
    /// The swissnum is wrong, missing or not even text.
    NotAuthorized(StatusCode),
    /// The secrets aren't those that the call takes.
    Secrets(SecretsError),
    /// The client wants another type of answer.
    NotAcceptable,
    /// The body has another type.
    UnsupportedType,
    /// The body is longer than allowed.
    TooLarge,
    /// The body breaks its schema.
    Message(CborError),
    /// `Range` or `Content-Range` is missing or malformed.
    BadRange,
    /// The body ended before the range that it was to fill.
    ShortBody,
    /// The body stopped coming.
    SlowBody,
    /// The connection was lost while the body came.
    LostBody,
    /// No share can have that number.
    NoSuchShare,
    /// Reading found nothing, which isn't an error but has no body either.
    NoContent,
    /// The service refused.
    Storage(StorageError),
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<SecretsError> for Refusal {
    fn from(error: SecretsError) -> Self {
        Self::Secrets(error)
    }
}

impl From<CborError> for Refusal {
    fn from(error: CborError) -> Self {
        Self::Message(error)
    }
}

impl Refusal {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::UnknownPath | Self::NoSuchShare => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAuthorized(status) => *status,
            Self::Secrets(_) | Self::Message(_) | Self::ShortBody | Self::LostBody => {
                StatusCode::BAD_REQUEST
            }
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadRange => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::NoContent => StatusCode::NO_CONTENT,
            Self::Storage(error) => storage_status(error),
        }
    }

    /// Makes the answer. It says nothing of paths on the server's disk.
    pub(crate) fn response(self) -> Response<ResponseBody> {
        let status = self.status();
        match self {
            Self::WrongMethod { allowed } => {
                let mut response = empty(status);
                let allowed = HeaderValue::from_static(allowed);
                response.headers_mut().insert(ALLOW, allowed);
                response
            }
            Self::NotAuthorized(StatusCode::UNAUTHORIZED) => text(status, WRONG_SWISSNUM),
            Self::NotAuthorized(_) => text(status, "Bad Authorization header"),
            Self::Secrets(error) => text(status, error.to_string()),
            Self::Message(error) => text(status, error.to_string()),
            Self::ShortBody => text(status, "the body is shorter than its Content-Range"),
            Self::Storage(StorageError::InvalidRequest { reason }) => text(status, reason),
            Self::Storage(error) if status.is_server_error() => {
                tracing::warn!(%status, error = %Chain(&error), "storage call failed");
                empty(status)
            }
            _ => empty(status),
        }
    }
}

/// The status for each error of a storage service.
pub(crate) fn storage_status(error: &StorageError) -> StatusCode {
    match error {
        StorageError::NoSuchShare => StatusCode::NOT_FOUND,
        StorageError::BadUploadSecret
        | StorageError::BadWriteEnabler { .. }
        | StorageError::Unauthorized => StatusCode::UNAUTHORIZED,
        StorageError::ConflictingWrite => StatusCode::CONFLICT,
        StorageError::OutOfRange => StatusCode::RANGE_NOT_SATISFIABLE,
        StorageError::AlreadyComplete => StatusCode::METHOD_NOT_ALLOWED,
        StorageError::InvalidRequest { .. } => StatusCode::BAD_REQUEST,
        StorageError::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        StorageError::Unreachable { .. }
        | StorageError::WrongCertificate
        | StorageError::PeerMisbehaved { .. } => StatusCode::BAD_GATEWAY,
        StorageError::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Shows an error with its causes.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_error_has_its_status() {
        let text = String::new;
        for (error, status) in [
            (StorageError::NoSuchShare, 404),
            (StorageError::BadUploadSecret, 401),
            (StorageError::BadWriteEnabler { recorded_by: None }, 401),
            (StorageError::Unauthorized, 401),
            (StorageError::ConflictingWrite, 409),
            (StorageError::OutOfRange, 416),
            (StorageError::AlreadyComplete, 405),
            (StorageError::InvalidRequest { reason: text() }, 400),
            (StorageError::NoSpace, 507),
            (StorageError::CorruptContainer { reason: text() }, 500),
            (
                StorageError::Io {
                    step: "read",
                    path: "/x".into(),
                    source: std::io::ErrorKind::Other.into(),
                },
                500,
            ),
            (
                StorageError::Unreachable {
                    reason: text(),
                    may_have_happened: true,
                },
                502,
            ),
            (
                StorageError::TimedOut {
                    after: Duration::ZERO,
                },
                504,
            ),
            (StorageError::WrongCertificate, 502),
            (StorageError::PeerMisbehaved { reason: text() }, 502),
            (
                StorageError::ServerFailed {
                    status: 500,
                    reason: text(),
                },
                500,
            ),
        ] {
            assert_eq!(storage_status(&error).as_u16(), status, "{error}");
        }
    }
}
