//! What a slow operation has found, as a page, text or JSON.

use super::{Found, Kind};
use crate::args::Args;
use crate::error::WebError;
use crate::html::{self, Html};
use crate::python_text::{self, text_repr};
use crate::redirect::quote;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tahoe_caps::Target;
use tahoe_client::{ChildName, Node};

/// How results are shown.
enum Output {
    Html,
    Text,
    Json,
}

pub(super) fn answer(
    args: &Args,
    handle: &[u8],
    kind: Kind,
    found: &Found,
) -> Result<Response, WebError> {
    Ok(match (kind, output(args, kind)?) {
        (Kind::Manifest, Output::Html) => manifest_page(handle, found),
        (Kind::Manifest, Output::Text) => plain(manifest_text(found)),
        (Kind::Manifest, Output::Json) => plain(pretty(&manifest_json(found))),
        (Kind::DeepSize, Output::Html | Output::Text) => {
            response::with_type(StatusCode::OK, "text/html", deep_size_text(found))
        }
        (Kind::DeepSize, Output::Json) => {
            let size = Value::Object(found.stats.to_json());
            let value = json!({"finished": found.finished.is_some(), "size": size});
            plain(python_text::json_line(&value))
        }
        (Kind::DeepStats, _) => {
            let mut stats = found.stats.to_json();
            stats.insert("finished".to_owned(), found.finished.is_some().into());
            plain(pretty(&Value::Object(stats)))
        }
    })
}

fn output(args: &Args, kind: Kind) -> Result<Output, WebError> {
    let Some(wanted) = args.first("output") else {
        return Ok(Output::Html);
    };
    match wanted.to_ascii_lowercase().as_slice() {
        b"html" => Ok(Output::Html),
        b"text" => Ok(Output::Text),
        b"json" => Ok(Output::Json),
        // Statistics have only one form, whatever is asked for.
        _ if kind == Kind::DeepStats => Ok(Output::Json),
        _ => {
            let shown = text_repr(&String::from_utf8_lossy(wanted));
            let text = format!("Unknown output value: {shown}");
            Err(WebError::page(StatusCode::BAD_REQUEST, "Bad Format", text))
        }
    }
}

fn plain(text: String) -> Response {
    response::plain(text)
}

/// As the reference prints it: without a newline at the end.
fn pretty(value: &Value) -> String {
    let text = python_text::json(value);
    text.trim_end_matches('\n').to_owned()
}

fn finished(found: &Found) -> &'static str {
    match found.finished {
        Some(_) => "finished: yes\n",
        None => "finished: no\n",
    }
}

fn deep_size_text(found: &Found) -> String {
    let size = format!("size: {}\n", found.stats.total_size());
    let size = found.finished.as_ref().map(|_| size);
    format!("{}{}", finished(found), size.unwrap_or_default())
}

fn slashed(path: &[ChildName]) -> String {
    let path: Vec<_> = path.iter().map(ChildName::as_str).collect();
    path.join("/")
}

fn manifest_text(found: &Found) -> String {
    let mut text = finished(found).to_owned();
    for (path, node) in &found.manifest {
        let cap = node.cap_text().unwrap_or_default();
        text += &format!("{} {cap}\n", slashed(path));
    }
    text
}

fn manifest_json(found: &Found) -> Value {
    let origin = found.origin.map(|index| index.to_string());
    let mut object = Map::new();
    object.insert("stats".to_owned(), Value::Object(found.stats.to_json()));
    object.insert("finished".to_owned(), found.finished.is_some().into());
    object.insert("origin".to_owned(), origin.unwrap_or_default().into());
    if found.finished.is_some() {
        let nodes = || found.manifest.iter().map(|(_, node)| node);
        let verify = nodes().filter_map(|node| Some(node.to_verify()?.to_text()));
        let indexes = nodes().filter_map(|node| Some(node.storage_index()?.to_string()));
        let manifest = found.manifest.iter().map(|(path, node)| {
            let path: Vec<_> = path.iter().map(ChildName::as_str).collect();
            json!([path, node.cap_text()])
        });
        object.insert("manifest".to_owned(), manifest.collect());
        let once = |texts: BTreeSet<String>| Value::from_iter(texts);
        object.insert("verifycaps".to_owned(), once(verify.collect()));
        object.insert("storage-index".to_owned(), once(indexes.collect()));
    }
    Value::Object(object)
}

fn manifest_page(handle: &[u8], found: &Found) -> Response {
    let origin = found.origin.map(|index| index.to_string());
    let short = origin.as_deref().and_then(|index| index.get(..6));
    let title = format!("Manifest of SI={}", short.unwrap_or("<LIT>"));
    let mut body = Html::default();
    let is_running = found.finished.is_none();
    if is_running {
        running(&mut body, handle);
    }
    body.raw(
        "<section><div class=\"table\" role=\"region\" aria-label=\"Manifest\" tabindex=\"0\">\
         <table>\n<thead><tr><th scope=\"col\">Path</th><th scope=\"col\">cap</th></tr></thead>\n\
         <tbody>\n",
    );
    for (path, node) in &found.manifest {
        row(&mut body, path, node);
    }
    if found.manifest.is_empty() {
        body.raw("<tr><td colspan=\"2\">no items in the manifest!</td></tr>\n");
    }
    body.raw("</tbody></table></div></section>");
    let page = html::page(&title, &body);
    let mut response = response::html(StatusCode::OK, "text/html", page);
    if is_running {
        // Shows the page again every minute until the operation has finished.
        let refresh = http::HeaderValue::from_static("60");
        response
            .headers_mut()
            .insert(http::header::REFRESH, refresh);
    }
    response
}

pub(super) fn running(body: &mut Html, handle: &[u8]) {
    let handle = quote(handle);
    body.raw("<section><h2>Operation still running: <a href=\"/operations/")
        .text(&handle);
    body.raw("?output=html\">Reload</a></h2>\n<form action=\"/operations/")
        .text(&handle);
    body.raw(
        "?t=cancel\" method=\"post\" enctype=\"multipart/form-data\">\
         <button type=\"submit\">Cancel</button></form></section>\n",
    );
}

fn row(body: &mut Html, path: &[ChildName], node: &Node) {
    let cap = node.cap_text().unwrap_or_default();
    body.raw("<tr>")
        .element("td", &slashed(path))
        .raw("<td class=\"cap\">");
    let quoted = quote(cap.as_bytes());
    let link = match (node.target(), path.last()) {
        (Some(Target::File), Some(name)) => {
            format!(
                "/file/{quoted}/@@named=/{}",
                quote(name.as_str().as_bytes())
            )
        }
        _ => format!("/uri/{quoted}"),
    };
    body.raw("<a href=\"")
        .text(&link)
        .raw("\" rel=\"noreferrer\">")
        .text(&cap);
    body.raw("</a></td></tr>\n");
}
