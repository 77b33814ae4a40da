//! Being told of changes, over connections.

use super::connection::lock;
use crate::ids::DirectoryId;
use crate::wire::{self, OBSERVER_INTERFACE, failure};
use async_trait::async_trait;
use foolscap::{Arguments, Call, Reference, Referenceable, RemoteFailure, RemoteReference, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::watch;

/// Tells of changes of a directory. Many changes may be told as one.
#[derive(Debug)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Waits until something may have changed since it was last waited for; also when the server is
    /// connected again. Returns `false` if the drive is no longer used.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// The directories of whose changes somebody wants to know.
#[derive(Default)]
pub(super) struct Subscribed(Mutex<HashMap<DirectoryId, Arc<Observer>>>);

/// Is told by the server.
struct Observer {
    changes: watch::Sender<u64>,
    /// The root over whose connection the server was asked. A new connection may be there before
    /// those who wait for it are told, so that both ask.
    asked: tokio::sync::Mutex<Option<RemoteReference>>,
}

impl Observer {
    fn new() -> Self {
        Self {
            changes: watch::Sender::new(0),
            asked: tokio::sync::Mutex::default(),
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Subscribed {
    /// Begins to tell of a directory's changes; at once if the server is connected.
    pub(super) async fn add(&self, id: DirectoryId, root: Option<&RemoteReference>) -> Changes {
        let (observer, is_new) = {
            let mut observers = lock(&self.0);
            observers.retain(|_, observer| observer.changes.receiver_count() > 0);
            let is_new = !observers.contains_key(&id);
            let observer = observers.entry(id);
            let observer = observer.or_insert_with(|| Arc::new(Observer::new()));
            // Before the lock is let go, so that nobody finds the observer unused.
            ((Arc::clone(observer), observer.changes.subscribe()), is_new)
        };
        let (observer, changes) = observer;
        if let (true, Some(root)) = (is_new, root) {
            subscribe(root, id, &observer).await;
        }
        Changes(changes)
    }

    /// Subscribes anew over a new connection.
    pub(super) async fn resume(&self, root: &RemoteReference) {
        let observers: Vec<_> = {
            let observers = lock(&self.0);
            let observers = observers.iter();
            observers
                .map(|(id, observer)| (*id, Arc::clone(observer)))
                .collect()
        };
        for (id, observer) in observers {
            subscribe(root, id, &observer).await;
            // What happened meanwhile, nobody has told.
            observer.changed();
        }
    }
}

/// Asks the server to tell an observer, once over each connection.
async fn subscribe(root: &RemoteReference, id: DirectoryId, observer: &Arc<Observer>) {
    let mut asked = observer.asked.lock().await;
    if asked.as_ref() == Some(root) {
        return;
    }
    let subscribing = async {
        let directory = match id {
            DirectoryId::ROOT => Value::Reference(root.clone().into()),
            id => {
                let arguments = Arguments::positional([wire::id(id.as_bytes())]);
                root.call("directory", arguments).await?
            }
        };
        let Some(directory) = directory.as_reference().and_then(Reference::remote) else {
            return Ok(());
        };
        let told = Arc::new(Told(Arc::downgrade(observer)));
        let arguments = Arguments::positional([Reference::value(told)]);
        directory.call("subscribe", arguments).await.map(drop)
    };
    let subscribed: Result<(), foolscap::CallError> = subscribing.await;
    match subscribed {
        Ok(()) => *asked = Some(root.clone()),
        Err(error) => {
            tracing::debug!(%error, "the vdrive server doesn't tell of a directory's changes");
        }
    }
}

/// What the server has a reference to.
struct Told(Weak<Observer>);

#[async_trait]
impl Referenceable for Told {
    fn interface(&self) -> Option<&str> {
        Some(OBSERVER_INTERFACE)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        if call.method != "changed" {
            return Err(call.unknown_method(OBSERVER_INTERFACE));
        }
        match self
            .0
            .upgrade()
            .filter(|told| told.changes.receiver_count() > 0)
        {
            Some(observer) => {
                observer.changed();
                Ok(Value::None)
            }
            // The server forgets who fails.
            None => Err(RemoteFailure::new(
                failure::UNSUBSCRIBED,
                "nobody wants to know",
            )),
        }
    }
}
