//! Tubs, introducers and clients on this machine.

use foolscap::{Furl, IdlePolicy, Referenceable, Tub, TubIdentity, TubOptions};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tahoe_crypto::{ServerId, SigningKey};
use tahoe_introducer::{
    Announcement, AnnouncementSink, IntroducerClient, IntroducerClientConfig, IntroducerLimits,
    IntroducerService, SignedAnnouncement,
};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// A tub that listens, with one object.
pub(crate) struct Served {
    pub(crate) tub: Tub,
    pub(crate) furl: Furl,
}

/// Lets a tub serve an object on a port of this machine.
pub(crate) async fn serve(object: Arc<dyn Referenceable>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hint = format!("tcp:127.0.0.1:{}", listener.local_addr().unwrap().port());
    let options = TubOptions {
        location: vec![hint],
        ..TubOptions::default()
    };
    let tub = Tub::new(identity(), options).unwrap();
    let furl = tub.register(object, None).unwrap();
    tub.listen(listener);
    Served { tub, furl }
}

/// An identity of a kind that is quickly made.
pub(crate) fn identity() -> TubIdentity {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::default();
    let certificate = parameters.self_signed(&key).unwrap();
    let pem = certificate.pem() + &key.serialize_pem();
    TubIdentity::from_pem(pem.as_bytes()).unwrap()
}

pub(crate) fn introducer(limits: IntroducerLimits) -> IntroducerService {
    IntroducerService::new("test", limits, Arc::new(SystemTime::now))
}

/// A tub that only connects, and notices soon when its peer is gone.
pub(crate) fn client_tub() -> Tub {
    let options = TubOptions {
        idle: IdlePolicy {
            ping_after: Some(Duration::from_millis(1500)),
            disconnect_after: Some(Duration::from_millis(4500)),
        },
        ..TubOptions::default()
    };
    Tub::new(identity(), options).unwrap()
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

/// What a server announces.
pub(crate) fn announcement(nickname: &str, seqnum: u64) -> Announcement {
    let fields = json!({"service-name": "storage", "nickname": nickname, "seqnum": seqnum});
    Announcement::from_fields(fields.as_object().unwrap().clone()).unwrap()
}

pub(crate) fn signed(number: u8, nickname: &str, seqnum: u64) -> SignedAnnouncement {
    SignedAnnouncement::sign(&announcement(nickname, seqnum), &key(number))
}

/// What a client heard: nicknames by server, and the last cache.
#[derive(Default)]
pub(crate) struct Ears {
    heard: Mutex<BTreeMap<ServerId, String>>,
    cache: Mutex<String>,
}

impl AnnouncementSink for Ears {
    fn heard(&self, server: &ServerId, announcement: &Announcement) {
        let nickname = announcement.text("nickname").to_owned();
        self.heard.lock().unwrap().insert(server.clone(), nickname);
    }

    fn save(&self, cache: String) {
        *self.cache.lock().unwrap() = cache;
    }
}

impl Ears {
    pub(crate) fn nicknames(&self) -> Vec<String> {
        let mut names: Vec<_> = self.heard.lock().unwrap().values().cloned().collect();
        names.sort();
        names
    }

    pub(crate) fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    pub(crate) fn cache(&self) -> String {
        self.cache.lock().unwrap().clone()
    }
}

/// A node as an introducer sees it.
pub(crate) struct Node {
    pub(crate) client: IntroducerClient,
    pub(crate) ears: Arc<Ears>,
    /// Kept, or its connections end.
    pub(crate) tub: Tub,
}

impl Node {
    pub(crate) fn start(furl: &Furl, publish: Vec<SignedAnnouncement>) -> Self {
        Self::start_with(client_tub(), furl, publish)
    }

    pub(crate) fn start_with(tub: Tub, furl: &Furl, publish: Vec<SignedAnnouncement>) -> Self {
        let ears = Arc::new(Ears::default());
        let config = IntroducerClientConfig {
            petname: "default".to_owned(),
            furl: furl.clone(),
            nickname: "node".to_owned(),
            application_version: "test".to_owned(),
            service_name: "storage".to_owned(),
            publish,
        };
        let client = IntroducerClient::start(config, &tub, Arc::clone(&ears) as _);
        Self { client, ears, tub }
    }
}

/// Waits until something holds.
pub(crate) async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        let waited = start.elapsed();
        assert!(
            waited < Duration::from_secs(60),
            "{what}: not so after {waited:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}
