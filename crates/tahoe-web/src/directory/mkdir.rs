//! `t=mkdir`, `t=mkdir-with-children`, `t=mkdir-immutable`: new directories in a directory.

use crate::args::{Args, Format};
use crate::directory::path::Link;
use crate::directory::post::utf8;
use crate::directory::{children, location};
use crate::error::WebError;
use crate::failures;
use crate::file::exists;
use crate::request::Call;
use tahoe_client::{AnyDirectory, AnyDirectoryError, ChildName, Children, Replace};

/// Makes a directory below one that is there, or says which one this is.
pub(super) async fn named(
    call: &Call,
    args: &Args,
    directory: &AnyDirectory,
    t: &str,
    children: &[u8],
) -> Result<String, WebError> {
    let name = utf8(args.first("name").unwrap_or_default(), "name=")?;
    if name.is_empty() {
        return Ok(location::answer_text(&directory.to_node()));
    }
    let children = children::parse(children)?;
    let replace = match t {
        "mkdir" if args.boolean("replace", true)? => Replace::Anything,
        _ => Replace::Nothing,
    };
    let link = Link {
        directory: directory.clone(),
        name: ChildName::new(name),
    };
    let made = make(call, args, &link, t, children, replace).await?;
    let made = made.map_err(|error| failures::any_directory(&error))?;
    Ok(location::answer_text(&made.to_node()))
}

/// Makes a directory where a path leads.
pub(super) async fn at_path(
    call: &Call,
    args: &Args,
    link: &Link,
    t: &str,
    children: Children,
) -> Result<AnyDirectory, WebError> {
    match make(call, args, link, t, children, Replace::Nothing).await? {
        // Somebody else made it at the same time.
        Err(error) if t == "mkdir" && error.is_child_exists() => {
            let directories = call.client().any_directories();
            let other = directories.child(&link.directory, &link.name).await;
            let other = other.map_err(|error| failures::any_directory(&error))?;
            AnyDirectory::of(&other.node).ok_or_else(exists)
        }
        made => made.map_err(|error| failures::any_directory(&error)),
    }
}

async fn make(
    call: &Call,
    args: &Args,
    link: &Link,
    t: &str,
    children: Children,
    replace: Replace,
) -> Result<Result<AnyDirectory, AnyDirectoryError>, WebError> {
    let client = call.client();
    let directories = client.any_directories();
    let (parent, name) = (&link.directory, link.name.clone());
    if t == "mkdir-immutable" {
        let made = directories.make_immutable_directory(parent, name, children, replace);
        return Ok(made.await);
    }
    let format = args.format()?.and_then(Format::mutable);
    let format = format.unwrap_or(client.config().mutable_format);
    let made = directories.make_directory(parent, name, format, children, replace);
    Ok(made.await)
}
