//! `/static`: the files of the directory `web.static`.

use crate::error::WebError;
use crate::range::{self, Wanted};
use crate::request::Call;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE};
use http::header::{CONTENT_TYPE, RANGE};
use http::{HeaderValue, StatusCode};
use std::io::SeekFrom;
use std::path::PathBuf;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Bytes read from a file at a time.
const CHUNK_SIZE: u64 = 256 * 1024;

/// A file below the static directory.
pub(crate) async fn answer(call: &Call) -> Result<Response, WebError> {
    if !call.is_read() {
        return Err(WebError::method(&call.method, "HEAD, GET"));
    }
    let (path, name) = locate(call).await.ok_or_else(no_such_file)?;
    let mut file = File::open(&path).await.map_err(|_| no_such_file())?;
    let metadata = file.metadata().await.map_err(|_| no_such_file())?;
    if !metadata.is_file() {
        return Err(no_such_file());
    }
    let size = metadata.len();
    let wanted = call
        .headers
        .get(RANGE)
        .and_then(|header| header.to_str().ok());
    let wanted = wanted.map_or(Wanted::Everything, |header| range::parse(header, size));
    let (status, first, length) = match wanted {
        Wanted::Everything => (StatusCode::OK, 0, size),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::BeyondTheEnd => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(WebError::text(status, "First beyond end of file"));
        }
    };
    file.seek(SeekFrom::Start(first))
        .await
        .map_err(|_| no_such_file())?;

    let mut response = Response::new(Body::from_stream(chunks(file, length)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = call.site.content_types.of(name.as_bytes());
    if let Ok(content_type) = HeaderValue::from_str(kind.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(encoding) = kind.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{size}", first + length - 1);
        headers.extend(
            HeaderValue::from_str(&range)
                .ok()
                .map(|range| (CONTENT_RANGE, range)),
        );
    }
    Ok(response)
}

/// The file that the path names, and its name; `index.html` for a directory.
async fn locate(call: &Call) -> Option<(PathBuf, String)> {
    let mut path = call.site.options.static_dir.clone()?;
    let mut parts: Vec<&str> = Vec::new();
    for part in call.path.iter().skip(1) {
        parts.push(std::str::from_utf8(part).ok()?);
    }
    if parts.last() == Some(&"") {
        parts.pop();
    }
    for part in &parts {
        let strange = part.is_empty() || part.starts_with('.') || part.contains(['/', '\\', '\0']);
        if strange {
            return None;
        }
        path.push(part);
    }
    let metadata = tokio::fs::metadata(&path).await.ok()?;
    if metadata.is_dir() {
        path.push("index.html");
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some((path, name))
}

fn no_such_file() -> WebError {
    WebError::page(StatusCode::NOT_FOUND, "No Such Resource", "File not found.")
}

/// The next `length` bytes of a file.
fn chunks(file: File, length: u64) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let size = usize::try_from(left.min(CHUNK_SIZE)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; size];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(read);
        Ok(Some((Bytes::from(chunk), (file, left - read as u64))))
    })
}
