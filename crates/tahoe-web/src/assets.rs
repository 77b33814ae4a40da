//! Our own style sheet, icon and scripts; they are in the program.

use crate::error::WebError;
use crate::response;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode};

/// An asset: its name, content type and text.
type Asset = (&'static str, &'static str, &'static str);

const SCRIPT: &str = "text/javascript";

const STYLE_SHEET: Asset = ("tahoe.css", "text/css", include_str!("../assets/tahoe.css"));
const ICON: Asset = (
    "icon.svg",
    "image/svg+xml",
    include_str!("../assets/icon.svg"),
);

/// Scripts, below `/assets/`. Each does one thing; `directory.js` puts those of a directory's page
/// together.
const SCRIPTS: &[Asset] = &[
    ("amounts.js", SCRIPT, include_str!("../assets/amounts.js")),
    ("changes.js", SCRIPT, include_str!("../assets/changes.js")),
    ("copy.js", SCRIPT, include_str!("../assets/copy.js")),
    ("dialogs.js", SCRIPT, include_str!("../assets/dialogs.js")),
    (
        "directory.js",
        SCRIPT,
        include_str!("../assets/directory.js"),
    ),
    ("files.js", SCRIPT, include_str!("../assets/files.js")),
    ("live.js", SCRIPT, include_str!("../assets/live.js")),
    ("listing.js", SCRIPT, include_str!("../assets/listing.js")),
    ("move.js", SCRIPT, include_str!("../assets/move.js")),
    ("notices.js", SCRIPT, include_str!("../assets/notices.js")),
    ("progress.js", SCRIPT, include_str!("../assets/progress.js")),
    (
        "selection.js",
        SCRIPT,
        include_str!("../assets/selection.js"),
    ),
    (
        "upload_form.js",
        SCRIPT,
        include_str!("../assets/upload_form.js"),
    ),
    ("uploads.js", SCRIPT, include_str!("../assets/uploads.js")),
];

/// Our style sheet.
pub(crate) fn style_sheet(method: &Method) -> Result<Response, WebError> {
    answer(method, &STYLE_SHEET)
}

/// Our icon.
pub(crate) fn icon(method: &Method) -> Result<Response, WebError> {
    answer(method, &ICON)
}

/// One of our scripts.
pub(crate) fn script(method: &Method, name: &[u8]) -> Result<Response, WebError> {
    let script = SCRIPTS.iter().find(|(known, ..)| known.as_bytes() == name);
    answer(method, script.ok_or_else(WebError::not_found)?)
}

/// Browsers ask each time, so that pages and scripts of two versions never meet.
fn answer(method: &Method, (_, content_type, text): &Asset) -> Result<Response, WebError> {
    if method != Method::GET && method != Method::HEAD {
        return Err(WebError::method(method, "HEAD, GET"));
    }
    let mut response = response::with_type(StatusCode::OK, content_type, *text);
    let cached = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(CACHE_CONTROL, cached);
    Ok(response)
}
