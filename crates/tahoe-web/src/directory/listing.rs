//! The page of a directory of the grid: its children as entries of a [`DirectoryPage`].

use crate::directory_page::{self, DirectoryPage, Entry, EntryKind, View};
use crate::redirect::quote;
use crate::request::Call;
use crate::{failures, preview, response};
use axum::response::Response;
use http::StatusCode;
use std::time::{Duration, SystemTime};
use tahoe_caps::{ReadFileCap, Target};
use tahoe_client::{Child, ChildName, Directory, Metadata, Node};

pub(super) async fn page(call: &Call, directory: &Directory) -> Response {
    let mut page = empty(call, directory);
    let listed = call.client().directories().list(directory).await;
    let text = match listed {
        Ok(listing) => {
            let here = page.here.clone();
            let entry =
                |(name, child): (&ChildName, Child)| entry(call, directory, &here, name, &child);
            page.entries = listing.children().map(entry).collect();
            page.html(&View::of(&call.args))
        }
        Err(error) => page.unreadable(&failures::directory(&error).to_string()),
    };
    response::html(StatusCode::OK, "text/html", text)
}

/// The page without its entries.
fn empty(call: &Call, directory: &Directory) -> DirectoryPage {
    let index = abbreviated(directory);
    let kind = match (directory.is_mutable(), directory.is_writable()) {
        (false, _) => " (immutable)",
        (true, false) => " (read-only)",
        (true, true) => " (modifiable)",
    };
    let below = super::below(call);
    let name = below.iter().rfind(|part| !part.is_empty());
    let name = name.map_or_else(
        || format!("Directory SI={index}"),
        |name| String::from_utf8_lossy(name).into_owned(),
    );
    let cap = quote(
        directory
            .to_node()
            .cap_text()
            .unwrap_or_default()
            .as_bytes(),
    );
    DirectoryPage {
        title: format!("Tahoe-LAFS - Directory SI={index}{kind}"),
        heading: name + kind.trim_end_matches(" (modifiable)"),
        trail: trail(call),
        is_writable: directory.is_writable(),
        links: vec![
            ("Share", format!("/uri/{cap}/?t=share")),
            ("Details", format!("/uri/{cap}/?t=info")),
        ],
        here: here(call),
        entries: Vec::new(),
    }
}

/// The way to the page that is asked for, from the directory of the capability.
fn trail(call: &Call) -> Vec<(String, String)> {
    let root = call.path.get(1).map(Vec::as_slice).unwrap_or_default();
    let root = format!("/uri/{}/", quote(root));
    directory_page::trail(("Top directory", root), super::below(call))
}

/// The path of the page that is asked for, with a slash at the end.
pub(super) fn here(call: &Call) -> String {
    let last = trail(call).pop();
    last.map(|(_, path)| path).unwrap_or_default()
}

/// The storage index, short; a literal directory has none.
pub(super) fn abbreviated(directory: &Directory) -> String {
    let index = directory.storage_index();
    index.map_or_else(|| "<LIT>".to_owned(), |index| index.abbreviated())
}

fn entry(call: &Call, directory: &Directory, here: &str, name: &ChildName, child: &Child) -> Entry {
    let node = &child.node;
    let (word, size_bytes) = word_and_size(directory, node);
    let kind = match node.target() {
        Some(Target::Directory) => EntryKind::Directory,
        Some(Target::File) => EntryKind::File,
        None => EntryKind::Unknown,
    };
    let text = name.as_str();
    let below = format!("{here}{}", quote(text.as_bytes()));
    // A file is shown under a URL that doesn't know of the directory, so that nothing in it can take
    // the directory's capability from there.
    let known = node.cap_text().filter(|_| kind != EntryKind::Unknown);
    let own = known
        .as_ref()
        .map(|cap| format!("/uri/{}", quote(cap.as_bytes())));
    let file = known.as_ref().filter(|_| kind == EntryKind::File);
    let file = file.map(|cap| preview::path(cap, text));
    let is_shown = preview::Kind::of(call, text).is_some();
    Entry {
        name: text.to_owned(),
        kind,
        word,
        size_bytes,
        changed: changed(&child.metadata),
        page: match kind {
            EntryKind::Directory => Some(format!("{below}/")),
            _ => file.clone(),
        },
        preview: file
            .as_ref()
            .filter(|_| is_shown)
            .map(|file| format!("{file}?t=preview")),
        download: file.as_ref().map(|file| format!("{file}?save=true")),
        share: own.as_ref().map(|own| format!("{own}?t=share")),
        // Of an unknown child only the directory has both capabilities.
        details: own.unwrap_or(below),
        cap: known,
    }
}

/// A word for what a child is, as the reference has it, and its size in bytes.
fn word_and_size(directory: &Directory, node: &Node) -> (&'static str, Option<u64>) {
    match (node, node.target()) {
        (Node::Unknown(slots), _) if slots.write.is_some() => ("?", None),
        (Node::Unknown(slots), _) => {
            let read = slots.read.as_deref();
            let immutable = read.is_none_or(|read| read.starts_with("imm."));
            match immutable || !directory.is_mutable() {
                true => ("?-IMM", None),
                false => ("?-RO", None),
            }
        }
        (_, Some(Target::Directory)) => match (node, node.is_mutable()) {
            (_, Some(false)) => ("DIR-IMM", None),
            (Node::Write(_), _) => ("DIR", None),
            _ => ("DIR-RO", None),
        },
        _ => match node.to_read().map(|cap| cap.file) {
            Some(ReadFileCap::Chk(cap)) => ("FILE", Some(cap.size)),
            Some(ReadFileCap::Literal(cap)) => ("FILE", Some(cap.content().len() as u64)),
            Some(ReadFileCap::Mutable(_)) | None => ("SSK", None),
        },
    }
}

fn changed(metadata: &Metadata) -> Option<SystemTime> {
    let seconds = metadata.link_modified().or(metadata.link_created())?;
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}
