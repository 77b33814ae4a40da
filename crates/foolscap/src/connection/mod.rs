//! A connection with one peer, after negotiation.
//!
//! A task drives each connection; whoever uses it holds a [`Shared`].

mod deliveries;
mod driver;

pub(crate) use driver::{Driver, Tools};

use crate::reference::Remote;
use crate::{
    Arguments, CallError, ConnectionLost, ConnectionStatus, RemoteReference, TubId, Value,
};
use foolscap_proto::Clid;
use foolscap_proto::negotiation::duplicate::Existing;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// Most commands that wait for the connection's task.
const COMMAND_QUEUE: usize = 64;
/// Most calls of ours that wait for their answer, over one connection.
const CALLS_WAITING: usize = 4096;

/// Where an answer goes.
type Reply = oneshot::Sender<Result<Value, CallError>>;

/// What the connection's task is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Calls a method of the peer's object.
    Call {
        /// Held until the call is on its way: the peer keeps the object for as long.
        target: RemoteReference,
        method: String,
        arguments: Arguments,
        reply: Option<Reply>,
    },
    /// Asks for the object of a name.
    LookUp { name: String, reply: Reply },
}

/// What everybody who uses a connection shares with its task.
pub(crate) struct Shared {
    number: u64,
    peer: TubId,
    hint: String,
    handler: Option<String>,
    /// Set where we are the master.
    existing: Option<Existing>,
    since: Instant,
    /// Milliseconds after `since`.
    last_received: AtomicU64,
    commands: mpsc::Sender<Command>,
    calls: Arc<Semaphore>,
    lost: watch::Sender<Option<ConnectionLost>>,
    remotes: Mutex<HashMap<Clid, Weak<Remote>>>,
    /// Objects of which the last reference was dropped; at most as many as there are references.
    dropped: Mutex<Vec<Clid>>,
    wake: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} with {})", self.number, self.peer)
    }
}

/// What a new connection is.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) peer: TubId,
    pub(crate) hint: String,
    pub(crate) handler: Option<String>,
    pub(crate) existing: Option<Existing>,
}

impl Shared {
    /// Makes a connection whose task is still to be started with the receiver.
    pub(crate) fn new(description: Description) -> (Arc<Self>, mpsc::Receiver<Command>) {
        static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);
        let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
        let shared = Self {
            number: LAST_NUMBER.fetch_add(1, Ordering::Relaxed),
            peer: description.peer,
            hint: description.hint,
            handler: description.handler,
            existing: description.existing,
            since: Instant::now(),
            last_received: AtomicU64::new(0),
            commands,
            calls: Arc::new(Semaphore::new(CALLS_WAITING)),
            lost: watch::channel(None).0,
            remotes: Mutex::default(),
            dropped: Mutex::default(),
            wake: Notify::new(),
        };
        (Arc::new(shared), receiver)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn peer(&self) -> TubId {
        self.peer
    }

    pub(crate) fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        let last = Duration::from_millis(self.last_received.load(Ordering::Relaxed));
        ConnectionStatus {
            tub_id: self.peer,
            hint: self.hint.clone(),
            handler: self.handler.clone(),
            since: self.since,
            last_received: self.since + last,
        }
    }

    fn received(&self, now: Instant) {
        let after = now.saturating_duration_since(self.since).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.last_received.store(after, Ordering::Relaxed);
    }

    pub(crate) fn why_lost(&self) -> Option<ConnectionLost> {
        self.lost.borrow().clone()
    }

    /// Waits until the connection is lost, and says why.
    pub(crate) async fn lost(&self) -> ConnectionLost {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(lost) => lost.clone().unwrap_or(ConnectionLost::Closed),
            Err(_) => ConnectionLost::Closed,
        }
    }

    /// Ends the connection; what was first said to be the reason stays.
    pub(crate) fn close(&self, why: ConnectionLost) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            lost.get_or_insert(why);
            first
        });
        self.calls.close();
    }

    /// Waits until one more call may be on its way.
    pub(crate) async fn permit(&self) -> Result<OwnedSemaphorePermit, CallError> {
        match Arc::clone(&self.calls).acquire_owned().await {
            Ok(permit) => Ok(permit),
            Err(_) => Err(self.lost().await.into()),
        }
    }

    pub(crate) async fn send(&self, command: Command) -> Result<(), CallError> {
        if let Some(lost) = self.why_lost() {
            return Err(lost.into());
        }
        match self.commands.send(command).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lost().await.into()),
        }
    }

    /// The one reference to an object of the peer, made if there is none.
    fn remote(
        self: &Arc<Self>,
        clid: Clid,
        interface: Option<&str>,
        url: Option<&str>,
    ) -> RemoteReference {
        let mut remotes = lock(&self.remotes);
        if let Some(known) = remotes.get(&clid).and_then(Weak::upgrade) {
            return RemoteReference(known);
        }
        let remote = Arc::new(Remote::new(Arc::clone(self), clid, interface, url));
        remotes.insert(clid, Arc::downgrade(&remote));
        RemoteReference(remote)
    }

    pub(crate) fn drop_reference(&self, clid: Clid) {
        if self.why_lost().is_none() {
            lock(&self.dropped).push(clid);
            self.wake.notify_one();
        }
    }

    /// Takes the objects to which there really is no reference left.
    fn take_dropped(&self) -> Vec<Clid> {
        let dropped = std::mem::take(&mut *lock(&self.dropped));
        let mut remotes = lock(&self.remotes);
        let gone = |clid: &Clid| {
            let gone = remotes
                .get(clid)
                .is_some_and(|remote| remote.strong_count() == 0);
            if gone {
                remotes.remove(clid);
            }
            gone
        };
        dropped.into_iter().filter(gone).collect()
    }
}

/// Locks; a panic elsewhere leaves these tables usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
