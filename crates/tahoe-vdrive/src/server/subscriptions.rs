//! Who is told that a directory has changed.
//!
//! An observer is told again only after it has answered, and then once for all that has happened
//! meanwhile. One whose connection is lost, or that fails, is forgotten.

use crate::ids::DirectoryId;
use crate::limits::{MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS_PER_CONNECTION};
use crate::store::Changed;
use foolscap::{Arguments, RemoteReference};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

#[derive(Default)]
pub(super) struct Subscriptions(Mutex<State>);

#[derive(Default)]
struct State {
    directories: HashMap<DirectoryId, watch::Sender<u64>>,
    /// Subscriptions of each connection.
    connections: HashMap<u64, usize>,
    count: usize,
    tasks: JoinSet<()>,
    stopped: bool,
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self) -> usize {
        self.lock().count
    }

    /// Passes on what a store says until there is no more.
    pub(super) async fn follow(self: Arc<Self>, mut changes: broadcast::Receiver<Changed>) {
        loop {
            let changed = match changes.recv().await {
                Ok(changed) => changed,
                Err(broadcast::error::RecvError::Lagged(_)) => Changed::All,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            let state = self.lock();
            let bump = |changes: &watch::Sender<u64>| changes.send_modify(|count| *count += 1);
            match changed {
                Changed::Directory(id) => state.directories.get(&id).into_iter().for_each(bump),
                Changed::All => state.directories.values().for_each(bump),
            }
        }
    }

    /// Tells an observer of a directory's changes from now on; `false` if there are too many.
    pub(super) fn add(
        self: &Arc<Self>,
        directory: DirectoryId,
        connection: u64,
        observer: RemoteReference,
    ) -> bool {
        let mut state = self.lock();
        let of_connection = state.connections.get(&connection).copied().unwrap_or(0);
        if state.stopped
            || state.count >= MAX_SUBSCRIPTIONS
            || of_connection >= MAX_SUBSCRIPTIONS_PER_CONNECTION
        {
            return false;
        }
        state.count += 1;
        state.connections.insert(connection, of_connection + 1);
        let changes = state.directories.entry(directory).or_default().subscribe();
        while state.tasks.try_join_next().is_some() {}
        let subscriptions = Arc::clone(self);
        state.tasks.spawn(async move {
            tokio::select! {
                () = tell(changes, &observer) => {}
                _ = observer.disconnected() => {}
            }
            subscriptions.forget(directory, connection);
        });
        true
    }

    fn forget(&self, directory: DirectoryId, connection: u64) {
        let mut state = self.lock();
        state.count -= 1;
        if let Some(count) = state.connections.get_mut(&connection) {
            *count -= 1;
            if *count == 0 {
                state.connections.remove(&connection);
            }
        }
        let changes = state.directories.get(&directory);
        if changes.is_some_and(|changes| changes.receiver_count() == 0) {
            state.directories.remove(&directory);
        }
    }

    pub(super) async fn stop(&self) {
        let mut tasks = {
            let mut state = self.lock();
            state.stopped = true;
            std::mem::take(&mut state.tasks)
        };
        tasks.shutdown().await;
    }
}

/// Tells an observer of changes until it fails.
async fn tell(mut changes: watch::Receiver<u64>, observer: &RemoteReference) {
    while changes.changed().await.is_ok() {
        let told = observer.call("changed", Arguments::positional([])).await;
        if told.is_err() {
            return;
        }
    }
}
