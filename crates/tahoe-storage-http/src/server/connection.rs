//! One connection of a client.

use super::handlers::handle;
use super::{Phase, ServerState};
use crate::stream::{GreedyReads, StallGuard};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use tahoe_tasks::Stranger;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::watch;
use tokio::time::timeout;

/// Most bytes of a request's head, as with the reference.
const MAX_HEAD: usize = 16 << 10;
/// Largest read buffer of a connection; it grows to that only while bodies fill it.
const MAX_BUFFER: usize = 256 << 10;
/// How much plaintext and ciphertext TLS may hold each.
const TLS_BUFFER: usize = 256 << 10;
/// How much is read from the socket at once; TLS by itself would take a record at a time.
const READ_BUFFER: usize = 64 << 10;

/// Who is at the other end: a stranger until its first request with the swissnum.
pub(super) type Peer = Mutex<Option<Stranger>>;

/// Serves requests until the connection ends, must make room for others or the server shuts down.
pub(crate) async fn serve<S>(state: Arc<ServerState>, stranger: Stranger, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut must_go = pin!(stranger.must_go());
    let mut phase = state.watch_phase();
    let stream = StallGuard::new(
        BufReader::with_capacity(READ_BUFFER, stream),
        state.limits.silence_timeout,
    );
    let accept = state
        .tls()
        .accept_with(stream, |tls| tls.set_buffer_limit(Some(TLS_BUFFER)));
    let accept = timeout(state.limits.handshake_timeout, accept);
    let stream = tokio::select! {
        accepted = accept => match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => return tracing::debug!("TLS handshake timed out"),
        },
        () = must_go.as_mut() => return,
        _ = phase.wait_for(|phase| *phase > Phase::Running) => return,
    };
    let header_timeout = state.limits.header_timeout;
    let peer = Arc::new(Peer::new(Some(stranger)));
    let service = service_fn(move |request| {
        let (state, peer) = (Arc::clone(&state), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(handle(state, &peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER)
        .writev(true)
        .serve_connection(TokioIo::new(GreedyReads(stream)), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return log_end(ended),
        () = must_go => return,
        _ = phase.wait_for(|phase| *phase > Phase::Running) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => log_end(ended),
        () = cut(&mut phase) => tracing::debug!("connection cut at shutdown"),
    }
}

async fn cut(phase: &mut watch::Receiver<Phase>) {
    // The sender lives as long as the server's state; if it is gone, so is the server.
    let _cut = phase.wait_for(|phase| *phase == Phase::Cut).await;
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
