//! `/vdrive/…` and `/vdrives/NAME/…`: shared drives, whose directories answer as those of the grid
//! do; `/vdrives`: which there are.

use crate::error::WebError;
use crate::html::Html;
use crate::request::Call;
use crate::{directory, python_text, response};
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tahoe_client::{AnyDirectory, Client, DriveStatus, Drives};

/// Answers for the drive that needn't be named.
pub(crate) async fn answer(call: &Call, body: Body) -> Result<Response, WebError> {
    answer_named(call, body, Drives::DEFAULT.as_bytes()).await
}

/// Answers for a drive.
pub(crate) async fn answer_named(
    call: &Call,
    body: Body,
    name: &[u8],
) -> Result<Response, WebError> {
    let root = std::str::from_utf8(name).ok();
    let root = root.and_then(|name| call.client().drives().root(name));
    let root = root.ok_or_else(|| {
        let text = "This node doesn't know the shared drive. Its FURL belongs into the file \
                    vdrive.furl of the node's directory.";
        WebError::page(StatusCode::NOT_FOUND, "No Such Drive", text)
    })?;
    directory::answer(call, body, AnyDirectory::Drive(root)).await
}

/// The drives by name: where each is, and whether its server can be reached.
pub(crate) fn list(call: &Call) -> Result<Response, WebError> {
    if !call.is_read() {
        return Err(WebError::method(&call.method, "HEAD, GET"));
    }
    let one = |(name, status): (&str, DriveStatus)| {
        let facts = json!({
            "url": directory::drive_root(name),
            "connected": status.is_connected,
        });
        (name.to_owned(), facts)
    };
    let drives: Map<String, Value> = call.client().drives().iter().map(one).collect();
    Ok(response::plain(python_text::json(&Value::Object(drives))))
}

/// Leads from the status page to the drives.
pub(crate) fn links(body: &mut Html, client: &Client) {
    for (name, status) in client.drives().iter() {
        body.raw("<p class=\"actions\"><a href=\"");
        body.text(&directory::drive_root(name)).raw("\">");
        body.text(&directory::drive_title(name));
        body.raw("</a>");
        if !status.is_connected {
            body.raw(" (its vdrive server isn't connected)");
        }
        body.raw("</p>\n");
    }
}
