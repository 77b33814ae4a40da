//! One port for Foolscap and HTTPS, told apart by the first bytes.
//!
//! Foolscap clients begin with `GET /id/`, in the clear; all others begin TLS at once.

use crate::open_files;
use foolscap::{REQUEST_START, Tub};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tahoe_storage_http::StorageHttpServer;
use tahoe_tasks::{Stranger, Strangers};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a client may take to show what it speaks; the original's.
const DECISION_TIME: Duration = Duration::from_secs(30);
/// How long to wait before looking again at a beginning that is too short to tell.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Most connections of one port that haven't shown yet what they speak, or are negotiating; for one more
/// the oldest is closed.
const MAX_UNDECIDED: usize = 1000;
/// How long to wait before the next accept when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who takes the connections.
#[derive(Clone)]
pub(super) struct Protocols {
    /// Takes those of Foolscap clients.
    pub(super) tub: Tub,
    /// Takes all others; none if only Foolscap is spoken.
    pub(super) https: Option<StorageHttpServer>,
}

/// Ports that are listened on. Dropping it cuts connections that are still undecided or HTTPS.
pub(super) struct SharedPorts {
    addresses: Vec<SocketAddr>,
    accepting: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl std::fmt::Debug for SharedPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SharedPorts").field(&self.addresses).finish()
    }
}

impl SharedPorts {
    /// Accepts connections at these ports.
    pub(super) fn start(listeners: Vec<TcpListener>, protocols: &Protocols) -> Self {
        let (accepting, _) = watch::channel(true);
        let mut addresses = Vec::new();
        let mut tasks = JoinSet::new();
        for listener in listeners {
            let unknown = ([0, 0, 0, 0], 0).into();
            let address = listener.local_addr().unwrap_or(unknown);
            addresses.push(address);
            let port = Port {
                undecided: Strangers::new(open_files::share_of_allowed(MAX_UNDECIDED)),
                protocols: protocols.clone(),
                description: Arc::from(format!("Listener on {address}")),
            };
            tasks.spawn(port.accept(listener, accepting.subscribe()));
        }
        Self {
            addresses,
            accepting,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Takes no more connections; those that are there go on.
    pub(super) fn stop_accepting(&self) {
        self.accepting.send_replace(false);
    }
}

/// One port.
struct Port {
    undecided: Strangers,
    protocols: Protocols,
    description: Arc<str>,
}

impl Port {
    async fn accept(self, listener: TcpListener, mut accepting: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = accepting.wait_for(|accepting| !accepting) => break,
            };
            let Ok((stream, _)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let stranger = self.undecided.admit();
            let protocols = self.protocols.clone();
            let description = Arc::clone(&self.description);
            connections.spawn(async move {
                let served = protocols.serve(stream, &description, stranger).await;
                served.unwrap_or_else(|error| tracing::debug!(%error, "connection not taken"));
            });
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }
}

impl Protocols {
    async fn serve(
        self,
        stream: TcpStream,
        description: &str,
        stranger: Stranger,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let decision = timeout(DECISION_TIME, is_foolscap(&stream));
        let decision = tokio::select! {
            decision = decision => decision,
            () = stranger.must_go() => return Ok(()),
        };
        let is_foolscap = decision.map_err(|_| io::ErrorKind::TimedOut)??;
        match self.https {
            Some(https) if !is_foolscap => {
                drop(stranger);
                https.serve_connection(stream).await;
                Ok(())
            }
            // The tub tells whoever doesn't speak Foolscap that this is Foolscap.
            _ => {
                let handled = self
                    .tub
                    .handle_connection(Box::new(stream), &[], description);
                tokio::select! {
                    handled = handled => handled.map_err(io::Error::other),
                    () = stranger.must_go() => Ok(()),
                }
            }
        }
    }
}

/// Looks at the first bytes without taking them.
async fn is_foolscap(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; REQUEST_START.len()];
    loop {
        let length = stream.peek(&mut start).await?;
        match start.get(..length) {
            None | Some([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(start) if !REQUEST_START.starts_with(start) => return Ok(false),
            Some(start) if start.len() == REQUEST_START.len() => return Ok(true),
            Some(_) => sleep(LOOK_AGAIN).await,
        }
    }
}
