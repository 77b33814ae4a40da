//! The connections to one server.
//!
//! A call takes an idle connection or makes a new one, and brings it back when it has read the whole
//! answer. A semaphore bounds the connections; who waits for one waits in order.

use super::ClientOptions;
use super::body::RequestParts;
use super::connector::{BoxStream, Connector};
use crate::Nurl;
use crate::stream::{GreedyReads, StallGuard};
use crate::tls::{client_config, server_name};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tahoe_storage_api::StorageError;
use tokio::io::BufReader;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// Most bytes of an answer's head.
const MAX_HEAD: usize = 16 << 10;
/// Largest read buffer of a connection; it grows to that only while answers fill it.
const MAX_BUFFER: usize = 256 << 10;
/// How much plaintext and ciphertext TLS may hold each.
const TLS_BUFFER: usize = 256 << 10;
/// How much is read from the socket at once; TLS by itself would take a record at a time.
const READ_BUFFER: usize = 64 << 10;

/// The connections to the server that a NURL names.
pub(crate) struct Pool {
    nurl: Nurl,
    options: ClientOptions,
    connector: Arc<dyn Connector>,
    tls: TlsConnector,
    server_name: ServerName<'static>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// An open connection; dropping it closes it.
struct Connection {
    sender: SendRequest<RequestParts>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection that a call uses.
pub(crate) struct Checkout<'a> {
    pool: &'a Pool,
    connection: Connection,
    is_reused: bool,
    _permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("nurl", &self.nurl)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Makes a pool without connections.
    pub(crate) fn new(nurl: Nurl, options: ClientOptions, connector: Arc<dyn Connector>) -> Self {
        let tls = client_config(*nurl.key_hash());
        Self {
            tls: TlsConnector::from(Arc::new(tls)),
            server_name: server_name(),
            permits: Arc::new(Semaphore::new(options.most_connections.max(1))),
            idle: Mutex::default(),
            nurl,
            options,
            connector,
        }
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Takes a connection that is ready for a request; a new one if `fresh` or if none is idle.
    pub(crate) async fn checkout(&self, fresh: bool) -> Result<Checkout<'_>, StorageError> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let reused = if fresh { None } else { self.reuse().await };
        let is_reused = reused.is_some();
        let connection = match reused {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Checkout {
            pool: self,
            connection,
            is_reused,
            _permit: permit,
        })
    }

    /// The idle connection that was used last, if the server hasn't closed it.
    async fn reuse(&self) -> Option<Connection> {
        loop {
            let idle = self.lock().pop()?;
            if idle.since.elapsed() > self.options.idle_timeout {
                // Those below have been idle for longer.
                self.lock().clear();
                return None;
            }
            let mut connection = idle.connection;
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Connection, StorageError> {
        let limit = self.options.connect_timeout;
        let (stream, limit) = match timeout(limit, self.connect_tls()).await {
            Ok(Ok(stream)) => (stream, limit),
            Ok(Err(error)) => return Err(connect_error(&error)),
            Err(_) => {
                let reason = format!("no connection within {} s", limit.as_secs_f32());
                return Err(unreachable(reason));
            }
        };
        let handshake = http1::Builder::new()
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_BUFFER)
            .writev(true)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = timeout(limit, handshake)
            .await
            .map_err(|_| unreachable("HTTP didn't begin".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a storage server ended");
            }
        });
        Ok(Connection {
            sender,
            task: task.abort_handle(),
        })
    }

    async fn connect_tls(
        &self,
    ) -> io::Result<GreedyReads<tokio_rustls::client::TlsStream<StallGuard<BufReader<BoxStream>>>>>
    {
        let stream = self.connector.connect().await?;
        let stream = StallGuard::new(
            BufReader::with_capacity(READ_BUFFER, stream),
            self.options.silence_timeout,
        );
        let stream = self
            .tls
            .connect_with(self.server_name.clone(), stream, |tls| {
                tls.set_buffer_limit(Some(TLS_BUFFER));
            })
            .await?;
        Ok(GreedyReads(stream))
    }
}

impl Checkout<'_> {
    /// Sends requests over the connection.
    pub(crate) fn sender(&mut self) -> &mut SendRequest<RequestParts> {
        &mut self.connection.sender
    }

    /// Says whether the connection served calls before, so that the server may have closed it.
    pub(crate) fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Keeps the connection for later calls; only after the whole answer was read.
    pub(crate) fn check_in(self) {
        let Self {
            pool, connection, ..
        } = self;
        if connection.sender.is_closed() {
            return;
        }
        pool.lock().push(Idle {
            connection,
            since: Instant::now(),
        });
    }
}

/// The server can't be reached, and nothing was sent.
fn unreachable(reason: String) -> StorageError {
    StorageError::Unreachable {
        reason,
        may_have_happened: false,
    }
}

fn connect_error(error: &io::Error) -> StorageError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => StorageError::WrongCertificate,
        Some(tls) => unreachable(format!("TLS: {tls}")),
        None => unreachable(error.to_string()),
    }
}
