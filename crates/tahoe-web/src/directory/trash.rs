//! `t=trash`, `t=restore`: what was removed from a directory of a shared drive or replaced in it.

use crate::args::Args;
use crate::check::Output;
use crate::check_page::table;
use crate::directory::location::{below_drive, drive_title};
use crate::directory::post::text_argument;
use crate::directory::{json, listing, location};
use crate::error::WebError;
use crate::format::{moment, unix_seconds};
use crate::html::{self, Html};
use crate::request::Call;
use crate::{failures, preview, python_text, response};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use tahoe_caps::Target;
use tahoe_client::{AnyDirectory, ChildName, DriveDirectory, Node, Trash, Trashed, TrashedChild};

/// How many entries a page has.
const PAGE: usize = 200;
/// What a table of the trash tells.
const HEADS: &[&str] = &["Name", "Removed or replaced", "Kept until", "Restore as"];

/// The directory for what can only be done with one of a shared drive.
pub(super) fn in_drive<'a>(
    directory: &'a AnyDirectory,
    t: &str,
) -> Result<&'a DriveDirectory, WebError> {
    match directory {
        AnyDirectory::Drive(directory) => Ok(directory),
        AnyDirectory::Grid(_) => {
            let text = format!("t={t} is only possible in a shared drive");
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// What can be restored, as a page or as JSON.
pub(super) async fn answer(call: &Call, directory: &AnyDirectory) -> Result<Response, WebError> {
    let drive = in_drive(directory, "trash")?;
    let output = Output::of(&call.args)?;
    let before = number(&call.args, "before")?;
    let trash = drive.trash(before, PAGE).await;
    let trash = trash.map_err(|error| failures::any_directory(&error))?;
    Ok(match output {
        Output::Json => response::plain(python_text::json(&facts(&trash))),
        Output::Html => page(call, directory, drive.drive_name(), &trash),
    })
}

/// Restores what `trash=` says, perhaps as `name=`, or the last that had the name of `name=`, perhaps
/// as `to_name=`.
pub(super) async fn restore(
    directory: &AnyDirectory,
    args: &Args,
) -> Result<&'static str, WebError> {
    let drive = in_drive(directory, "restore")?;
    let name_of = |argument| {
        let name = text_argument(args, argument)?;
        Ok::<_, WebError>(name.map(|name| ChildName::new(&name)))
    };
    let (trashed, name) = match (number(args, "trash")?, name_of("name")?) {
        (Some(id), name) => (Trashed::Id(id), name),
        (None, Some(name)) => (Trashed::LastOf(name), name_of("to_name")?),
        (None, None) => {
            let text = "restore requires trash= or name=";
            return Err(WebError::text(StatusCode::BAD_REQUEST, text));
        }
    };
    let restored = drive.restore(&trashed, name.as_ref()).await;
    restored.map_err(|error| failures::any_directory(&error))?;
    Ok("thing restored")
}

fn number(args: &Args, name: &str) -> Result<Option<u64>, WebError> {
    let Some(value) = args.first(name) else {
        return Ok(None);
    };
    let number = std::str::from_utf8(value).ok();
    let number = number.and_then(|value| value.parse().ok());
    let bad = || WebError::text(StatusCode::BAD_REQUEST, format!("{name}= isn't a number"));
    number.map(Some).ok_or_else(bad)
}

fn facts(trash: &Trash) -> Value {
    let one = |child: &TrashedChild| {
        json!({
            "trash": child.id,
            "name": child.name.as_str(),
            "removed": unix_seconds(child.removed),
            "kept_until": unix_seconds(child.kept_until),
            "was_here": child.was_here,
            "was_in": child.was_in.as_deref().map(names),
            "child": json::trashed(child),
        })
    };
    let children: Vec<Value> = trash.children.iter().map(one).collect();
    json!({"trash": children, "next": trash.next})
}

fn names(way: &[ChildName]) -> Vec<&str> {
    way.iter().map(ChildName::as_str).collect()
}

fn page(call: &Call, directory: &AnyDirectory, drive: &str, trash: &Trash) -> Response {
    let which = listing::which(directory);
    let here = location::here(call);
    let mut body = Html::default();
    body.raw("<p class=\"toolbar\"><a class=\"button quiet\" href=\"")
        .text(&here)
        .raw("\">Back to the directory</a></p>\n");
    let (own, elsewhere): (Vec<_>, Vec<_>) = trash.children.iter().partition(|one| one.was_here);
    body.raw("<section>")
        .element("h2", "Removed or replaced here");
    match own[..] {
        [] => drop(body.element("p", "Nothing that could be restored.")),
        _ => rows(&mut body, "Removed or replaced here", &here, drive, &own),
    }
    body.raw("</section>\n");
    if !elsewhere.is_empty() {
        body.raw("<section>")
            .element("h2", "Removed or replaced in other directories")
            .element(
                "p",
                "To have it back where it was, restore it from the trash of that directory. Here it \
                 comes into this directory.",
            );
        rows(&mut body, "In other directories", &here, drive, &elsewhere);
        body.raw("</section>\n");
    }
    if let Some(next) = trash.next {
        body.raw("<p><a href=\"").text(&here);
        body.raw("?t=trash&amp;before=").display(next);
        body.raw("\">What was removed before that</a></p>\n");
    }
    let page = html::page_with_heading(
        &format!("Tahoe-LAFS - Trash of {which}"),
        &format!("Trash of {}", which.replacen('S', "s", 1)),
        &body,
    );
    response::html(StatusCode::OK, "text/html", page)
}

fn rows(body: &mut Html, title: &str, here: &str, drive: &str, children: &[&TrashedChild]) {
    table(body, title, HEADS, |body| {
        for child in children {
            row(body, here, drive, child);
        }
    });
}

fn row(body: &mut Html, here: &str, drive: &str, child: &TrashedChild) {
    let name = child.name.as_str();
    body.raw("<tr class=\"restorable\"><th scope=\"row\">");
    let node = child.node.as_ref();
    let file = node.filter(|node| node.target() == Some(Target::File));
    match file.and_then(Node::cap_text) {
        Some(cap) => {
            let file = preview::path(&cap, name);
            body.raw("<a rel=\"noreferrer\" href=\"").text(&file);
            body.raw("\">").text(name).raw("</a>");
        }
        None if node.is_none_or(Node::is_directory) => {
            body.text(name).raw(" <span class=\"kind\">DIR</span>");
        }
        None => drop(body.text(name)),
    }
    if let Some(way) = child.was_in.as_deref().filter(|_| !child.was_here) {
        let way_name = match way {
            [] => drive_title(drive),
            way => names(way).join("/"),
        };
        body.raw("<span class=\"reason\">in <a href=\"");
        body.text(&below_drive(drive, way)).raw("?t=trash\">");
        body.text(&way_name).raw("</a></span>");
    }
    body.raw("</th>");
    for (head, time) in HEADS[1..].iter().zip([child.removed, child.kept_until]) {
        body.raw("<td class=\"nowrap\" data-head=\"").text(head);
        body.raw("\">").element("time", &moment(time)).raw("</td>");
    }
    body.raw("<td><form class=\"inline\" method=\"post\" action=\"")
        .text(here)
        .raw("\"><input type=\"hidden\" name=\"t\" value=\"restore\">")
        .raw("<input type=\"hidden\" name=\"when_done\" value=\".\">")
        .raw("<input type=\"hidden\" name=\"trash\" value=\"")
        .display(child.id)
        .raw("\"><input type=\"text\" name=\"name\" required autocomplete=\"off\" aria-label=\"New name for ")
        .text(name)
        .raw("\" value=\"")
        .text(name)
        .raw("\"><button type=\"submit\" aria-label=\"Restore ")
        .text(name)
        .raw("\">Restore</button></form></td></tr>\n");
}
