//! `t=rename`, `t=relink`: a child gets another name or another directory.

use crate::args::Args;
use crate::directory::post::{finish, text_argument};
use crate::error::WebError;
use crate::failures;
use crate::redirect::quote;
use crate::request::Call;
use axum::response::Response;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use tahoe_client::{
    AnyDirectory, AnyDirectoryError, ChildName, Directory, DirectoryError, Drives, Node,
};

/// Something has moved, and has this name now.
pub(super) struct Moved(String);

impl Moved {
    /// The answer. In `when_done=`, `%(name)s` becomes the name and `%(to_dir)s` what `to_dir=` is,
    /// so that it can lead to a page that offers to undo it.
    pub(super) fn finish(&self, args: &Args) -> Result<Response, WebError> {
        let location = args.first("when_done").unwrap_or_default();
        let target = args.first("to_dir").unwrap_or_default();
        let mut known = Args::default();
        match std::str::from_utf8(location) {
            Ok(location) => {
                let location = location.replace("%(name)s", &quote(self.0.as_bytes()));
                known.push("when_done", location.replace("%(to_dir)s", &quote(target)));
            }
            Err(_) => known.push("when_done", location),
        }
        finish(&known, "thing moved".to_owned())
    }
}

pub(super) async fn answer(
    call: &Call,
    directory: &AnyDirectory,
    t: &str,
    args: &Args,
) -> Result<Moved, WebError> {
    let bad = |text: &str| WebError::text(StatusCode::BAD_REQUEST, text);
    if t == "rename" && args.first("to_dir").is_some() {
        return Err(bad("to_dir= is not valid for rename"));
    }
    if t == "rename" && args.first("to_name").is_none() {
        return Err(bad("to_name= is required for rename"));
    }
    let replace = args.replacement()?;
    let from = text_argument(args, "from_name")?;
    let from = from.ok_or_else(|| bad("from_name= is required"))?;
    let from = from.trim_ascii();
    let to = text_argument(args, "to_name")?;
    let to = to.as_ref().map_or(from, |to| to.trim_ascii());
    for (argument, name) in [("from_name", from), ("to_name", to)] {
        if name.contains('/') {
            return Err(bad(&format!("{argument}= may not contain a slash")));
        }
    }
    let directories = call.client().any_directories();
    let target = target_directory(call, directory, args).await?;
    let moved = directories.relink(
        (directory, ChildName::new(from)),
        (&target, ChildName::new(to)),
        replace,
    );
    moved
        .await
        .map_err(|error| failures::any_directory(&error))?;
    Ok(Moved(to.to_owned()))
}

/// The directory of `to_dir=`: `CAP/path`, or a shared drive's directory by the path of its URL, quoted
/// as there; the same one if it isn't given.
async fn target_directory(
    call: &Call,
    directory: &AnyDirectory,
    args: &Args,
) -> Result<AnyDirectory, WebError> {
    let not_one = || WebError::text(StatusCode::BAD_REQUEST, "to_dir is not a directory");
    let Some(text) = text_argument(args, "to_dir")? else {
        return Ok(directory.clone());
    };
    let (root, path) = root_and_path(call, text.trim_ascii()).ok_or_else(not_one)?;
    let mut target = root;
    for name in path {
        let directories = call.client().any_directories();
        let found = directories.child(&target, &name).await;
        let found = found.map_err(|error| match error {
            AnyDirectoryError::Directory(DirectoryError::NotADirectory(_)) => not_one(),
            error => failures::any_directory(&error),
        })?;
        target = AnyDirectory::of(&found.node).ok_or_else(not_one)?;
    }
    Ok(target)
}

fn root_and_path(call: &Call, text: &str) -> Option<(AnyDirectory, Vec<ChildName>)> {
    let Some(place) = text.strip_prefix('/') else {
        let mut path = text.split('/');
        let node = Node::from_slots(path.next(), None, false).ok()?;
        let root = AnyDirectory::Grid(Directory::of(&node)?);
        return Some((root, path.map(ChildName::new).collect()));
    };
    let parts = place.trim_end_matches('/').split('/');
    let parts = parts.map(|part| percent_decode_str(part).decode_utf8().ok());
    let parts: Vec<_> = parts.collect::<Option<_>>()?;
    let (drive, path) = match parts.split_first()? {
        (first, path) if first == "vdrive" => (Drives::DEFAULT, path),
        (first, path) if first == "vdrives" => {
            let (name, path) = path.split_first()?;
            (name.as_ref(), path)
        }
        _ => return None,
    };
    let root = call.client().drives().root(drive)?;
    let path = path.iter().map(|name| ChildName::new(name)).collect();
    Some((AnyDirectory::Drive(root), path))
}
