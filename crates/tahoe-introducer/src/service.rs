//! The introducer: takes announcements and passes them on to whoever subscribed.
//!
//! It keeps nothing on disk: nodes publish again whenever they connect. It vouches for nothing
//! either: subscribers check the signatures themselves.

use crate::wire::{self, PUBLISHER_INTERFACE};
use crate::{Announcement, AnnouncementError, AnnouncementIndex, Change, SignedAnnouncement};
use async_trait::async_trait;
use foolscap::{Arguments, Call, Reference, Referenceable, RemoteFailure, RemoteReference, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;
use tahoe_crypto::ServerId;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What strangers can make an introducer hold: whoever knows its FURL can publish and subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntroducerLimits {
    /// Most announcements.
    pub announcements: usize,
    /// Most bytes of all announcements together.
    pub announcement_bytes: usize,
    /// Most subscriptions.
    pub subscribers: usize,
    /// Most subscriptions over one connection.
    pub subscribers_per_connection: usize,
}

impl Default for IntroducerLimits {
    fn default() -> Self {
        Self {
            announcements: 5000,
            announcement_bytes: 32 << 20,
            subscribers: 5000,
            subscribers_per_connection: 8,
        }
    }
}

/// Most announcements in one message; more follow when these have been taken.
const BATCH: usize = 200;

/// An introducer, to be registered with a tub.
#[derive(Clone)]
pub struct IntroducerService(Arc<Inner>);

struct Inner {
    application_version: String,
    limits: IntroducerLimits,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Counts the announcements that were news; subscribers catch up with it.
    version: watch::Sender<u64>,
    state: Mutex<State>,
}

struct State {
    announcements: AnnouncementIndex<Published>,
    subscribers: Vec<Subscriber>,
    /// Deliver to the subscribers.
    tasks: JoinSet<()>,
}

struct Published {
    signed: SignedAnnouncement,
    when: SystemTime,
    version: u64,
}

struct Subscriber {
    service_name: String,
    reference: RemoteReference,
    connection: u64,
    description: SubscriberDescription,
}

/// What the introducer's page shows of an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedAnnouncement {
    /// Which service.
    pub service_name: String,
    /// Whose.
    pub server_id: ServerId,
    /// What the server is called.
    pub nickname: String,
    /// Name and version of its program.
    pub version: String,
    /// Where it listens.
    pub hints: Vec<String>,
    /// When this was published.
    pub when: SystemTime,
}

/// What the introducer's page shows of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriberDescription {
    /// To which service it subscribed.
    pub service_name: String,
    /// What it is called.
    pub nickname: String,
    /// Name and version of its program.
    pub version: String,
    /// The id of its tub.
    pub tub_id: String,
    /// Where it connected.
    pub connected: String,
    /// Since when.
    pub since: SystemTime,
}

impl IntroducerService {
    /// Makes an introducer that knows nobody.
    pub fn new(
        application_version: &str,
        limits: IntroducerLimits,
        clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    ) -> Self {
        let state = State {
            announcements: AnnouncementIndex::new(limits.announcements, limits.announcement_bytes),
            subscribers: Vec::new(),
            tasks: JoinSet::new(),
        };
        Self(Arc::new(Inner {
            application_version: application_version.to_owned(),
            limits,
            clock,
            version: watch::Sender::new(0),
            state: Mutex::new(state),
        }))
    }

    /// What was published, by service and server.
    pub fn announcements(&self) -> Vec<PublishedAnnouncement> {
        let state = self.0.lock();
        let describe =
            |(server, announcement, published): (&ServerId, &Announcement, &Published)| {
                PublishedAnnouncement {
                    service_name: announcement.service_name().to_owned(),
                    server_id: server.clone(),
                    nickname: announcement.text("nickname").to_owned(),
                    version: announcement.text("my-version").to_owned(),
                    hints: hints(announcement.text("anonymous-storage-FURL")),
                    when: published.when,
                }
            };
        state.announcements.iter().map(describe).collect()
    }

    /// Who subscribed, in the order of their coming.
    pub fn subscribers(&self) -> Vec<SubscriberDescription> {
        let state = self.0.lock();
        let subscribers = state.subscribers.iter();
        subscribers
            .map(|subscriber| subscriber.description.clone())
            .collect()
    }

    /// Ends all deliveries.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut self.0.lock().tasks);
        tasks.shutdown().await;
    }

    fn publish(&self, announcement: &Value) -> Result<(), RemoteFailure> {
        let signed = wire::announcement(announcement).map_err(refusal)?;
        let (server, announcement) = signed.verify().map_err(refusal)?;
        let mut state = self.0.lock();
        let version = self.0.version.borrow().wrapping_add(1);
        let size = signed.size();
        let published = Published {
            signed,
            when: (self.0.clock)(),
            version,
        };
        let change = state
            .announcements
            .consider(&server, announcement, size, published);
        if change.is_news() {
            // While the state is locked, so that each version is of one announcement.
            self.0.version.send_replace(version);
        }
        drop(state);
        tracing::debug!(server = server.short(), ?change, "published");
        if change == Change::Full {
            let message = "this introducer holds as many announcements as it may";
            return Err(RemoteFailure::violation(message));
        }
        Ok(())
    }

    fn subscribe(&self, call: &Call, arguments: [Value; 3]) -> Result<(), RemoteFailure> {
        let [subscriber, service_name, information] = arguments;
        let bad = || Call::bad_arguments("subscribe_v2", "a subscriber, a service name, a dict");
        let reference = subscriber.as_reference().and_then(Reference::remote);
        let reference = reference.ok_or_else(bad)?.clone();
        let service_name = service_name.as_text().filter(|name| name.len() <= 100);
        let service_name = service_name.ok_or_else(bad)?.to_owned();
        information.as_dict().ok_or_else(bad)?;
        let connection = call.caller.connection();
        let mut state = self.0.lock();
        let mut others = state.subscribers.iter();
        if others.any(|known| known.reference == reference && known.service_name == service_name) {
            return Ok(());
        }
        let of_connection = |known: &&Subscriber| known.connection == connection;
        let limits = &self.0.limits;
        if state.subscribers.len() >= limits.subscribers
            || state.subscribers.iter().filter(of_connection).count()
                >= limits.subscribers_per_connection
        {
            let message = "this introducer has as many subscribers as it may";
            return Err(RemoteFailure::violation(message));
        }
        let text = |key| shown(information.entry(key).and_then(Value::as_text));
        let description = SubscriberDescription {
            service_name: service_name.clone(),
            nickname: text("nickname"),
            version: text("my-version"),
            tub_id: call.caller.tub_id().to_string(),
            connected: reference.connection().hint,
            since: (self.0.clock)(),
        };
        state.subscribers.push(Subscriber {
            service_name: service_name.clone(),
            reference: reference.clone(),
            connection,
            description,
        });
        while state.tasks.try_join_next().is_some() {}
        let version = self.0.version.subscribe();
        let service = Arc::downgrade(&self.0);
        state
            .tasks
            .spawn(deliver(service, version, reference, service_name));
        Ok(())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest announcements of a service that are newer than a version, and that of the last.
    fn since(&self, service_name: &str, version: u64) -> Option<(Vec<Value>, u64)> {
        let state = self.lock();
        let of_service = state.announcements.of_service(service_name);
        let mut newer: Vec<&Published> = of_service
            .map(|(_, _, published)| published)
            .filter(|published| published.version > version)
            .collect();
        newer.sort_by_key(|published| published.version);
        newer.truncate(BATCH);
        let last = newer.last()?.version;
        let values = newer.iter().map(|published| wire::value(&published.signed));
        Some((values.collect(), last))
    }

    fn forget(&self, reference: &RemoteReference, service_name: &str) {
        self.lock()
            .subscribers
            .retain(|known| known.reference != *reference || known.service_name != service_name);
    }
}

/// Passes on to a subscriber what it hasn't heard yet, one message at a time, for as long as it is
/// connected.
async fn deliver(
    service: Weak<Inner>,
    mut version: watch::Receiver<u64>,
    subscriber: RemoteReference,
    service_name: String,
) {
    let mut heard = 0;
    let delivering = async {
        loop {
            version.mark_unchanged();
            let Some(strong) = service.upgrade() else {
                return;
            };
            let Some((announcements, last)) = strong.since(&service_name, heard) else {
                drop(strong);
                if version.changed().await.is_err() {
                    return;
                }
                continue;
            };
            drop(strong);
            let arguments = Arguments::positional([Value::Set(announcements)]);
            if let Err(error) = subscriber.call("announce_v2", arguments).await {
                tracing::debug!(%error, "a subscriber did not take announcements");
            }
            heard = last;
        }
    };
    tokio::select! {
        () = delivering => {}
        _ = subscriber.disconnected() => {}
    }
    if let Some(service) = service.upgrade() {
        service.forget(&subscriber, &service_name);
    }
}

#[async_trait]
impl Referenceable for IntroducerService {
    fn interface(&self) -> Option<&str> {
        Some(PUBLISHER_INTERFACE)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        let arguments = call.arguments.clone();
        let bad = |takes| Call::bad_arguments(&call.method, takes);
        match call.method.as_str() {
            "get_version" => {
                let [] = arguments.take([]).ok_or_else(|| bad("nothing"))?;
                Ok(wire::version(&self.0.application_version))
            }
            "publish_v2" => {
                let [announcement, _canary] = arguments
                    .take(["announcement", "canary"])
                    .ok_or_else(|| bad("an announcement and a canary"))?;
                self.publish(&announcement).map(|()| Value::None)
            }
            "subscribe_v2" => {
                let arguments = arguments
                    .take(["subscriber", "service_name", "subscriber_info"])
                    .ok_or_else(|| bad("a subscriber, a service name and a dict"))?;
                self.subscribe(&call, arguments).map(|()| Value::None)
            }
            _ => Err(call.unknown_method(PUBLISHER_INTERFACE)),
        }
    }
}

/// The exception that the reference raises.
fn refusal(error: AnnouncementError) -> RemoteFailure {
    let type_name = match error {
        AnnouncementError::BadSignature => "allmydata.crypto.error.BadSignature",
        AnnouncementError::UnknownKey => "allmydata.introducer.common.UnknownKeyError",
        _ => "builtins.ValueError",
    };
    RemoteFailure::new(type_name, error.to_string())
}

/// What strangers say of themselves, as far as it is shown.
fn shown(text: Option<&str>) -> String {
    text.unwrap_or("?").chars().take(200).collect()
}

/// The connection hints in a FURL.
fn hints(furl: &str) -> Vec<String> {
    foolscap::Furl::parse(furl)
        .map(|furl| furl.hints)
        .unwrap_or_default()
}

impl std::fmt::Debug for IntroducerService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.lock();
        f.debug_struct("IntroducerService")
            .field("announcements", &state.announcements.len())
            .field("subscribers", &state.subscribers.len())
            .finish_non_exhaustive()
    }
}
