//! The storage broker: which servers there are, which of them are connected, and by what way.
//!
//! HTTPS is preferred; a server that announces no NURL that we can use is reached over Foolscap, and
//! so is every server if [`BrokerOptions::force_foolscap`] says so, or if TCP leads nowhere.
//!
//! Over HTTPS nothing tells a client that a server went away, so each server is asked for its
//! version every [`BrokerOptions::poll_interval`], with a deadline of
//! [`BrokerOptions::poll_timeout`]: together they bound how long a state can be wrong. A call that
//! fails meanwhile makes the server [`ConnectionState::Suspect`] and is followed by a poll at once; one
//! that succeeds makes a poll unnecessary.

mod announcement;
mod overrides;
mod server;
mod transport;
mod watched;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tahoe_crypto::{ServerId, StorageIndex, VerifyingKey};
use tahoe_storage_api::{Server, ServerDirectory, permute};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

pub use announcement::{Announcement, AnnouncementError, ServerEntry, ServersFileError};
pub use overrides::ConnectionOverrides;
pub use server::{ConnectionState, KnownServer, OVERLAY_CONNECT_TIMEOUT, Protocol, ServerStatus};
pub use transport::{NetworkTransport, Transport};

/// Says what time it is; the real clock is passed in by whoever builds the node.
pub type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How a broker treats its servers.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Servers that come first, whatever the permuted order (`peers.preferred`).
    pub preferred: HashSet<ServerId>,
    /// If any, new shares go only to servers that one of them certifies (`[grid_managers]`).
    pub grid_managers: Vec<VerifyingKey>,
    /// Reaches every server over Foolscap (`[client] force_foolscap`).
    pub force_foolscap: bool,
    /// Pause between two polls of a server.
    pub poll_interval: Duration,
    /// How long a connected server may take to answer a poll.
    pub poll_timeout: Duration,
    /// How long a server that isn't connected may take to connect and answer.
    pub connect_timeout: Duration,
    /// Most servers that are known at a time; introducers can invent as many as they like.
    pub max_servers: usize,
}

impl Default for BrokerOptions {
    /// A server that went away is known to be gone within five seconds.
    fn default() -> Self {
        Self {
            preferred: HashSet::new(),
            grid_managers: Vec::new(),
            force_foolscap: false,
            poll_interval: Duration::from_millis(1500),
            poll_timeout: Duration::from_millis(3200),
            connect_timeout: Duration::from_secs(10),
            max_servers: 2000,
        }
    }
}

/// Where what is known of a server comes from; a better source isn't overruled by a worse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// What an introducer said when the node last ran.
    Cache,
    /// An introducer says so now.
    Introducer,
    /// The node's owner wrote it down (`servers.yaml`).
    Static,
}

/// All servers that a client knows, and the tasks that watch them.
pub struct Broker {
    servers: Mutex<Servers>,
    transport: Arc<dyn Transport>,
    clock: WallClock,
    options: BrokerOptions,
    /// From here on the moments are counted at which idle servers are asked.
    rhythm: Instant,
    connected_count: watch::Sender<usize>,
}

#[derive(Default)]
struct Servers {
    known: BTreeMap<ServerId, Known>,
    tasks: JoinSet<()>,
}

/// A server with what decides whether another announcement of it counts.
struct Known {
    server: Arc<KnownServer>,
    origin: Origin,
    seqnum: Option<i128>,
    /// Ends the task that watches it.
    polling: Option<AbortHandle>,
}

impl Known {
    /// Whether it is overruled by what is said of the same server elsewhere.
    fn yields_to(&self, origin: Origin, seqnum: Option<i128>) -> bool {
        let is_newer = match (self.seqnum, seqnum) {
            (Some(known), Some(heard)) => heard > known,
            (Some(_), None) => false,
            (None, _) => true,
        };
        // Numbers of the last run don't bind: a server may have lost count since.
        origin > self.origin || (origin == self.origin && is_newer)
    }
}

impl Broker {
    /// Begins to watch servers that the node's owner wrote down; must be called inside a tokio
    /// runtime.
    pub fn start(
        entries: Vec<ServerEntry>,
        transport: Arc<dyn Transport>,
        clock: WallClock,
        options: BrokerOptions,
    ) -> Arc<Self> {
        let broker = Self {
            servers: Mutex::default(),
            transport,
            clock,
            options,
            rhythm: Instant::now(),
            connected_count: watch::Sender::new(0),
        };
        let mut servers = broker.lock();
        for entry in entries {
            broker.watch(&mut servers, entry, Origin::Static, None);
        }
        drop(servers);
        Arc::new(broker)
    }

    /// Takes what an introducer or its cache says of a server. Returns whether that counts from now
    /// on.
    ///
    /// What the owner wrote down is never replaced. Of what several introducers say, the largest
    /// sequence number counts. A server whose announcement says nothing new stays connected.
    pub fn hear(&self, origin: Origin, seqnum: Option<i128>, entry: ServerEntry) -> bool {
        let mut servers = self.lock();
        let is_full = servers.known.len() >= self.options.max_servers;
        match servers.known.get_mut(&entry.id) {
            Some(known) if !known.yields_to(origin, seqnum) => return false,
            Some(known) if *known.server.announcement() == entry.announcement => {
                known.origin = origin;
                known.seqnum = seqnum;
                return true;
            }
            None if is_full => {
                let limit = self.options.max_servers;
                tracing::warn!(
                    server = entry.id.short(),
                    limit,
                    "too many servers announced"
                );
                return false;
            }
            _ => {}
        }
        self.watch(&mut servers, entry, origin, seqnum);
        true
    }

    /// Begins to watch a server, and forgets what was known of it.
    fn watch(
        &self,
        servers: &mut Servers,
        entry: ServerEntry,
        origin: Origin,
        seqnum: Option<i128>,
    ) {
        while servers.tasks.try_join_next().is_some() {}
        let id = entry.id.clone();
        let connected_count = self.connected_count.clone();
        let server = KnownServer::new(entry, &self.options, &*self.transport, connected_count);
        let polling = server.polling(&self.transport, &self.clock, &self.options, self.rhythm);
        let polling = polling.map(|polling| servers.tasks.spawn(polling));
        let known = Known {
            server,
            origin,
            seqnum,
            polling,
        };
        if let Some(old) = servers.known.insert(id, known) {
            if let Some(polling) = old.polling {
                polling.abort();
            }
            old.server.retire();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All servers, connected or not, in the order of their ids.
    pub fn servers(&self) -> Vec<Arc<KnownServer>> {
        let servers = self.lock();
        let known = servers.known.values();
        known.map(|known| Arc::clone(&known.server)).collect()
    }

    /// How many servers are connected now.
    pub fn connected_count(&self) -> usize {
        *self.connected_count.borrow()
    }

    /// Returns once at least `count` servers are connected; never if there aren't so many.
    pub async fn wait_for_servers(&self, count: usize) {
        let mut connected = self.connected_count.subscribe();
        // The sender lives as long as `self`.
        let enough = connected.wait_for(|connected| *connected >= count).await;
        drop(enough);
    }

    /// Ends all polling. The servers stay in the state in which they were last seen.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut self.lock().tasks);
        tasks.shutdown().await;
    }
}

impl ServerDirectory for Broker {
    fn servers_for(&self, storage_index: &StorageIndex) -> Vec<Arc<Server>> {
        let now = (self.clock)();
        let servers = self.servers();
        let connected = servers.iter().filter_map(|server| server.connected(now));
        let mut connected: Vec<_> = connected.collect();
        permute(&mut connected, &self.options.preferred, storage_index);
        connected
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("servers", &self.servers())
            .finish_non_exhaustive()
    }
}
