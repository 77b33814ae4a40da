//! Serves a storage service to its clients.
//!
//! A connection is a task: TLS, then HTTP/1.1 requests one after the other. Calls that change
//! something run in tasks of their own, so that a client that hangs up doesn't cut one off halfway.

mod connection;
mod handlers;
mod refusal;
mod request;
mod response;

use crate::wire::headers::authorization_header;
use crate::{ServerTls, Swissnum};
use http::HeaderValue;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tahoe_storage_api::{StorageError, StorageService};
use tahoe_tasks::Strangers;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Memory for changes of slots is counted in units of this many bytes.
const MEMORY_UNIT: usize = 1024;
/// How long a connection that was told to go may take.
const GOING_TIME: Duration = Duration::from_secs(1);
/// How long to wait before the next accept when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server allows its clients.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at the same time. For one more, the oldest whose client hasn't shown that it knows
    /// the swissnum is closed; if there is none, the new one is.
    pub most_connections: usize,
    /// Changes and writes that the service carries out at the same time; others wait.
    pub most_calls: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a connection may be idle, and how long the headers of a request may take.
    pub header_timeout: Duration,
    /// How long a client may send nothing of a body, or take nothing of an answer.
    pub silence_timeout: Duration,
    /// Bytes per second that a body must bring on average after that time.
    pub minimum_rate: u64,
    /// Largest body of a read-test-write, in bytes.
    pub largest_change: usize,
    /// Bytes of such bodies that are in memory at the same time; others wait.
    pub memory_for_changes: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            most_connections: 512,
            most_calls: 64,
            handshake_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(60),
            silence_timeout: Duration::from_secs(60),
            minimum_rate: 1024,
            largest_change: 256 << 20,
            memory_for_changes: 256 << 20,
        }
    }
}

/// A storage service at an HTTPS port.
///
/// Clones are the same server.
#[derive(Clone)]
pub struct StorageHttpServer {
    state: Arc<ServerState>,
}

/// What the connections of a server share.
pub(crate) struct ServerState {
    pub(crate) service: Arc<dyn StorageService>,
    pub(crate) authorization: HeaderValue,
    pub(crate) limits: ServerLimits,
    tls: TlsAcceptor,
    connections: Arc<Semaphore>,
    strangers: Strangers,
    calls: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
}

/// How far a shutdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Requests are taken.
    Running,
    /// The requests under way are finished, no others are taken.
    Draining,
    /// All connections are cut.
    Cut,
}

impl std::fmt::Debug for StorageHttpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorageHttpServer")
            .field("service", &self.state.service)
            .field("phase", &*self.state.phase.borrow())
            .finish_non_exhaustive()
    }
}

impl StorageHttpServer {
    /// Makes a server of `service` for clients that know the swissnum.
    pub fn new(
        service: Arc<dyn StorageService>,
        swissnum: &Swissnum,
        tls: &ServerTls,
        limits: ServerLimits,
    ) -> Self {
        let memory = limits.memory_for_changes.max(limits.largest_change);
        let state = ServerState {
            service,
            authorization: authorization_header(swissnum),
            tls: TlsAcceptor::from(Arc::clone(tls.config())),
            connections: Arc::new(Semaphore::new(limits.most_connections)),
            strangers: Strangers::new(limits.most_connections),
            calls: Arc::new(Semaphore::new(limits.most_calls)),
            memory: Arc::new(Semaphore::new(memory.div_ceil(MEMORY_UNIT))),
            phase: watch::Sender::new(Phase::Running),
            limits,
        };
        Self {
            state: Arc::new(state),
        }
    }

    /// Serves one connection from its first byte on, until it ends or the server shuts down.
    ///
    /// For a caller that accepts connections itself and looks at their first bytes without taking
    /// them. TCP connections should have `TCP_NODELAY` set.
    pub async fn serve_connection<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(permit) = self.state.place().await else {
            return tracing::warn!("too many connections of clients: one is closed");
        };
        let stranger = self.state.strangers.admit();
        connection::serve(Arc::clone(&self.state), stranger, stream).await;
        drop(permit);
    }

    /// Accepts connections until it is shut down or dropped.
    pub fn serve(&self, listener: TcpListener) -> io::Result<ServerHandle> {
        let local_address = listener.local_addr()?;
        let accepting = tokio::spawn(self.clone().accept(listener));
        Ok(ServerHandle {
            server: self.clone(),
            local_address,
            accepting,
        })
    }

    async fn accept(self, listener: TcpListener) {
        let mut phase = self.state.phase.subscribe();
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = phase.wait_for(|phase| *phase > Phase::Running) => break,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY");
            }
            let server = self.clone();
            connections.spawn(async move { server.serve_connection(stream).await });
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// Stops taking requests, lets those under way finish within `grace`, then cuts the rest.
    ///
    /// Calls that change something are never cut: if the service hangs in one, this waits for
    /// `grace` once more and gives up.
    pub async fn shutdown(&self, grace: Duration) {
        let state = &self.state;
        state.phase.send_replace(Phase::Draining);
        let all_connections = all_permits(&state.connections, state.limits.most_connections);
        if tokio::time::timeout(grace, all_connections).await.is_err() {
            state.phase.send_replace(Phase::Cut);
        }
        let all_calls = all_permits(&state.calls, state.limits.most_calls);
        if tokio::time::timeout(grace, all_calls).await.is_err() {
            tracing::warn!("storage calls were still under way at shutdown");
        }
    }
}

/// Waits until nobody holds a permit.
async fn all_permits(semaphore: &Semaphore, permits: usize) {
    let permits = u32::try_from(permits).unwrap_or(u32::MAX);
    // Nobody closes these semaphores.
    let _all = semaphore.acquire_many(permits).await;
}

impl ServerState {
    /// Runs a call that changes something to its end, even if the client hangs up meanwhile.
    pub(crate) async fn run<T, F>(
        &self,
        call: impl FnOnce(Arc<dyn StorageService>) -> F,
    ) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let permit = Arc::clone(&self.calls).acquire_owned().await;
        let call = call(Arc::clone(&self.service));
        let task = tokio::spawn(async move {
            let _permit = permit;
            call.await
        });
        match task.await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is being dropped, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// A place for one more connection.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let connections = Arc::clone(&self.connections);
        if let Ok(free) = Arc::clone(&connections).try_acquire_owned() {
            return Some(free);
        }
        if !self.strangers.make_room() {
            return None;
        }
        // It goes at once.
        let place = tokio::time::timeout(GOING_TIME, connections.acquire_owned());
        place.await.ok()?.ok()
    }

    /// Waits until there is memory for a change of that many bytes.
    pub(crate) async fn reserve_memory(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.memory).acquire_many_owned(units).await;
        permits.ok()
    }

    pub(crate) fn tls(&self) -> &TlsAcceptor {
        &self.tls
    }

    pub(crate) fn watch_phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }
}

/// A server that accepts connections; dropping it cuts them.
#[derive(Debug)]
pub struct ServerHandle {
    server: StorageHttpServer,
    local_address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl ServerHandle {
    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Stops; see [`StorageHttpServer::shutdown`].
    pub async fn shutdown(self, grace: Duration) {
        self.server.shutdown(grace).await;
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
