//! `t=mkdir`, `t=mkdir-with-children`, `t=mkdir-immutable`: new directories in a directory.

use crate::args::{Args, Format};
use crate::directory::children;
use crate::directory::path::Link;
use crate::directory::post::utf8;
use crate::error::WebError;
use crate::failures;
use crate::file::exists;
use crate::request::Call;
use tahoe_client::{ChildName, Children, Directory, DirectoryError, EditError, NewChild, Replace};

/// Makes a directory below one that is there, or says which one this is.
pub(super) async fn named(
    call: &Call,
    args: &Args,
    directory: &Directory,
    t: &str,
    children: &[u8],
) -> Result<String, WebError> {
    let name = utf8(args.first("name").unwrap_or_default(), "name=")?;
    if name.is_empty() {
        return Ok(directory.to_node().cap_text().unwrap_or_default());
    }
    let children = children::parse(children)?;
    let replace = match t {
        "mkdir" if args.boolean("replace", true)? => Replace::Anything,
        _ => Replace::Nothing,
    };
    let name = ChildName::new(name);
    let made = new_directory(call, args, directory, t, children).await?;
    let child = NewChild {
        node: made.to_node(),
        metadata: None,
    };
    let directories = call.client().directories();
    let linked = directories.link(directory, name, child, replace).await;
    linked.map_err(|error| failures::directory(&error))?;
    Ok(made.to_node().cap_text().unwrap_or_default())
}

/// Makes a directory where a path leads.
pub(super) async fn at_path(
    call: &Call,
    args: &Args,
    link: &Link,
    t: &str,
    children: Children,
) -> Result<Directory, WebError> {
    let made = new_directory(call, args, &link.directory, t, children).await?;
    let child = NewChild {
        node: made.to_node(),
        metadata: None,
    };
    let directories = call.client().directories();
    let name = link.name.clone();
    let linked = directories.link(&link.directory, name, child, Replace::Nothing);
    match linked.await {
        Ok(()) => Ok(made),
        // Somebody else made it at the same time.
        Err(DirectoryError::Edit(EditError::ChildExists(_))) if t == "mkdir" => {
            let other = directories.child(&link.directory, &link.name).await;
            let other = other.map_err(|error| failures::directory(&error))?;
            Directory::of(&other.node).ok_or_else(exists)
        }
        Err(error) => Err(failures::directory(&error)),
    }
}

/// A new directory that isn't linked yet; `parent` is where it shall be.
async fn new_directory(
    call: &Call,
    args: &Args,
    parent: &Directory,
    t: &str,
    children: Children,
) -> Result<Directory, WebError> {
    if !parent.is_writable() {
        return Err(failures::directory(&DirectoryError::NotWritable));
    }
    let client = call.client();
    let directories = client.directories();
    let made = if t == "mkdir-immutable" {
        directories.create_immutable(children).await
    } else {
        let format = args.format()?.and_then(Format::mutable);
        let format = format.unwrap_or(client.config().mutable_format);
        directories.create(format, None, children).await
    };
    made.map_err(|error| failures::directory(&error))
}
