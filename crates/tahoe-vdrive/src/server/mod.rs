//! The vdrive server: a store's tree as objects of a Foolscap tub.
//!
//! The root and every directory are objects; whoever has a reference to one may use it, to read or
//! to change as the reference allows. References last as long as their connection. Who has one to
//! the root gets those of all directories by their ids, so a client goes on after a new connection,
//! be it to another server of the same drive.

mod directory;
mod subscriptions;

use crate::store::{DriveNames, SecretName, Store, StoreError};
use directory::{Access, Directory};
use foolscap::{Furl, Swissnum, Tub, TubError};
use rand::TryRng as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use subscriptions::Subscriptions;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// How often the trash is swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A drive can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Its store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tub doesn't take its root.
    #[error("the tub doesn't take the drive's root")]
    Tub(#[from] TubError),
    /// The system gives no randomness.
    #[error("no randomness from the system")]
    NoRandomness,
}

/// A drive that is served, until it is stopped or dropped.
pub struct VdriveServer {
    tasks: Mutex<JoinSet<()>>,
    subscriptions: Arc<Subscriptions>,
    read_write: Furl,
    read_only: Furl,
}

/// What the objects of a server have in common.
struct Inner {
    store: Store,
    clock: Clock,
    subscriptions: Arc<Subscriptions>,
    /// The root for who only reads, weakly: it holds this.
    read_only_root: OnceLock<Weak<Directory>>,
}

impl VdriveServer {
    /// Serves the drive of a store in a tub.
    pub async fn start(store: Store, tub: &Tub, clock: Clock) -> Result<Self, ServeError> {
        let proposed = DriveNames {
            read_write: random_name()?,
            read_only: random_name()?,
        };
        let names = store.names(&proposed).await?;
        let subscriptions = Arc::new(Subscriptions::default());
        let inner = Arc::new(Inner {
            store: store.clone(),
            clock: Arc::clone(&clock),
            subscriptions: Arc::clone(&subscriptions),
            read_only_root: OnceLock::new(),
        });
        let root = |access| Arc::new(Directory::root(&inner, access));
        let register = |name: &SecretName, root: Arc<Directory>| {
            let name = Swissnum::new(name.as_str()).map_err(TubError::from)?;
            tub.register(root, Some(name))
        };
        let read_only = root(Access::ReadOnly);
        inner
            .read_only_root
            .get_or_init(|| Arc::downgrade(&read_only));
        let read_only = register(&names.read_only, read_only)?;
        let read_write = register(&names.read_write, root(Access::ReadWrite))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&subscriptions).follow(store.changes()));
        tasks.spawn(sweep(store, clock));
        Ok(Self {
            tasks: Mutex::new(tasks),
            subscriptions,
            read_write,
            read_only,
        })
    }

    /// The FURLs of the root: for who may change the drive, and for who may read it. Secrets; what a
    /// client needs also holds the drive's key, which a server doesn't have
    /// ([`crate::DriveFurl::of_new_drive`]).
    pub fn furls(&self) -> (&Furl, &Furl) {
        (&self.read_write, &self.read_only)
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.count()
    }

    /// Ends sweeping and all subscriptions. The tub's connections end with the tub.
    pub async fn stop(&self) {
        let lock = || self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tasks = std::mem::take(&mut *lock());
        tasks.shutdown().await;
        self.subscriptions.stop().await;
    }
}

impl std::fmt::Debug for VdriveServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VdriveServer")
            .field("subscriptions", &self.subscriptions())
            .finish_non_exhaustive()
    }
}

async fn sweep(store: Store, clock: Clock) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        // One step after the other, so that changes get their turn between them.
        loop {
            match store.sweep(clock()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "the trash of the shared drive could not be swept");
                    break;
                }
            }
        }
    }
}

fn random_name() -> Result<SecretName, ServeError> {
    let mut random = [0; 20];
    let filled = rand::rngs::SysRng.try_fill_bytes(&mut random);
    filled.map_err(|_| ServeError::NoRandomness)?;
    let name = Swissnum::from_random(&random);
    Ok(SecretName(Zeroizing::new(name.as_str().to_owned())))
}
