//! What GET tells of a directory.

use crate::directory::{changes, json, listing, location, on_grid, rename_form, trash};
use crate::error::WebError;
use crate::file::{has_tag, not_modified};
use crate::request::Call;
use crate::{failures, info, python_text, response, share};
use axum::response::Response;
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use std::time::SystemTime;
use tahoe_client::{AnyDirectory, AnyNode, Directory};

pub(super) async fn answer(call: &Call, directory: &AnyDirectory) -> Result<Response, WebError> {
    let t = call.args.t()?;
    let tag = match t {
        "" | "json" | "uri" | "readonly-uri" => entity_tag(directory, t),
        _ => None,
    };
    if let Some(tag) = tag.as_ref().filter(|tag| has_tag(&call.headers, tag)) {
        return Ok(not_modified(tag.clone()));
    }
    let node = directory.to_node();
    let read_cap = match &node {
        AnyNode::Grid(node) => node.read_cap_text().unwrap_or_default(),
        AnyNode::Drive(_) => location::answer_text(&node),
    };
    let mut response = match t {
        "" => listing::page(call, directory).await,
        "json" => children(call, directory).await,
        "uri" => response::plain(location::answer_text(&node)),
        "readonly-uri" => response::plain(read_cap),
        "info" => match directory {
            AnyDirectory::Grid(directory) => info::directory(call, directory).await,
            AnyDirectory::Drive(_) => info::drive_directory(directory),
        },
        "rename-form" => rename_form::page(call, directory).await,
        "changes" => changes::answer(call, directory).await?,
        "trash" => trash::answer(call, directory).await?,
        "share" => share_page(on_grid(directory, t)?),
        _ => {
            let text = format!("GET directory: bad t={t}");
            return Err(WebError::text(StatusCode::BAD_REQUEST, text));
        }
    };
    if response.status().is_success() {
        response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
    }
    Ok(response)
}

/// What to give to somebody who shall have the directory, too.
fn share_page(directory: &Directory) -> Response {
    let node = directory.to_node();
    share::page(&share::Shared {
        what: "directory",
        write_cap: node.write_cap_text(),
        read_cap: node.read_cap_text(),
        is_mutable: directory.is_mutable(),
    })
}

/// An immutable directory's tag, without quotation marks, as the reference has it.
fn entity_tag(directory: &AnyDirectory, t: &str) -> Option<HeaderValue> {
    if directory.is_mutable() {
        return None;
    }
    let storage_index = directory.storage_index()?;
    HeaderValue::from_str(&format!("DIR:{storage_index}-{t}")).ok()
}

/// The children as JSON; a failure is JSON, too.
async fn children(call: &Call, directory: &AnyDirectory) -> Response {
    let directories = call.client().any_directories();
    let listed = directories.list_with_room(directory, json::memory_of_piece);
    match listed.await {
        Ok((listing, room)) => {
            let old_since = listing.old_since();
            marked_if_old(json::answer(directory, listing, room), old_since)
        }
        Err(error) => {
            let error = failures::any_directory(&error);
            let body = serde_json::json!({"error": error.to_string()});
            let body = python_text::json_line(&body);
            response::with_type(error.status(), "text/html", body)
        }
    }
}

/// Says that a listing is from when the drive's server was last there, in seconds since 1970.
pub(super) fn marked_if_old(mut response: Response, old_since: Option<SystemTime>) -> Response {
    let since = old_since.and_then(|since| since.duration_since(SystemTime::UNIX_EPOCH).ok());
    if let Some(since) = since {
        let headers = response.headers_mut();
        headers.insert("x-tahoe-old-since", since.as_secs().into());
    }
    response
}
