//! One request and its answer, and when to send a request again.

use super::answer::{Answer, misbehaved};
use super::body::{RequestParts, Taken};
use super::pool::{Checkout, Pool};
use crate::pace::Pace;
use crate::wire::ranges::parse_content_range;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::pin;
use std::time::Duration;
use tahoe_storage_api::StorageError;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Most bytes of the body of an answer that refuses or fails.
const MAX_WORDS: usize = 10_000;
/// How often one call is sent at most.
const MOST_ATTEMPTS: usize = 3;

/// Sends requests to one server.
#[derive(Debug)]
pub(crate) struct Exchange {
    pool: Pool,
}

/// An attempt failed.
struct Failed {
    error: StorageError,
    again: Again,
}

/// Whether the request may be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It wasn't sent.
    Safe,
    /// Only if it changes nothing.
    IfItOnlyReads,
    /// It would fail again.
    Never,
}

impl Failed {
    fn never(error: StorageError) -> Self {
        let again = Again::Never;
        Self { error, again }
    }
}

impl Exchange {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Sends a request and reads an answer of at most `most` bytes.
    pub(crate) async fn run(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[Bytes],
        most: usize,
    ) -> Result<Answer, StorageError> {
        let mut lost = false;
        for attempt in 1.. {
            let taken = Taken::default();
            let mut request = Request::new(RequestParts::new(body, taken.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = path.parse().expect("routes are paths");
            *request.headers_mut() = headers.clone();
            let failed = match self.attempt(request, &taken, attempt > 1, most).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let may_repeat = match failed.again {
                Again::Safe => true,
                Again::IfItOnlyReads => {
                    *method == Method::GET && !std::mem::replace(&mut lost, true)
                }
                Again::Never => false,
            };
            if !may_repeat || attempt >= MOST_ATTEMPTS {
                return Err(failed.error);
            }
            tracing::debug!(%method, path, error = %failed.error, "sending a request again");
        }
        unreachable!("the loop ends by returning")
    }

    async fn attempt(
        &self,
        request: Request<RequestParts>,
        taken: &Taken,
        fresh: bool,
        most: usize,
    ) -> Result<Answer, Failed> {
        let checkout = self.pool.checkout(fresh).await;
        let mut connection = checkout.map_err(Failed::never)?;
        let response = self.send(&mut connection, request, taken).await?;
        let options = self.pool.options();
        let pace = Pace::start(options.silence_timeout, options.minimum_rate);
        let answer = collect(response, pace, most).await?;
        connection.check_in();
        Ok(answer)
    }

    /// Sends a request and waits for the head of the answer.
    async fn send(
        &self,
        connection: &mut Checkout<'_>,
        request: Request<RequestParts>,
        taken: &Taken,
    ) -> Result<Response<Incoming>, Failed> {
        let is_reused = connection.is_reused();
        let silence = self.pool.options().silence_timeout;
        let sending = connection.sender().try_send_request(request);
        let response = unless_silent(sending, taken, silence).await?;
        response.map_err(|mut failure| {
            let never_sent = failure.take_message().is_some();
            let error = failure.into_error();
            let again = match never_sent {
                true if is_reused => Again::Safe,
                _ => Again::IfItOnlyReads,
            };
            connection_error(&error, !never_sent, again)
        })
    }
}

/// Waits for an answer as long as the server goes on taking the request.
async fn unless_silent<T>(
    sending: impl Future<Output = T>,
    taken: &Taken,
    silence: Duration,
) -> Result<T, Failed> {
    let mut sending = pin!(sending);
    let mut count = taken.count();
    let mut timer = pin!(sleep_until(Instant::now() + silence));
    loop {
        tokio::select! {
            biased;
            response = sending.as_mut() => return Ok(response),
            () = timer.as_mut() => {}
        }
        if taken.count() == count {
            return Err(Failed::never(StorageError::TimedOut { after: silence }));
        }
        count = taken.count();
        timer.as_mut().reset(Instant::now() + silence);
    }
}

/// Reads the body of an answer.
async fn collect(
    response: Response<Incoming>,
    mut pace: Pace,
    most: usize,
) -> Result<Answer, Failed> {
    let (parts, mut incoming) = response.into_parts();
    let most = if parts.status.is_success() {
        most
    } else {
        MAX_WORDS
    };
    let expected = expected_length(parts.status, &parts.headers);
    if expected.is_some_and(|expected| expected > most as u64) {
        return Err(Failed::never(misbehaved("the answer is too long")));
    }
    let expected = usize::try_from(expected.unwrap_or(0)).unwrap_or(0);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let frame = timeout_at(pace.deadline(), incoming.frame()).await;
        let Some(frame) = frame.map_err(|_| too_slow(&pace))? else {
            break;
        };
        let frame = frame.map_err(|error| connection_error(&error, true, Again::IfItOnlyReads))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        pace.advance(data.len());
        if data.len() > most - first.len() - whole.len() {
            return Err(Failed::never(misbehaved("the answer is too long")));
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if !first.is_empty() {
            whole = tahoe_buffers::take(0, expected.max(first.len() + data.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    let body = if whole.is_empty() {
        first
    } else {
        tahoe_buffers::lend(whole)
    };
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

/// How long the body says it is.
fn expected_length(status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    if let Some(length) = headers.get(CONTENT_LENGTH) {
        return length.to_str().ok()?.parse().ok();
    }
    if status != StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    parse_content_range(range).ok().map(|range| range.length)
}

fn too_slow(pace: &Pace) -> Failed {
    let after = pace.waited();
    Failed::never(StorageError::TimedOut { after })
}

/// What a broken connection means.
fn connection_error(error: &hyper::Error, may_have_happened: bool, again: Again) -> Failed {
    if error.is_parse() {
        return Failed::never(misbehaved(&format!("not HTTP: {error}")));
    }
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    let error = StorageError::Unreachable {
        reason,
        may_have_happened,
    };
    Failed { error, again }
}
