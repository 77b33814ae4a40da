//! Connections that we make.

use super::Inner;
use super::admission::{Admitted, Admitting};
use crate::connection::{Shared, lock};
use crate::error::HintFailure;
use crate::negotiate::{self, Agreed};
use crate::{ConnectError, Furl, TubId};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Most hints of one FURL that are tried.
const MAX_HINTS: usize = 20;
/// How long a connection that the peer says we have already may take to show up.
const DUPLICATE_TIME: Duration = Duration::from_secs(10);

/// How an attempt ended.
type Outcome = Option<Result<Arc<Shared>, Arc<ConnectError>>>;

/// An attempt to connect, for which any number of callers may wait.
pub(super) struct Attempt {
    outcome: watch::Sender<Outcome>,
}

impl Attempt {
    pub(super) fn succeed(self, connection: &Arc<Shared>) {
        self.outcome.send_replace(Some(Ok(Arc::clone(connection))));
    }

    pub(super) fn fail(self, why: ConnectError) {
        self.outcome.send_replace(Some(Err(Arc::new(why))));
    }
}

impl Inner {
    /// The connection with the tub of a FURL, made if there is none.
    pub(super) async fn connection(
        self: &Arc<Self>,
        furl: &Furl,
    ) -> Result<Arc<Shared>, ConnectError> {
        if furl.tub_id == self.tub_id() {
            return Err(ConnectError::OwnTub);
        }
        let mut outcome = match self.existing_or_attempt(furl) {
            Ok(connection) => return Ok(connection),
            Err(attempt) => attempt?,
        };
        let outcome = outcome.wait_for(Option::is_some).await;
        let outcome = outcome.map_err(|_| ConnectError::Stopped)?.clone();
        match outcome {
            Some(Ok(connection)) => Ok(connection),
            Some(Err(why)) => Err(ConnectError::Shared(why)),
            None => Err(ConnectError::Stopped),
        }
    }

    fn existing_or_attempt(
        self: &Arc<Self>,
        furl: &Furl,
    ) -> Result<Arc<Shared>, Result<watch::Receiver<Outcome>, ConnectError>> {
        let mut state = lock(&self.state);
        if state.stopped {
            return Err(Err(ConnectError::Stopped));
        }
        let connection = state.connections.get(&furl.tub_id);
        if let Some(connection) = connection.filter(|known| known.why_lost().is_none()) {
            return Ok(Arc::clone(connection));
        }
        if let Some(attempt) = state.attempts.get(&furl.tub_id) {
            return Err(Ok(attempt.outcome.subscribe()));
        }
        let (outcome, receiver) = watch::channel(None);
        state.attempts.insert(furl.tub_id, Attempt { outcome });
        while state.tasks.try_join_next().is_some() {}
        state.tasks.spawn(attempt(
            Arc::downgrade(self),
            furl.tub_id,
            furl.hints.clone(),
            receiver.clone(),
        ));
        Err(Ok(receiver))
    }
}

/// Connects over whichever hint is the first to work.
async fn attempt(
    tub: Weak<Inner>,
    target: TubId,
    hints: Vec<String>,
    mut outcome: watch::Receiver<Outcome>,
) {
    let Some(tub) = tub.upgrade() else {
        return;
    };
    let limit = tub.options.connect_timeout;
    let why = tokio::select! {
        // A connection came about by other means, or the tub was stopped.
        _ = outcome.wait_for(Option::is_some) => return,
        tried = tokio::time::timeout(limit, try_hints(&tub, target, hints)) => match tried {
            Ok(Ok(agreed)) => return tub.start(agreed),
            Ok(Err(why)) => why,
            Err(_) => ConnectError::TimedOut(limit.as_secs()),
        },
    };
    if why.is_duplicate() {
        // The peer's decision for another connection may still be on its way.
        let arrives = outcome.wait_for(Option::is_some);
        if tokio::time::timeout(DUPLICATE_TIME, arrives).await.is_ok() {
            return;
        }
    }
    let attempt = lock(&tub.state).attempts.remove(&target);
    if let Some(attempt) = attempt {
        attempt.fail(why);
    }
}

async fn try_hints(
    tub: &Arc<Inner>,
    target: TubId,
    hints: Vec<String>,
) -> Result<Agreed<Admitted>, ConnectError> {
    if hints.is_empty() {
        return Err(ConnectError::NoHints);
    }
    let tries = hints.into_iter().take(MAX_HINTS);
    let mut tries: FuturesUnordered<_> = tries
        .map(|hint| async {
            let tried = try_hint(tub, target, &hint).await;
            tried.map_err(|why| (hint, why))
        })
        .collect();
    let mut failures = Vec::new();
    while let Some(tried) = tries.next().await {
        match tried {
            Ok(agreed) => return Ok(agreed),
            Err(failure) => failures.push(failure),
        }
    }
    Err(ConnectError::Hints(failures))
}

async fn try_hint(
    tub: &Arc<Inner>,
    target: TubId,
    hint: &str,
) -> Result<Agreed<Admitted>, HintFailure> {
    let handler = tub.options.handlers.handler(hint)?;
    let dialed = handler.connect(hint).await?;
    let admitting = Admitting {
        tub,
        hint,
        handler: Some(handler.describe()),
    };
    let last = lock(&tub.state).last_connections.get(&target).cloned();
    let tls = Arc::clone(&tub.client_tls);
    let host = &dialed.host;
    negotiate::as_client(dialed.stream, host, tub.me(), target, last, tls, &admitting).await
}
