//! Serves the router on a listener: HTTP/1.1, tuned for large bodies, with bounds on everything a
//! client can make us hold.

use crate::browser;
use crate::layer::Peer;
use crate::options::WebOptions;
use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower::ServiceExt as _;

/// Most bytes of a request's head.
const MAX_HEAD_SIZE: usize = 64 * 1024;
/// Most bytes that are read at once from a connection, or wait to be written.
const BUFFER_SIZE: usize = 256 * 1024;
/// Most header fields of a request.
const MAX_HEADERS: usize = 100;
/// How long running requests may take to end once the server is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(3);
/// Pause after a failed accept (too many open files, for instance).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves, then lets running requests end for a few seconds.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: WebOptions,
    shutdown: impl Future<Output = ()>,
) {
    let hosts: Arc<[String]> = options.hosts.clone().into();
    let router = router.layer(from_fn_with_state(hosts, browser::guard));
    let (stop, stopped) = watch::channel(false);
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (slot, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let router = router.clone();
                    let connection = connection(stream, Peer(peer), router, options.clone());
                    let stopped = stopped.clone();
                    connections.spawn(async move {
                        connection.run(stopped).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_TIME, ended).await.is_err() {
        connections.shutdown().await;
    }
}

/// Tells that the server is about to stop; requests carry it.
#[derive(Debug, Clone)]
pub(crate) struct Stopped(watch::Receiver<bool>);

impl Stopped {
    /// Waits until it is.
    pub(crate) async fn wait(&mut self) {
        told_to_stop(&mut self.0).await;
    }
}

struct Connection {
    stream: TcpStream,
    peer: Peer,
    router: Router,
    options: WebOptions,
}

fn connection(stream: TcpStream, peer: Peer, router: Router, options: WebOptions) -> Connection {
    Connection {
        stream,
        peer,
        router,
        options,
    }
}

impl Connection {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        if let Err(error) = self.stream.set_nodelay(true) {
            // Small answers may be delayed, nothing more.
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let io = Impatient::new(TokioIo::new(self.stream), self.options.write_timeout);
        let (router, peer) = (self.router, self.peer);
        let telling = stopped.clone();
        let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
            let extensions = request.extensions_mut();
            extensions.insert(peer);
            extensions.insert(Stopped(telling.clone()));
            router.clone().oneshot(request)
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.header_timeout)
            .max_buf_size(BUFFER_SIZE)
            .max_header_size(MAX_HEAD_SIZE)
            .max_headers(MAX_HEADERS);
        let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
        let served = tokio::select! {
            served = &mut connection => served,
            () = told_to_stop(&mut stopped) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a web connection ended early");
        }
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // If the sender is gone so is the server.
    let told = stopped.wait_for(|stopped| *stopped).await;
    drop(told);
}

/// Gives up a connection whose peer takes nothing for too long.
struct Impatient<I> {
    io: I,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<I: Unpin> Impatient<I> {
    fn new(io: I, patience: Duration) -> Self {
        Self {
            io,
            patience,
            waiting: None,
        }
    }

    /// Passes on a result; a wait that lasts too long is an error.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let deadline = Instant::now() + self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: hyper::rt::Read + Unpin> hyper::rt::Read for Impatient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: hyper::rt::Write + Unpin> hyper::rt::Write for Impatient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(context, bytes);
        self.watch(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.watch(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
