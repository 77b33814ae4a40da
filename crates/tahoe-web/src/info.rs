//! `t=info`: what a capability is and which weaker ones follow from it.

use crate::directory::url_path;
use crate::html::{self, Html};
use crate::redirect::quote;
use crate::request::Call;
use crate::{check_page, response};
use axum::response::Response;
use http::StatusCode;
use tahoe_caps::{ReadCap, Target, WriteCap};
use tahoe_client::{AnyDirectory, Checkable, Directory, Node, StorageIndex};

/// What the page shows.
pub(crate) struct Facts {
    pub(crate) kind: &'static str,
    /// Why nothing can be read with it.
    pub(crate) problem: Option<String>,
    pub(crate) storage_index: Option<StorageIndex>,
    /// In bytes.
    pub(crate) size: Option<u64>,
    pub(crate) write_cap: Option<String>,
    pub(crate) read_cap: Option<String>,
    pub(crate) verify_cap: Option<String>,
    /// Whether there is content to link to.
    pub(crate) is_readable: bool,
    /// What can be checked, if it isn't all in the capability.
    pub(crate) checkable: Option<Checkable>,
}

pub(crate) async fn page(call: &Call, facts: &Facts) -> Response {
    let mut title = format!("More Info for {}", facts.kind);
    let index = facts.storage_index.map(|index| index.to_string());
    if let Some(short) = index.as_deref().and_then(|index| index.get(..6)) {
        title += &format!(" (SI={short})");
    }
    let size = facts
        .size
        .map_or_else(|| "?".to_owned(), |size| size.to_string());
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Object Type", facts.kind);
    if let Some(problem) = &facts.problem {
        body.fact("Problem", problem);
    }
    cap_fact(
        &mut body,
        "Storage Index",
        index.as_deref().unwrap_or("None"),
    );
    body.fact("Object Size", &size);
    if let Some(cap) = &facts.write_cap {
        cap_fact(&mut body, "File writecap", cap);
    }
    if let Some(cap) = &facts.read_cap {
        cap_fact(&mut body, "File readcap", cap);
    }
    if let Some(cap) = &facts.verify_cap {
        cap_fact(&mut body, "File verifycap", cap);
    }
    body.raw("</dl></section>\n");
    let cap = facts.write_cap.as_ref().or(facts.read_cap.as_ref());
    if let (Some(object), Some(cap)) = (&facts.checkable, cap) {
        let target = format!("/uri/{}", quote(cap.as_bytes()));
        check_page::health(&mut body, call, object, &target).await;
    }
    body.raw("<ul><li><a href=\"?t=json\">JSON</a></li>\n");
    if let Some(cap) = facts.read_cap.as_ref().filter(|_| facts.is_readable) {
        let cap = quote(cap.as_bytes());
        body.raw("<li><a href=\"/uri/")
            .text(&cap)
            .raw("\">The file</a></li>\n");
        body.raw("<li>Raw data as <a href=\"/file/").text(&cap);
        body.raw("/@@named=/raw.txt\">text/plain</a></li>\n");
    }
    body.raw("</ul>");
    response::html(StatusCode::OK, "text/html", html::page(&title, &body))
}

/// The page of a directory, with the forms of slow operations.
pub(crate) async fn directory(call: &Call, directory: &Directory) -> Response {
    let node = directory.to_node();
    let kind = match directory.is_mutable() {
        true => "directory",
        false => "immutable directory",
    };
    let index = node.storage_index().map(|index| index.to_string());
    let mut title = format!("More Info for {kind}");
    if let Some(short) = index.as_deref().and_then(|index| index.get(..6)) {
        title += &format!(" (SI={short})");
    }
    let size = match call.client().directories().list(directory).await {
        Ok(listing) => listing.size().to_string(),
        Err(_) => "?".to_owned(),
    };
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Object Type", kind);
    cap_fact(
        &mut body,
        "Storage Index",
        index.as_deref().unwrap_or("None"),
    );
    body.fact("Object Size", &size);
    let file = file_of(&node);
    let file = file.as_ref();
    for (name, text) in [
        ("Directory writecap", node.write_cap_text()),
        ("Directory readcap", node.read_cap_text()),
        (
            "Directory verifycap",
            node.to_verify().map(|cap| cap.to_text()),
        ),
        ("File writecap", file.and_then(Node::write_cap_text)),
        ("File readcap", file.and_then(Node::read_cap_text)),
        (
            "File verifycap",
            file.and_then(Node::to_verify).map(|cap| cap.to_text()),
        ),
    ] {
        if let Some(text) = text {
            cap_fact(&mut body, name, &text);
        }
    }
    let cap = quote(node.cap_text().unwrap_or_default().as_bytes());
    body.raw("</dl></section>\n");
    if let Some(object) = node.cap().as_ref().and_then(Checkable::of) {
        check_page::health(&mut body, call, &object, &format!("/uri/{cap}/")).await;
    }
    body.raw("<ul><li><a href=\"/uri/").text(&cap);
    body.raw("/\">The directory</a></li>\n<li><a href=\"/uri/")
        .text(&cap);
    body.raw("/?t=json\">JSON</a></li></ul>\n<div class=\"cards\">\n");
    for (t, word) in [
        ("start-deep-check", "Deep-Check"),
        ("start-manifest", "Manifest"),
        ("start-deep-size", "Deep-Size"),
        ("start-deep-stats", "Deep-Stats"),
    ] {
        slow_operation(&mut body, &cap, t, word);
    }
    body.raw("</div>");
    response::html(StatusCode::OK, "text/html", html::page(&title, &body))
}

/// The page of a directory of a shared drive, of which there is little to say.
pub(crate) fn drive_directory(directory: &AnyDirectory) -> Response {
    let kind = "directory of a shared drive";
    let here = url_path(directory);
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Object Type", kind);
    body.fact("Path", &here);
    body.raw("</dl></section>\n<ul><li><a href=\"").text(&here);
    body.raw("\">The directory</a></li>\n<li><a href=\"")
        .text(&here);
    body.raw("?t=json\">JSON</a></li></ul>");
    let title = format!("More Info for {kind}");
    response::html(StatusCode::OK, "text/html", html::page(&title, &body))
}

/// The file that holds a directory.
fn file_of(directory: &Node) -> Option<Node> {
    let target = Target::File;
    match directory {
        Node::Write(cap) => Some(Node::Write(WriteCap {
            target,
            file: cap.file.clone(),
        })),
        Node::Read(cap) => Some(Node::Read(ReadCap {
            target,
            file: cap.file.clone(),
        })),
        Node::Unknown(_) => None,
    }
}

fn slow_operation(body: &mut Html, cap: &str, t: &str, word: &str) {
    let handle = data_encoding::BASE32_NOPAD.encode(&rand::random::<[u8; 16]>());
    body.raw("<section><h2>")
        .text(word)
        .raw("</h2>\n<form action=\"/uri/")
        .text(cap);
    body.raw("/\" method=\"post\" enctype=\"multipart/form-data\">\n");
    body.raw("<input type=\"hidden\" name=\"t\" value=\"")
        .text(t);
    body.raw("\"><input type=\"hidden\" name=\"ophandle\" value=\"")
        .text(&handle.to_lowercase());
    body.raw("\">\n<p class=\"hint\">Reads everything below the directory.</p>\n");
    body.raw("<button type=\"submit\">Start</button></form></section>\n");
}

fn cap_fact(body: &mut Html, name: &str, value: &str) {
    body.raw("<div>").element("dt", name);
    body.classed("dd", "cap", value).raw("</div>\n");
}
