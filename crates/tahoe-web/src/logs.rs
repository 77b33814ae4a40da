//! `/private/logs/v1`, a websocket that tells the log as Eliot's JSON, and `/report_incident`.

use crate::error::WebError;
use crate::request::Call;
use crate::response;
use crate::upload::{self, FileField};
use axum::body::Body;
use axum::extract::FromRequestParts as _;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::timeout;

/// Most listeners at a time.
const MOST_LISTENERS: usize = 16;
/// How long a listener may take for one message.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest message that a listener may send; none is expected.
const MAX_MESSAGE: usize = 4096;

/// Writes an incident with what somebody says about it.
pub type ReportIncident = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// The log of the node, for those who may see it.
#[derive(Clone)]
pub struct NodeLogs {
    token: Arc<str>,
    lines: broadcast::Sender<Arc<str>>,
    report: ReportIncident,
    listeners: Arc<Semaphore>,
    stopped: watch::Sender<bool>,
}

impl std::fmt::Debug for NodeLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeLogs").finish_non_exhaustive()
    }
}

impl NodeLogs {
    /// Lines of JSON that are told to whoever presents this token, and where incidents go.
    pub fn new(token: &str, lines: broadcast::Sender<Arc<str>>, report: ReportIncident) -> Self {
        Self {
            token: token.into(),
            lines,
            report,
            listeners: Arc::new(Semaphore::new(MOST_LISTENERS)),
            stopped: watch::Sender::new(false),
        }
    }

    /// Ends all listeners' connections.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether a request presents the token: `Authorization: tahoe-lafs TOKEN`.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let presented = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let presented = presented.and_then(|value| {
            let space = value.iter().position(|byte| *byte == b' ')?;
            let (scheme, token) = value.split_at(space);
            scheme
                .eq_ignore_ascii_case(b"tahoe-lafs")
                .then(|| token.trim_ascii())
        });
        presented.is_some_and(|token| token.ct_eq(self.token.as_bytes()).into())
    }
}

/// Opens the websocket.
pub(crate) async fn answer(call: &Call, parts: &mut Parts) -> Result<Response, WebError> {
    let Some(logs) = &call.site.options.logs else {
        return Err(WebError::not_found());
    };
    if !logs.admits(&call.headers) {
        let mut response = response::error_text(StatusCode::UNAUTHORIZED, "Unauthorized".into());
        let challenge = HeaderValue::from_static("tahoe-lafs realm=\"tahoe-lafs\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        return Ok(response);
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade.max_message_size(MAX_MESSAGE),
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let Ok(place) = Arc::clone(&logs.listeners).try_acquire_owned() else {
        let text = "too many programs listen to the log already";
        return Err(WebError::text(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    let (lines, mut stopped) = (logs.lines.subscribe(), logs.stopped.subscribe());
    // The task that axum starts ends with the node's logs.
    Ok(upgrade.on_upgrade(move |socket| async move {
        tokio::select! {
            () = tell(socket, lines) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
        drop(place);
    }))
}

/// Tells lines until the listener goes.
async fn tell(mut socket: WebSocket, mut lines: broadcast::Receiver<Arc<str>>) {
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let line = match line {
            Ok(line) => line.to_string(),
            // It was too slow for some lines.
            Err(RecvError::Lagged(count)) => {
                format!("{{\"message_type\": \"tahoe:lost\", \"lines\": {count}}}")
            }
            Err(RecvError::Closed) => return,
        };
        let sent = timeout(PATIENCE, socket.send(Message::text(line))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// `POST /report_incident`.
pub(crate) async fn report_incident(call: &Call, body: Body) -> Result<Response, WebError> {
    if call.method != Method::POST {
        let text = "/report_incident can only be used with POST";
        return Err(WebError::text(StatusCode::BAD_REQUEST, text));
    }
    let Some(logs) = &call.site.options.logs else {
        return Err(WebError::not_found());
    };
    let args = upload::form(call, body, FileField::Skip).await?.args;
    let details = args.first("details").unwrap_or_default();
    let details = String::from_utf8_lossy(details).into_owned();
    let report = Arc::clone(&logs.report);
    let written = tokio::task::spawn_blocking(move || report(&details)).await;
    match written {
        Ok(Ok(())) => Ok(response::with_type(
            StatusCode::OK,
            "text/plain; charset=UTF-8",
            "An incident report has been saved to logs/incidents/ in the node directory."
                .to_owned(),
        )),
        Ok(Err(error)) => Err(WebError::failure("builtins.OSError", error.to_string())),
        Err(error) => Err(WebError::failure(
            "builtins.RuntimeError",
            error.to_string(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_admits() {
        let (lines, _) = broadcast::channel(1);
        let logs = NodeLogs::new("c2VjcmV0", lines, Arc::new(|_| Ok(())));
        let admits = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            logs.admits(&headers)
        };
        assert!(admits("tahoe-lafs c2VjcmV0"));
        assert!(admits("Tahoe-LAFS  c2VjcmV0 "));
        for value in [
            "tahoe-lafs",
            "tahoe-lafs ",
            "tahoe-lafs c2VjcmV",
            "Basic c2VjcmV0",
            "c2VjcmV0",
        ] {
            assert!(!admits(value), "{value}");
        }
        assert!(!logs.admits(&HeaderMap::new()));
        assert!(!format!("{logs:?}").contains("c2VjcmV0"));
    }
}
