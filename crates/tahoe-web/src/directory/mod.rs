//! `/uri/DIRCAP/…`: directories and what is in them.

mod child;
mod children;
mod get;
mod json;
mod listing;
mod mkdir;
mod path;
mod post;
mod put;
mod relink;
mod rename_form;

use crate::directory::path::{Place, What};
use crate::error::WebError;
use crate::request::Call;
use crate::{failures, response, unknown};
use axum::body::Body;
use axum::response::Response;
use http::{Method, StatusCode};
use tahoe_client::{Directory, DirectoryError, EditError};

pub(crate) use children::parse as parse_children;
pub(crate) use children::read as read_children;
pub(crate) use path::Purpose;

/// Answers for a directory or for what a path below it leads to.
pub(crate) async fn answer(call: &Call, body: Body, root: Directory) -> Result<Response, WebError> {
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

/// The parts of the path behind the directory's capability.
fn below(call: &Call) -> &[Vec<u8>] {
    call.path.get(2..).unwrap_or_default()
}

async fn read(call: &Call, root: &Directory) -> Result<Response, WebError> {
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
async fn delete(call: &Call, root: &Directory) -> Result<Response, WebError> {
    let place = path::find(call, root, Purpose::LOOKING).await?;
    let text = match &place.what {
        What::Directory(directory) => directory.to_node().cap_text(),
        What::File(node, _) => node.cap_text(),
        What::Unknown(slots, _) => slots.write.clone().or_else(|| slots.read.clone()),
        What::Nothing => return Err(place.nothing_there()),
    };
    let Some(link) = place.link else {
        let text = "a directory that was reached without another one can't be removed";
        return Err(WebError::failure("builtins.AssertionError", text));
    };
    let directories = call.client().directories();
    let unlinked = directories.unlink(&link.directory, link.name).await;
    unlinked.map_err(|error| failures::directory(&error))?;
    Ok(cap_answer(StatusCode::OK, text.unwrap_or_default()))
}

/// A capability as the answer to a change; the reference labels it so, too.
fn cap_answer(status: StatusCode, text: String) -> Response {
    response::with_type(status, "text/html", text)
}

/// The name of something that isn't there, if that is what the error says.
fn missing(error: &DirectoryError) -> bool {
    matches!(error, DirectoryError::Edit(EditError::NoSuchChild(_)))
}

impl Place {
    fn nothing_there(&self) -> WebError {
        let name = self.link.as_ref().map(|link| link.name.as_str());
        failures::no_such_child(name.unwrap_or_default()).into_page()
    }
}
