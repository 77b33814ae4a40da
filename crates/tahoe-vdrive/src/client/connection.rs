//! The connection with a drive's server, and what is kept beside it.

use super::changes::Subscribed;
use super::listings::Listings;
use super::memory::Memory;
use super::seen::Seen;
use super::{DriveOptions, Entry};
use crate::error::CallFailure;
use crate::ids::{DirectoryId, Place, Version};
use crate::limits::{CALL_TIMEOUT, MAX_KEPT_REFERENCES};
use crate::record::{Contents, Forged, Record};
use crate::store::StoredEntry;
use crate::{Clock, DriveError, DriveFurl, DriveKeys, wire};
use bytes::Bytes;
use foolscap::{Arguments, ReconnectState, Reconnector, RemoteReference, Tub, Value};
use rand::TryRng as _;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tahoe_tasks::CpuPool;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a server that is down may be left alone; by itself Foolscap waits up to an hour.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Whether a drive's server can be reached.
#[derive(Debug, Clone)]
pub struct DriveStatus {
    /// Where it is, without the secret.
    pub hints: Vec<String>,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Over which hint.
    pub hint: Option<String>,
    /// When it was last connected.
    pub connected_at: Option<Instant>,
    /// What went wrong last, if it isn't connected.
    pub problem: Option<String>,
}

/// Fewest entries for which another thread is worth its while.
const LEAST_SHARE: usize = 32;

/// An entry of a place, or what is wrong with it.
pub(super) type Opened = (Place, Result<Entry, Forged>);

/// A drive's server, connected or not.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    reconnector: Arc<Reconnector>,
    hints: Vec<String>,
    /// Ends with the connection.
    _upkeep: JoinSet<()>,
}

/// What is known of a drive, over connections.
pub(super) struct Shared {
    pub(super) keys: DriveKeys,
    pub(super) cpu: CpuPool,
    clock: Clock,
    pub(super) memory: Mutex<Memory>,
    seen: Option<Seen>,
    /// Held by who writes down what was seen; others wait, since it may be what they will show.
    writing_down: tokio::sync::Mutex<()>,
    pub(super) listings: Mutex<Listings>,
    pub(super) subscribed: Subscribed,
    references: Mutex<HashMap<DirectoryId, RemoteReference>>,
    /// The latest version of any entry that was seen or made.
    latest: AtomicU64,
}

impl Connection {
    pub(super) fn start(tub: &Tub, furl: DriveFurl, options: DriveOptions) -> io::Result<Self> {
        let (seen, memory) = match options.seen.as_deref().map(Seen::open).transpose()? {
            Some((seen, facts)) => (Some(seen), Memory::recall(facts)),
            None => (None, Memory::default()),
        };
        let shared = Arc::new(Shared {
            keys: furl.keys,
            cpu: options.cpu,
            clock: options.clock,
            memory: Mutex::new(memory),
            seen,
            writing_down: tokio::sync::Mutex::default(),
            listings: Mutex::default(),
            subscribed: Subscribed::default(),
            references: Mutex::default(),
            latest: AtomicU64::new(0),
        });
        let hints = furl.furl.hints.clone();
        let resuming = Arc::clone(&shared);
        let reconnector = tub.connect_to(furl.furl, move |root| {
            let shared = Arc::clone(&resuming);
            async move {
                tracing::info!("vdrive server connected");
                shared.subscribed.resume(&root).await;
                let lost = root.disconnected().await;
                tracing::info!(%lost, "vdrive server lost");
            }
        });
        let reconnector = Arc::new(reconnector);
        let mut upkeep = JoinSet::new();
        upkeep.spawn(Arc::clone(&reconnector).come_back_within(LONGEST_WAIT));
        Ok(Self {
            shared,
            reconnector,
            hints,
            _upkeep: upkeep,
        })
    }

    pub(super) fn status(&self) -> DriveStatus {
        let status = self.reconnector.status();
        let root = self.reconnector.reference();
        let problem = status.last_failure.as_ref().map(|why| chain(&**why));
        DriveStatus {
            hints: self.hints.clone(),
            is_connected: root.is_some(),
            problem: problem.filter(|_| root.is_none()),
            hint: root.map(|root| root.connection().hint),
            connected_at: status.last_connected,
        }
    }

    pub(super) async fn connected(&self) {
        let mut status = self.reconnector.watch();
        let connected = status.wait_for(|status| {
            matches!(&status.state, ReconnectState::Connected(root) if root.is_connected())
        });
        if connected.await.is_err() {
            // The tub was stopped: there will never be a connection.
            std::future::pending::<()>().await;
        }
    }

    /// The root, if the server is connected.
    pub(super) fn root(&self) -> Result<RemoteReference, DriveError> {
        self.reconnector.reference().ok_or(DriveError::NotConnected)
    }

    /// A directory, if the server is connected and has it.
    pub(super) async fn reference(&self, id: DirectoryId) -> Result<RemoteReference, DriveError> {
        let root = self.root()?;
        if id == DirectoryId::ROOT {
            return Ok(root);
        }
        let kept = lock(&self.shared.references).get(&id).cloned();
        if let Some(kept) = kept.filter(RemoteReference::is_connected) {
            return Ok(kept);
        }
        let answer = call(&root, "directory", vec![wire::id(id.as_bytes())]).await?;
        let reference = answer
            .as_reference()
            .and_then(|reference| reference.remote());
        let reference = reference.ok_or(DriveError::BadAnswer("directory"))?;
        self.shared.keep_reference(id, reference);
        Ok(reference.clone())
    }
}

/// Makes a call, and waits for its answer, but not for ever.
pub(super) async fn call(
    reference: &RemoteReference,
    method: &str,
    arguments: Vec<Value>,
) -> Result<Value, CallFailure> {
    let answer = reference.call(method, Arguments::positional(arguments));
    match timeout(CALL_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(DriveError::TimedOut.into()),
    }
}

/// A failure and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Shared {
    pub(super) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    pub(super) fn keep_reference(&self, id: DirectoryId, reference: &RemoteReference) {
        let mut references = lock(&self.references);
        if references.len() >= MAX_KEPT_REFERENCES {
            references.clear();
        }
        references.insert(id, reference.clone());
    }

    /// Writes down what was learned, before anybody is shown it. Who can't write goes on: while it
    /// runs, it knows.
    pub(super) async fn write_down(&self) {
        let Some(seen) = self.seen.clone() else {
            return;
        };
        let _writing = self.writing_down.lock().await;
        let facts = lock(&self.memory).take_unwritten();
        if facts.is_empty() {
            return;
        }
        let written = tokio::task::spawn_blocking(move || seen.append(&facts)).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "which entries of the drive were seen isn't kept"),
        }
    }

    /// Notes a version, so that all that are made from now on are later.
    pub(super) fn note(&self, version: Version) {
        self.latest.fetch_max(version.0, Ordering::Relaxed);
    }

    /// A version later than all that this client knows, and that it makes but once.
    pub(super) fn new_version(&self) -> Version {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_micros()).unwrap_or(0);
        let later = |latest: u64| Some(now.max(latest.saturating_add(1)).min(Version::MAX.0));
        let before = self
            .latest
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        let before = before.unwrap_or_else(|latest| latest);
        Version(later(before).unwrap_or(Version::MAX.0))
    }

    /// Opens what the server says is in a directory, on as many threads as there may be: checking
    /// signatures is most of what a listing costs.
    pub(super) async fn open(
        self: &Arc<Self>,
        directory: DirectoryId,
        listed: Vec<StoredEntry>,
    ) -> Vec<Opened> {
        let share = listed.len().div_ceil(self.cpu.threads()).max(LEAST_SHARE);
        let mut opened = Vec::with_capacity(listed.len());
        let mut running = Vec::with_capacity(self.cpu.threads());
        let mut listed = listed.into_iter();
        while listed.len() > 0 {
            let share: Vec<StoredEntry> = listed.by_ref().take(share).collect();
            let shared = Arc::clone(self);
            let work = move || {
                let open = |listed: StoredEntry| {
                    let entry = listed.entry;
                    let place = Place { directory, entry };
                    (place, shared.open_one(&place, &listed.bytes))
                };
                share.into_iter().map(open).collect::<Vec<Opened>>()
            };
            running.push(self.cpu.start(work).await);
        }
        for share in running {
            opened.extend(share.result().await);
        }
        opened
    }

    pub(super) fn open_one(&self, place: &Place, bytes: &Bytes) -> Result<Entry, Forged> {
        let record = Record::parse(bytes.clone())?;
        let contents = self.keys.open(place, &record)?;
        Ok(entry_of(contents, record.version()))
    }

    /// Seals an entry for a directory, with a new version.
    pub(super) fn seal(
        &self,
        directory: DirectoryId,
        contents: &Contents,
    ) -> Result<(Place, Record), DriveError> {
        let keys = self.keys.write_keys().ok_or(DriveError::ReadOnly)?;
        let nonce = random()?;
        let record = keys.seal(directory, self.new_version(), contents, &nonce);
        let entry = keys.read_keys().entry_id(directory, &contents.name);
        Ok((Place { directory, entry }, record))
    }
}

pub(super) fn entry_of(contents: Contents, version: Version) -> Entry {
    Entry {
        name: contents.name,
        target: contents.target,
        version,
        metadata: contents.metadata,
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], DriveError> {
    let mut bytes = [0; N];
    let filled = rand::rngs::SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|_| DriveError::NoRandomness)?;
    Ok(bytes)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection")
            .field(&self.reconnector)
            .finish()
    }
}
