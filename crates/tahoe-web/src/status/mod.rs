//! `/status`: operations that go on or ended lately, with a page for each.

mod download;
mod events;
mod mutable;
mod upload;

use crate::error::WebError;
use crate::format::{abbreviate_size, unix_seconds};
use crate::html::{self, Html};
use crate::python_text::{self, bytes_repr, text_repr};
use crate::range::python_int;
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tahoe_client::{DownloadOperation, MutableOperation, UploadOperation};

/// An operation of any kind.
enum Operation {
    Upload(Arc<UploadOperation>),
    Download(Arc<DownloadOperation>),
    Mutable(Arc<MutableOperation>),
}

impl Operation {
    fn all(call: &Call) -> Vec<Self> {
        let history = call.client().history();
        let uploads = history.uploads().into_iter().map(Self::Upload);
        let downloads = history.downloads().into_iter().map(Self::Download);
        let mutables = [
            history.mapupdates(),
            history.publishes(),
            history.retrieves(),
        ];
        let mutables = mutables.into_iter().flatten().map(Self::Mutable);
        uploads.chain(downloads).chain(mutables).collect()
    }

    /// In seconds since 1970.
    fn started(&self) -> f64 {
        match self {
            Self::Upload(operation) => unix_seconds(operation.started),
            Self::Download(operation) => operation.started(),
            Self::Mutable(operation) => unix_seconds(operation.started),
        }
    }

    fn is_active(&self) -> bool {
        match self {
            Self::Upload(operation) => operation.is_active(),
            Self::Download(operation) => operation.is_active(),
            Self::Mutable(operation) => operation.status.is_active(),
        }
    }

    fn uses_helper(&self) -> bool {
        match self {
            Self::Upload(operation) => operation.status.uses_helper(),
            Self::Download(_) | Self::Mutable(_) => false,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Upload(operation) => upload::json(operation),
            Self::Download(operation) => download::json(operation),
            Self::Mutable(operation) => mutable::json(operation),
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Upload(operation) => format!("up-{}", operation.number),
            Self::Download(operation) => format!("down-{}", operation.number),
            Self::Mutable(operation) => {
                format!("{}-{}", mutable::name(operation), operation.number)
            }
        }
    }

    /// How far it is, for people.
    fn progress(&self, facts: &Value) -> String {
        let percent = |key: &str| 100.0 * facts[key].as_f64().unwrap_or(0.0);
        match self {
            Self::Upload(_) => format!(
                "hash: {:.1}%, ciphertext: {:.1}%, encode: {:.1}%",
                percent("progress-hash"),
                percent("progress-ciphertext"),
                percent("progress-encode-push"),
            ),
            Self::Download(_) => format!("{:.1}%", percent("progress")),
            Self::Mutable(operation) => mutable::progress(operation),
        }
    }
}

/// `/status` itself answers any method, as the reference does.
pub(crate) fn answer(call: &Call) -> Result<Response, WebError> {
    let mut operations = Operation::all(call);
    operations.sort_by(|a, b| b.started().total_cmp(&a.started()));
    let (active, recent): (Vec<_>, Vec<_>) = operations.iter().partition(|o| o.is_active());
    match call.page_format()?.as_deref() {
        None | Some("HTML") => Ok(html_page(page(&active, &recent))),
        Some("JSON") => {
            let list = |operations: &[&Operation]| -> Vec<Value> {
                operations
                    .iter()
                    .map(|operation| operation.json())
                    .collect()
            };
            let facts = json!({"active": list(&active), "recent": list(&recent)});
            let text = python_text::json(&facts);
            Ok(response::with_type(
                StatusCode::OK,
                "application/json",
                text,
            ))
        }
        Some(_) => Err(call.unknown_page_format()),
    }
}

/// `/status/up-N`, `down-N`, `mapupdate-N`, `publish-N`, `retrieve-N` and what is below.
pub(crate) fn answer_one(call: &Call, name: &[u8], rest: &[&[u8]]) -> Result<Response, WebError> {
    let operation = find(call, name)?;
    match (&operation, rest) {
        (Operation::Download(operation), [b"event_json"]) => {
            Ok(response::plain(python_text::json(&events::json(operation))))
        }
        // These take `t=` and any method, as `/status` does; the others don't.
        (Operation::Mutable(operation), []) => match call.page_format()?.as_deref() {
            None | Some("HTML") => Ok(html_page(mutable::page(operation))),
            Some(_) => Err(call.unknown_page_format()),
        },
        (_, []) if call.method != Method::GET && call.method != Method::HEAD => {
            Err(WebError::method(&call.method, "GET, HEAD"))
        }
        (Operation::Upload(operation), []) => Ok(html_page(upload::page(operation))),
        (Operation::Download(operation), []) => Ok(html_page(download::page(operation))),
        _ => Err(WebError::not_found()),
    }
}

fn html_page(page: String) -> Response {
    response::html(StatusCode::OK, "text/html", page)
}

/// The operation of a name such as `up-7`.
fn find(call: &Call, name: &[u8]) -> Result<Operation, WebError> {
    let bad = |text: String| WebError::page(StatusCode::BAD_REQUEST, "Error", text);
    let shown = String::from_utf8_lossy(name).into_owned();
    let parts: Vec<&[u8]> = name.split(|byte| *byte == b'-').collect();
    let [kind, number] = parts[..] else {
        return Err(bad(format!("no '-' in {}", text_repr(&shown))));
    };
    let integer = std::str::from_utf8(number).ok().and_then(python_int);
    let Some(number) = integer else {
        // The reference answers with a 500 and these words.
        let number = bytes_repr(number);
        return Err(bad(format!(
            "invalid literal for int() with base 10: {number}"
        )));
    };
    let history = call.client().history();
    let is = |known: u64| u64::try_from(number).is_ok_and(|number| number == known);
    let found = match kind {
        b"up" => {
            let mut uploads = history.uploads().into_iter();
            uploads.find(|o| is(o.number)).map(Operation::Upload)
        }
        b"down" => {
            let mut downloads = history.downloads().into_iter();
            downloads.find(|o| is(o.number)).map(Operation::Download)
        }
        b"mapupdate" | b"publish" | b"retrieve" => {
            let operations = match kind {
                b"mapupdate" => history.mapupdates(),
                b"publish" => history.publishes(),
                _ => history.retrieves(),
            };
            let found = operations.into_iter().find(|o| is(o.number));
            found.map(Operation::Mutable)
        }
        _ => None,
    };
    found.ok_or_else(WebError::not_found)
}

fn page(active: &[&Operation], recent: &[&Operation]) -> String {
    let mut body = Html::default();
    for (title, operations) in [
        ("Active Operations:", active),
        ("Recent Operations:", recent),
    ] {
        body.element("h2", title).raw("\n");
        table(&mut body, operations);
    }
    body.raw("<p>Also as <a href=\"?t=json\">JSON</a>.</p>");
    html::page("Recent and Active Operations", &body)
}

fn table(body: &mut Html, operations: &[&Operation]) {
    if operations.is_empty() {
        body.raw("<p>None.</p>\n");
        return;
    }
    let heads = [
        "Type",
        "Storage Index",
        "Helper?",
        "Total Size",
        "Progress",
        "Status",
        "Started",
    ];
    let rows = operations.iter().map(|operation| {
        let facts = operation.json();
        let text = |key: &str| facts[key].as_str().unwrap_or("(None)").to_owned();
        let size = match &facts["total-size"] {
            Value::String(text) => text.clone(),
            size => size
                .as_u64()
                .map_or_else(|| "(unknown)".to_owned(), abbreviate_size),
        };
        let link = format!("/status/{}", operation.path());
        let cells = [
            match facts["mode"].as_str() {
                Some(mode) => format!("{} {mode}", text("type")),
                None => text("type"),
            },
            text("storage-index-string"),
            yes_or_no(operation.uses_helper()).to_owned(),
            size,
            operation.progress(&facts),
            text("status"),
            moment(operation.started()),
        ];
        (Some(link), cells.to_vec())
    });
    cells(body, &heads, rows);
}

/// A table; a row's link is put on the cell before the last.
fn cells(
    body: &mut Html,
    heads: &[&str],
    rows: impl Iterator<Item = (Option<String>, Vec<String>)>,
) {
    body.raw("<div class=\"table\" role=\"region\" aria-label=\"Events\" tabindex=\"0\"><table>\n<thead><tr>");
    for head in heads {
        body.element("th scope=\"col\"", head);
    }
    body.raw("</tr></thead>\n<tbody>\n");
    for (link, cells) in rows {
        body.raw("<tr>");
        let linked = cells.len().saturating_sub(2);
        for (number, cell) in cells.iter().enumerate() {
            match &link {
                Some(link) if number == linked => {
                    body.raw("<td><a href=\"").text(link).raw("\">").text(cell);
                    body.raw("</a></td>");
                }
                _ => {
                    body.element("td", cell);
                }
            }
        }
        body.raw("</tr>\n");
    }
    body.raw("</tbody></table></div>\n");
}

/// A moment in seconds since 1970, for people.
fn moment(seconds: f64) -> String {
    let since_1970 = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    crate::format::moment(SystemTime::UNIX_EPOCH + since_1970)
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "Yes" } else { "No" }
}
