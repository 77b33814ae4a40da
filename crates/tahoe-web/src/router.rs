//! Which path is answered by what.

use crate::content_type::ContentTypes;
use crate::error::WebError;
use crate::layer::{self, Peer};
use crate::operations::Operations;
use crate::options::WebOptions;
use crate::request::{Call, Site};
use crate::{
    assets, cap, directory, helper_status, logs, named, operations, static_files, statistics,
    status, storage, unlinked, vdrive, welcome,
};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use std::sync::Arc;
use tahoe_client::Client;
use tokio::sync::Semaphore;

/// Makes the web API of a client; it answers every path.
pub fn router(client: Arc<Client>, options: WebOptions) -> Router {
    let site = Arc::new(Site {
        client,
        options,
        content_types: ContentTypes::of_this_system(),
        operations: Operations::default(),
        listeners: Arc::new(Semaphore::new(directory::MOST_LISTENERS)),
    });
    Router::new().fallback(answer).with_state(site)
}

async fn answer(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let call = Call::new(site, &parts);
    let answer = match is_log(&call) {
        true => logs::answer(&call, &mut parts).await,
        false => Box::pin(dispatch(&call, body)).await,
    };
    let response = answer.unwrap_or_else(|error| error.into_response(&parts.headers));
    let response = layer::complete(&parts.method, response);
    let peer = parts.extensions.get::<Peer>().copied();
    layer::log(peer, &parts.method, &parts.uri, &response);
    response
}

/// Whether the log is asked for, which takes over the connection.
fn is_log(call: &Call) -> bool {
    call.path == [&b"private"[..], b"logs", b"v1"]
}

/// Finds the resource by the first part of the path; a file per family.
async fn dispatch(call: &Call, body: Body) -> Result<Response, WebError> {
    let path: Vec<&[u8]> = call.path.iter().map(Vec::as_slice).collect();
    match path[..] {
        [b""] => welcome::answer(call),
        [b"uri" | b"cap"] => unlinked::answer(call, body).await,
        [b"uri" | b"cap", b""] => unlinked::without_slash(call),
        [b"uri" | b"cap", ..] => cap::answer(call, body).await,
        [b"vdrive", ..] => vdrive::answer(call, body).await,
        [b"vdrives"] => vdrive::list(call),
        [b"vdrives", name, ..] => vdrive::answer_named(call, body, name).await,
        [b"file" | b"named"] => named::bare(call),
        [b"file" | b"named", ..] => named::answer(call).await,
        [b"operations", _] | [b"operations", _, _] => operations::answer(call, body).await,
        [b"statistics"] => statistics::answer(call),
        [b"status"] | [b"status", b""] => status::answer(call),
        [b"status", name, ref rest @ ..] => status::answer_one(call, name, rest),
        [b"storage"] => storage::answer(call),
        [b"report_incident"] => logs::report_incident(call, body).await,
        [b"helper_status"] => helper_status::answer(call),
        [b"static", ..] => static_files::answer(call).await,
        [b"assets", name] => assets::script(&call.method, name),
        [b"tahoe.css"] => assets::style_sheet(&call.method),
        [b"icon.svg"] => assets::icon(&call.method),
        _ => Err(WebError::not_found()),
    }
}
