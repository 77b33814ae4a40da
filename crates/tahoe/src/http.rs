//! Requests to a node's web server, as the commands on files make them.
//!
//! Bodies are streamed both ways; whatever a file's size, a few blocks of it are in memory.
//! Connections are kept and used again, which is what makes many small requests fast. With `https:`
//! a certificate of the node must be vouched for by the system's authorities, or by those that
//! `SSL_CERT_FILE` or `SSL_CERT_DIR` name, as for the original.

use crate::error::{CommandError, Result};
use crate::quote::{python_repr, quoted_if_needed};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much of a file is read at a time.
const BLOCK_SIZE: usize = 256 * 1024;
/// How much of an error's explanation is shown.
const MAX_EXPLANATION: usize = 1024 * 1024;
/// How long a connection may wait for its next request; nodes close theirs after half a minute.
const LONGEST_IDLE: Duration = Duration::from_secs(10);

pub(crate) type RequestBody = BoxBody<Bytes, io::Error>;

/// A node's web server: its address and the connections to it.
#[derive(Clone)]
pub(crate) struct Node {
    scheme: Scheme,
    host: String,
    port: u16,
    /// Begins and ends with a slash.
    path: String,
    client: Client<HttpsConnector<HttpConnector>, RequestBody>,
}

/// What is spoken with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// What stands before `://`, and the port if none is given.
    const fn name_and_port(self) -> (&'static str, u16) {
        match self {
            Self::Http => ("http", 80),
            Self::Https => ("https", 443),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.url()).finish()
    }
}

/// Why a request has no usable answer; `Display` is what the commands print.
#[derive(Debug)]
pub(crate) struct HttpFailure(String);

impl HttpFailure {
    /// The failure as a command's, after what it was doing.
    pub(crate) fn during(self, what: &str) -> CommandError {
        let message = quoted_if_needed(&format!("{what}: {}", self.0));
        CommandError::failed(message)
    }
}

impl Node {
    /// Reads `http://host:port/`, or the same with `https:`; anything after the port stays in front
    /// of every path.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            CommandError::usage(format!(
                "--node-url is required to look like \"http://HOSTNAMEORADDR:PORT\", not: {text:?}"
            ))
        };
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(wrong()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority: http::uri::Authority = authority.parse().map_err(|_| wrong())?;
        let slash = if path.is_empty() || path.ends_with('/') {
            ""
        } else {
            "/"
        };
        let (_, default_port) = scheme.name_and_port();
        Ok(Self {
            scheme,
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(default_port),
            path: format!("/{path}{slash}"),
            client: client(scheme)?,
        })
    }

    /// The node's URL; it ends with a slash.
    pub(crate) fn url(&self) -> String {
        let (scheme, _) = self.scheme.name_and_port();
        format!("{scheme}://{}:{}{}", self.host, self.port, self.path)
    }

    /// Sends one request and waits for the head of its answer.
    ///
    /// `path` follows the node's own and is already percent-encoded.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: RequestBody,
        length_bytes: Option<u64>,
    ) -> std::result::Result<Response<Incoming>, HttpFailure> {
        let has_body = method == Method::PUT;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("Host", format!("{}:{}", self.host, self.port))
            .header("Hostname", &self.host)
            .header("User-Agent", format!("{} (tahoe-client)", crate::VERSION))
            .header("Accept", "text/plain, application/octet-stream");
        if let Some(length) = length_bytes {
            request = request.header("Content-Length", length);
        }
        let request = request.body(body);
        let request = request.map_err(|error| self.unreachable(&error))?;
        let answering = self.client.request(request);
        // How long a body takes is the node's affair.
        let limit = if has_body { None } else { timeout() };
        let answered = within(limit, async { answering.await.map_err(io::Error::other) }).await;
        answered.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> HttpFailure {
        // The address is without the path of the request, which may hold a capability.
        let url = self.url();
        let reason = system_error(error).unwrap_or_else(|| crate::error::chain(error));
        HttpFailure(format!("-1 Error trying to connect to {url}: {reason}\n''"))
    }
}

fn client(scheme: Scheme) -> Result<Client<HttpsConnector<HttpConnector>, RequestBody>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(timeout());
    connector.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(scheme)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(LONGEST_IDLE)
        .build(connector))
}

/// Whom to believe: for `https:` the authorities of the system, else nobody.
fn tls(scheme: Scheme) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if scheme == Scheme::Https {
        // What can't be read among them is no reason to distrust the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| CommandError::failed(error.to_string()))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

/// What the operating system said, as Python writes it.
fn system_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let code = error.downcast_ref::<io::Error>();
        if let Some(code) = code.and_then(io::Error::raw_os_error) {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            return Some(format!("[Errno {code}] {text}"));
        }
        cause = error.source();
    }
    None
}

/// `__TAHOE_CLI_HTTP_TIMEOUT`: how long a node may take to connect and to go on answering.
pub(crate) fn timeout() -> Option<Duration> {
    let text = std::env::var("__TAHOE_CLI_HTTP_TIMEOUT").ok()?;
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// Awaits something for at most so long.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match limit {
        None => future.await,
        Some(limit) => match tokio::time::timeout(limit, future).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "timed out")),
        },
    }
}

/// Says whether the node did what it was asked to.
pub(crate) fn is_success(status: StatusCode) -> bool {
    status.is_success()
}

/// The status line without its version: `200 OK`.
pub(crate) fn status_line(response: &Response<Incoming>) -> String {
    let status = response.status();
    let given = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let reason = match given {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => status.canonical_reason().unwrap_or_default().to_owned(),
    };
    format!("{} {reason}", status.as_u16())
}

/// What a refusing node says, as the original shows it.
pub(crate) async fn refusal(response: Response<Incoming>) -> HttpFailure {
    let line = status_line(&response);
    let explanation = match read_small(response).await {
        Ok(bytes) => python_repr(&bytes),
        Err(error) => error.to_string(),
    };
    HttpFailure(format!("{line}\n{explanation}"))
}

/// Reads an answer that is small.
pub(crate) async fn read_small(response: Response<Incoming>) -> io::Result<Bytes> {
    read_at_most(response, MAX_EXPLANATION).await
}

/// Reads an answer of at most so many bytes.
pub(crate) async fn read_at_most(response: Response<Incoming>, limit: usize) -> io::Result<Bytes> {
    let body = Limited::new(response.into_body(), limit);
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// A request without a body.
pub(crate) fn no_body() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A body that is in memory.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

/// Streams what a reader gives, telling `on_block` how much that was.
pub(crate) fn streamed<R, F>(reader: R, on_block: F) -> RequestBody
where
    R: AsyncRead + Unpin + Send + Sync + 'static,
    F: Fn(u64) + Send + Sync + 'static,
{
    let blocks = stream::try_unfold((reader, on_block), |(mut reader, on_block)| async move {
        let mut block = Vec::with_capacity(BLOCK_SIZE);
        // Blocks are filled, so that a slow pipe doesn't become many tiny chunks of HTTP.
        let read = (&mut reader)
            .take(BLOCK_SIZE as u64)
            .read_to_end(&mut block)
            .await?;
        on_block(read as u64);
        let frame = Frame::data(Bytes::from(block));
        Ok::<_, io::Error>((read > 0).then_some((frame, (reader, on_block))))
    });
    StreamBody::new(blocks).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_urls() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:3456", "127.0.0.1", 3456, "/"),
            ("http://127.0.0.1:3456/", "127.0.0.1", 3456, "/"),
            ("http://host", "host", 80, "/"),
            ("http://host:1/tahoe", "host", 1, "/tahoe/"),
            ("http://[::1]:1/", "[::1]", 1, "/"),
            ("https://host/tahoe", "host", 443, "/tahoe/"),
            ("https://host:1", "host", 1, "/"),
        ] {
            let node = Node::parse(text).unwrap();
            let parts = (node.host.as_str(), node.port, node.path.as_str());
            assert_eq!(parts, (host, port, path), "{text}");
        }
        for bad in ["", "127.0.0.1:3456", "ftp://x", "http://", "http://a b/"] {
            assert!(Node::parse(bad).is_err(), "{bad:?}");
        }
    }
}
