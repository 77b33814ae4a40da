//! `t=preview`: a page of ours that shows a file. The file itself stays in an origin of its own.

use crate::html::{self, Html};
use crate::redirect::quote;
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;

/// Which browsers show by a program of their own, and not at all in a sandbox.
pub(crate) const PDF: &str = "application/pdf";

/// Types that aren't `text/…` and read like it.
const TEXTS: &[&str] = &[
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-sh",
    "application/x-python",
];

/// How a file can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Image,
    Audio,
    Video,
    Text,
    Pdf,
}

impl Kind {
    /// How a file of this name can be shown, if at all.
    pub(crate) fn of(call: &Call, name: &str) -> Option<Self> {
        let found = call.site.content_types.of(name.as_bytes());
        let known = found.content_type;
        match known
            .split('/')
            .next()
            .filter(|_| found.encoding.is_none())?
        {
            "image" => Some(Self::Image),
            "audio" => Some(Self::Audio),
            "video" => Some(Self::Video),
            "text" => Some(Self::Text),
            _ if known == PDF => Some(Self::Pdf),
            _ if TEXTS.contains(&known) => Some(Self::Text),
            _ => None,
        }
    }
}

/// Where a file is shown under a name, without anything of ours around it.
pub(crate) fn path(cap: &str, name: &str) -> String {
    format!(
        "/file/{}/@@named=/{}",
        quote(cap.as_bytes()),
        quote(name.as_bytes())
    )
}

/// The page for a file of this capability, under the name that the request gives it.
pub(crate) fn page(call: &Call, cap: &str, name: Option<Vec<u8>>) -> Response {
    let name = call.args.first("filename").map(<[u8]>::to_vec).or(name);
    let name = name.filter(|name| !name.is_empty());
    let name = name.map_or_else(
        || "unknown".to_owned(),
        |name| String::from_utf8_lossy(&name).into_owned(),
    );
    let file = path(cap, &name);
    let mut body = Html::default();
    body.raw("<div class=\"preview\">");
    let kind = Kind::of(call, &name);
    match kind {
        Some(kind) => show(&mut body, kind, &file, &name),
        None => drop(body.element("p", "Browsers can't show this kind of file.")),
    }
    body.raw("</div>\n<p class=\"actions\"><a class=\"button\" href=\"")
        .text(&file);
    body.raw("?save=true\">Download</a> <a class=\"button quiet\" rel=\"noreferrer\" href=\"");
    body.text(&file).raw("\">Show alone</a></p>");
    let title = format!("{name} - Tahoe-LAFS");
    let page = html::page_with_heading(&title, &name, &body);
    response::html(StatusCode::OK, "text/html", page)
}

fn show(body: &mut Html, kind: Kind, file: &str, name: &str) {
    let start = match kind {
        Kind::Image => "<img alt=\"",
        Kind::Audio => "<audio controls preload=\"metadata\" aria-label=\"",
        Kind::Video => "<video controls preload=\"metadata\" aria-label=\"",
        Kind::Text => "<iframe sandbox class=\"text\" title=\"",
        Kind::Pdf => "<iframe title=\"",
    };
    let end = match kind {
        Kind::Image => "\">",
        Kind::Audio => "\"></audio>",
        Kind::Video => "\"></video>",
        Kind::Text | Kind::Pdf => "\"></iframe>",
    };
    body.raw(start)
        .text(name)
        .raw("\" src=\"")
        .text(file)
        .raw(end);
}
