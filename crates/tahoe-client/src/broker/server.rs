//! One server as a client sees it: its announcement, its connection, and the task that polls it.

use super::announcement::{Announcement, AnnouncementError, ServerEntry};
use super::transport::Transport;
use super::watched::{Pulse, Watched};
use super::{BrokerOptions, ConnectionOverrides, WallClock};
use foolscap::{ConnectionHint, Furl};
use futures_util::future::select_ok;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tahoe_crypto::ServerId;
use tahoe_introducer::grid_manager::UploadPermit;
use tahoe_storage_api::{ReachedBy, Server, ServerVersion, StorageError, StorageService};
use tahoe_storage_http::Nurl;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Shortest pause between two polls, however many calls fail.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// A version (and with it the available space) that is older is asked for, also from a busy server.
const OLDEST_VERSION: Duration = Duration::from_secs(20);

/// How long connecting may take through Tor or I2P.
pub const OVERLAY_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a poll may take while the server answers other calls.
const LONGEST_POLL: Duration = Duration::from_secs(10);

/// Whether a server can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// It hasn't been asked yet.
    Unstarted,
    /// It answered when last asked.
    Connected,
    /// It answered when last asked, but a call failed since; it is being asked again.
    Suspect {
        /// How the call failed.
        reason: String,
    },
    /// It didn't answer when last asked.
    Failed {
        /// What happened.
        reason: String,
    },
    /// It can't be connected to, and that won't change while the node runs.
    Unusable {
        /// Why.
        reason: String,
    },
}

impl ConnectionState {
    /// Whether uploads and downloads may use the server.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected | Self::Suspect { .. })
    }
}

/// What a server is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The HTTPS storage protocol.
    Https,
    /// Foolscap.
    Foolscap,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Https => "HTTPS",
            Self::Foolscap => "Foolscap",
        })
    }
}

/// What is known of a server now.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// Whether it can be reached.
    pub state: ConnectionState,
    /// What it is spoken to in; `None` if it can't be.
    pub protocol: Option<Protocol>,
    /// By which way it is, or was last, reached.
    pub reached_by: Option<ReachedBy>,
    /// When the present connection, or the last one, began.
    pub connected_since: Option<SystemTime>,
    /// When the last connection was found lost.
    pub lost_at: Option<SystemTime>,
    /// When it last answered.
    pub last_answer: Option<SystemTime>,
    /// What it said of itself when it last answered.
    pub version: Option<ServerVersion>,
}

impl ServerStatus {
    /// The state in the reference's words, which differ from protocol to protocol.
    pub fn summary(&self) -> String {
        match (&self.state, self.protocol) {
            (ConnectionState::Unusable { .. }, _) => "unstarted".to_owned(),
            (state, Some(Protocol::Foolscap)) => match &self.reached_by {
                Some(ReachedBy { hint, handler }) if state.is_connected() => {
                    format!("Connected to {hint} via {handler}")
                }
                _ => "Trying to connect".to_owned(),
            },
            (ConnectionState::Unstarted, _) => "unstarted".to_owned(),
            (ConnectionState::Failed { reason }, _) => format!("failure: {reason}"),
            (ConnectionState::Connected | ConnectionState::Suspect { .. }, _) => {
                "connected".to_owned()
            }
        }
    }

    /// Why the server isn't connected, or why that is doubted.
    pub fn problem(&self) -> Option<&str> {
        match &self.state {
            ConnectionState::Unstarted | ConnectionState::Connected => None,
            ConnectionState::Suspect { reason }
            | ConnectionState::Failed { reason }
            | ConnectionState::Unusable { reason } => Some(reason),
        }
    }
}

/// A server that a client knows.
pub struct KnownServer {
    id: ServerId,
    announcement: Result<Announcement, AnnouncementError>,
    connections: ConnectionOverrides,
    permit: UploadPermit,
    held: Mutex<Held>,
    pulse: Arc<Pulse>,
    connected_count: watch::Sender<usize>,
}

/// What changes of a server.
struct Held {
    status: ServerStatus,
    /// How calls reach it, while it is connected.
    server: Option<Arc<Server>>,
    /// Whether another announcement has taken its place.
    is_retired: bool,
}

impl KnownServer {
    pub(super) fn new(
        entry: ServerEntry,
        options: &BrokerOptions,
        transport: &dyn Transport,
        connected_count: watch::Sender<usize>,
    ) -> Arc<Self> {
        let protocol = protocol(&entry, options, transport);
        let state = match &protocol {
            Err(reason) => ConnectionState::Unusable {
                reason: reason.clone(),
            },
            Ok(_) => ConnectionState::Unstarted,
        };
        let status = ServerStatus {
            state,
            protocol: protocol.ok(),
            reached_by: None,
            connected_since: None,
            lost_at: None,
            last_answer: None,
            version: None,
        };
        let announcement = entry.announcement.as_ref();
        let certificates = announcement.map_or(&[][..], |ann| &ann.certificates);
        Arc::new(Self {
            permit: UploadPermit::new(&options.grid_managers, certificates, &entry.id),
            id: entry.id,
            announcement: entry.announcement,
            connections: entry.connections,
            held: Mutex::new(Held {
                status,
                server: None,
                is_retired: false,
            }),
            pulse: Arc::default(),
            connected_count,
        })
    }

    /// Its name on the grid.
    pub fn id(&self) -> &ServerId {
        &self.id
    }

    /// What its owner calls it; may be empty.
    pub fn nickname(&self) -> &str {
        self.announcement
            .as_ref()
            .map_or("", |announcement| &announcement.nickname)
    }

    /// What it announces, or why that can't be used.
    pub fn announcement(&self) -> &Result<Announcement, AnnouncementError> {
        &self.announcement
    }

    /// Whether new shares may be put there, and until when.
    pub fn upload_permit(&self) -> UploadPermit {
        self.permit
    }

    /// What is known of it now.
    pub fn status(&self) -> ServerStatus {
        let mut status = self.lock().status.clone();
        if let (ConnectionState::Connected, Some(reason)) = (&status.state, self.pulse.suspicion())
        {
            status.state = ConnectionState::Suspect { reason };
        }
        status
    }

    /// The server itself, if it is connected, with the permit that it has now.
    pub(super) fn connected(&self, now: SystemTime) -> Option<Arc<Server>> {
        let server = self.lock().server.clone()?;
        let upload_permitted = self.permit.is_valid_at(now);
        if server.upload_permitted == upload_permitted {
            return Some(server);
        }
        Some(Arc::new(Server {
            upload_permitted,
            ..(*server).clone()
        }))
    }

    /// The task that keeps the status true; none for a server that can't be connected to.
    pub(super) fn polling(
        self: &Arc<Self>,
        transport: &Arc<dyn Transport>,
        clock: &WallClock,
        options: &BrokerOptions,
        rhythm: Instant,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        self.lock().status.protocol?;
        let announcement = self.announcement.clone().ok()?;
        let poll = Poll {
            server: Arc::clone(self),
            announcement,
            transport: Arc::clone(transport),
            clock: Arc::clone(clock),
            options: options.clone(),
            rhythm,
        };
        Some(poll.run())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an answer; `server` is how calls reach it from now on.
    fn answered(&self, server: Arc<Server>, reached_by: Option<ReachedBy>, now: SystemTime) {
        let version = server.version.clone();
        let mut guard = self.lock();
        let held = &mut *guard;
        if held.is_retired {
            return;
        }
        let status = &mut held.status;
        if held.server.replace(server).is_none() {
            status.connected_since = Some(now);
            self.connected_count.send_modify(|count| *count += 1);
            tracing::info!(server = self.id.short(), "server connected");
        }
        status.state = ConnectionState::Connected;
        status.reached_by = reached_by;
        status.last_answer = Some(now);
        status.version = Some(version);
    }

    /// Records that it answered something else than a poll.
    fn heard(&self, now: SystemTime) {
        self.lock().status.last_answer = Some(now);
    }

    /// Takes it out of the connected ones for good: its announcement was replaced.
    pub(super) fn retire(&self) {
        let mut held = self.lock();
        held.is_retired = true;
        if held.server.take().is_some() {
            self.connected_count.send_modify(|count| *count -= 1);
        }
    }

    /// Records that a poll failed.
    fn failed(&self, reason: String, now: SystemTime) {
        let mut guard = self.lock();
        let held = &mut *guard;
        let status = &mut held.status;
        if held.server.take().is_some() {
            status.lost_at = Some(now);
            self.connected_count.send_modify(|count| *count -= 1);
            tracing::warn!(server = self.id.short(), reason, "server lost");
        }
        status.state = ConnectionState::Failed { reason };
    }
}

impl std::fmt::Debug for KnownServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownServer")
            .field("id", &self.id)
            .field("state", &self.lock().status.state)
            .finish_non_exhaustive()
    }
}

/// What a server is spoken to in, or why it never can be.
fn protocol(
    entry: &ServerEntry,
    options: &BrokerOptions,
    transport: &dyn Transport,
) -> Result<Protocol, String> {
    let announcement = entry.announcement.as_ref().map_err(ToString::to_string)?;
    let ways = announcement.ways(options, transport, &entry.connections);
    match ways.first() {
        Some(Way::Https(_)) => Ok(Protocol::Https),
        Some(Way::Foolscap(_)) => Ok(Protocol::Foolscap),
        None if announcement.nurls.is_empty() => {
            Err("its announcement doesn't say where it is".to_owned())
        }
        None => Err("no way that this node may use leads to it".to_owned()),
    }
}

/// A way to a server.
enum Way<'a> {
    Https(&'a Nurl),
    Foolscap(&'a Furl),
}

impl Announcement {
    /// The ways to try, all at once: HTTPS, or Foolscap where HTTPS leads nowhere or isn't wanted.
    fn ways(
        &self,
        options: &BrokerOptions,
        transport: &dyn Transport,
        connections: &ConnectionOverrides,
    ) -> Vec<Way<'_>> {
        let is_wanted =
            |nurl: &&Nurl| !options.force_foolscap && transport.leads_to(nurl, connections);
        let https: Vec<_> = self.nurls.iter().filter(is_wanted).collect();
        if https.is_empty() {
            self.furl.iter().map(Way::Foolscap).collect()
        } else {
            https.into_iter().map(Way::Https).collect()
        }
    }
}

/// What one server's polling task works with.
struct Poll {
    server: Arc<KnownServer>,
    announcement: Announcement,
    transport: Arc<dyn Transport>,
    clock: WallClock,
    options: BrokerOptions,
    rhythm: Instant,
}

impl Poll {
    async fn run(self) {
        let mut service = None;
        loop {
            let asked = Instant::now();
            let answer = self.ask(service.as_ref()).await;
            let now = (self.clock)();
            self.server.pulse.clear();
            match answer {
                Ok((version, answering)) => {
                    let server = self.server_of(version, &answering);
                    self.server.answered(server, answering.reached_by(), now);
                    service = Some(answering);
                }
                // It is busy with other calls, and answers them.
                Err(_) if service.is_some() && self.was_heard_since(asked) => {
                    self.server.heard(now);
                }
                Err(reason) => {
                    self.server.failed(reason, now);
                    service = None;
                }
            }
            self.pause().await;
        }
    }

    /// Asks the connected service for its version, or else every way to it for the first to answer.
    async fn ask(
        &self,
        service: Option<&Arc<dyn StorageService>>,
    ) -> Result<(ServerVersion, Arc<dyn StorageService>), String> {
        let answer = match service {
            Some(service) => self.ask_again(Arc::clone(service)).await,
            None => {
                let limit = self.connect_timeout();
                let connecting = timeout(limit, self.connect()).await;
                connecting.unwrap_or(Err(StorageError::TimedOut { after: limit }))
            }
        };
        answer.map_err(|error| error.to_string())
    }

    /// Asks a connected service. A server that answers other calls meanwhile is busy, not gone: the
    /// deadline counts from when it was last heard.
    async fn ask_again(
        &self,
        service: Arc<dyn StorageService>,
    ) -> Result<(ServerVersion, Arc<dyn StorageService>), StorageError> {
        let after = self.options.poll_timeout;
        let asked = Instant::now();
        let mut answer = std::pin::pin!(version_of(service));
        loop {
            let heard = self.server.pulse.heard().unwrap_or(asked).max(asked);
            let deadline = (heard + after).min(asked + LONGEST_POLL.max(after));
            if let Ok(answer) = timeout_at(deadline, answer.as_mut()).await {
                return answer;
            }
            let was_heard = self.server.pulse.heard() > Some(heard);
            if !was_heard || asked.elapsed() >= LONGEST_POLL {
                return Err(StorageError::TimedOut { after });
            }
        }
    }

    /// Whether it answered a call after it was asked for its version, and not too long ago.
    fn was_heard_since(&self, asked: Instant) -> bool {
        let heard = self.server.pulse.heard();
        heard.is_some_and(|heard| heard >= asked && heard.elapsed() < self.options.poll_timeout)
    }

    /// Overlay networks take their time.
    fn connect_timeout(&self) -> Duration {
        let limit = self.options.connect_timeout;
        let is_overlay = |way: &Way<'_>| match way {
            Way::Https(nurl) => nurl.is_onion(),
            Way::Foolscap(furl) => {
                let mut kinds = furl.hints.iter().map(|hint| ConnectionHint::kind_of(hint));
                kinds.any(|kind| kind != "tcp")
            }
        };
        match self.ways().iter().any(is_overlay) || self.server.connections.redirect_tcp() {
            true => limit.max(OVERLAY_CONNECT_TIMEOUT),
            false => limit,
        }
    }

    async fn connect(&self) -> Result<(ServerVersion, Arc<dyn StorageService>), StorageError> {
        let overrides = &self.server.connections;
        let attempt = |way| {
            let connecting = match way {
                Way::Https(nurl) => self.transport.connect(nurl, overrides),
                Way::Foolscap(furl) => self.transport.connect_foolscap(furl, overrides),
            };
            Box::pin(async move { version_of(connecting?).await })
        };
        let (answer, _) = select_ok(self.ways().into_iter().map(attempt)).await?;
        Ok(answer)
    }

    fn ways(&self) -> Vec<Way<'_>> {
        let overrides = &self.server.connections;
        self.announcement
            .ways(&self.options, &*self.transport, overrides)
    }

    fn server_of(&self, version: ServerVersion, service: &Arc<dyn StorageService>) -> Arc<Server> {
        Arc::new(Server {
            id: self.server.id.clone(),
            nickname: self.announcement.nickname.clone(),
            permutation_seed: self.announcement.permutation_seed.clone(),
            tub_id: self.announcement.tub_id,
            version,
            upload_permitted: self.server.permit.is_valid_at((self.clock)()),
            service: Arc::new(Watched::new(
                Arc::clone(service),
                Arc::clone(&self.server.pulse),
            )),
        })
    }

    /// Waits until the server must be asked again: the interval after it was last heard, or as soon
    /// as a call fails.
    async fn pause(&self) {
        let began = Instant::now();
        let interval = self.options.poll_interval;
        let pulse = &self.server.pulse;
        sleep(SHORTEST_PAUSE.min(interval)).await;
        loop {
            let heard = pulse.heard().filter(|heard| *heard > began);
            let due = match heard {
                Some(heard) => heard + interval,
                None => self.in_step(began + interval),
            };
            let due = due.min(began + OLDEST_VERSION.max(interval));
            if pulse.suspicion().is_some() || Instant::now() >= due {
                return;
            }
            if let Some(heard) = heard {
                self.server.heard((self.clock)() - heard.elapsed());
            }
            // Either the time is up or a call failed; both are looked at again.
            let _ = timeout_at(due, pulse.suspected()).await;
        }
    }

    /// The last common moment until then. All servers that nothing is heard of are asked at the
    /// same moments, so that an idle gateway wakes once for all of them.
    fn in_step(&self, due: Instant) -> Instant {
        let interval = self.options.poll_interval.as_nanos().max(1);
        let beyond = due.duration_since(self.rhythm).as_nanos() % interval;
        due - Duration::from_nanos(u64::try_from(beyond).unwrap_or(0))
    }
}

async fn version_of(
    service: Arc<dyn StorageService>,
) -> Result<(ServerVersion, Arc<dyn StorageService>), StorageError> {
    let version = service.version().await?;
    Ok((version, service))
}
