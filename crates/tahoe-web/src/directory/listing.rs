//! The page of a directory, of the grid or of a shared drive: its children as entries of a
//! [`DirectoryPage`].

use crate::directory::get::marked_if_old;
use crate::directory::location::{below, drive_title, here, trail, trail_for_moves, url_path};
use crate::directory_page::{DirectoryPage, Entry, EntryKind, MOST_SHOWN, View};
use crate::redirect::quote;
use crate::request::Call;
use crate::{failures, preview, response};
use axum::response::Response;
use http::StatusCode;
use std::time::{Duration, SystemTime};
use tahoe_caps::{ReadFileCap, Target};
use tahoe_client::{AnyChild, AnyDirectory, AnyListing, ChildName, Metadata, Node};

/// About how much memory an entry takes that is shown, in bytes.
const SHOWN_MEMORY: usize = 4 << 10;
/// About how much memory an entry takes while it is sorted, in bytes.
const SORTED_MEMORY: usize = 128;

pub(super) async fn page(call: &Call, directory: &AnyDirectory) -> Response {
    let mut page = empty(call, directory);
    let directories = call.client().any_directories();
    let listed = directories.list_with_room(directory, memory_of_page).await;
    let (text, old_since) = match listed {
        Ok((listing, room)) => {
            let here = page.here.clone();
            let entry = |name, child| entry(call, directory, &here, name, &child);
            let view = View::of(&call.args);
            let all = listing.children();
            let chosen = view.choose(all.map(|(name, child)| (entry(name, child).key(), name)));
            let shown = chosen.names.iter();
            page.entries = shown
                .filter_map(|name| Some(entry(name, listing.child(name)?)))
                .collect();
            page.old_since = listing.old_since();
            let text = page.html(&view, &chosen.counts);
            (response::held(text, room), listing.old_since())
        }
        Err(error) => {
            let reason = failures::any_directory(&error).to_string();
            (page.unreadable(&reason).into(), None)
        }
    };
    marked_if_old(response::html(StatusCode::OK, "text/html", text), old_since)
}

/// About how much memory the page of this listing takes while it is made.
fn memory_of_page(listing: &AnyListing) -> u64 {
    let shown = listing.len().min(MOST_SHOWN) * SHOWN_MEMORY;
    (shown + listing.len() * SORTED_MEMORY) as u64
}

/// The page without its entries.
fn empty(call: &Call, directory: &AnyDirectory) -> DirectoryPage {
    let which = which(directory);
    let kind = match (directory.is_mutable(), directory.is_writable()) {
        (false, _) => " (immutable)",
        (true, false) => " (read-only)",
        (true, true) => " (modifiable)",
    };
    let name = below(call).iter().rfind(|part| !part.is_empty());
    let name = name.map_or_else(
        || which.clone(),
        |name| String::from_utf8_lossy(name).into_owned(),
    );
    let own = url_path(directory);
    let is_on_grid = matches!(directory, AnyDirectory::Grid(_));
    let share = is_on_grid.then(|| ("Share", format!("{own}?t=share")));
    let details = ("Details", format!("{own}?t=info"));
    let has_trash = !is_on_grid && directory.is_writable();
    let trash = has_trash.then(|| format!("{own}?t=trash"));
    DirectoryPage {
        title: format!("Tahoe-LAFS - {which}{kind}"),
        heading: name + kind.trim_end_matches(" (modifiable)"),
        trail: trail(call),
        as_target: trail_for_moves(call)
            .pop()
            .map(|(_, name)| name)
            .unwrap_or_default(),
        is_writable: directory.is_writable(),
        is_on_grid,
        old_since: None,
        links: share.into_iter().chain([details]).collect(),
        trash,
        here: here(call),
        entries: Vec::new(),
    }
}

/// What a directory is called: on the grid by its storage index, short, which a literal one doesn't
/// have; in a drive by its path.
pub(super) fn which(directory: &AnyDirectory) -> String {
    match directory {
        AnyDirectory::Grid(directory) => {
            let index = directory.storage_index();
            let index = index.map_or_else(|| "<LIT>".to_owned(), |index| index.abbreviated());
            format!("Directory SI={index}")
        }
        AnyDirectory::Drive(directory) => {
            let title = drive_title(directory.drive_name());
            let names = directory.path().iter().map(|name| name.as_str());
            match names.collect::<Vec<_>>().join("/") {
                path if path.is_empty() => title,
                path => format!("{title}: {path}"),
            }
        }
    }
}

fn entry(
    call: &Call,
    directory: &AnyDirectory,
    here: &str,
    name: &ChildName,
    child: &AnyChild,
) -> Entry {
    let node = child.node.grid();
    let (word, size_bytes) = match node {
        Some(_) if child.problem.is_some() => ("?", None),
        Some(node) => word_and_size(directory, node),
        None => ("DIR", None),
    };
    let kind = match node.map_or(Some(Target::Directory), Node::target) {
        Some(Target::Directory) => EntryKind::Directory,
        Some(Target::File) => EntryKind::File,
        None => EntryKind::Unknown,
    };
    let text = name.as_str();
    let below = format!("{here}{}", quote(text.as_bytes()));
    // A file is shown under a URL that doesn't know of the directory, so that nothing in it can take
    // the directory's capability from there.
    let known = node.and_then(Node::cap_text);
    let known = known.filter(|_| kind != EntryKind::Unknown);
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
        // Of an unknown child only the directory has both capabilities, and a directory of a drive
        // has none.
        details: own.unwrap_or(below),
        cap: known,
        problem: child.problem.clone(),
    }
}

/// A word for what a child is, as the reference has it, and its size in bytes.
fn word_and_size(directory: &AnyDirectory, node: &Node) -> (&'static str, Option<u64>) {
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
