//! One introducer as a node sees it: publish, subscribe, remember, come back.

use crate::wire::{self, APPLICATION_VERSION, SUBSCRIBER_INTERFACE, VERSION_KEY};
use crate::{Announcement, AnnouncementIndex, Change, SignedAnnouncement, write_cache};
use async_trait::async_trait;
use foolscap::{
    Arguments, Call, CallError, ReconnectState, Reconnector, Reference, Referenceable,
    RemoteFailure, RemoteReference, Tub, Value,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tahoe_crypto::ServerId;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// Most announcements that are taken of one introducer.
const MAX_ANNOUNCEMENTS: usize = 5000;
/// Most bytes of them.
const MAX_ANNOUNCEMENT_BYTES: usize = 32 << 20;
/// Most characters of an introducer's version.
const MAX_VERSION: usize = 200;
/// How long the cache waits for more news before it is written.
const CACHE_DELAY: Duration = Duration::from_millis(200);
/// How long an introducer that is down may be left alone; by itself Foolscap waits up to an hour.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What an introducer is told of a node.
#[derive(Debug, Clone)]
pub struct IntroducerClientConfig {
    /// What the node's owner calls the introducer.
    pub petname: String,
    /// Where it is.
    pub furl: foolscap::Furl,
    /// What the node is called.
    pub nickname: String,
    /// Name and version of its program.
    pub application_version: String,
    /// Which service it wants to hear of, such as `storage`.
    pub service_name: String,
    /// What it offers itself.
    pub publish: Vec<SignedAnnouncement>,
}

/// Takes what an introducer says.
pub trait AnnouncementSink: Send + Sync + 'static {
    /// An announcement that is news and whose signature was checked.
    fn heard(&self, server: &ServerId, announcement: &Announcement);
    /// The text of the cache has changed: a secret. Called on a thread that may wait.
    fn save(&self, cache: String);
}

/// Whether an introducer can be reached.
#[derive(Debug, Clone)]
pub struct IntroducerStatus {
    /// What the node's owner calls it.
    pub petname: String,
    /// Where it is, without the secret.
    pub hints: Vec<String>,
    /// Over which hint it is connected.
    pub hint: Option<String>,
    /// What leads there, such as `tcp` or `tor`.
    pub handler: Option<String>,
    /// Name and version of its program, as it last said.
    pub version: Option<String>,
    /// Whether it is connected, and serves us.
    pub is_connected: bool,
    /// In one line, in the reference's words.
    pub summary: String,
    /// What went wrong last, if it isn't connected or doesn't serve us.
    pub problem: Option<String>,
    /// Since when it is connected, or was.
    pub connected_at: Option<Instant>,
    /// When it was last heard of.
    pub last_received: Option<Instant>,
    /// How many announcements it gave us.
    pub announcements: usize,
}

/// Keeps the connection with one introducer until it is stopped or dropped.
#[derive(Debug)]
pub struct IntroducerClient {
    shared: Arc<Shared>,
    reconnector: Arc<Reconnector>,
    upkeep: JoinSet<()>,
}

struct Shared {
    config: IntroducerClientConfig,
    sink: Arc<dyn AnnouncementSink>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    index: AnnouncementIndex<()>,
    /// Why the introducer that is connected doesn't serve us.
    problem: Option<String>,
    /// What it said of its program.
    version: Option<String>,
}

impl IntroducerClient {
    /// Begins to connect; must be called inside a tokio runtime.
    pub fn start(
        config: IntroducerClientConfig,
        tub: &Tub,
        sink: Arc<dyn AnnouncementSink>,
    ) -> Self {
        let furl = config.furl.clone();
        let shared = Arc::new(Shared {
            config,
            sink,
            state: Mutex::new(State {
                index: AnnouncementIndex::new(MAX_ANNOUNCEMENTS, MAX_ANNOUNCEMENT_BYTES),
                problem: None,
                version: None,
            }),
            changed: Notify::new(),
        });
        let serving = Arc::clone(&shared);
        let reconnector = tub.connect_to(furl, move |introducer| {
            let shared = Arc::clone(&serving);
            async move { shared.use_introducer(introducer).await }
        });
        let reconnector = Arc::new(reconnector);
        let mut upkeep = JoinSet::new();
        upkeep.spawn(Arc::clone(&shared).save_changes());
        upkeep.spawn(Arc::clone(&reconnector).come_back_within(LONGEST_WAIT));
        Self {
            shared,
            reconnector,
            upkeep,
        }
    }

    /// Whether the introducer can be reached.
    pub fn status(&self) -> IntroducerStatus {
        let status = self.reconnector.status();
        let (problem, version, announcements) = {
            let state = self.shared.lock();
            let (problem, version) = (state.problem.clone(), state.version.clone());
            (problem, version, state.index.len())
        };
        let reference = match &status.state {
            ReconnectState::Connected(reference) if reference.is_connected() => Some(reference),
            _ => None,
        };
        let connection = reference.map(RemoteReference::connection);
        let failure = status
            .last_failure
            .as_ref()
            .map(|failure| chain(&**failure));
        let config = &self.shared.config;
        IntroducerStatus {
            petname: config.petname.clone(),
            hints: config.furl.hints.clone(),
            hint: connection
                .as_ref()
                .map(|connection| connection.hint.clone()),
            handler: connection
                .as_ref()
                .and_then(|connection| connection.handler.clone()),
            version,
            is_connected: reference.is_some() && problem.is_none(),
            summary: match (&connection, &problem) {
                (Some(_), Some(problem)) => format!("failure: {problem}"),
                (Some(connection), None) => match &connection.handler {
                    Some(handler) => format!("Connected to {} via {handler}", connection.hint),
                    None => format!("Connected via listener ({})", connection.hint),
                },
                (None, _) => waiting(&status.state),
            },
            problem: if reference.is_some() {
                problem
            } else {
                failure
            },
            connected_at: connection.as_ref().map(|connection| connection.since),
            last_received: connection.map(|connection| connection.last_received),
            announcements,
        }
    }

    /// Ends the connection's upkeep, after what was heard is saved.
    pub async fn stop(mut self) {
        self.reconnector.stop();
        self.upkeep.shutdown().await;
    }
}

/// An attempt that fails or waits, in the reference's words.
fn waiting(state: &ReconnectState) -> String {
    match state {
        ReconnectState::Waiting { since, until } => {
            let seconds = until.saturating_duration_since(Instant::now()).as_secs();
            let ago = since.elapsed().as_secs();
            format!("Reconnecting in {seconds} seconds (last attempt {ago}s ago)")
        }
        _ => "Trying to connect".to_owned(),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does business with an introducer for as long as it is connected.
    async fn use_introducer(self: &Arc<Self>, introducer: RemoteReference) {
        self.lock().problem = None;
        let petname = &self.config.petname;
        match self.introduce(&introducer).await {
            Ok(()) => tracing::info!(introducer = petname, "introducer connected"),
            Err(problem) => {
                tracing::warn!(introducer = petname, problem, "the introducer is of no use");
                self.lock().problem = Some(problem);
            }
        }
        let lost = introducer.disconnected().await;
        tracing::info!(introducer = petname, %lost, "introducer lost");
    }

    async fn introduce(self: &Arc<Self>, introducer: &RemoteReference) -> Result<(), String> {
        let call = |method, arguments| introducer.call(method, arguments);
        let version = call("get_version", Arguments::positional([])).await;
        let version = version.map_err(|error| failed("get_version", &error))?;
        if version.entry(VERSION_KEY).is_none() {
            return Err("it doesn't speak version 2 of the introducer's protocol".to_owned());
        }
        let application = version.entry(APPLICATION_VERSION);
        let application = application.and_then(Value::as_text);
        let application = application.map(|name| name.chars().take(MAX_VERSION).collect());
        self.lock().version = application;
        let subscriber: Arc<dyn Referenceable> = Arc::new(Subscriber(Arc::clone(self)));
        for announcement in &self.config.publish {
            let canary = Reference::value(Arc::new(Canary));
            let arguments = Arguments::positional([wire::value(announcement), canary]);
            let published = call("publish_v2", arguments).await;
            published.map_err(|error| failed("publish_v2", &error))?;
        }
        let arguments = Arguments::positional([
            Reference::value(subscriber),
            Value::bytes(self.config.service_name.clone()),
            self.description(),
        ]);
        let subscribed = call("subscribe_v2", arguments).await;
        subscribed.map_err(|error| failed("subscribe_v2", &error))?;
        Ok(())
    }

    /// What the introducer's page shows of us.
    fn description(&self) -> Value {
        let text = |text: &str| Value::text(text.to_owned());
        Value::dict([
            ("version", Value::from(0u8)),
            ("nickname", text(&self.config.nickname)),
            ("app-versions", Value::List(Vec::new())),
            ("my-version", text(&self.config.application_version)),
            ("oldest-supported", text(crate::OLDEST_SUPPORTED)),
        ])
    }

    /// Takes announcements; bad ones don't keep good ones from being heard.
    fn announce(&self, announcements: &[Value]) {
        let mut is_changed = false;
        for value in announcements {
            let checked = wire::announcement(value).and_then(|signed| {
                let (server, announcement) = signed.verify()?;
                Ok((server, announcement, signed.size()))
            });
            match checked {
                Ok((server, announcement, size)) => {
                    is_changed |= self.consider(&server, announcement, size);
                }
                Err(error) => {
                    let introducer = &self.config.petname;
                    tracing::warn!(introducer, %error, "an announcement was left out");
                }
            }
        }
        if is_changed {
            self.changed.notify_one();
        }
    }

    fn consider(&self, server: &ServerId, announcement: Announcement, size: usize) -> bool {
        if announcement.service_name() != self.config.service_name {
            return false;
        }
        let change = self
            .lock()
            .index
            .consider(server, announcement.clone(), size, ());
        if change == Change::Full {
            let introducer = &self.config.petname;
            tracing::warn!(introducer, "the introducer announces too much");
        }
        if change.is_news() {
            self.sink.heard(server, &announcement);
        }
        change.is_news()
    }

    /// Saves what was heard, soon after each change.
    async fn save_changes(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            sleep(CACHE_DELAY).await;
            let shared = Arc::clone(&self);
            let saving: JoinHandle<()> = tokio::task::spawn_blocking(move || {
                let cache = {
                    let state = shared.lock();
                    write_cache(state.index.iter().map(|(server, ann, ())| (server, ann)))
                };
                shared.sink.save(cache);
            });
            if let Err(error) = saving.await {
                tracing::warn!(%error, "the introducer's cache was not saved");
            }
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Introducer({})", self.config.petname)
    }
}

/// What the introducer calls when there is news.
struct Subscriber(Arc<Shared>);

#[async_trait]
impl Referenceable for Subscriber {
    fn interface(&self) -> Option<&str> {
        Some(SUBSCRIBER_INTERFACE)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        if call.method != "announce_v2" {
            return Err(call.unknown_method(SUBSCRIBER_INTERFACE));
        }
        let bad = || Call::bad_arguments("announce_v2", "a set of announcements");
        let [announcements] = call.arguments.take(["announcements"]).ok_or_else(bad)?;
        self.0.announce(announcements.as_set().ok_or_else(bad)?);
        Ok(Value::None)
    }
}

/// By which an introducer notices that we went away; it has nothing to say.
struct Canary;

#[async_trait]
impl Referenceable for Canary {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        Err(call.unknown_method("a canary"))
    }
}

fn failed(method: &str, error: &CallError) -> String {
    format!("{method} failed: {}", chain(error))
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}
