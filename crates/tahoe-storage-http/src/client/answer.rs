//! What a server answered, and what it means.

use crate::wire::cbor::CborError;
use crate::wire::headers::{self, CBOR, OCTET_STREAM, WRONG_SWISSNUM};
use crate::wire::ranges::parse_content_range;
use crate::wire::route::Route;
use bytes::Bytes;
use http::header::CONTENT_RANGE;
use http::{HeaderMap, StatusCode};
use tahoe_storage_api::{ShareRange, StorageError};

/// Most characters of a server's words that go into an error.
const MAX_WORDS: usize = 200;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads the CBOR message in it.
    pub(crate) fn message<T>(
        &self,
        decode: impl FnOnce(&Bytes) -> Result<T, CborError>,
    ) -> Result<T, StorageError> {
        self.check_type(CBOR)?;
        decode(&self.body).map_err(|error| misbehaved(&error.to_string()))
    }

    /// Takes the share data out of it, which must begin where it was asked to.
    pub(crate) fn share_data(self, asked: ShareRange) -> Result<Bytes, StorageError> {
        self.check_type(OCTET_STREAM)?;
        let header = self.headers.get(CONTENT_RANGE);
        let header = header.and_then(|header| header.to_str().ok());
        let range = header.and_then(|header| parse_content_range(header).ok());
        let range = range.ok_or_else(|| misbehaved("bad Content-Range"))?;
        if range.offset != asked.offset || range.length > asked.length {
            return Err(misbehaved("it sent another range than asked for"));
        }
        if range.length != self.body.len() as u64 {
            return Err(misbehaved("Content-Range and length of the body disagree"));
        }
        Ok(self.body)
    }

    fn check_type(&self, expected: &str) -> Result<(), StorageError> {
        match headers::content_type(&self.headers) {
            Some(found) if found == expected => Ok(()),
            found => {
                let found = words(found.unwrap_or("nothing").as_bytes());
                Err(misbehaved(&format!("it sent {found}, not {expected}")))
            }
        }
    }

    /// The server's words, fit for a log.
    fn words(&self) -> String {
        words(&self.body)
    }
}

fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let visible = text.chars().filter(|c| !c.is_control());
    visible.take(MAX_WORDS).collect()
}

/// The peer broke the protocol.
pub(crate) fn misbehaved(reason: &str) -> StorageError {
    StorageError::PeerMisbehaved {
        reason: reason.to_owned(),
    }
}

/// Which secret a call proves its right with, besides the swissnum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Swissnum,
    Upload,
    WriteEnabler,
}

/// What a refused call means.
pub(crate) fn failure(route: &Route, answer: &Answer) -> StorageError {
    let proof = match route {
        Route::Abort(..) => Proof::Upload,
        Route::ReadTestWrite(_) => Proof::WriteEnabler,
        _ => Proof::Swissnum,
    };
    error_of(route, proof, answer)
}

/// What a refused write of an immutable share means; reads have the same path.
pub(crate) fn write_failure(route: &Route, answer: &Answer) -> StorageError {
    error_of(route, Proof::Upload, answer)
}

fn error_of(route: &Route, proof: Proof, answer: &Answer) -> StorageError {
    let status = answer.status;
    match status {
        StatusCode::UNAUTHORIZED if answer.body == WRONG_SWISSNUM => StorageError::Unauthorized,
        StatusCode::UNAUTHORIZED => match proof {
            Proof::Swissnum => StorageError::Unauthorized,
            Proof::Upload => StorageError::BadUploadSecret,
            Proof::WriteEnabler => StorageError::BadWriteEnabler { recorded_by: None },
        },
        StatusCode::NOT_FOUND => StorageError::NoSuchShare,
        StatusCode::CONFLICT => StorageError::ConflictingWrite,
        StatusCode::RANGE_NOT_SATISFIABLE => StorageError::OutOfRange,
        StatusCode::METHOD_NOT_ALLOWED if matches!(route, Route::Abort(..)) => {
            StorageError::AlreadyComplete
        }
        StatusCode::INSUFFICIENT_STORAGE => StorageError::NoSpace,
        _ if status.is_client_error() => StorageError::InvalidRequest {
            reason: format!("status {}: {}", status.as_u16(), answer.words()),
        },
        _ if status.is_server_error() => StorageError::ServerFailed {
            status: status.as_u16(),
            reason: answer.words(),
        },
        _ => misbehaved(&format!("unexpected status {}", status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};
    use tahoe_crypto::StorageIndex;
    use tahoe_storage_api::{ShareKind, ShareNumber};

    fn answer(status: u16, headers: &[(http::HeaderName, &'static str)], body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
                .collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn each_status_has_its_error() {
        let index = StorageIndex::from_bytes([0; 16]);
        let number = ShareNumber(0).into();
        let share = Route::Share(ShareKind::Immutable, index, number);
        let abort = Route::Abort(index, number);
        let change = Route::ReadTestWrite(index);
        for (route, status, body, expected) in [
            (
                share,
                401,
                WRONG_SWISSNUM,
                "the server doesn't know this swissnum",
            ),
            (share, 401, "", "the server doesn't know this swissnum"),
            (
                abort,
                401,
                WRONG_SWISSNUM,
                "the server doesn't know this swissnum",
            ),
            (abort, 401, "", "wrong upload secret"),
            (
                change,
                401,
                WRONG_SWISSNUM,
                "the server doesn't know this swissnum",
            ),
            (change, 401, "", "wrong write enabler"),
            (share, 404, "", "no such share"),
            (abort, 405, "", "the share is already complete"),
            (share, 405, "", "invalid request: status 405: "),
            (
                share,
                409,
                "",
                "conflicting write: other bytes were written to this range before",
            ),
            (share, 416, "", "the range lies outside the share"),
            (share, 400, "a\u{7}b\n", "invalid request: status 400: ab"),
            (share, 413, "", "invalid request: status 413: "),
            (share, 507, "", "no space left on the server"),
            (share, 500, "oh", "the server failed with status 500: oh"),
            (share, 503, "", "the server failed with status 503: "),
            (
                share,
                200,
                "",
                "the server broke the protocol: unexpected status 200",
            ),
            (
                share,
                302,
                "",
                "the server broke the protocol: unexpected status 302",
            ),
        ] {
            let error = failure(&route, &answer(status, &[], body));
            assert_eq!(error.to_string(), expected, "{status} {body:?}");
        }
        let error = write_failure(&share, &answer(401, &[], ""));
        assert_eq!(error.to_string(), "wrong upload secret");
    }

    #[test]
    fn share_data_must_be_what_was_asked_for() {
        let asked = ShareRange {
            offset: 10,
            length: 5,
        };
        let octets = (CONTENT_TYPE, OCTET_STREAM);
        for (content_range, body, accepted) in [
            ("bytes 10-14/*", "abcde", true),
            ("bytes 10-12/13", "abc", true),
            ("bytes 10-15/*", "abcdef", false),
            ("bytes 9-13/*", "abcde", false),
            ("bytes 11-14/*", "abcd", false),
            ("bytes 10-14/*", "abcd", false),
            ("bytes 10-13/*", "abcde", false),
            ("nonsense", "abcde", false),
        ] {
            let headers = [octets.clone(), (CONTENT_RANGE, content_range)];
            let data = answer(206, &headers, body).share_data(asked);
            assert_eq!(data.is_ok(), accepted, "{content_range} {body}");
        }
        assert!(answer(206, &[octets], "abcde").share_data(asked).is_err());
        let html = (CONTENT_TYPE, "text/html");
        let headers = [html, (CONTENT_RANGE, "bytes 10-14/*")];
        assert!(answer(206, &headers, "abcde").share_data(asked).is_err());
    }
}
