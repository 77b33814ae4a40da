//! `t=rename`, `t=relink`: a child gets another name or another directory.

use crate::args::Args;
use crate::directory::post::text_argument;
use crate::error::WebError;
use crate::failures;
use crate::request::Call;
use http::StatusCode;
use tahoe_client::{ChildName, Directory, DirectoryError, Node};

pub(super) async fn answer(
    call: &Call,
    directory: &Directory,
    t: &str,
    args: &Args,
) -> Result<String, WebError> {
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
    let directories = call.client().directories();
    let target = target_directory(call, directory, args).await?;
    let moved = directories.relink(
        (directory, ChildName::new(from)),
        (&target, ChildName::new(to)),
        replace,
    );
    moved.await.map_err(|error| failures::directory(&error))?;
    Ok("thing moved".to_owned())
}

/// The directory of `to_dir=CAP/path`; the same one if it isn't given.
async fn target_directory(
    call: &Call,
    directory: &Directory,
    args: &Args,
) -> Result<Directory, WebError> {
    let not_one = || WebError::text(StatusCode::BAD_REQUEST, "to_dir is not a directory");
    let Some(text) = text_argument(args, "to_dir")? else {
        return Ok(directory.clone());
    };
    let mut parts = text.trim_ascii().split('/');
    let root = parts.next().unwrap_or_default();
    let root = Node::from_slots(Some(root), None, false).map_err(|_| not_one())?;
    let root = Directory::of(&root).ok_or_else(not_one)?;
    let path: Vec<_> = parts.map(ChildName::new).collect();
    let found = call.client().directories().node_at(&root, &path).await;
    let found = found.map_err(|error| match error {
        DirectoryError::NotADirectory(_) => not_one(),
        error => failures::directory(&error),
    })?;
    Directory::of(&found).ok_or_else(not_one)
}
