//! Directories and their children as JSON.

use crate::directory::location;
use crate::{python_text, response};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use tahoe_caps::{MutableFormat, ReadFileCap, Target};
use tahoe_client::{
    AnyChild, AnyDirectory, AnyListing, AnyNode, ChildName, Directory, DriveDirectory, Metadata,
    Node, Room, TrashedChild,
};

/// Most children that are written at a time.
const PIECE: usize = 500;
/// About how much memory a child takes that is being written, in bytes.
const CHILD_MEMORY: usize = 4 << 10;

/// About how much memory writing this listing takes, piece by piece.
pub(super) fn memory_of_piece(listing: &AnyListing) -> u64 {
    (listing.len().min(PIECE) * CHILD_MEMORY) as u64
}

/// Tells of a directory and its children, of many children piece by piece.
pub(super) fn answer(
    directory: &AnyDirectory,
    listing: AnyListing,
    room: Option<Room>,
) -> Response {
    let mut pieces = Pieces::new(directory, listing);
    if pieces.listing.len() <= PIECE {
        let text = std::iter::from_fn(|| pieces.next()).collect();
        return response::plain(response::held(text, room));
    }
    let pieces = stream::unfold((pieces, room), |(mut pieces, room)| async {
        let piece = pieces.next()?;
        Some((Ok::<_, Infallible>(piece), (pieces, room)))
    });
    let mut response = response::plain(Bytes::new());
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from_stream(pieces);
    response
}

/// The text of a directory and its children, from front to back.
struct Pieces {
    listing: AnyListing,
    /// What goes before the children, until it was written.
    head: String,
    /// What comes after the children, until it was written.
    tail: Option<String>,
    /// The last child that was written.
    last: Option<ChildName>,
}

impl Pieces {
    fn new(directory: &AnyDirectory, listing: AnyListing) -> Self {
        let text = python_text::json(&without_children(directory));
        let (head, tail) = text
            .split_once(NO_CHILDREN)
            .expect("a directory without children was written");
        Self {
            listing,
            head: format!("{head}\"children\": {{"),
            tail: Some(format!("}}{tail}")),
            last: None,
        }
    }

    /// The next piece; none after the last.
    fn next(&mut self) -> Option<String> {
        let mut text = std::mem::take(&mut self.head);
        let mut children = Map::new();
        let mut last = None;
        for (name, child) in self.listing.children_after(self.last.as_ref()).take(PIECE) {
            children.insert(name.as_str().to_owned(), any_child(child));
            last = Some(name.clone());
        }
        let goes_on = self.last.is_some();
        if last.is_some() {
            text.push_str(if goes_on { "," } else { "" });
            text.push_str(&members(children));
            self.last = last;
        } else {
            let tail = self.tail.take()?;
            text.push_str(if goes_on { "\n  " } else { "" });
            text.push_str(&tail);
        }
        Some(text)
    }
}

/// What is between the braces of the children of a directory.
fn members(children: Map<String, Value>) -> String {
    // Here the children are as deep as there.
    let text = python_text::json(&json!([[children]]));
    let members = text
        .strip_prefix("[\n [\n  {")
        .and_then(|text| text.strip_suffix("\n  }\n ]\n]\n"));
    members.expect("an object was written").to_owned()
}

fn any_child(any: AnyChild) -> Value {
    match &any.node {
        AnyNode::Grid(node) => child(node, &any.metadata, any.problem),
        AnyNode::Drive(directory) => drive_child(directory, &any.metadata),
    }
}

/// How a directory without children is written; what else is said of it comes behind.
const NO_CHILDREN: &str = "\"children\": {}";

/// `["dirnode", {…}]` of a directory, as if it were empty.
fn without_children(directory: &AnyDirectory) -> Value {
    let mut facts = Map::new();
    facts.insert("children".to_owned(), Map::new().into());
    match directory {
        AnyDirectory::Grid(directory) => grid_facts(&mut facts, directory),
        AnyDirectory::Drive(directory) => drive_facts(&mut facts, directory),
    }
    json!(["dirnode", facts])
}

fn grid_facts(facts: &mut Map<String, Value>, directory: &Directory) {
    let node = directory.to_node();
    insert(facts, "ro_uri", node.read_cap_text());
    insert(facts, "rw_uri", node.write_cap_text());
    insert(facts, "verify_uri", verify_cap_text(&node));
    facts.insert("mutable".to_owned(), directory.is_mutable().into());
}

/// A directory of a shared drive has a path where others have capabilities.
fn drive_facts(facts: &mut Map<String, Value>, directory: &DriveDirectory) {
    let url = location::drive_url_path(directory);
    facts.insert("url".to_owned(), url.into());
    facts.insert("writable".to_owned(), directory.is_writable().into());
    facts.insert("mutable".to_owned(), true.into());
}

fn drive_child(directory: &DriveDirectory, metadata: &Metadata) -> Value {
    let mut facts = Map::new();
    drive_facts(&mut facts, directory);
    let metadata = metadata.as_object().clone();
    facts.insert("metadata".to_owned(), Value::Object(metadata));
    json!(["dirnode", facts])
}

/// What a name led to that was removed or replaced.
pub(super) fn trashed(removed: &TrashedChild) -> Value {
    match &removed.node {
        Some(node) => child(node, &Metadata::default(), None),
        None => json!(["dirnode", {}]),
    }
}

/// `["filenode" | "dirnode" | "unknown", {…}]` of a child in a listing; what is wrong with one of a
/// shared drive is its `problem`.
fn child(node: &Node, metadata: &Metadata, problem: Option<String>) -> Value {
    let mut facts = Map::new();
    let kind = match node.target() {
        Some(Target::File) => {
            file_facts(&mut facts, node);
            "filenode"
        }
        Some(Target::Directory) => {
            let mutable = node.is_mutable() == Some(true);
            facts.insert("mutable".to_owned(), mutable.into());
            "dirnode"
        }
        None => "unknown",
    };
    let metadata = metadata.as_object().clone();
    facts.insert("metadata".to_owned(), Value::Object(metadata));
    insert(&mut facts, "rw_uri", node.write_cap_text());
    insert(&mut facts, "ro_uri", node.read_cap_text());
    insert(&mut facts, "verify_uri", verify_cap_text(node));
    insert(&mut facts, "problem", problem);
    json!([kind, facts])
}

fn file_facts(facts: &mut Map<String, Value>, node: &Node) {
    let file = node.to_read().map(|cap| cap.file);
    let (mutable, format, size) = match file {
        Some(ReadFileCap::Mutable(cap)) => match cap.format {
            MutableFormat::Sdmf => (true, "SDMF", None),
            MutableFormat::Mdmf => (true, "MDMF", None),
        },
        Some(ReadFileCap::Chk(cap)) => (false, "CHK", Some(cap.size)),
        Some(ReadFileCap::Literal(cap)) => (false, "CHK", Some(cap.content().len() as u64)),
        None => return,
    };
    facts.insert("mutable".to_owned(), mutable.into());
    facts.insert("format".to_owned(), format.into());
    if let Some(size) = size {
        facts.insert("size".to_owned(), size.into());
    }
}

fn verify_cap_text(node: &Node) -> Option<String> {
    node.to_verify().map(|cap| cap.to_text())
}

fn insert(facts: &mut Map<String, Value>, key: &str, text: Option<String>) {
    if let Some(text) = text {
        facts.insert(key.to_owned(), text.into());
    }
}
