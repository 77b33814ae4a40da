//! The one who writes: takes what waits, makes all of it in one transaction, answers.

use super::apply::Applier;
use super::sql::{Cell, Cells, Database};
use super::{Changed, DatabaseError, Job, StoreError, schema, sweep};
use crate::ids::Revision;
use crate::limits::MAX_BATCH;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, oneshot};

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Connects and prepares a database, on the thread that writes to it until all stores are dropped.
pub(super) async fn start<D: Database + 'static>(
    connect: impl AsyncFnOnce() -> Result<D, DatabaseError> + Send + 'static,
    jobs: mpsc::Receiver<Job>,
    changes: broadcast::Sender<Changed>,
) -> Result<(), DatabaseError> {
    let handle = Handle::current();
    let (ready, prepared) = oneshot::channel();
    let run = move || {
        handle.block_on(async {
            let connected = async {
                let mut database = connect().await?;
                schema::prepare(&mut database).await?;
                Ok(database)
            };
            let (result, database) = match connected.await {
                Ok(database) => (Ok(()), Some(database)),
                Err(error) => (Err(error), None),
            };
            if let (Ok(()), Some(database)) = (ready.send(result), database) {
                Writer { database, changes }.run(jobs).await;
            }
        });
    };
    let thread = std::thread::Builder::new().name("vdrive-writer".to_owned());
    thread.spawn(run).map_err(DatabaseError::Thread)?;
    prepared.await.map_err(|_| DatabaseError::Stopped)?
}

struct Writer<D> {
    database: D,
    changes: broadcast::Sender<Changed>,
}

impl<D: Database> Writer<D> {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while jobs.recv_many(&mut waiting, MAX_BATCH).await > 0 {
            let mut changes = Vec::with_capacity(waiting.len());
            for job in waiting.drain(..) {
                match job {
                    Job::Change { change, now, reply } => changes.push((change, now, reply)),
                    Job::Sweep { now, reply } => self.sweep(now, reply).await,
                }
            }
            if !changes.is_empty() {
                self.make(changes).await;
            }
        }
    }

    /// Makes changes, all or none of those that aren't refused; answers when they are durable.
    async fn make(&mut self, changes: Vec<(super::Change, SystemTime, Reply<Revision>)>) {
        let (changes, replies): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .map(|(change, now, reply)| ((change, now), reply))
            .unzip();
        let results = match self.commit(&changes).await {
            Ok(results) => results,
            Err(error) => {
                self.roll_back(&error).await;
                let error = StoreError::from(error);
                vec![Err(error); replies.len()]
            }
        };
        for (reply, result) in replies.into_iter().zip(results) {
            answer(reply, result);
        }
    }

    async fn commit(
        &mut self,
        changes: &[(super::Change, SystemTime)],
    ) -> Result<Vec<Result<Revision, StoreError>>, DatabaseError> {
        self.database.begin().await?;
        let next = "UPDATE drive SET number = number + $1 WHERE name = 'revision' RETURNING number";
        let rows = self
            .database
            .query(next, &[Cell::count(changes.len())])
            .await?;
        let last = Cells::of(rows.into_iter().next().unwrap_or_default()).number()?;
        let first = last.saturating_sub(changes.len() as u64) + 1;
        let mut applier = Applier::new(&mut self.database, first);
        let mut results = Vec::with_capacity(changes.len());
        for (change, now) in changes {
            results.push(match applier.apply(change, milliseconds(*now)).await {
                Ok(revision) => Ok(Revision(revision)),
                Err(StoreError::Database(error)) => return Err(DatabaseError::Batch(error)),
                Err(refusal) => Err(refusal),
            });
        }
        let changed = applier.finish();
        self.database.announce(&changed).await?;
        self.database.query("COMMIT", &[]).await?;
        for changed in changed {
            if self.changes.send(changed).is_err() {
                // Nobody listens.
                break;
            }
        }
        Ok(results)
    }

    async fn sweep(&mut self, now: SystemTime, reply: Reply<bool>) {
        let swept = async {
            self.database.begin().await?;
            let more = sweep::sweep(&mut self.database, milliseconds(now)).await?;
            self.database.query("COMMIT", &[]).await?;
            Ok(more)
        };
        let swept = swept.await;
        if let Err(error) = &swept {
            self.roll_back(error).await;
        }
        answer(reply, swept.map_err(StoreError::from));
    }

    async fn roll_back(&mut self, why: &DatabaseError) {
        tracing::warn!(error = %why, "changes of the shared drive could not be made");
        if let Err(error) = self.database.query("ROLLBACK", &[]).await {
            // The transaction may be over already.
            tracing::debug!(%error, "nothing was rolled back");
        }
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    // Who doesn't wait any more needs no answer.
    drop(reply.send(result));
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
