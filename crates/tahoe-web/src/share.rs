//! `t=share`: what to give to somebody else, and what they can do with it.

use crate::html::{self, Html};
use crate::redirect::quote;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use qrcodegen::{QrCode, QrCodeEcc};

/// Light space around a code, in modules, as the standard asks for.
const QUIET_ZONE: i32 = 4;

/// What can be shared of a file or a directory.
#[derive(Debug)]
pub(crate) struct Shared {
    /// `file` or `directory`.
    pub(crate) what: &'static str,
    pub(crate) write_cap: Option<String>,
    pub(crate) read_cap: Option<String>,
    /// Whether what is read may be different tomorrow.
    pub(crate) is_mutable: bool,
}

pub(crate) fn page(shared: &Shared) -> Response {
    let Shared { what, .. } = shared;
    let mut body = Html::default();
    body.raw("<p>Who knows a capability can use it, from any node of this grid. ");
    body.raw("There is no way to take it back, so send it only where nobody else reads it.</p>\n");
    body.raw("<div class=\"cards\">\n");
    if let Some(cap) = &shared.read_cap {
        let now_and_later = match shared.is_mutable {
            true => "as it is now and as it will be",
            false => "which never changes",
        };
        let text = format!("Lets somebody read the {what}, {now_and_later}; they can't change it.");
        section(&mut body, "read", "To read", &text, cap, what);
    }
    if let Some(cap) = &shared.write_cap {
        let text = format!(
            "Lets somebody read the {what} and change everything in it: add, replace and delete, \
             as you can. Give it only to those with whom you share the work."
        );
        section(&mut body, "write", "To read and change", &text, cap, what);
    }
    body.raw("</div>");
    let heading = format!("Share this {what}");
    let title = format!("{heading} - Tahoe-LAFS");
    let page = html::page_with_scripts(&title, &heading, &["copy.js"], &body);
    response::html(StatusCode::OK, "text/html", page)
}

fn section(body: &mut Html, id: &str, heading: &str, text: &str, cap: &str, what: &str) {
    body.raw("<section>")
        .element("h2", heading)
        .raw("\n")
        .element("p", text);
    if let Some(code) = code(cap) {
        body.raw("<p>");
        picture(body, &code, heading);
        body.raw("</p>");
    }
    body.raw("<p class=\"cap\" id=\"share-")
        .raw(id)
        .raw("\">")
        .text(cap);
    body.raw(
        "</p>\n<p class=\"actions\"><button type=\"button\" class=\"scripted\" data-copy=\"share-",
    );
    body.raw(id).raw("\">Copy</button> ");
    let slash = if what == "directory" { "/" } else { "" };
    body.raw("<a href=\"/uri/")
        .text(&quote(cap.as_bytes()))
        .raw(slash);
    body.raw("\" rel=\"noreferrer\">Open it here</a></p></section>\n");
}

/// The code of a text; none if it is too long for one.
fn code(text: &str) -> Option<QrCode> {
    QrCode::encode_text(text, QrCodeEcc::Low).ok()
}

fn picture(body: &mut Html, code: &QrCode, heading: &str) {
    let size = code.size() + 2 * QUIET_ZONE;
    body.raw("<svg class=\"code\" role=\"img\" aria-label=\"QR code of the capability: ");
    body.text(heading)
        .raw("\" viewBox=\"0 0 ")
        .display(size)
        .raw(" ")
        .display(size);
    body.raw(
        "\" shape-rendering=\"crispEdges\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
    );
    body.raw("<path fill=\"#000\" d=\"");
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            body.raw("M")
                .display(x + QUIET_ZONE)
                .raw(" ")
                .display(y + QUIET_ZONE)
                .raw("h1v1h-1z");
        }
    }
    body.raw("\"/></svg>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_dark_modules() {
        let code = code("URI:CHK:x").unwrap();
        let mut body = Html::default();
        picture(&mut body, &code, "a & b");
        let svg = body.as_str();
        let every = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let dark = every.filter(|(x, y)| code.get_module(*x, *y)).count();
        assert_eq!(svg.matches("h1v1h-1z").count(), dark);
        assert!(svg.contains("a &amp; b"));
        // The corner of the first finder pattern, behind the quiet zone.
        assert!(svg.contains("d=\"M4 4h1v1h-1z"));
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert!(code(&"x".repeat(5000)).is_none());
    }
}
