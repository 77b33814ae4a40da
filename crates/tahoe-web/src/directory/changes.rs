//! `t=changes`: tells a page of changes of a shared drive's directory while they happen, as
//! server-sent events. An event says only that something may have changed; the page looks again.

use crate::browser;
use crate::directory::trash::in_drive;
use crate::error::WebError;
use crate::request::Call;
use crate::serve::Stopped;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tahoe_client::{AnyDirectory, DriveChanges, DriveDirectory, DriveNews};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

/// Most pages that are told of changes at a time; others are refused, and try again.
pub(crate) const MOST_LISTENERS: usize = 64;
/// How often is looked whether the drive's server is connected, and whether the page is still there.
const LOOK: Duration = Duration::from_secs(5);
/// How long changes are gathered before they are told.
const PAUSE: Duration = Duration::from_millis(100);

const EVENT: &[u8] = b"data: changed\n\n";
const NOTHING: &[u8] = b":\n\n";

struct Telling {
    changes: DriveChanges,
    directory: DriveDirectory,
    /// What the page was told last; nothing at first.
    was_connected: Option<bool>,
    stopped: Option<Stopped>,
    /// Whether the path led elsewhere when it was last looked.
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn answer(call: &Call, directory: &AnyDirectory) -> Result<Response, WebError> {
    let directory = in_drive(directory, "changes")?;
    browser::only_own_pages(&call.headers)?;
    let Ok(place) = Arc::clone(&call.site.listeners).try_acquire_owned() else {
        let text = "too many pages are told of changes already";
        return Err(WebError::text(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    let telling = Telling {
        changes: directory.changes().await,
        directory: directory.clone(),
        was_connected: None,
        stopped: call.stopped.clone(),
        is_over: false,
        _place: place,
    };
    let mut response = Response::new(Body::from_stream(events(telling)));
    let headers = response.headers_mut();
    let events = HeaderValue::from_static("text/event-stream");
    headers.insert(CONTENT_TYPE, events);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn events(telling: Telling) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(telling, |mut telling| async {
        let told = telling.next().await?;
        Some((Ok(Bytes::from_static(told)), telling))
    })
}

impl Telling {
    /// What is told next; nothing once the node stops, or the directory isn't here any more. The first
    /// event is for what has changed since the page was made.
    async fn next(&mut self) -> Option<&'static [u8]> {
        if self.is_over {
            return None;
        }
        if self.was_connected.is_some() {
            tokio::select! {
                news = self.changes.next() => {
                    self.is_over = news == Some(DriveNews::Gone);
                    sleep(PAUSE).await;
                    return news.map(|_| EVENT);
                }
                () = is_stopped(&mut self.stopped) => return None,
                () = sleep(LOOK) => {}
            }
        }
        let is_connected = Some(self.directory.is_connected());
        let is_news = self.was_connected != is_connected;
        self.was_connected = is_connected;
        Some(if is_news { EVENT } else { NOTHING })
    }
}

async fn is_stopped(stopped: &mut Option<Stopped>) {
    match stopped {
        Some(stopped) => stopped.wait().await,
        None => std::future::pending().await,
    }
}
