//! `t=stream-manifest`: a line of JSON for each object as it is found, then the statistics.
//!
//! If it fails, the last lines begin with `ERROR:`.

use crate::failures;
use crate::python_text;
use crate::request::Call;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{Stream, stream};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::convert::Infallible;
use tahoe_caps::Target;
use tahoe_client::{ChildName, DeepStats, Directory, DirectoryError, Node, Visit, Walk};

/// Streams what can be reached from a directory. The walk goes as fast as the client reads, and ends
/// with the connection.
pub(crate) fn stream_manifest(call: &Call, root: &Directory) -> Response {
    let walk = call.client().directories().walk(root);
    let mut response = Response::new(Body::from_stream(lines(walk)));
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

fn lines(walk: Walk) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let begun = Some((walk, DeepStats::default()));
    stream::unfold(begun, |state| async {
        let (mut walk, mut stats) = state?;
        loop {
            match walk.next().await {
                Ok(Some(Visit::Entered { size, children })) => {
                    stats.enter_directory(size, children);
                }
                Ok(Some(Visit::Node { path, node })) => {
                    stats.add_node(&node);
                    let line = line(&object(&path, &node));
                    return Some((Ok(line), Some((walk, stats))));
                }
                Ok(None) => {
                    let stats = Value::Object(stats.to_json());
                    let last = line(&json!({"type": "stats", "stats": stats}));
                    return Some((Ok(last), None));
                }
                Err(error) => return Some((Ok(failure(&error)), None)),
            }
        }
    })
}

pub(super) fn line(value: &Value) -> Bytes {
    let mut line = python_text::json_line(value);
    line.push('\n');
    line.into()
}

pub(super) fn object(path: &[ChildName], node: &Node) -> Value {
    let path: Vec<_> = path.iter().map(ChildName::as_str).collect();
    let kind = match node.target() {
        Some(Target::Directory) => "directory",
        Some(Target::File) => "file",
        None => "unknown",
    };
    let verify = node.to_verify().map(|cap| cap.to_text());
    let repair = node.to_repair().map(|cap| cap.to_text());
    let index = node.storage_index().map(|index| index.to_string());
    json!({
        "path": path,
        "cap": node.cap_text(),
        "type": kind,
        "verifycap": verify.unwrap_or_default(),
        "repaircap": repair.unwrap_or_default(),
        "storage-index": index.unwrap_or_default(),
    })
}

pub(super) fn failure(error: &DirectoryError) -> Bytes {
    let class = failures::exception_name(error);
    let text = failures::chain(error);
    format!("ERROR: {class}({text})\n{class}: {text}\n").into()
}
