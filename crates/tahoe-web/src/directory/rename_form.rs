//! `t=rename-form`: asks for a child's new name, or for another directory where it shall be.

use crate::html::{self, Html};
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use tahoe_caps::Target;
use tahoe_client::{Directory, Node};

pub(super) async fn page(call: &Call, directory: &Directory) -> Response {
    let index = super::listing::abbreviated(directory);
    let mut heading = format!("Rename in directory SI={index}");
    if !directory.is_writable() {
        heading += " (readonly!)";
    }
    let name = call.args.first("name").unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let here = super::listing::here(call);
    let mut body = Html::default();
    start(&mut body, &here, "Rename", &name);
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
        start(&mut body, &here, "Move", &name);
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
    let title = format!("Directory SI={index}");
    let page = html::page_with_heading(&title, &heading, &body);
    response::html(StatusCode::OK, "text/html", page)
}

/// The start of a form that changes where a child is.
fn start(body: &mut Html, here: &str, heading: &str, name: &str) {
    body.raw("<section>")
        .element("h2", &format!("{heading} “{name}”"));
    body.raw("<form action=\"").text(here).raw(
        "\" method=\"post\" enctype=\"multipart/form-data\">\n\
         <input type=\"hidden\" name=\"t\" value=\"relink\">\n\
         <input type=\"hidden\" name=\"when_done\" value=\".\">\n\
         <input type=\"hidden\" name=\"from_name\" value=\"",
    );
    body.text(name).raw("\">\n");
}

/// The directories on the way here, and those in this one, as `to_dir=` names them.
async fn targets(call: &Call, directory: &Directory, moved: &str) -> Vec<(String, String)> {
    let root = call.path.get(1).map(Vec::as_slice).unwrap_or_default();
    let root = String::from_utf8_lossy(root).into_owned();
    let mut targets = Vec::new();
    let mut here = root.clone();
    for part in super::below(call).iter().filter(|part| !part.is_empty()) {
        let part = String::from_utf8_lossy(part);
        let label = here.strip_prefix(&root).unwrap_or_default();
        targets.push((format!("Top directory{label}"), here.clone()));
        here += &format!("/{part}");
    }
    // Without its children there is still the way up.
    let Ok(listing) = call.client().directories().list(directory).await else {
        return targets;
    };
    for (name, child) in listing.children() {
        let is_directory = child.node.target() == Some(Target::Directory);
        let is_writable = matches!(child.node, Node::Write(_));
        if is_directory && is_writable && name.as_str() != moved {
            targets.push((
                name.as_str().to_owned(),
                format!("{here}/{}", name.as_str()),
            ));
        }
    }
    targets
}
