//! PUT: new files, links and directories.

use crate::directory::path::{self, Purpose, What};
use crate::directory::{cap_answer, child, location, mkdir};
use crate::error::WebError;
use crate::file::exists;
use crate::request::Call;
use crate::response;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_RANGE;
use tahoe_client::{AnyDirectory, Children, Replace};

pub(super) async fn answer(
    call: &Call,
    body: Body,
    root: &AnyDirectory,
) -> Result<Response, WebError> {
    let t = call.args.t()?;
    let bad = |text: String| WebError::text(StatusCode::BAD_REQUEST, text);
    let place = path::find(call, root, Purpose::of(&call.method, t)).await?;
    match (&place.what, t) {
        (What::Nothing, "mkdir") => {
            let link = place.link.as_ref().ok_or_else(WebError::not_found)?;
            let made = mkdir::at_path(call, &call.args, link, t, Children::new()).await?;
            Ok(response::plain(location::answer_text(&made.to_node())))
        }
        (What::Nothing, "" | "uri") => {
            let link = place.link.ok_or_else(WebError::not_found)?;
            let replace = call.args.replacement()?;
            if call.headers.contains_key(CONTENT_RANGE) {
                let text = "Content-Range in PUT not yet supported";
                return Err(WebError::text(StatusCode::NOT_IMPLEMENTED, text));
            }
            let stored = match t {
                "" => child::store(call, body, &link, replace).await?,
                _ => return child::link_cap(call, body, &link, replace).await,
            };
            Ok(cap_answer(StatusCode::CREATED, stored))
        }
        (What::Nothing, _) => Err(place.nothing_there()),
        (What::Directory(directory), _) => {
            let replace = call.args.replacement()?;
            match t {
                "mkdir" => {
                    let text = location::answer_text(&directory.to_node());
                    Ok(response::plain(text))
                }
                "uri" if replace == Replace::Nothing => Err(exists()),
                "uri" => match &place.link {
                    Some(link) => child::link_cap(call, body, link, replace).await,
                    None => {
                        let text = "a directory that was reached without another one can't be \
                                    replaced";
                        Err(WebError::failure("builtins.AttributeError", text))
                    }
                },
                _ => Err(bad("PUT to a directory".to_owned())),
            }
        }
        (What::File(node, _), _) => {
            let link = place.link.as_ref().ok_or_else(WebError::not_found)?;
            child::put_over(call, body, node, link).await
        }
        (What::Unknown(..), _) => Err(WebError::method(&call.method, "HEAD, GET")),
    }
}
