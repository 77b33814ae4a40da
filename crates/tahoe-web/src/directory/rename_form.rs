//! `t=rename-form`: asks for a child's new name, and for another directory if it shall move.

use crate::html::{self, Html};
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use tahoe_client::Directory;

pub(super) fn page(call: &Call, directory: &Directory) -> Response {
    let index = super::listing::abbreviated(directory);
    let mut heading = format!("Rename in directory SI={index}");
    if !directory.is_writable() {
        heading += " (readonly!)";
    }
    let name = call.args.first("name").unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let mut body = Html::default();
    body.raw(
        "<section><form action=\".\" method=\"post\" enctype=\"multipart/form-data\">\n\
         <input type=\"hidden\" name=\"t\" value=\"relink\">\n\
         <input type=\"hidden\" name=\"when_done\" value=\".\">\n\
         <label for=\"from\">Child</label>\n\
         <input id=\"from\" type=\"text\" name=\"from_name\" readonly value=\"",
    );
    body.text(&name).raw(
        "\">\n<label for=\"to\">New name</label>\n\
         <input id=\"to\" type=\"text\" name=\"to_name\" required autocomplete=\"off\" value=\"",
    );
    body.text(&name).raw(
        "\">\n<p class=\"hint\">What has that name already is replaced if it is a file.</p>\n\
         <input type=\"hidden\" name=\"replace\" value=\"only-files\">\n\
         <button type=\"submit\">Rename</button>\n</form></section>",
    );
    let title = format!("Directory SI={index}");
    let page = html::page_with_heading(&title, &heading, &body);
    response::html(StatusCode::OK, "text/html", page)
}
