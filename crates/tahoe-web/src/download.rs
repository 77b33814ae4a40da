//! The contents of a file on their way to a client.
//!
//! The first piece is there before the answer begins, so that a file that can't be read at all gives
//! an error with a status. If it fails later, the answer, whose length was promised, is cut short
//! after a line that says so, and the connection is closed.

use crate::browser::{FILE_POLICY, FRAMED_POLICY};
use crate::error::WebError;
use crate::failures;
use crate::file::File;
use crate::preview::PDF;
use crate::range::{self, Wanted};
use crate::request::Call;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE,
};
use http::{HeaderValue, StatusCode};
use std::io;
use std::ops::Range;
use std::time::Duration;
use tahoe_caps::MutableReadCap;
use tahoe_client::{Download, MutableDownload, StorageIndex};

/// What a client sees in place of the rest of a file.
const PROBLEM: &[u8] = b"problem during download\n";

/// How long that line, and what goes before it, may take to be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The answer with what of the file is asked for.
pub(crate) async fn contents(
    call: &Call,
    file: &File,
    name: Option<Vec<u8>>,
) -> Result<Response, WebError> {
    let (mut response, range) = headers(call, file.size(), name)?;
    let body = match file {
        File::Literal(cap) => {
            // The range lies within the content.
            let part = |number| usize::try_from(number).unwrap_or(usize::MAX);
            let content = cap.content().get(part(range.start)..part(range.end));
            Body::from(content.unwrap_or_default().to_vec())
        }
        File::Chk(_) if range.is_empty() => Body::empty(),
        File::Chk(cap) => {
            let length = range.end - range.start;
            let download = call.client().download(cap, range).await;
            let download = download.map_err(|error| failures::download(&error))?;
            let mut reading = Reading::Immutable(download);
            let first = reading.next_piece().await?;
            Body::from_stream(pieces(reading, first, length))
        }
    };
    *response.body_mut() = body;
    Ok(response)
}

/// The answer with what of a mutable file is asked for.
pub(crate) async fn mutable_contents(
    call: &Call,
    cap: &MutableReadCap,
    name: Option<Vec<u8>>,
) -> Result<Response, WebError> {
    let header = call.headers.get(RANGE).and_then(|h| h.to_str().ok());
    // Which bytes a range means depends on the size, and the size on the version that is found.
    let bytes_of = |size| wanted_bytes(header, size).map_or(0..0, |(_, bytes)| bytes);
    let download = call.client().read_mutable(cap, bytes_of).await;
    let download = download.map_err(|error| failures::read(&error))?;
    let size = download.version().data_length;
    let (mut response, range) = headers(call, size, name)?;
    let mut reading = Reading::Mutable(download);
    let first = reading.next_piece().await?;
    let length = range.end - range.start;
    *response.body_mut() = match first {
        None => Body::empty(),
        first => Body::from_stream(pieces(reading, first, length)),
    };
    Ok(response)
}

/// The status that goes with a range header, and the bytes that it means; none if the file has
/// none of them.
fn wanted_bytes(header: Option<&str>, size: u64) -> Option<(StatusCode, Range<u64>)> {
    match header.map_or(Wanted::Everything, |header| range::parse(header, size)) {
        Wanted::Everything => Some((StatusCode::OK, 0..size)),
        Wanted::Part { first, last } => Some((StatusCode::PARTIAL_CONTENT, first..last + 1)),
        Wanted::BeyondTheEnd => None,
    }
}

/// The answer without its body, and the bytes that the body is made of.
pub(crate) fn headers(
    call: &Call,
    size: u64,
    name: Option<Vec<u8>>,
) -> Result<(Response, Range<u64>), WebError> {
    let name = call.args.first("filename").map(<[u8]>::to_vec).or(name);
    let name = name.filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| b"unknown".to_vec());
    let save = call.args.boolean("save", false)?;
    let wanted = call.headers.get(RANGE).and_then(|h| h.to_str().ok());
    let (status, bytes) = wanted_bytes(wanted, size).ok_or_else(|| {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        WebError::text(status, "First beyond end of file")
    })?;

    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = call.site.content_types.of(&name);
    let text = HeaderValue::from_static("text/plain");
    let content_type = HeaderValue::from_str(kind.content_type).unwrap_or(text);
    headers.insert(CONTENT_TYPE, content_type);
    if let Some(encoding) = kind.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let policy = match kind.content_type {
        PDF => FRAMED_POLICY,
        _ => FILE_POLICY,
    };
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    if save {
        headers.insert(CONTENT_DISPOSITION, attachment(&name));
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, (bytes.end - bytes.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1);
        headers.extend(
            HeaderValue::from_str(&range)
                .ok()
                .map(|range| (CONTENT_RANGE, range)),
        );
    }
    Ok((response, bytes))
}

/// Asks the client to save the file under the name that it gave itself: the same bytes, except that
/// control characters become spaces and quotation marks are escaped.
fn attachment(name: &[u8]) -> HeaderValue {
    let mut value = b"attachment; filename=\"".to_vec();
    for byte in name {
        match byte {
            b'"' | b'\\' => value.extend_from_slice(&[b'\\', *byte]),
            0..=0x1f | 0x7f => value.push(b' '),
            byte => value.push(*byte),
        }
    }
    value.push(b'"');
    let plain = HeaderValue::from_static("attachment");
    HeaderValue::from_bytes(&value).unwrap_or(plain)
}

/// A file of either kind that is being read.
enum Reading {
    Immutable(Download),
    Mutable(MutableDownload),
}

impl Reading {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, WebError> {
        match self {
            Self::Immutable(download) => {
                let piece = download.next_piece().await;
                piece.map_err(|error| failures::download(&error))
            }
            Self::Mutable(download) => {
                let piece = download.next_piece().await;
                piece.map_err(|error| failures::read(&error))
            }
        }
    }

    fn storage_index(&self) -> StorageIndex {
        match self {
            Self::Immutable(download) => download.storage_index(),
            Self::Mutable(download) => download.storage_index(),
        }
    }
}

/// Where the body of an answer is; `left` bytes of it are still to come.
enum State {
    Begun {
        first: Option<Bytes>,
        reading: Reading,
        left: u64,
    },
    Going {
        reading: Reading,
        left: u64,
    },
    Cut,
}

/// The pieces of a download, of which the first is already there; `left` bytes are promised.
fn pieces(
    reading: Reading,
    first: Option<Bytes>,
    left: u64,
) -> impl Stream<Item = io::Result<Bytes>> {
    let begun = State::Begun {
        first,
        reading,
        left,
    };
    stream::try_unfold(begun, |state| async {
        let (next, reading, left) = match state {
            State::Begun {
                first,
                reading,
                left,
            } => (Ok(first), reading, left),
            State::Going { mut reading, left } => (reading.next_piece().await, reading, left),
            State::Cut => {
                // The error closes the connection with all that was not sent yet.
                tokio::time::sleep(LAST_WORDS).await;
                return Err(io::Error::other("the download failed"));
            }
        };
        match next {
            Ok(Some(piece)) => {
                let left = left.saturating_sub(piece.len() as u64);
                Ok(Some((piece, State::Going { reading, left })))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::warn!(
                    storage_index = %reading.storage_index(),
                    %error,
                    "a download failed after it had begun",
                );
                Ok(Some((last_words(left), State::Cut)))
            }
        }
    })
}

/// The line that ends a failed answer, always shorter than what was promised.
fn last_words(left: u64) -> Bytes {
    let room = usize::try_from(left.saturating_sub(1)).unwrap_or(usize::MAX);
    Bytes::from_static(PROBLEM.get(..room).unwrap_or(PROBLEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_never_complete_the_answer() {
        assert_eq!(last_words(1000), PROBLEM);
        let length = PROBLEM.len() as u64;
        assert_eq!(last_words(length).len(), PROBLEM.len() - 1);
        assert_eq!(last_words(1).len(), 0);
        assert_eq!(last_words(0).len(), 0);
    }

    #[test]
    fn names_to_save_under() {
        for (name, expected) in [
            (&b"a.txt"[..], &b"attachment; filename=\"a.txt\""[..]),
            (b"a\"b\r\nc", b"attachment; filename=\"a\\\"b  c\""),
            (
                "\u{e9}".as_bytes(),
                "attachment; filename=\"\u{e9}\"".as_bytes(),
            ),
        ] {
            assert_eq!(attachment(name).as_bytes(), expected);
        }
    }
}
