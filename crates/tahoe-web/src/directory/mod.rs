//! `/uri/DIRCAP/…`, `/vdrive/…`: directories of the grid and of shared drives, and what is in them.

mod changes;
mod child;
mod children;
mod get;
mod json;
mod listing;
mod location;
mod mkdir;
mod path;
mod post;
mod put;
mod relink;
mod rename_form;
mod trash;

use crate::args::Args;
use crate::directory::path::{Link, Place, What};
use crate::error::WebError;
use crate::request::Call;
use crate::{failures, response, unknown};
use axum::body::Body;
use axum::response::Response;
use http::{Method, StatusCode};
use tahoe_client::{AnyDirectory, Directory, Removal};

pub(crate) use changes::MOST_LISTENERS;
pub(crate) use children::parse as parse_children;
pub(crate) use children::read as read_children;
pub(crate) use location::{drive_root, drive_title, url_path};
pub(crate) use path::Purpose;

/// Answers for a directory or for what a path below it leads to.
pub(crate) async fn answer(
    call: &Call,
    body: Body,
    root: AnyDirectory,
) -> Result<Response, WebError> {
    match call.method {
        Method::GET | Method::HEAD => read(call, &root).await,
        Method::PUT => put::answer(call, body, &root).await,
        Method::POST => post::answer(call, body, &root).await,
        Method::DELETE => delete(call, &root).await,
        _ => Err(WebError::method(
            &call.method,
            "HEAD, GET, POST, PUT, DELETE",
        )),
    }
}

async fn read(call: &Call, root: &AnyDirectory) -> Result<Response, WebError> {
    let place = path::find(call, root, Purpose::LOOKING).await?;
    match place.what {
        What::Directory(directory) => get::answer(call, &directory).await,
        What::File(node, metadata) => {
            let link = place.link.as_ref();
            child::read(call, node, metadata, link).await
        }
        What::Unknown(slots, metadata) => {
            let immutable = place
                .link
                .as_ref()
                .is_some_and(|l| !l.directory.is_mutable());
            unknown::child(call, slots, &metadata, immutable).await
        }
        What::Nothing => Err(place.nothing_there()),
    }
}

/// Removes the link through which something was reached, and answers with what it was.
async fn delete(call: &Call, root: &AnyDirectory) -> Result<Response, WebError> {
    let place = path::find(call, root, Purpose::REMOVING).await?;
    let text = match &place.what {
        What::Directory(directory) => Some(location::answer_text(&directory.to_node())),
        What::File(node, _) => node.cap_text(),
        What::Unknown(slots, _) => slots.write.clone().or_else(|| slots.read.clone()),
        What::Nothing => return Err(place.nothing_there()),
    };
    let Some(link) = place.link else {
        let text = "a directory that was reached without another one can't be removed";
        return Err(WebError::failure("builtins.AssertionError", text));
    };
    let removal = removal(&call.args)?;
    let directories = call.client().any_directories();
    let unlinked = directories
        .unlink(&link.directory, link.name, removal)
        .await;
    unlinked.map_err(|error| failures::any_directory(&error))?;
    Ok(cap_answer(StatusCode::OK, text.unwrap_or_default()))
}

/// Whether a drive's directory goes with all that is in it.
fn removal(args: &Args) -> Result<Removal, WebError> {
    Ok(match args.boolean("recursive", false)? {
        true => Removal::Recursive,
        false => Removal::Empty,
    })
}

/// The directory for what can only be done with one on the grid.
fn on_grid<'a>(directory: &'a AnyDirectory, t: &str) -> Result<&'a Directory, WebError> {
    match directory {
        AnyDirectory::Grid(directory) => Ok(directory),
        AnyDirectory::Drive(_) => {
            let text =
                format!("t={t} isn't possible in a shared drive, whose directories have no shares");
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// A capability as the answer to a change; the reference labels it so, too.
fn cap_answer(status: StatusCode, text: String) -> Response {
    response::with_type(status, "text/html", text)
}

impl Place {
    fn nothing_there(&self) -> WebError {
        let name = self.link.as_ref().map(|link| link.name.as_str());
        let missing = failures::no_such_child(name.unwrap_or_default()).into_page();
        missing.advising(self.link.as_ref().and_then(Link::advice))
    }
}
