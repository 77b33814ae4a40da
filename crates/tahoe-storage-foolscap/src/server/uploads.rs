//! Shares that clients are writing.
//!
//! A share exists once it is closed. The store that we serve, though, completes a share with its
//! last missing byte; so the byte that would do so is kept back until the client says `close`.
//! Clients before 1.18 reserve more than they write: what is missing then is filled with zeros.

use super::{Store, bad, malformed};
use crate::failure::to_remote;
use crate::wire;
use async_trait::async_trait;
use bytes::Bytes;
use foolscap::{Call, Caller, Referenceable, RemoteFailure, Value};
use rand::TryRng as _;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::{ShareNumber, StorageError, StorageService, WrittenRanges};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinSet;

/// How many zeros are written at once, in bytes.
const ZEROS: u64 = 64 << 10;

/// What an allocation gives: shares that are there, and the uploads of others.
type Allocated = (
    BTreeSet<ShareNumber>,
    Vec<(ShareNumber, Arc<dyn Referenceable>)>,
);

/// Uploads that haven't ended, by the connection with which they end.
pub(super) struct Uploads {
    store: Store,
    open: Mutex<Open>,
    last_number: AtomicU64,
}

#[derive(Default)]
struct Open {
    by_connection: HashMap<u64, HashMap<u64, Arc<Upload>>>,
    /// One task for each connection that has uploads.
    watches: JoinSet<()>,
}

impl Uploads {
    pub(super) fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            open: Mutex::default(),
            last_number: AtomicU64::new(0),
        })
    }

    pub(super) async fn allocate(
        self: &Arc<Self>,
        caller: &Caller,
        index: StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        size: u64,
        lease: &LeaseSecrets,
    ) -> Result<Allocated, RemoteFailure> {
        let mut secret = [0; UploadSecret::LENGTH];
        let filled = rand::rngs::SysRng.try_fill_bytes(&mut secret);
        filled.map_err(|_| RemoteFailure::new("builtins.OSError", "no randomness"))?;
        let secret = UploadSecret::from_bytes(secret);
        let service = Arc::clone(&self.store.service);
        let (wanted, lease, upload_secret) = (shares.clone(), lease.clone(), secret.clone());
        let allocation = self.store.run(async move {
            let allocation = service.allocate_shares(&index, &wanted, size, &lease, &upload_secret);
            allocation.await
        });
        let allocation = allocation.await?;
        let allocation = allocation.map_err(|error| to_remote(&error))?;
        let writer = |share| {
            let number = self.last_number.fetch_add(1, Ordering::Relaxed);
            let upload = Upload {
                index,
                share,
                secret: secret.clone(),
                size,
                state: Arc::default(),
            };
            let upload = Arc::new(upload);
            self.watch(caller, number, Arc::clone(&upload));
            let writer = ShareWriter {
                uploads: Arc::clone(self),
                connection: caller.connection(),
                number,
                upload,
            };
            (share, Arc::new(writer) as Arc<dyn Referenceable>)
        };
        let writers = allocation.allocated.into_iter().map(writer).collect();
        Ok((allocation.already_have, writers))
    }

    /// Remembers to abort an upload when its connection is lost.
    fn watch(self: &Arc<Self>, caller: &Caller, number: u64, upload: Arc<Upload>) {
        let connection = caller.connection();
        let mut guard = self.lock();
        let open = &mut *guard;
        while open.watches.try_join_next().is_some() {}
        let is_first = !open.by_connection.contains_key(&connection);
        let uploads = open.by_connection.entry(connection).or_default();
        uploads.insert(number, upload);
        if is_first {
            let (this, caller) = (Arc::downgrade(self), caller.clone());
            open.watches.spawn(async move {
                caller.disconnected().await;
                abort_all(&this, connection).await;
            });
        }
    }

    fn forget(&self, connection: u64, number: u64) {
        if let Some(uploads) = self.lock().by_connection.get_mut(&connection) {
            uploads.remove(&number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn abort_all(uploads: &Weak<Uploads>, connection: u64) {
    let Some(uploads) = uploads.upgrade() else {
        return;
    };
    let left = uploads.lock().by_connection.remove(&connection);
    for upload in left.unwrap_or_default().into_values() {
        if let Err(error) = abort(&upload, &uploads.store).await {
            tracing::warn!("an upload whose client is gone can't be removed: {error}");
        }
    }
}

/// One share in upload.
struct Upload {
    index: StorageIndex,
    share: ShareNumber,
    secret: UploadSecret,
    size: u64,
    /// Held while something is done, so that calls take effect in their order.
    state: Arc<tokio::sync::Mutex<UploadState>>,
}

#[derive(Default)]
struct UploadState {
    written: WrittenRanges,
    /// The byte that would complete the share, and where it belongs.
    kept_back: Option<(u64, u8)>,
    ended: bool,
}

/// What is done to an upload, when its turn has come.
type State = OwnedMutexGuard<UploadState>;

/// Does something to an upload after all that was asked before, and to its end.
async fn in_turn<F>(
    upload: &Arc<Upload>,
    store: &Store,
    step: impl FnOnce(Arc<Upload>, Arc<dyn StorageService>, State) -> F,
) -> Result<(), RemoteFailure>
where
    F: Future<Output = Result<(), StorageError>> + Send + 'static,
{
    // Whoever calls first waits first here, and so has the lock first.
    let state = Arc::clone(&upload.state).lock_owned().await;
    let step = step(Arc::clone(upload), Arc::clone(&store.service), state);
    store.run(step).await?.map_err(|error| to_remote(&error))
}

async fn abort(upload: &Arc<Upload>, store: &Store) -> Result<(), RemoteFailure> {
    let abort = |upload: Arc<Upload>, service: Arc<dyn StorageService>, state| async move {
        upload.abort(&*service, state).await
    };
    in_turn(upload, store, abort).await
}

impl Upload {
    async fn write(
        &self,
        service: &dyn StorageService,
        mut state: State,
        offset: u64,
        data: Bytes,
    ) -> Result<(), StorageError> {
        if state.ended {
            return Err(StorageError::AlreadyComplete);
        }
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        let end = end.ok_or(StorageError::OutOfRange)?;
        if let Some((at, byte)) = state.kept_back {
            // All else is there. Whether this agrees is for the store to say, but for one byte.
            let in_data = at
                .checked_sub(offset)
                .and_then(|at| usize::try_from(at).ok());
            if in_data
                .and_then(|at| data.get(at))
                .is_some_and(|other| *other != byte)
            {
                return Err(StorageError::ConflictingWrite);
            }
            let (before, after) = around(offset, &data, at);
            self.pass_on(service, offset, before).await?;
            return self
                .pass_on(service, at.saturating_add(1).max(offset), after)
                .await;
        }
        let mut after = state.written.clone();
        after.insert(offset..end);
        let missing = state.written.missing(self.size).pop();
        match missing.filter(|_| after.covers(self.size)) {
            Some(missing) => {
                // The last byte that is missing lies in this write.
                let at = missing.end.saturating_sub(1);
                let place = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
                let byte = data.get(place).copied().ok_or(StorageError::OutOfRange)?;
                let (before, rest) = around(offset, &data, at);
                self.pass_on(service, offset, before).await?;
                self.pass_on(service, at.saturating_add(1), rest).await?;
                state.kept_back = Some((at, byte));
            }
            None => self.pass_on(service, offset, data).await?,
        }
        state.written = after;
        Ok(())
    }

    async fn pass_on(
        &self,
        service: &dyn StorageService,
        offset: u64,
        data: Bytes,
    ) -> Result<(), StorageError> {
        if data.is_empty() {
            return Ok(());
        }
        let written = service.write_share(&self.index, self.share, &self.secret, offset, data);
        written.await.map(|_| ())
    }

    async fn close(
        &self,
        service: &dyn StorageService,
        mut state: State,
    ) -> Result<(), StorageError> {
        if state.ended {
            return Err(StorageError::AlreadyComplete);
        }
        if let Some((at, byte)) = state.kept_back {
            self.pass_on(service, at, Bytes::copy_from_slice(&[byte]))
                .await?;
        }
        for gap in state.written.missing(self.size) {
            let mut at = gap.start;
            while at < gap.end {
                let length = ZEROS.min(gap.end.saturating_sub(at));
                let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
                self.pass_on(service, at, Bytes::from(zeros)).await?;
                at = at.saturating_add(length);
            }
        }
        state.ended = true;
        Ok(())
    }

    async fn abort(
        &self,
        service: &dyn StorageService,
        mut state: State,
    ) -> Result<(), StorageError> {
        if std::mem::replace(&mut state.ended, true) {
            return Ok(());
        }
        service
            .abort_share(&self.index, self.share, &self.secret)
            .await
    }
}

/// What of `data` at `offset` lies before the byte at `at`, and what after it.
fn around(offset: u64, data: &Bytes, at: u64) -> (Bytes, Bytes) {
    let length = data.len();
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(length);
    let before = data.slice(..place(at.saturating_sub(offset)));
    let after = at.saturating_add(1).saturating_sub(offset);
    (before, data.slice(place(after)..))
}

/// `RIBucketWriter`.
struct ShareWriter {
    uploads: Arc<Uploads>,
    connection: u64,
    number: u64,
    upload: Arc<Upload>,
}

impl ShareWriter {
    async fn write(&self, call: Call) -> Result<Value, RemoteFailure> {
        let [offset, data] = call.arguments.take(["offset", "data"]).ok_or_else(bad)?;
        let offset = wire::number(&offset).map_err(malformed)?;
        let data = wire::data(&data).map_err(malformed)?;
        let write = |upload: Arc<Upload>, service: Arc<dyn StorageService>, state| async move {
            upload.write(&*service, state, offset, data).await
        };
        in_turn(&self.upload, &self.uploads.store, write).await?;
        Ok(Value::None)
    }

    async fn close(&self) -> Result<Value, RemoteFailure> {
        let close = |upload: Arc<Upload>, service: Arc<dyn StorageService>, state| async move {
            upload.close(&*service, state).await
        };
        in_turn(&self.upload, &self.uploads.store, close).await?;
        self.uploads.forget(self.connection, self.number);
        Ok(Value::None)
    }

    async fn abort(&self) -> Result<Value, RemoteFailure> {
        let aborted = abort(&self.upload, &self.uploads.store).await;
        self.uploads.forget(self.connection, self.number);
        aborted.map(|()| Value::None)
    }
}

#[async_trait]
impl Referenceable for ShareWriter {
    fn interface(&self) -> Option<&str> {
        Some(wire::WRITER)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match call.method.as_str() {
            "write" => self.write(call).await,
            "close" => self.close().await,
            "abort" => self.abort().await,
            _ => Err(call.unknown_method(wire::WRITER)),
        }
    }
}
