//! `t=rename-form`: asks for a child's new name, or for another directory where it shall be.

use crate::directory::location;
use crate::html::{self, Html};
use crate::redirect::quote;
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use tahoe_caps::Target;
use tahoe_client::{AnyChild, AnyDirectory, AnyNode, Node};

pub(super) async fn page(call: &Call, directory: &AnyDirectory) -> Response {
    let which = super::listing::which(directory);
    let mut heading = format!("Rename in {}", which.replacen('D', "d", 1));
    if !directory.is_writable() {
        heading += " (readonly!)";
    }
    let name = call.args.first("name").unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let here = location::here(call);
    let mut body = Html::default();
    let renamed = format!(".?renamed={}&as=%(name)s", quote(name.as_bytes()));
    start(&mut body, &here, "Rename", &name, &renamed);
    body.raw(
        "<label for=\"to\">New name</label>\n\
         <input id=\"to\" type=\"text\" name=\"to_name\" required autocomplete=\"off\" value=\"",
    );
    body.text(&name).raw(
        "\">\n<p class=\"hint\">What has that name already is replaced if it is a file.</p>\n\
         <input type=\"hidden\" name=\"replace\" value=\"only-files\">\n\
         <button type=\"submit\">Rename</button>\n</form></section>",
    );
    let targets = targets(call, directory, &name).await;
    if !targets.is_empty() {
        let moved = format!(".?moved={}&to_dir=%(to_dir)s", quote(name.as_bytes()));
        start(&mut body, &here, "Move", &name, &moved);
        body.raw("<label for=\"to-dir\">Into</label>\n<select id=\"to-dir\" name=\"to_dir\">");
        for (label, value) in &targets {
            body.raw("<option value=\"").text(value).raw("\">");
            body.text(label).raw("</option>");
        }
        body.raw(
            "</select>\n<p class=\"hint\">Nothing is replaced there.</p>\n\
             <input type=\"hidden\" name=\"replace\" value=\"false\">\n\
             <button type=\"submit\">Move</button>\n</form></section>",
        );
    }
    let page = html::page_with_heading(&which, &heading, &body);
    response::html(StatusCode::OK, "text/html", page)
}

/// The start of a form that changes where a child is.
fn start(body: &mut Html, here: &str, heading: &str, name: &str, when_done: &str) {
    body.raw("<section>")
        .element("h2", &format!("{heading} “{name}”"));
    body.raw("<form action=\"").text(here).raw(
        "\" method=\"post\" enctype=\"multipart/form-data\">\n\
         <input type=\"hidden\" name=\"t\" value=\"relink\">\n\
         <input type=\"hidden\" name=\"when_done\" value=\"",
    );
    body.text(when_done);
    body.raw("\">\n<input type=\"hidden\" name=\"from_name\" value=\"")
        .text(name)
        .raw("\">\n");
}

/// The directories on the way here, and those in this one, as `to_dir=` names them.
async fn targets(call: &Call, directory: &AnyDirectory, moved: &str) -> Vec<(String, String)> {
    let mut targets = location::trail_for_moves(call);
    let here = targets.pop().map(|(_, here)| here).unwrap_or_default();
    // Without its children there is still the way up.
    let Ok(listing) = call.client().any_directories().list(directory).await else {
        return targets;
    };
    let mut children = listing.children();
    let stays_in_drive = children
        .any(|(name, child)| name.as_str() == moved && matches!(child.node, AnyNode::Drive(_)));
    for (name, child) in listing.children() {
        let name = name.as_str();
        if name != moved && takes(&child, stays_in_drive) {
            targets.push((name.to_owned(), location::below_for_moves(&here, name)));
        }
    }
    targets
}

/// Whether something can be moved into a child: a directory of a drive only within the drive.
fn takes(child: &AnyChild, stays_in_drive: bool) -> bool {
    match &child.node {
        AnyNode::Drive(directory) => directory.is_writable(),
        AnyNode::Grid(node) => {
            let is_directory = node.target() == Some(Target::Directory);
            is_directory && matches!(node, Node::Write(_)) && !stays_in_drive
        }
    }
}
