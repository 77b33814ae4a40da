//! The table of a directory's entries.

use super::view::{Counts, SortKey};
use super::{DirectoryPage, View};
use crate::format::{abbreviate_size, moment};
use crate::html::Html;
use crate::redirect::quote;
use std::time::SystemTime;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EntryKind {
    Directory,
    File,
    /// Something from a later version.
    Unknown,
}

/// A name in a directory, and what is behind it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: EntryKind,
    /// What it is in a word of the reference: `FILE`, `DIR-RO`.
    pub(crate) word: &'static str,
    pub(crate) size_bytes: Option<u64>,
    /// When the name was last given to something else.
    pub(crate) changed: Option<SystemTime>,
    /// Where the name leads.
    pub(crate) page: Option<String>,
    /// A page that shows a file within one of ours.
    pub(crate) preview: Option<String>,
    pub(crate) download: Option<String>,
    pub(crate) share: Option<String>,
    pub(crate) details: String,
    /// What links it again after it was deleted.
    pub(crate) cap: Option<String>,
    /// Why nothing else is known of it.
    pub(crate) problem: Option<String>,
}

impl Entry {
    /// What it is found and sorted by.
    pub(crate) fn key(&self) -> SortKey {
        SortKey {
            is_file: self.kind != EntryKind::Directory,
            name: self.name.to_lowercase(),
            size_bytes: self.size_bytes,
            changed: self.changed,
        }
    }
}

/// The table.
pub(super) fn table(body: &mut Html, page: &DirectoryPage, view: &View, counts: &Counts) {
    body.raw("<section id=\"listing\" aria-labelledby=\"entries\"");
    if !page.is_on_grid {
        body.raw(" data-changes=\"").text(&page.here);
        body.raw("?t=changes\"");
    }
    body.raw("><h2 id=\"entries\">");
    body.text(&count(counts.found, counts.total)).raw("</h2>\n");
    if page.is_writable {
        body.raw(SELECTION);
    }
    if page.entries.is_empty() {
        let nothing = match counts.total {
            0 => "This directory is empty.",
            _ => "Nothing here has such a name.",
        };
        body.element("p", nothing).raw("</section>\n");
        return;
    }
    body.raw("<table class=\"entries\"><thead><tr>");
    if page.is_writable {
        body.raw(
            "<td class=\"scripted\"><input id=\"select-all\" type=\"checkbox\" \
             aria-label=\"Select everything\"></td>",
        );
    }
    view.heads(body);
    body.raw("<th scope=\"col\">Actions</th></tr></thead>\n<tbody>\n");
    for entry in &page.entries {
        row(body, page, entry);
    }
    body.raw("</tbody></table>");
    view.pages(body, counts);
    body.raw("</section>\n");
}

/// What can be done with several entries at once, by a script.
const SELECTION: &str = "<p id=\"selection\" class=\"actions\" hidden>\
<span id=\"selection-count\"></span> \
<button id=\"selection-move\" class=\"quiet\" type=\"button\">Move…</button> \
<button id=\"selection-delete\" class=\"quiet danger\" type=\"button\">Delete</button></p>\n";

fn count(shown: usize, total: usize) -> String {
    let plural = if total == 1 { "entry" } else { "entries" };
    match shown == total {
        true => format!("{total} {plural}"),
        false => format!("{shown} of {total} {plural}"),
    }
}

fn row(body: &mut Html, page: &DirectoryPage, entry: &Entry) {
    let name = entry.name.as_str();
    body.raw("<tr data-name=\"").text(name).raw("\">");
    if page.is_writable {
        body.raw("<td class=\"scripted\"><input type=\"checkbox\" aria-label=\"Select ");
        body.text(name).raw("\"></td>");
    }
    body.raw("<th scope=\"row\" class=\"name\">");
    body.raw(icon(entry.kind));
    match &entry.page {
        Some(target) => {
            body.raw("<a href=\"")
                .text(target)
                .raw("\" rel=\"noreferrer\">");
            body.text(name).raw("</a>");
        }
        None => drop(body.text(name)),
    }
    body.raw(" <span class=\"kind\">")
        .text(entry.word)
        .raw("</span>");
    if let Some(problem) = &entry.problem {
        body.classed("span", "reason", problem);
    }
    body.raw("</th><td class=\"nowrap\">");
    if let Some(size) = entry.size_bytes {
        body.raw("<span title=\"").display(size).raw(" bytes\">");
        body.text(&abbreviate_size(size)).raw("</span>");
    }
    body.raw("</td><td class=\"nowrap\">");
    if let Some(changed) = entry.changed {
        body.element("time", &moment(changed));
    }
    body.raw("</td><td class=\"actions\">");
    actions(body, page, entry);
    body.raw("</td></tr>\n");
}

fn actions(body: &mut Html, page: &DirectoryPage, entry: &Entry) {
    if let Some(target) = &entry.preview {
        link(body, target, "Preview", &entry.name, " data-dialog");
    }
    body.raw("<details class=\"menu\"><summary aria-label=\"More for ");
    body.text(&entry.name).raw("\">More</summary><div>");
    if let Some(target) = &entry.download {
        link(body, target, "Download", &entry.name, "");
    }
    if let Some(target) = &entry.share {
        link(body, target, "Share", &entry.name, " data-dialog");
    }
    let details = format!("{}?t=info", entry.details);
    link(body, &details, "Details", &entry.name, "");
    if page.is_writable && entry.problem.is_none() {
        let rename = format!(
            "{}?t=rename-form&name={}",
            page.here,
            quote(entry.name.as_bytes())
        );
        link(body, &rename, "Rename or move", &entry.name, " data-dialog");
    }
    if page.is_writable {
        delete(body, page, entry);
    }
    body.raw("</div></details>");
}

fn link(body: &mut Html, target: &str, word: &str, name: &str, attribute: &str) {
    body.raw("<a href=\"")
        .text(target)
        .raw("\" rel=\"noreferrer\" aria-label=\"");
    body.text(word)
        .raw(" ")
        .text(name)
        .raw("\"")
        .raw(attribute)
        .raw(">");
    body.text(word).raw("</a> ");
}

fn delete(body: &mut Html, page: &DirectoryPage, entry: &Entry) {
    body.raw("<form class=\"inline\" action=\"")
        .text(&page.here);
    body.raw("\" method=\"post\"><input type=\"hidden\" name=\"t\" value=\"unlink\">");
    body.raw("<input type=\"hidden\" name=\"name\" value=\"")
        .text(&entry.name);
    if !page.is_on_grid && entry.kind == EntryKind::Directory {
        // It can be undone.
        body.raw("\"><input type=\"hidden\" name=\"recursive\" value=\"true");
    }
    body.raw("\"><input type=\"hidden\" name=\"when_done\" value=\"");
    body.text(&View::after_deletion(page, entry));
    body.raw("\"><button class=\"quiet danger\" type=\"submit\" aria-label=\"Delete ");
    body.text(&entry.name).raw("\">Delete</button></form>");
}

fn icon(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Directory => {
            "<svg class=\"icon directory\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">\
             <path d=\"M1 3h5l2 2h7v9H1z\"/></svg>"
        }
        EntryKind::File => {
            "<svg class=\"icon\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">\
             <path d=\"M3 1h7l3 3v11H3z\"/></svg>"
        }
        EntryKind::Unknown => {
            "<svg class=\"icon\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">\
             <circle cx=\"8\" cy=\"8\" r=\"6\"/></svg>"
        }
    }
}
