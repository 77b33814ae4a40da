//! The few shapes of complete answers.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use tahoe_client::Room;

/// What our own pages may do: use what comes from this node, show files of the grid, send their forms
/// to us. Nothing inline, nothing from elsewhere, no framing by others. Which scripts there are is
/// decided by [`crate::browser`].
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; \
     media-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);

/// An answer with this content type and body.
pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let body = body.into();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, body.len().into());
    *response.body_mut() = Body::from(body);
    response
}

/// A text that is sent, and the room that it has in memory until it was.
struct Held {
    text: String,
    _room: Option<Room>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// The body of an answer that keeps its room in memory, and no more than that, until it was sent.
pub(crate) fn held(text: String, mut room: Option<Room>) -> Bytes {
    if let Some(room) = &mut room {
        room.shrink_to(text.capacity() as u64);
    }
    Bytes::from_owner(Held { text, _room: room })
}

/// One of our own pages.
pub(crate) fn html(
    status: StatusCode,
    content_type: &'static str,
    page: impl Into<Bytes>,
) -> Response {
    let mut response = with_type(status, content_type, page);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    response
}

/// An error as plain text.
pub(crate) fn error_text(status: StatusCode, text: String) -> Response {
    with_type(status, "text/plain;charset=utf-8", text)
}

/// Plain text, for a cap or JSON.
pub(crate) fn plain(text: impl Into<Bytes>) -> Response {
    with_type(StatusCode::OK, "text/plain", text)
}

/// A redirection to a path of ours or to a URL; `location` must be percent-encoded.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Response {
    let mut body = crate::html::Html::default();
    body.raw("<p><a href=\"")
        .text(location)
        .raw("\">click here</a></p>");
    let page = crate::html::page("Found", &body);
    let mut response = html(status, "text/html; charset=utf-8", page);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
