//! The page of a directory: its children, and forms to change it. It needs no scripts.

use crate::format::moment;
use crate::html::{self, Html};
use crate::redirect::quote;
use crate::request::Call;
use crate::{failures, response};
use axum::response::Response;
use http::StatusCode;
use std::time::{Duration, SystemTime};
use tahoe_caps::{ReadFileCap, Target};
use tahoe_client::{Child, ChildName, Directory, Listing, Metadata, Node};

pub(super) async fn page(call: &Call, directory: &Directory) -> Response {
    let index = abbreviated(directory);
    let kind = match (directory.is_mutable(), directory.is_writable()) {
        (false, _) => " (immutable)",
        (true, false) => " (read-only)",
        (true, true) => " (modifiable)",
    };
    let title = format!("Tahoe-LAFS - Directory SI={index}{kind}");
    let heading = format!("Directory SI={index}{}", kind.replace(" (modifiable)", ""));
    let mut body = Html::default();
    links(&mut body, directory);
    match call.client().directories().list(directory).await {
        Ok(listing) => {
            table(&mut body, directory, &listing);
            forms(&mut body, directory);
        }
        Err(error) => {
            let text = failures::directory(&error).to_string();
            body.raw("<section><p class=\"error\"><strong>Error reading directory:</strong></p>");
            body.element("p", &text).raw("</section>\n");
            body.raw("<p>No upload forms: directory is unreadable</p>");
        }
    }
    let page = html::page_with_heading(&title, &heading, &body);
    response::html(StatusCode::OK, "text/html", page)
}

/// The storage index, short; a literal directory has none.
pub(super) fn abbreviated(directory: &Directory) -> String {
    let index = directory.storage_index();
    index.map_or_else(|| "<LIT>".to_owned(), |index| index.abbreviated())
}

fn path_of(directory: &Directory) -> String {
    let cap = directory.to_node().cap_text().unwrap_or_default();
    format!("/uri/{}/", quote(cap.as_bytes()))
}

fn links(body: &mut Html, directory: &Directory) {
    let here = path_of(directory);
    body.raw("<p class=\"actions\"><a href=\"").text(&here);
    body.raw("\">Refresh</a> <a href=\"").text(&here);
    body.raw("?t=info\">More info on this directory</a>");
    if directory.is_writable()
        && let Some(cap) = directory.to_node().read_cap_text()
    {
        let cap = quote(cap.as_bytes());
        body.raw(" <a href=\"/uri/")
            .text(&cap)
            .raw("/\">Read-only version</a>");
    }
    body.raw("</p>\n");
}

fn table(body: &mut Html, directory: &Directory, listing: &Listing) {
    body.raw(
        "<section aria-labelledby=\"children\"><h2 id=\"children\">Children</h2>\n\
         <div class=\"table\" role=\"region\" aria-labelledby=\"children\" tabindex=\"0\"><table>\n\
         <thead><tr><th scope=\"col\">Type</th><th scope=\"col\">Name</th>\
         <th scope=\"col\">Size</th><th scope=\"col\">Linked, changed</th>\
         <th scope=\"col\">Actions</th></tr></thead>\n<tbody>\n",
    );
    let mut is_empty = true;
    for (name, child) in listing.children() {
        is_empty = false;
        row(body, directory, name, &child);
    }
    if is_empty {
        body.raw("<tr><td colspan=\"5\">This directory is empty.</td></tr>\n");
    }
    body.raw("</tbody></table></div></section>\n");
}

fn row(body: &mut Html, directory: &Directory, name: &ChildName, child: &Child) {
    let (kind, size) = kind_and_size(directory, &child.node);
    body.raw("<tr>")
        .classed("td", "nowrap", kind)
        .raw("<th scope=\"row\">");
    match link(name, &child.node) {
        Some(link) => {
            body.raw("<a href=\"")
                .text(&link)
                .raw("\" rel=\"noreferrer\">");
            body.text(name.as_str()).raw("</a>");
        }
        None => drop(body.text(name.as_str())),
    }
    body.raw("</th>").classed("td", "nowrap", &size);
    times(body, &child.metadata);
    body.raw("<td class=\"actions\">");
    if directory.is_writable() {
        buttons(body, directory, name);
    }
    // Of an unknown child only the directory has both capabilities.
    let information = match child.node.cap_text() {
        Some(cap) if child.node.target().is_some() => format!("/uri/{}", quote(cap.as_bytes())),
        _ => format!("{}{}", path_of(directory), quote(name.as_str().as_bytes())),
    };
    body.raw("<a href=\"")
        .text(&information)
        .raw("?t=info\">More info</a></td></tr>\n");
}

/// Words for what a child is, as the reference has them, and its size in bytes.
fn kind_and_size(directory: &Directory, node: &Node) -> (&'static str, String) {
    match (node, node.target()) {
        (Node::Unknown(slots), _) if slots.write.is_some() => ("?", "-".to_owned()),
        (Node::Unknown(slots), _) => {
            let read = slots.read.as_deref();
            let immutable = read.is_none_or(|read| read.starts_with("imm."));
            let kind = if immutable || !directory.is_mutable() {
                "?-IMM"
            } else {
                "?-RO"
            };
            (kind, "-".to_owned())
        }
        (_, Some(Target::Directory)) => {
            let kind = match (node, node.is_mutable()) {
                (_, Some(false)) => "DIR-IMM",
                (Node::Write(_), _) => "DIR",
                _ => "DIR-RO",
            };
            (kind, "-".to_owned())
        }
        _ => match node.to_read().map(|cap| cap.file) {
            Some(ReadFileCap::Chk(cap)) => ("FILE", cap.size.to_string()),
            Some(ReadFileCap::Literal(cap)) => ("FILE", cap.content().len().to_string()),
            Some(ReadFileCap::Mutable(_)) | None => ("SSK", "?".to_owned()),
        },
    }
}

/// Where a child's name leads. A file is shown under a URL that doesn't know of the directory, so
/// that no script in it can take the directory's capability from there.
fn link(name: &ChildName, node: &Node) -> Option<String> {
    let cap = quote(node.cap()?.to_text().as_bytes());
    Some(match node.target()? {
        Target::Directory => format!("/uri/{cap}/"),
        Target::File => format!("/file/{cap}/@@named=/{}", quote(name.as_str().as_bytes())),
    })
}

fn times(body: &mut Html, metadata: &Metadata) {
    body.raw("<td class=\"nowrap\">");
    let shown = [metadata.link_created(), metadata.link_modified()];
    for (number, time) in shown.into_iter().flatten().enumerate() {
        let since = Duration::try_from_secs_f64(time).unwrap_or_default();
        let time = SystemTime::UNIX_EPOCH.checked_add(since);
        if number > 0 {
            body.raw("<br>");
        }
        body.text(&time.map_or_else(|| "-".to_owned(), moment));
    }
    body.raw("</td>");
}

fn buttons(body: &mut Html, directory: &Directory, name: &ChildName) {
    let here = path_of(directory);
    for (method, t, word) in [
        ("get", "rename-form", "Rename"),
        ("post", "unlink", "Unlink"),
    ] {
        body.raw("<form class=\"inline\" action=\"").text(&here);
        body.raw("\" method=\"")
            .raw(method)
            .raw("\"><input type=\"hidden\" name=\"t\" value=\"");
        body.raw(t)
            .raw("\"><input type=\"hidden\" name=\"name\" value=\"");
        body.text(name.as_str());
        body.raw(
            "\"><input type=\"hidden\" name=\"when_done\" value=\".\"><button type=\"submit\">",
        );
        body.raw(word).raw("</button></form> ");
    }
}

fn forms(body: &mut Html, directory: &Directory) {
    if !directory.is_writable() {
        body.raw("<p>No upload forms: directory is read-only</p>");
        return;
    }
    let here = path_of(directory);
    body.raw("<div class=\"cards\">\n");
    for (title, fields) in FORMS {
        body.raw("<section>")
            .element("h2", title)
            .raw("\n<form action=\"")
            .text(&here);
        body.raw("\" method=\"post\" enctype=\"multipart/form-data\">\n");
        body.raw(fields).raw("</form></section>\n");
    }
    body.raw("</div>\n");
}

const FORMS: &[(&str, &str)] = &[
    (
        "Upload a file to this directory",
        "<input type=\"hidden\" name=\"t\" value=\"upload\">\n\
<input type=\"hidden\" name=\"when_done\" value=\".\">\n\
<label for=\"upload-format\">Kind</label>\n\
<select id=\"upload-format\" name=\"format\"><option value=\"chk\">Immutable</option>\
<option value=\"sdmf\">Mutable, small (SDMF)</option>\
<option value=\"mdmf\">Mutable, large (MDMF)</option></select>\n\
<label for=\"upload-file\">File</label>\n\
<input id=\"upload-file\" type=\"file\" name=\"file\" required>\n\
<button type=\"submit\">Upload</button>\n",
    ),
    (
        "Create a directory in this directory",
        "<input type=\"hidden\" name=\"t\" value=\"mkdir\">\n\
<input type=\"hidden\" name=\"when_done\" value=\".\">\n\
<input type=\"hidden\" name=\"replace\" value=\"false\">\n\
<label for=\"mkdir-name\">Name</label>\n\
<input id=\"mkdir-name\" type=\"text\" name=\"name\" required autocomplete=\"off\">\n\
<label for=\"mkdir-format\">Kind</label>\n\
<select id=\"mkdir-format\" name=\"format\"><option value=\"sdmf\">SDMF</option>\
<option value=\"mdmf\">MDMF</option></select>\n\
<button type=\"submit\">Create</button>\n",
    ),
    (
        "Link what is already in Tahoe-LAFS",
        "<input type=\"hidden\" name=\"t\" value=\"uri\">\n\
<input type=\"hidden\" name=\"when_done\" value=\".\">\n\
<label for=\"attach-name\">Name</label>\n\
<input id=\"attach-name\" type=\"text\" name=\"name\" required autocomplete=\"off\">\n\
<label for=\"attach-uri\">Capability (URI:…)</label>\n\
<input id=\"attach-uri\" type=\"text\" name=\"uri\" required autocomplete=\"off\" \
spellcheck=\"false\">\n\
<button type=\"submit\">Link</button>\n",
    ),
];
