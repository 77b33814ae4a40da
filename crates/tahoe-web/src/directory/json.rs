//! Directories and their children as JSON.

use crate::directory::location;
use serde_json::{Map, Value, json};
use tahoe_caps::{MutableFormat, ReadFileCap, Target};
use tahoe_client::{
    AnyDirectory, AnyListing, AnyNode, Directory, DriveDirectory, Metadata, Node, TrashedChild,
};

/// `["dirnode", {…}]` of a directory.
pub(super) fn directory(directory: &AnyDirectory, listing: &AnyListing) -> Value {
    let mut children = Map::new();
    for (name, one) in listing.children() {
        let child = match &one.node {
            AnyNode::Grid(node) => child(node, &one.metadata, one.problem),
            AnyNode::Drive(directory) => drive_child(directory, &one.metadata),
        };
        children.insert(name.as_str().to_owned(), child);
    }
    let mut facts = Map::new();
    facts.insert("children".to_owned(), Value::Object(children));
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
