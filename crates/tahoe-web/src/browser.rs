//! What keeps other sites from using a person's browser against this node.
//!
//! Programs send none of the headers that are looked at here, so they notice only a host name that
//! the node doesn't know. Against pages of other sites:
//!
//! - A change is refused if the browser says that another site asks for it (`Sec-Fetch-Site`, or
//!   `Origin` where a browser doesn't send that). A page that we show from the grid is another site:
//!   its origin is opaque, by [`FILE_POLICY`].
//! - A file of the grid is never run, whoever asks: its contents are somebody else's. Only scripts of
//!   our own and of the operator's directory are (`Sec-Fetch-Dest`).
//! - A name that leads here but isn't ours is refused: a site could have given its own name this
//!   address, and its pages would count as ours (DNS rebinding). A request with two names is, too.

use crate::error::WebError;
use crate::layer::{self, Peer};
use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// What a file of the grid may do in a browser: show itself, also within our pages, with images,
/// styles and sounds from this node, in an origin of its own. Its scripts don't run, because they
/// could read the capability in their own address.
pub(crate) const FILE_POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'self' data: blob: 'unsafe-inline'; script-src 'none'; \
     connect-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
);

/// What goes for a file that browsers don't show in a sandbox.
pub(crate) const FRAMED_POLICY: HeaderValue = HeaderValue::from_static("frame-ancestors 'self'");

/// For what browsers ask when they are going to run it (`Sec-Fetch-Dest`).
const RUNNING: &[&str] = &[
    "script",
    "worker",
    "sharedworker",
    "serviceworker",
    "audioworklet",
    "paintworklet",
];
/// First parts of paths below which scripts may be.
const SCRIPT_PATHS: &[&str] = &["assets", "static"];

/// Ends of names that nobody can register.
const PRIVATE_DOMAINS: &[&str] = &[".localhost", ".local"];

/// Answers what may be answered, with `hosts` as the node's names besides its addresses.
pub(crate) async fn guard(
    State(hosts): State<Arc<[String]>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let admitted = admit(request.method(), request.uri(), request.headers(), &hosts);
    let Err(refusal) = admitted else {
        return next.run(request).await;
    };
    let (parts, _) = request.into_parts();
    let response = layer::complete(&parts.method, refusal.into_response(&parts.headers));
    let peer = parts.extensions.get::<Peer>().copied();
    layer::log(peer, &parts.method, &parts.uri, &response);
    response
}

fn admit(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    hosts: &[String],
) -> Result<(), WebError> {
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(WebError::text(
            StatusCode::BAD_REQUEST,
            "A request has one Host header.\n",
        ));
    }
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let named = [uri.authority().map(|host| host.as_str().as_bytes()), host];
    for host in named.into_iter().flatten() {
        let authority = Authority::try_from(host).ok();
        let name = authority.as_ref().map_or("", |authority| authority.host());
        if !is_ours(name, hosts) {
            return Err(WebError::text(
                StatusCode::MISDIRECTED_REQUEST,
                format!(
                    "This node isn't known as {:?}. If the name is yours, write it to web.hosts \
                     in the [node] section of tahoe.cfg and start the node again.\n",
                    String::from_utf8_lossy(host)
                ),
            ));
        }
    }
    if is_to_be_run(headers) && !may_be_run(uri.path()) {
        return Err(WebError::text(
            StatusCode::FORBIDDEN,
            "Nothing that the grid holds is run as a script of a page.\n",
        ));
    }
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    if changes && is_from_elsewhere(headers) {
        return Err(WebError::text(
            StatusCode::FORBIDDEN,
            "Another site's page asked your browser to change something here. Nothing was \
             changed; use this node's own pages.\n",
        ));
    }
    Ok(())
}

/// Whether a host's name can't be another site's: an address, a name without a domain, a private
/// domain, or one of `hosts`.
fn is_ours(name: &str, hosts: &[String]) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || !name.is_empty() && !name.contains('.')
        || PRIVATE_DOMAINS.iter().any(|domain| name.ends_with(domain))
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(&name))
}

/// Whether a browser says that it will run what it gets.
fn is_to_be_run(headers: &HeaderMap) -> bool {
    let destination = headers.get("sec-fetch-dest");
    destination.is_some_and(|destination| RUNNING.iter().any(|kind| destination == kind))
}

fn may_be_run(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    first.is_some_and(|first| SCRIPT_PATHS.contains(&first))
}

/// Refuses what a page of another site asks for, if only pages of ours should.
pub(crate) fn only_own_pages(headers: &HeaderMap) -> Result<(), WebError> {
    match is_from_elsewhere(headers) {
        true => Err(WebError::text(
            StatusCode::FORBIDDEN,
            "Only this node's own pages are told of changes.\n",
        )),
        false => Ok(()),
    }
}

/// Whether a browser says that the page that asks isn't one of ours.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let origin = origin.as_bytes();
    let origin = origin
        .strip_prefix(b"http://")
        .or_else(|| origin.strip_prefix(b"https://"));
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    match (origin, host) {
        (Some(origin), Some(host)) => !origin.eq_ignore_ascii_case(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, uri: &str, headers: &[(&'static str, &str)]) -> u16 {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let hosts = ["Tahoe.Example.org".to_owned()];
        let method = method.parse().unwrap();
        let admitted = admit(&method, &uri.parse().unwrap(), &headers, &hosts);
        admitted.map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    #[test]
    fn programs_are_let_in() {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            assert_eq!(status(method, "/uri", &[]), 200);
            assert_eq!(status(method, "/uri", &[("host", "localhost:3456")]), 200);
        }
    }

    #[test]
    fn names_of_other_sites_are_refused() {
        for (host, expected) in [
            ("127.0.0.1:3456", 200),
            ("[::1]:3456", 200),
            ("[::1]", 200),
            ("LOCALHOST", 200),
            ("nas:3456", 200),
            ("nas.local", 200),
            ("grid.localhost.:1", 200),
            ("tahoe.example.org:3456", 200),
            ("TAHOE.example.org.", 200),
            ("example.org", 421),
            ("evil.example:3456", 421),
            ("evil.tahoe.example.org", 421),
            ("local", 200),
            ("evil.notlocal", 421),
            ("127.0.0.1.evil.example", 421),
            ("127.0.0.1@evil.example", 421),
            ("", 421),
            ("a b", 421),
        ] {
            assert_eq!(status("GET", "/", &[("host", host)]), expected, "{host}");
        }
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(status("GET", "/", &twice), 400);
        assert_eq!(status("GET", "/", &[twice[0], twice[0]]), 400);
        let headers = [("host", "localhost")];
        assert_eq!(status("GET", "http://evil.example/", &headers), 421);
    }

    #[test]
    fn what_the_grid_holds_is_not_run() {
        for (destination, path, expected) in [
            ("script", "/file/URI:CHK:x/@@named=/x.js", 403),
            ("script", "/uri/URI:DIR2:x/assets/x.js", 403),
            ("serviceworker", "/uri/URI:CHK:x", 403),
            ("script", "/?t=json", 403),
            ("script", "/assets/x.js", 200),
            ("worker", "/static/x.js", 200),
            ("document", "/file/URI:CHK:x/@@named=/x.js", 200),
            ("image", "/uri/URI:CHK:x", 200),
        ] {
            let headers = [("sec-fetch-dest", destination)];
            assert_eq!(
                status("GET", path, &headers),
                expected,
                "{destination} {path}"
            );
        }
    }

    #[test]
    fn changes_for_other_sites_are_refused() {
        let host = ("host", "127.0.0.1:3456");
        for (header, expected) in [
            (("sec-fetch-site", "same-origin"), 200),
            (("sec-fetch-site", "none"), 200),
            (("sec-fetch-site", "same-site"), 403),
            (("sec-fetch-site", "cross-site"), 403),
            (("sec-fetch-site", "?"), 403),
            (("origin", "http://127.0.0.1:3456"), 200),
            (("origin", "https://127.0.0.1:3456"), 200),
            (("origin", "http://127.0.0.1:8000"), 403),
            (("origin", "http://evil.example"), 403),
            (("origin", "null"), 403),
        ] {
            for method in ["PUT", "POST", "DELETE"] {
                assert_eq!(status(method, "/", &[host, header]), expected, "{header:?}");
            }
            assert_eq!(
                status("GET", "/", &[host, header]),
                200,
                "a link may lead here"
            );
        }
        assert_eq!(status("PUT", "/", &[("origin", "http://x")]), 403);
    }
}
