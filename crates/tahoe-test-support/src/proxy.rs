//! A party in the middle, between a client and a storage server, that tampers with what passes.

use crate::ServerEntry;
use crate::certificate::{own_tls, pin};
use crate::http::{read_body, read_head};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use std::fmt;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long one end may be silent before the proxy gives the connection up.
const SILENCE: Duration = Duration::from_secs(180);

/// A request on its way to the server.
#[derive(Debug, Clone)]
pub struct Request {
    /// How many requests came before it, over all connections.
    pub number: usize,
    /// Such as GET.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// Whether it asks for the server's version, as clients do all the time to see if it is there.
    pub fn is_version(&self) -> bool {
        self.path.ends_with("/v1/version")
    }

    /// Whether it reads from a share.
    pub fn is_share_read(&self) -> bool {
        self.method == "GET" && self.path.contains("/immutable/") && !self.path.ends_with("/shares")
    }
}

/// What to do with a request.
pub enum Action {
    /// Let it and its answer pass.
    Forward,
    /// Let it pass and change the body of the answer.
    Change(fn(&mut Vec<u8>)),
    /// Let it pass, do this, and close the connection without an answer.
    ForwardThen(Box<dyn FnOnce() + Send>),
    /// Let it pass after a time.
    Delay(Duration),
    /// Let it pass and send the answer's body one byte per interval.
    Drip(Duration),
    /// Answer this status, content type and body without asking the server.
    Answer(u16, &'static str, Vec<u8>),
    /// Answer 206 with a body that never ends, though a length was announced.
    Endless,
    /// Never answer; the connection stays open until the client closes it.
    Hang,
    /// Close the connection.
    Close,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Action")
    }
}

type Rule = dyn Fn(&Request) -> Action + Send + Sync;
type ServerStream = StreamOwned<ServerConnection, TcpStream>;

/// A TLS server with a certificate of its own that passes requests on to a real storage server.
///
/// Clients are given [`Proxy::entry`] in place of the server's own entry.
#[derive(Debug)]
pub struct Proxy {
    entry: ServerEntry,
    shared: Arc<Shared>,
}

struct Shared {
    rule: Mutex<Arc<Rule>>,
    requests: AtomicUsize,
    stopped: AtomicBool,
    upstream: String,
    tls: Arc<ServerConfig>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens in front of the server of `entry`; at first everything passes.
    pub fn start(entry: &ServerEntry) -> Self {
        let (tls, certificate) = own_tls();
        let pin = pin(&certificate.der);
        let port = crate::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let shared = Arc::new(Shared {
            rule: Mutex::new(Arc::new(|_: &Request| Action::Forward)),
            requests: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            upstream: entry.location.clone(),
            tls,
        });
        let entry = ServerEntry {
            pin,
            location: format!("127.0.0.1:{port}"),
            ..entry.clone()
        };
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { entry, shared }
    }

    /// How clients reach the proxy.
    pub fn entry(&self) -> &ServerEntry {
        &self.entry
    }

    /// What to do with requests from now on.
    pub fn set_rule(&self, rule: impl Fn(&Request) -> Action + Send + Sync + 'static) {
        *self
            .shared
            .rule
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; connections end when the node at one end does.
        TcpStream::connect(&self.entry.location).ok();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { return };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // What goes wrong on a connection is for the client under test to notice.
            serve(stream, &shared).ok();
        });
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let connection = ServerConnection::new(Arc::clone(&shared.tls)).map_err(io::Error::other)?;
    let mut client = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let (first, headers) = read_head(&mut client)?;
        let mut body = Vec::new();
        read_body(&mut client, &headers, false, &mut |bytes| {
            body.extend_from_slice(bytes);
        })?;
        let mut words = first.split(' ').map(str::to_owned);
        let request = Request {
            number: shared.requests.fetch_add(1, Ordering::SeqCst),
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            headers,
            body,
        };
        let rule = Arc::clone(&*shared.rule.lock().unwrap_or_else(PoisonError::into_inner));
        if !act(rule(&request), &request, shared, client.get_mut())? {
            return Ok(());
        }
    }
}

/// Does what the rule said; returns whether the connection can be used further.
fn act(
    action: Action,
    request: &Request,
    shared: &Shared,
    client: &mut ServerStream,
) -> io::Result<bool> {
    match action {
        Action::Forward => {}
        Action::Delay(time) => std::thread::sleep(time),
        Action::Close => return Ok(false),
        Action::Hang => {
            // A client that gives up closes the connection, which ends this read.
            return client.read_exact(&mut [0; 1]).map(|()| false);
        }
        Action::Endless => {
            let head = "HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\n\
                        Content-Range: bytes 0-9/*\r\nTransfer-Encoding: chunked\r\n\r\n";
            client.write_all(head.as_bytes())?;
            let chunk = [b"10000\r\n".as_slice(), &[7; 0x10000], b"\r\n"].concat();
            loop {
                client.write_all(&chunk)?;
            }
        }
        Action::Answer(status, content_type, body) => {
            let headers = [("content-type".to_owned(), content_type.to_owned())];
            write_answer(client, status, &headers, &body)?;
            return Ok(true);
        }
        Action::Change(change) => {
            let (status, headers, mut body) = forward(request, shared)?;
            change(&mut body);
            write_answer(client, status, &headers, &body)?;
            return Ok(true);
        }
        Action::ForwardThen(then) => {
            forward(request, shared)?;
            then();
            return Ok(false);
        }
        Action::Drip(interval) => {
            let (status, headers, body) = forward(request, shared)?;
            write_head(client, status, &headers, body.len())?;
            for byte in body {
                std::thread::sleep(interval);
                client.write_all(&[byte])?;
                client.flush()?;
            }
            return Ok(true);
        }
    }
    let (status, headers, body) = forward(request, shared)?;
    write_answer(client, status, &headers, &body)?;
    Ok(true)
}

type Headers = Vec<(String, String)>;

/// Asks the real server over a connection of its own.
fn forward(request: &Request, shared: &Shared) -> io::Result<(u16, Headers, Vec<u8>)> {
    let stream = TcpStream::connect(&shared.upstream)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(trusting_tls(), name).map_err(io::Error::other)?;
    let mut server = StreamOwned::new(connection, stream);
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in kept(&request.headers) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = request.body.len();
    head.push_str(&format!(
        "content-length: {length}\r\nconnection: close\r\n\r\n"
    ));
    server.write_all(head.as_bytes())?;
    server.write_all(&request.body)?;
    server.flush()?;
    let mut server = BufReader::new(server);
    let (first, headers) = read_head(&mut server)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status: u16 = status.ok_or(io::ErrorKind::InvalidData)?;
    let mut body = Vec::new();
    if status != 204 {
        read_body(&mut server, &headers, true, &mut |bytes| {
            body.extend_from_slice(bytes);
        })?;
    }
    Ok((status, headers, body))
}

/// Headers that aren't about the connection or the length of the body.
fn kept(headers: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    headers.iter().filter(|(name, _)| {
        !["connection", "content-length", "transfer-encoding"].contains(&name.as_str())
    })
}

fn write_answer(
    client: &mut ServerStream,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<()> {
    write_head(client, status, headers, body.len())?;
    client.write_all(body)?;
    client.flush()
}

fn write_head(
    client: &mut ServerStream,
    status: u16,
    headers: &[(String, String)],
    length: usize,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\n");
    for (name, value) in kept(headers) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if status != 204 {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    client.write_all(head.as_bytes())
}

/// A TLS configuration that believes every certificate: the proxy knows the port it connects to.
fn trusting_tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = TrustAnything(Arc::clone(&provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct TrustAnything(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
