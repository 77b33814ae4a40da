//! Changes of one directory through one gateway, merged into few publishes.
//!
//! While one publish is under way, the changes that arrive gather; the next publish writes them all
//! at once. A change is answered after a publish that holds it has succeeded. If another gateway
//! wrote meanwhile, the directory is read again and every change of the batch is applied again, so
//! neither side's entries are lost.

use crate::core::Core;
use crate::edit::{Attempt, Changed};
use crate::{Access, DirectoryError, Edit, Table, TableError};
use bytes::Bytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tahoe_caps::MutableWriteCap;
use tahoe_crypto::{Fingerprint, StorageIndex};
use tahoe_mutable::ModifyError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;

/// Changes that one publish writes at most.
const MOST_MERGED: usize = 256;
/// Changes of all directories that wait or are under way; more wait before they are taken.
const MOST_WAITING: usize = 4096;

/// Which directory: where it is and with which key.
type Key = (StorageIndex, Fingerprint);

/// Changes that wait, by directory. A directory that has an entry has a task that works on it.
#[derive(Debug)]
pub(crate) struct EditQueues {
    waiting: Mutex<HashMap<Key, Vec<Waiting>>>,
    room: Arc<Semaphore>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Waiting {
    edit: Edit,
    answer: oneshot::Sender<Result<Changed, DirectoryError>>,
    _room: OwnedSemaphorePermit,
}

impl Default for EditQueues {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            room: Arc::new(Semaphore::new(MOST_WAITING)),
            tasks: Mutex::default(),
        }
    }
}

impl EditQueues {
    fn waiting(&self) -> MutexGuard<'_, HashMap<Key, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancels what is under way; who waits is told.
    pub(crate) async fn stop(&self) {
        self.room.close();
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
    }

    /// The changes of the next publish; ends the directory's turn if there are none.
    fn next_batch(&self, key: &Key) -> Vec<Waiting> {
        let mut queues = self.waiting();
        let Some(queue) = queues.get_mut(key) else {
            return Vec::new();
        };
        if queue.is_empty() {
            queues.remove(key);
            return Vec::new();
        }
        let count = queue.len().min(MOST_MERGED);
        queue.drain(..count).collect()
    }
}

/// Changes a directory; returns once the change is on servers. It happens even if the caller stops
/// waiting.
pub(crate) async fn change(
    core: &Arc<Core>,
    cap: &MutableWriteCap,
    edit: Edit,
) -> Result<Changed, DirectoryError> {
    let queues = &core.queues;
    let room = Arc::clone(&queues.room).acquire_owned().await;
    let _room = room.map_err(|_| DirectoryError::Stopping)?;
    let (answer, answered) = oneshot::channel();
    let waiting = Waiting {
        edit,
        answer,
        _room,
    };
    let key = (cap.storage_index(), cap.fingerprint);
    let begins = match queues.waiting().entry(key) {
        Entry::Occupied(mut queue) => {
            queue.get_mut().push(waiting);
            false
        }
        Entry::Vacant(place) => {
            place.insert(vec![waiting]);
            true
        }
    };
    if begins {
        let worker = Worker::new(Arc::clone(core), key, cap.clone());
        let mut tasks = queues.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(worker.run());
    }
    answered.await.map_err(|_| DirectoryError::Stopping)?
}

/// Works on one directory until nothing is left to do.
struct Worker {
    core: Arc<Core>,
    key: Key,
    cap: MutableWriteCap,
    is_done: bool,
}

impl Worker {
    fn new(core: Arc<Core>, key: Key, cap: MutableWriteCap) -> Self {
        Self {
            core,
            key,
            cap,
            is_done: false,
        }
    }

    async fn run(mut self) {
        loop {
            let batch = self.core.queues.next_batch(&self.key);
            if batch.is_empty() {
                self.is_done = true;
                return;
            }
            publish(&self.core, &self.cap, batch).await;
        }
    }
}

/// A worker that is cancelled leaves nobody waiting.
impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_done {
            self.core.queues.waiting().remove(&self.key);
        }
    }
}

async fn publish(core: &Core, cap: &MutableWriteCap, batch: Vec<Waiting>) {
    let access = Access::Write(cap.write_key.clone());
    let (edits, answers): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|waiting| (waiting.edit, (waiting.answer, waiting._room)))
        .unzip();
    let mut attempt = Attempt::First;
    let clock = Arc::clone(&core.world.clock);
    let latest = Arc::new(Mutex::new(Vec::new()));
    let outcomes = Arc::clone(&latest);
    let apply = move |contents: &[u8]| {
        let mut table = Table::parse(&Bytes::copy_from_slice(contents), &access)?;
        let now = clock();
        let each = edits.iter();
        let applied: Vec<_> = each
            .map(|edit| edit.apply(&mut table, &access, now, attempt))
            .collect();
        let changes_nothing = applied.iter().all(Result::is_err);
        *outcomes.lock().unwrap_or_else(PoisonError::into_inner) = applied;
        if changes_nothing {
            return Ok(None);
        }
        attempt = Attempt::Again;
        Ok::<_, TableError>(Some(table.to_bytes()))
    };
    let modified = core.world.mutable.modify(cap, apply).await;
    let outcomes = std::mem::take(&mut *latest.lock().unwrap_or_else(PoisonError::into_inner));
    let failure = match modified {
        Ok(_) => None,
        Err(ModifyError::Refused(error)) => Some(DirectoryError::from(error)),
        Err(ModifyError::Publish(error)) => Some(error.into()),
    };
    let outcomes = outcomes
        .into_iter()
        .map(|o| o.map_err(DirectoryError::from));
    let mut outcomes = outcomes.map(Some).chain(std::iter::repeat_with(|| None));
    for (answer, _) in answers {
        let outcome = outcomes.next().flatten();
        let outcome = match (&failure, outcome) {
            (None, Some(outcome)) => outcome,
            (Some(failure), _) => Err(failure.clone()),
            (None, None) => Err(DirectoryError::Stopping),
        };
        // Who doesn't wait any more needs no answer.
        drop(answer.send(outcome));
    }
}
