//! How a client learns of servers from introducers.

use crate::Client;
use crate::broker::{Broker, Origin, ServerEntry};
use foolscap::{Furl, Tub};
use std::sync::{Arc, PoisonError};
use tahoe_crypto::ServerId;
use tahoe_introducer::{
    Announcement, AnnouncementSink, IntroducerClient, IntroducerClientConfig, IntroducerStatus,
    SignedAnnouncement, read_cache,
};

/// The service that storage servers announce.
const STORAGE: &str = "storage";

/// Where what introducers said is kept for when they are down.
pub trait AnnouncementCaches: Send + Sync + 'static {
    /// The text that was saved last for an introducer; none if there is none, or if it can't be
    /// read, which is logged.
    fn load(&self, petname: &str) -> Option<String>;
    /// Saves the text for an introducer: a secret. May wait.
    fn save(&self, petname: &str, text: &str);
}

impl Client {
    /// Learns of servers from these introducers from now on, by name and FURL, and publishes what
    /// this node offers; must be called inside a tokio runtime.
    ///
    /// The servers of the last run are used at once.
    pub fn use_introducers(
        &self,
        tub: &Tub,
        introducers: Vec<(String, Furl)>,
        publish: &[SignedAnnouncement],
        caches: &Arc<dyn AnnouncementCaches>,
    ) {
        let start = |(petname, furl): (String, Furl)| {
            let listener = Arc::new(Listener {
                broker: Arc::clone(self.shared_broker()),
                petname: petname.clone(),
                caches: Arc::clone(caches),
            });
            listener.remember();
            let config = IntroducerClientConfig {
                petname,
                furl,
                nickname: self.config().nickname.clone(),
                application_version: self.config().application_version.clone(),
                service_name: STORAGE.to_owned(),
                publish: publish.to_vec(),
            };
            IntroducerClient::start(config, tub, listener)
        };
        let clients: Vec<_> = introducers.into_iter().map(start).collect();
        self.introducer_clients()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(clients);
    }

    /// The introducers, by name, and whether they can be reached.
    pub fn introducers(&self) -> Vec<IntroducerStatus> {
        let clients = self.introducer_clients().lock();
        let clients = clients.unwrap_or_else(PoisonError::into_inner);
        clients.iter().map(IntroducerClient::status).collect()
    }
}

/// Passes on to the broker what one introducer says.
struct Listener {
    broker: Arc<Broker>,
    petname: String,
    caches: Arc<dyn AnnouncementCaches>,
}

impl Listener {
    /// Passes on what the introducer said when the node last ran.
    fn remember(&self) {
        let Some(text) = self.caches.load(&self.petname) else {
            return;
        };
        let introducer = &self.petname;
        match read_cache(&text) {
            Ok(announcements) => {
                let servers = announcements.len();
                tracing::info!(introducer, servers, "servers known from the last run");
                for (server, announcement) in announcements {
                    self.pass_on(Origin::Cache, &server, &announcement);
                }
            }
            Err(error) => tracing::warn!(introducer, %error, "the introducer's cache is no use"),
        }
    }

    fn pass_on(&self, origin: Origin, server: &ServerId, announcement: &Announcement) {
        if announcement.service_name() == STORAGE {
            let entry = ServerEntry::announced(server, announcement);
            self.broker.hear(origin, announcement.seqnum(), entry);
        }
    }
}

impl AnnouncementSink for Listener {
    fn heard(&self, server: &ServerId, announcement: &Announcement) {
        self.pass_on(Origin::Introducer, server, announcement);
    }

    fn save(&self, cache: String) {
        self.caches.save(&self.petname, &cache);
    }
}
