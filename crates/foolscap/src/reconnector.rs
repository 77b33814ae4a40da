//! Connections that come back.

use crate::tub::Inner;
use crate::{ConnectError, Furl, RemoteReference, connection::lock};
use rand::{RngExt as _, SeedableRng as _};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// The first pause, and the one after a connection was lost; Python's.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest pause; Python's.
const LONGEST_DELAY: Duration = Duration::from_secs(3600);
/// By how much a pause grows each time: e, as in Python.
const GROWTH: f64 = std::f64::consts::E;
/// By how much pauses differ at random, so that not all clients come back at once.
const JITTER: f64 = 0.12;

/// What a reconnector does now.
#[derive(Debug, Clone)]
pub enum ReconnectState {
    /// It tries to connect.
    Connecting {
        /// Since when.
        since: Instant,
    },
    /// It is connected; the reference says over what and since when.
    Connected(RemoteReference),
    /// It waits before it tries again.
    Waiting {
        /// Since the last try.
        since: Instant,
        /// Until when.
        until: Instant,
    },
    /// It has been stopped.
    Stopped,
}

/// What is known of a reconnector.
#[derive(Debug, Clone)]
pub struct ReconnectStatus {
    /// What it does now.
    pub state: ReconnectState,
    /// Why it last failed, since it was last connected.
    pub last_failure: Option<Arc<ConnectError>>,
    /// When it was last connected.
    pub last_connected: Option<Instant>,
}

/// Keeps a connection to one tub. Dropping it stops it, but closes no connection.
pub struct Reconnector {
    status: watch::Receiver<ReconnectStatus>,
    control: Arc<Control>,
}

/// What a reconnector and its task share.
struct Control {
    stopped: watch::Sender<bool>,
    /// Ends a pause.
    hurry: Notify,
    delay: Mutex<Duration>,
}

impl std::fmt::Debug for Reconnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reconnector({:?})", self.status.borrow().state)
    }
}

impl Drop for Reconnector {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Reconnector {
    /// Makes one, with the task that does its work.
    pub(crate) fn new<F, R>(
        tub: Weak<Inner>,
        furl: Furl,
        connected: F,
    ) -> (Self, impl Future<Output = ()> + Send + 'static)
    where
        F: Fn(RemoteReference) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        let (status, receiver) = watch::channel(ReconnectStatus {
            state: ReconnectState::Connecting {
                since: Instant::now(),
            },
            last_failure: None,
            last_connected: None,
        });
        let control = Arc::new(Control {
            stopped: watch::channel(false).0,
            hurry: Notify::new(),
            delay: Mutex::new(FIRST_DELAY),
        });
        let reconnector = Self {
            status: receiver,
            control: Arc::clone(&control),
        };
        let task = async move {
            let mut stopped = control.stopped.subscribe();
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = reconnect(&tub, &furl, &connected, &status, &control) => {}
            }
            status.send_modify(|status| status.state = ReconnectState::Stopped);
        };
        (reconnector, task)
    }

    /// What it does now, and how it went.
    pub fn status(&self) -> ReconnectStatus {
        self.status.borrow().clone()
    }

    /// The reference, while connected.
    pub fn reference(&self) -> Option<RemoteReference> {
        match &self.status.borrow().state {
            ReconnectState::Connected(reference) if reference.is_connected() => {
                Some(reference.clone())
            }
            _ => None,
        }
    }

    /// Follows the status.
    pub fn watch(&self) -> watch::Receiver<ReconnectStatus> {
        self.status.clone()
    }

    /// Tries again at once if it waits, and waits only shortly next time.
    pub fn reset(&self) {
        *lock(&self.control.delay) = FIRST_DELAY;
        self.control.hurry.notify_one();
    }

    /// Doesn't let a pause last longer than `longest`; runs until it is dropped.
    pub async fn come_back_within(self: Arc<Self>, longest: Duration) {
        let mut ticks = tokio::time::interval(longest);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if matches!(self.status().state, ReconnectState::Waiting { .. }) {
                self.reset();
            }
        }
    }

    /// Doesn't connect any more. A connection that is there stays.
    pub fn stop(&self) {
        self.control.stopped.send_replace(true);
    }
}

async fn reconnect<F, R>(
    tub: &Weak<Inner>,
    furl: &Furl,
    connected: &F,
    status: &watch::Sender<ReconnectStatus>,
    control: &Control,
) where
    F: Fn(RemoteReference) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    loop {
        let Some(strong) = tub.upgrade() else {
            return;
        };
        status.send_modify(|status| {
            let since = Instant::now();
            status.state = ReconnectState::Connecting { since };
        });
        let wait = match Inner::reference(strong, furl.clone()).await {
            Ok(reference) => {
                status.send_modify(|status| {
                    status.state = ReconnectState::Connected(reference.clone());
                    status.last_failure = None;
                    status.last_connected = Some(Instant::now());
                });
                while_connected(connected, reference).await;
                *lock(&control.delay) = FIRST_DELAY;
                FIRST_DELAY
            }
            Err(ConnectError::Stopped) => return,
            Err(why) => {
                status.send_modify(|status| status.last_failure = Some(Arc::new(why)));
                let mut delay = lock(&control.delay);
                *delay = next_delay(*delay);
                *delay
            }
        };
        let since = Instant::now();
        let until = since + wait;
        status.send_modify(|status| status.state = ReconnectState::Waiting { since, until });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = control.hurry.notified() => {}
        }
    }
}

/// Runs what the user wants to be run, and returns when the connection is lost.
async fn while_connected<F, R>(connected: &F, reference: RemoteReference)
where
    F: Fn(RemoteReference) -> R,
    R: Future<Output = ()>,
{
    let run = connected(reference.clone());
    tokio::pin!(run);
    let mut running = true;
    loop {
        tokio::select! {
            _ = reference.disconnected() => return,
            () = &mut run, if running => running = false,
        }
    }
}

/// The pause after one more failure.
fn next_delay(delay: Duration) -> Duration {
    let grown = delay.mul_f64(GROWTH).min(LONGEST_DELAY);
    let mut random = rand::rngs::SmallRng::from_rng(&mut rand::rng());
    grown.mul_f64(random.random_range(1.0 - JITTER..1.0 + JITTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let mut delay = FIRST_DELAY;
        for _ in 0..20 {
            let next = next_delay(delay);
            assert!(
                next > delay.min(LONGEST_DELAY.mul_f64(0.8)),
                "{delay:?} {next:?}"
            );
            assert!(next <= LONGEST_DELAY.mul_f64(1.0 + JITTER));
            delay = next;
        }
        assert!(delay >= LONGEST_DELAY.mul_f64(1.0 - JITTER));
    }
}
