//! `/file/CAP/…/NAME`, also called `/named`: a file whose URL ends with a name, for tools that save
//! under it and for links within a page.

use crate::cap::Resource;
use crate::error::WebError;
use crate::file;
use crate::mutable_file;
use crate::python_text::bytes_repr;
use crate::request::Call;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;

/// `/file` without a capability.
pub(crate) fn bare(call: &Call) -> Result<Response, WebError> {
    if !call.is_read() {
        return Err(WebError::method(&call.method, "HEAD, GET"));
    }
    let text = "/file must be followed by a file-cap and a name";
    Err(WebError::text(StatusCode::NOT_FOUND, text))
}

pub(crate) async fn answer(call: &Call) -> Result<Response, WebError> {
    let bad = |text: String| WebError::page(StatusCode::BAD_REQUEST, "Error", text);
    if !call.is_read() {
        return Err(bad("/file can only be used with GET or HEAD".to_owned()));
    }
    match Resource::of(&call.path[1]) {
        Resource::File(file) => {
            // Whatever stands between the capability and the name is ignored.
            let name = call.path.get(2..).and_then(<[_]>::last).cloned();
            file::answer(call, Body::empty(), file, name).await
        }
        Resource::Mutable(file) => {
            let name = call.path.get(2..).and_then(<[_]>::last).cloned();
            mutable_file::answer(call, Body::empty(), file, name).await
        }
        Resource::Unknown(_) | Resource::Directory(_) => {
            let shown = bytes_repr(&call.path[1]);
            Err(bad(format!("{shown} is not a file-cap")))
        }
    }
}
