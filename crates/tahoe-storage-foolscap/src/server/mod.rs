//! Serves a storage service to Foolscap clients.

mod reader;
mod slots;
mod uploads;

use crate::failure::to_remote;
use crate::wire::{self, Malformed};
use async_trait::async_trait;
use foolscap::{Call, Limits, Reference, Referenceable, RemoteFailure, Value};
use reader::ShareReader;
use std::collections::BTreeSet;
use std::sync::Arc;
use tahoe_storage_api::{
    MAX_SHARES, ShareKind, ShareNumber, StorageError, StorageService, check_advice,
};
use tokio::sync::Semaphore;
use uploads::Uploads;

/// Most bytes that one answer may hold.
const MAX_ANSWER: u64 = 256 << 20;

/// What a storage server takes: a slot's share comes in one message.
pub fn server_limits() -> Limits {
    Limits {
        message_bytes: 256 << 20,
        ..Limits::default()
    }
}

/// Most changes that the service carries out at the same time; others wait.
const MAX_CHANGES: usize = 64;

/// A service, and how many changes it carries out.
#[derive(Clone)]
struct Store {
    service: Arc<dyn StorageService>,
    changes: Arc<Semaphore>,
}

impl Store {
    /// Runs a change to its end, even if the client is gone meanwhile.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, RemoteFailure> {
        let permit = Arc::clone(&self.changes).acquire_owned().await;
        let task = tokio::spawn(async move {
            let _permit = permit;
            change.await
        });
        let failed = |_| RemoteFailure::new("builtins.RuntimeError", "the change was cut off");
        task.await.map_err(failed)
    }
}

/// The object that Foolscap clients find under a storage server's FURL.
pub struct FoolscapStorageServer {
    store: Store,
    uploads: Arc<Uploads>,
}

impl std::fmt::Debug for FoolscapStorageServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FoolscapStorageServer")
            .field(&self.store.service)
            .finish()
    }
}

impl FoolscapStorageServer {
    /// Serves this service.
    pub fn new(service: Arc<dyn StorageService>) -> Self {
        let changes = Arc::new(Semaphore::new(MAX_CHANGES));
        let store = Store { service, changes };
        Self {
            uploads: Uploads::new(store.clone()),
            store,
        }
    }

    async fn allocate(&self, call: Call) -> Result<Value, RemoteFailure> {
        const NAMES: [&str; 6] = [
            "storage_index",
            "renew_secret",
            "cancel_secret",
            "sharenums",
            "allocated_size",
            "canary",
        ];
        let caller = call.caller;
        let arguments = call.arguments.take(NAMES);
        let [index, renew, cancel, shares, size, _canary] = arguments.ok_or_else(bad)?;
        // What the canary is for, the loss of the connection tells as well.
        let index = wire::index(&index).map_err(malformed)?;
        let lease = wire::lease(&renew, &cancel).map_err(malformed)?;
        let shares = shares.as_set().filter(|shares| shares.len() <= MAX_SHARES);
        let shares = shares.ok_or_else(|| malformed(Malformed("a set of share numbers")))?;
        let shares: BTreeSet<ShareNumber> = wire::numbers(shares).map_err(malformed)?;
        let size = wire::number(&size).map_err(malformed)?;
        let uploads = &self.uploads;
        let (have, writers) = uploads
            .allocate(&caller, index, &shares, size, &lease)
            .await?;
        let have = have.into_iter().map(wire::share_value).collect();
        let writer = |(share, writer)| (wire::share_value(share), Reference::value(writer));
        let writers = writers.into_iter().map(writer).collect();
        Ok(Value::Tuple(vec![Value::Set(have), Value::Dict(writers)]))
    }

    async fn add_lease(&self, call: Call) -> Result<Value, RemoteFailure> {
        let arguments = call
            .arguments
            .take(["storage_index", "renew_secret", "cancel_secret"]);
        let [index, renew, cancel] = arguments.ok_or_else(bad)?;
        let index = wire::index(&index).map_err(malformed)?;
        let lease = wire::lease(&renew, &cancel).map_err(malformed)?;
        let service = Arc::clone(&self.store.service);
        let added = self
            .store
            .run(async move { service.add_lease(&index, &lease).await });
        match added.await? {
            // Since 1.3.0 nobody is told that there is no share.
            Ok(()) | Err(StorageError::NoSuchShare) => Ok(Value::None),
            Err(error) => Err(to_remote(&error)),
        }
    }

    async fn buckets(&self, call: Call) -> Result<Value, RemoteFailure> {
        let [index] = call.arguments.take(["storage_index"]).ok_or_else(bad)?;
        let index = wire::index(&index).map_err(malformed)?;
        let shares = self
            .store
            .service
            .list_shares(ShareKind::Immutable, &index)
            .await;
        let shares = shares.map_err(|error| to_remote(&error))?;
        let reader = |share: ShareNumber| {
            let reader = ShareReader::new(self.store.clone(), index, share);
            (wire::share_value(share), Reference::value(Arc::new(reader)))
        };
        Ok(Value::Dict(shares.into_iter().map(reader).collect()))
    }

    async fn advise(&self, call: Call) -> Result<Value, RemoteFailure> {
        let arguments = call
            .arguments
            .take(["share_type", "storage_index", "shnum", "reason"]);
        let [kind, index, share, reason] = arguments.ok_or_else(bad)?;
        let kind = wire::kind(&kind).map_err(malformed)?;
        let index = wire::index(&index).map_err(malformed)?;
        let share = wire::share(&share).map_err(malformed)?;
        advise(&self.store, kind, index, share, &reason).await
    }
}

#[async_trait]
impl Referenceable for FoolscapStorageServer {
    fn interface(&self) -> Option<&str> {
        Some(wire::SERVER)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match call.method.as_str() {
            "get_version" => {
                let version = self.store.service.version().await;
                version
                    .map(|version| wire::version_value(&version))
                    .map_err(|e| to_remote(&e))
            }
            "allocate_buckets" => self.allocate(call).await,
            "add_lease" => self.add_lease(call).await,
            "get_buckets" => self.buckets(call).await,
            "slot_readv" => slots::readv(&*self.store.service, call).await,
            "slot_testv_and_readv_and_writev" => slots::change(&self.store, call).await,
            "advise_corrupt_share" => self.advise(call).await,
            _ => Err(call.unknown_method(wire::SERVER)),
        }
    }
}

/// Passes on that a share is corrupt; of one that isn't there, nobody wants to hear.
async fn advise(
    store: &Store,
    kind: ShareKind,
    index: tahoe_crypto::StorageIndex,
    share: ShareNumber,
    reason: &Value,
) -> Result<Value, RemoteFailure> {
    let reason = reason
        .as_bytes()
        .ok_or_else(|| malformed(Malformed("a reason in bytes")))?;
    let reason = String::from_utf8_lossy(reason).into_owned();
    check_advice(&reason).map_err(|error| to_remote(&error))?;
    let service = Arc::clone(&store.service);
    let advised = store.run(async move {
        let advised = service.advise_corrupt_share(kind, &index, share, &reason);
        advised.await
    });
    match advised.await? {
        Ok(()) | Err(StorageError::NoSuchShare) => Ok(Value::None),
        Err(error) => Err(to_remote(&error)),
    }
}

fn malformed(what: Malformed) -> RemoteFailure {
    RemoteFailure::violation(what)
}

fn bad() -> RemoteFailure {
    RemoteFailure::violation("these aren't the method's arguments")
}
