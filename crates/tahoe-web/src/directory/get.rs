//! What GET tells of a directory.

use crate::directory::{json, listing, rename_form};
use crate::error::WebError;
use crate::file::{has_tag, not_modified};
use crate::request::Call;
use crate::{failures, info, python_text, response, share};
use axum::response::Response;
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use tahoe_client::Directory;

pub(super) async fn answer(call: &Call, directory: &Directory) -> Result<Response, WebError> {
    let t = call.args.t()?;
    let tag = match t {
        "" | "json" | "uri" | "readonly-uri" => entity_tag(directory, t),
        _ => None,
    };
    if let Some(tag) = tag.as_ref().filter(|tag| has_tag(&call.headers, tag)) {
        return Ok(not_modified(tag.clone()));
    }
    let node = directory.to_node();
    let text = |text: Option<String>| response::plain(text.unwrap_or_default());
    let mut response = match t {
        "" => listing::page(call, directory).await,
        "json" => children(call, directory).await,
        "uri" => text(node.cap_text()),
        "readonly-uri" => text(node.read_cap_text()),
        "info" => info::directory(call, directory).await,
        "rename-form" => rename_form::page(call, directory).await,
        "share" => share::page(&share::Shared {
            what: "directory",
            write_cap: node.write_cap_text(),
            read_cap: node.read_cap_text(),
            is_mutable: directory.is_mutable(),
        }),
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

/// An immutable directory's tag, without quotation marks, as the reference has it.
fn entity_tag(directory: &Directory, t: &str) -> Option<HeaderValue> {
    if directory.is_mutable() {
        return None;
    }
    let storage_index = directory.storage_index()?;
    HeaderValue::from_str(&format!("DIR:{storage_index}-{t}")).ok()
}

/// The children as JSON; a failure is JSON, too.
async fn children(call: &Call, directory: &Directory) -> Response {
    match call.client().directories().list(directory).await {
        Ok(listing) => response::plain(python_text::json(&json::directory(directory, &listing))),
        Err(error) => {
            let error = failures::directory(&error);
            let body = serde_json::json!({"error": error.to_string()});
            let body = python_text::json_line(&body);
            response::with_type(error.status(), "text/html", body)
        }
    }
}
