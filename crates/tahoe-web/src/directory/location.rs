//! Where directories are in the web API: on the grid at their capability, of a shared drive at
//! their path.

use crate::directory_page;
use crate::redirect::quote;
use crate::request::Call;
use std::borrow::Cow;
use tahoe_client::{AnyDirectory, AnyNode, ChildName, DriveDirectory, Drives};

/// The path of a directory's own URL, with a slash at both ends.
pub(crate) fn url_path(directory: &AnyDirectory) -> String {
    match directory {
        AnyDirectory::Grid(directory) => {
            let cap = directory.to_node().cap_text().unwrap_or_default();
            format!("/uri/{}/", quote(cap.as_bytes()))
        }
        AnyDirectory::Drive(directory) => drive_url_path(directory),
    }
}

/// The same for a directory of a shared drive, whose other requests begin with this.
pub(super) fn drive_url_path(directory: &DriveDirectory) -> String {
    below_drive(directory.drive_name(), directory.path())
}

/// The same by the names that lead there.
pub(super) fn below_drive(drive: &str, names: &[ChildName]) -> String {
    let mut path = drive_root(drive);
    for name in names {
        path += &quote(name.as_str().as_bytes());
        path.push('/');
    }
    path
}

/// Where a drive is: of the one that needn't be named, and of the others.
pub(crate) fn drive_root(name: &str) -> String {
    match name {
        Drives::DEFAULT => "/vdrive/".to_owned(),
        name => format!("/vdrives/{}/", quote(name.as_bytes())),
    }
}

/// What a change answers with: the capability; of a directory of a drive, which has none, its path.
pub(super) fn answer_text(node: &AnyNode) -> String {
    match node {
        AnyNode::Grid(node) => node.cap_text().unwrap_or_default(),
        AnyNode::Drive(directory) => drive_url_path(directory),
    }
}

/// What a drive is called on pages.
pub(crate) fn drive_title(name: &str) -> String {
    match name {
        Drives::DEFAULT => "Shared drive".to_owned(),
        name => format!("Shared drive {name}"),
    }
}

/// The name of the drive that a request is about.
fn drive_name(call: &Call) -> Option<Cow<'_, str>> {
    match call.path.first()?.as_slice() {
        b"vdrive" => Some(Drives::DEFAULT.into()),
        b"vdrives" => Some(String::from_utf8_lossy(call.path.get(1)?)),
        _ => None,
    }
}

/// What the directory that a request begins with is called, and its path, with a slash at the end.
fn root(call: &Call) -> (String, String) {
    if let Some(drive) = drive_name(call) {
        return (drive_title(&drive), drive_root(&drive));
    }
    let cap = call.path.get(1).map(Vec::as_slice).unwrap_or_default();
    ("Top directory".to_owned(), format!("/uri/{}/", quote(cap)))
}

/// What the directory that a request begins with is called, and how `to_dir=` names it: by its
/// capability as it is, in a drive by its path as in a URL.
fn root_for_moves(call: &Call) -> (String, String) {
    let (title, path) = root(call);
    if drive_name(call).is_some() {
        return (title, path.trim_end_matches('/').to_owned());
    }
    let cap = call.path.get(1).map(Vec::as_slice).unwrap_or_default();
    (title, String::from_utf8_lossy(cap).into_owned())
}

/// What the directories from the root of a request to its end are called, and how `to_dir=` names them.
pub(super) fn trail_for_moves(call: &Call) -> Vec<(String, String)> {
    let (mut label, mut here) = root_for_moves(call);
    let mut trail = vec![(label.clone(), here.clone())];
    for part in below(call).iter().filter(|part| !part.is_empty()) {
        let part = String::from_utf8_lossy(part);
        label += &format!("/{part}");
        here = below_for_moves(&here, &part);
        trail.push((label.clone(), here.clone()));
    }
    trail
}

/// How `to_dir=` names what is in a directory that it names so.
pub(super) fn below_for_moves(directory: &str, name: &str) -> String {
    match directory.starts_with('/') {
        true => format!("{directory}/{}", quote(name.as_bytes())),
        false => format!("{directory}/{name}"),
    }
}

/// The path of the page that is asked for, with a slash at the end.
pub(super) fn here(call: &Call) -> String {
    let last = trail(call).pop();
    last.map(|(_, path)| path).unwrap_or_default()
}

/// Names and paths of the directories from the root of a request to its end.
pub(super) fn trail(call: &Call) -> Vec<(String, String)> {
    directory_page::trail(root(call), below(call))
}

/// The parts of the path behind what names the directory.
pub(super) fn below(call: &Call) -> &[Vec<u8>] {
    let names_root = match call.path.first().map(Vec::as_slice) {
        Some(b"vdrive") => 1,
        _ => 2,
    };
    call.path.get(names_root..).unwrap_or_default()
}
