//! The helper's side: who may upload what, and what was counted.

use crate::assisted::{Assisted, Handle};
use crate::folders::{Figures, Folders};
use crate::present;
use crate::wire::{self, HELPER, HELPER_VERSION};
use async_trait::async_trait;
use foolscap::{Call, Reference, Referenceable, RemoteFailure, Value};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tahoe_crypto::StorageIndex;
use tahoe_immutable::{UploadStatus, Uploader};
use tahoe_storage_api::ServerDirectory;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Most files that are known at a time: being fetched, encoded, or about to be.
const MAX_ACTIVE: usize = 1000;
/// Most files that are encoded and sent at a time; each takes a few segments and their shares.
const MAX_ENCODINGS: usize = 4;
/// How often the folders are looked at.
const FIGURES_INTERVAL: Duration = Duration::from_secs(2);

/// The names of the counters, in the order of [`Counter`].
const COUNTERS: [&str; 6] = [
    "chk_upload_helper.upload_requests",
    "chk_upload_helper.upload_already_present",
    "chk_upload_helper.upload_need_upload",
    "chk_upload_helper.resumes",
    "chk_upload_helper.fetched_bytes",
    "chk_upload_helper.encoded_bytes",
];

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    UploadRequests,
    AlreadyPresent,
    NeedUpload,
    Resumes,
    FetchedBytes,
    EncodedBytes,
}

/// Is told of an upload for a client; must return at once.
pub type UploadObserver = dyn Fn(&Arc<UploadStatus>) + Send + Sync;

/// What a helper works with.
pub struct HelperConfig {
    /// Where `CHK_incoming` and `CHK_encoding` are.
    pub folder: PathBuf,
    /// Stores the shares.
    pub uploader: Arc<Uploader>,
    /// Who may have shares already.
    pub servers: Arc<dyn ServerDirectory>,
    /// Name and version of the program.
    pub application_version: String,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Is told of each upload that begins.
    pub observer: Arc<UploadObserver>,
}

impl std::fmt::Debug for HelperConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HelperConfig")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// The helper, for a Foolscap tub. Clones are the same helper.
#[derive(Clone, Debug)]
pub struct HelperService(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: HelperConfig,
    pub(crate) folders: Folders,
    pub(crate) encodings: Semaphore,
    counters: Mutex<[u64; COUNTERS.len()]>,
    figures: Mutex<[Figures; 2]>,
    /// The uploads that a client has a reference to, or that go on.
    active: Mutex<HashMap<StorageIndex, Weak<Assisted>>>,
    tasks: Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HelperService {
    /// Makes a helper, and its folders if they aren't there; must be called inside a tokio runtime.
    pub fn start(config: HelperConfig) -> io::Result<Self> {
        let folders = Folders::create(&config.folder)?;
        let figures = folders.figures((config.clock)())?;
        let shared = Arc::new(Shared {
            config,
            folders,
            encodings: Semaphore::new(MAX_ENCODINGS),
            counters: Mutex::default(),
            figures: Mutex::new(figures),
            active: Mutex::default(),
            tasks: Mutex::default(),
        });
        lock(&shared.tasks).spawn(look_at_folders(Arc::downgrade(&shared)));
        Ok(Self(shared))
    }

    /// What was counted since the start, by name.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let counts = *lock(&self.0.counters);
        COUNTERS.into_iter().zip(counts).collect()
    }

    /// The same, and what there is now.
    pub fn statistics(&self) -> BTreeMap<&'static str, u64> {
        let [incoming, encoding] = *lock(&self.0.figures);
        let active = lock(&self.0.active);
        let active = active.values().filter(|upload| upload.strong_count() > 0);
        let active = active.count() as u64;
        let mut statistics = self.counters();
        statistics.extend([
            ("chk_upload_helper.active_uploads", active),
            ("chk_upload_helper.incoming_count", incoming.count),
            ("chk_upload_helper.incoming_size", incoming.size),
            ("chk_upload_helper.incoming_size_old", incoming.size_old),
            ("chk_upload_helper.encoding_count", encoding.count),
            ("chk_upload_helper.encoding_size", encoding.size),
            ("chk_upload_helper.encoding_size_old", encoding.size_old),
        ]);
        statistics
    }

    /// Ends all uploads; what was fetched stays.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.0.tasks));
        tasks.shutdown().await;
    }

    async fn upload_chk(&self, call: Call) -> Result<Value, RemoteFailure> {
        let bad = || Call::bad_arguments("upload_chk", "a storage index of 16 bytes");
        let [index] = call.arguments.take(["si"]).ok_or_else(bad)?;
        let index = index.as_bytes().ok_or_else(bad)?;
        let index = index[..].try_into().map_err(|_| bad())?;
        let index = StorageIndex::from_bytes(index);
        let shared = &self.0;
        shared.count(Counter::UploadRequests, 1);
        if shared.active(&index).is_none() {
            let found = present::find(&*shared.config.servers, &index).await;
            if let Some(found) = found {
                shared.count(Counter::AlreadyPresent, 1);
                return Ok(Value::Tuple(vec![found.to_value(), Value::None]));
            }
            shared.count(Counter::NeedUpload, 1);
        }
        let upload = shared.activate(index)?;
        let handle = Reference::value(Arc::new(Handle(upload)));
        Ok(Value::Tuple(vec![Value::None, handle]))
    }
}

impl Shared {
    pub(crate) fn count(&self, counter: Counter, by: u64) {
        let count = &mut lock(&self.counters)[counter as usize];
        *count = count.saturating_add(by);
    }

    fn active(&self, index: &StorageIndex) -> Option<Arc<Assisted>> {
        lock(&self.active).get(index).and_then(Weak::upgrade)
    }

    /// The upload of a file: the one that goes on, or a new one.
    fn activate(self: &Arc<Self>, index: StorageIndex) -> Result<Arc<Assisted>, RemoteFailure> {
        let mut active = lock(&self.active);
        if let Some(upload) = active.get(&index).and_then(Weak::upgrade) {
            return Ok(upload);
        }
        active.retain(|_, upload| upload.strong_count() > 0);
        if active.len() >= MAX_ACTIVE {
            let text = "the helper has too many uploads: try again later";
            return Err(RemoteFailure::new("builtins.RuntimeError", text));
        }
        let upload = Arc::new(Assisted::new(Arc::clone(self), index));
        active.insert(index, Arc::downgrade(&upload));
        Ok(upload)
    }

    /// The next one who asks for this file begins anew.
    pub(crate) fn deactivate(&self, index: &StorageIndex) {
        lock(&self.active).remove(index);
    }

    /// Runs a task that ends with the helper.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Works on the folders, on a thread that may wait.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folders) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let folders = self.folders.clone();
        let worked = tokio::task::spawn_blocking(move || work(&folders)).await;
        worked.map_err(io::Error::other)?
    }
}

async fn look_at_folders(helper: Weak<Shared>) {
    let mut ticks = tokio::time::interval(FIGURES_INTERVAL);
    loop {
        ticks.tick().await;
        let Some(helper) = helper.upgrade() else {
            return;
        };
        let now = (helper.config.clock)();
        match helper.on_disk(move |folders| folders.figures(now)).await {
            Ok(figures) => *lock(&helper.figures) = figures,
            Err(error) => tracing::warn!(%error, "the helper's folders cannot be read"),
        }
    }
}

#[async_trait]
impl Referenceable for HelperService {
    fn interface(&self) -> Option<&str> {
        Some(HELPER)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match call.method.as_str() {
            "get_version" => {
                let version = &self.0.config.application_version;
                Ok(wire::version_value(HELPER_VERSION, version))
            }
            "upload_chk" => self.upload_chk(call).await,
            _ => Err(call.unknown_method(HELPER)),
        }
    }
}
