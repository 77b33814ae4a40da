//! A server that does what a script says, whatever HTTP says.

use super::{SWISSNUM, nurl, server_pem, server_tls};
use data_encoding::BASE64;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tahoe_storage_http::Nurl;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What the server does after it has read a request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends the bytes again and again.
    Endless(Vec<u8>),
    /// Sends the byte again and again, after a pause each.
    Drip(u8, Duration),
    /// Does nothing any more.
    Hang,
    /// Closes the connection.
    Close,
}

/// Whether a request's body is read before the script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    Read,
    Ignore,
}

/// A running server; dropping it ends it.
pub(crate) struct Scripted {
    pub(crate) nurl: Nurl,
    requests: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Does these steps for each request.
    pub(crate) async fn always(steps: Vec<Step>) -> Self {
        Self::start(Bodies::Read, move |_| steps.clone()).await
    }

    /// Does the steps that `script` names for the request with that number, counted from 0.
    pub(crate) async fn start(
        bodies: Bodies,
        script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let pem = server_pem().as_bytes();
        let certificate = CertificateDer::from_pem_slice(pem).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let nurl = nurl(server_tls(), listener.local_addr().unwrap().port());
        let requests = Arc::new(AtomicUsize::new(0));
        let script: Arc<dyn Fn(usize) -> Vec<Step> + Send + Sync> = Arc::new(script);
        let mut tasks = JoinSet::new();
        let counted = Arc::clone(&requests);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, script, requests) =
                    (tls.clone(), Arc::clone(&script), Arc::clone(&counted));
                connections.spawn(async move {
                    if let Ok(mut stream) = tls.accept(stream).await {
                        while read_request(&mut stream, bodies).await {
                            let number = requests.fetch_add(1, Ordering::SeqCst);
                            if !run(&mut stream, script(number)).await {
                                return;
                            }
                        }
                    }
                });
            }
        });
        Self {
            nurl,
            requests,
            _tasks: tasks,
        }
    }
}

/// Reads a request; `false` at the end of the connection.
async fn read_request(stream: &mut (impl AsyncRead + Unpin), bodies: Bodies) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let swissnum = BASE64.encode(SWISSNUM.as_bytes()).to_ascii_lowercase();
    assert!(head.contains(&swissnum), "{head}");
    let length = head.split_once("content-length: ").map_or(0, |(_, rest)| {
        rest.split_once("\r\n").unwrap().0.parse().unwrap()
    });
    bodies == Bodies::Ignore || stream.read_exact(&mut vec![0; length]).await.is_ok()
}

/// Does the steps; `false` if the connection ends with them.
async fn run(stream: &mut (impl tokio::io::AsyncWrite + Unpin), steps: Vec<Step>) -> bool {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return false;
                }
            }
            Step::Endless(bytes) => {
                while stream.write_all(&bytes).await.is_ok() {}
                return false;
            }
            Step::Drip(byte, pause) => {
                while stream.write_all(&[byte]).await.is_ok() && stream.flush().await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
                return false;
            }
            Step::Hang => std::future::pending().await,
            Step::Close => return false,
        }
    }
    stream.flush().await.is_ok()
}
