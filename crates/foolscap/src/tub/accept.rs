//! Connections that peers make.

use super::Inner;
use super::admission::Admitting;
use crate::error::HintFailure;
use crate::{BoxStream, ConnectError, negotiate};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long accepting pauses when the system has no resources for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for as long as the tub is there.
pub(super) async fn accept_all(tub: Weak<Inner>, listener: TcpListener, description: String) {
    loop {
        let accepted = listener.accept().await;
        let Some(tub) = tub.upgrade() else {
            return;
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("{description}: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if stream.set_nodelay(true).is_err() {
            continue; // gone already
        }
        let weak = Arc::downgrade(&tub);
        let description = description.clone();
        tub.spawn(async move {
            let Some(tub) = weak.upgrade() else {
                return;
            };
            if let Err(error) = accept(&tub, Box::new(stream), &[], &description).await {
                tracing::debug!("{description}: {error}");
            }
        });
    }
}

/// Negotiates with a peer that connected.
pub(super) async fn accept(
    tub: &Arc<Inner>,
    stream: BoxStream,
    already_read: &[u8],
    description: &str,
) -> Result<(), ConnectError> {
    let most = tub.options.max_connections;
    let permit = tub.negotiations.try_acquire();
    let permit = permit.map_err(|_| ConnectError::TooMany(most))?;
    if tub.connection_count() >= most {
        return Err(ConnectError::TooMany(most));
    }
    let admitting = Admitting {
        tub,
        hint: description,
        handler: None,
    };
    let tls = Arc::clone(&tub.server_tls);
    let negotiation = negotiate::as_server(stream, already_read, tub.me(), tls, &admitting);
    let limit = tub.options.negotiation_timeout;
    let agreed = tokio::time::timeout(limit, negotiation).await;
    let agreed = agreed.map_err(|_| HintFailure::TimedOut(limit.as_secs()))??;
    drop(permit);
    tub.start(agreed);
    Ok(())
}
