//! What happens to every request and answer: security headers, HEAD, the access log.
//!
//! The log holds no capability and no name of a file: of a path only the first part is kept, and of
//! the arguments only the values of those that can't be secret.

use crate::args::Args;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderValue, Method, Uri};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// First parts of paths that are logged as they are.
const KNOWN_PATHS: &[&str] = &[
    "uri",
    "cap",
    "vdrive",
    "vdrives",
    "file",
    "named",
    "statistics",
    "assets",
    "static",
    "status",
    "operations",
    "storage",
    "helper_status",
    "private",
    "report_incident",
    "tahoe.css",
    "icon.svg",
    "icon.png",
];
/// Arguments whose values are logged.
const PLAIN_ARGUMENTS: &[&str] = &[
    "t",
    "format",
    "mutable",
    "replace",
    "save",
    "offset",
    "output",
    "verify",
    "repair",
    "add-lease",
    "recursive",
];
const CENSORED: &str = "[CENSORED]";

/// Who sent a request; the server puts it into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Completes an answer with what every answer has.
pub(crate) fn complete(method: &Method, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

/// Logs an answer.
pub(crate) fn log(peer: Option<Peer>, method: &Method, uri: &Uri, response: &Response) {
    let peer = peer.map_or_else(|| "-".to_owned(), |Peer(address)| address.ip().to_string());
    let length = response.headers().get(CONTENT_LENGTH);
    let length = length
        .and_then(|length| length.to_str().ok())
        .unwrap_or("-");
    tracing::info!(
        target: "tahoe::web",
        "web: {peer} {method} {} {} {length}",
        censored(uri),
        response.status().as_u16(),
    );
}

/// A request's path and arguments without what may be secret.
fn censored(uri: &Uri) -> String {
    let path = uri.path().trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let mut shown = if path.is_empty() || KNOWN_PATHS.contains(&first) {
        format!("/{first}")
    } else {
        format!("/{CENSORED}")
    };
    if !rest.is_empty() {
        shown += "/";
        shown += CENSORED;
    }
    let args = Args::parse(uri.query().unwrap_or_default().as_bytes());
    for (number, (name, value)) in args.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let separator = if number == 0 { '?' } else { '&' };
        let plain = PLAIN_ARGUMENTS.contains(&&*name) && value.len() <= 32;
        let value = if plain {
            value.escape_ascii().to_string()
        } else {
            CENSORED.to_owned()
        };
        let name = name.escape_default().take(32).collect::<String>();
        write!(shown, "{separator}{name}={value}").expect("a String takes everything");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_and_names_never_reach_the_log() {
        for (uri, expected) in [
            ("/", "/"),
            ("/?t=json", "/?t=json"),
            ("/uri", "/uri"),
            ("/uri/URI:CHK:secret", "/uri/[CENSORED]"),
            ("/uri/URI:CHK:secret/x?t=info", "/uri/[CENSORED]?t=info"),
            ("/cap/URI:CHK:secret", "/cap/[CENSORED]"),
            ("/vdrive/secret/x?t=json", "/vdrive/[CENSORED]?t=json"),
            ("/vdrives/secret", "/vdrives/[CENSORED]"),
            ("/file/URI:CHK:secret/@@named=/x", "/file/[CENSORED]"),
            (
                "/uri?uri=URI:CHK:secret&t=json",
                "/uri?uri=[CENSORED]&t=json",
            ),
            ("/uri?private-key=secret", "/uri?private-key=[CENSORED]"),
            (
                "/uri?when_done=%2Furi%2Fsecret",
                "/uri?when_done=[CENSORED]",
            ),
            (
                "/uri/X?filename=secret&save=true",
                "/uri/[CENSORED]?filename=[CENSORED]&save=true",
            ),
            ("/URI:CHK:secret", "/[CENSORED]"),
            ("/uri?t=a%0Ab", "/uri?t=a\\nb"),
        ] {
            assert_eq!(censored(&uri.parse().unwrap()), expected, "{uri}");
        }
        let long = format!("/uri?t={}", "s".repeat(100));
        assert_eq!(censored(&long.parse().unwrap()), "/uri?t=[CENSORED]");
    }
}
