//! The broker's states over time, with servers in memory that come and go.
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tahoe_client::{
    Broker, BrokerOptions, ConnectionOverrides, ConnectionState, Furl, KnownServer, Nurl, Origin,
    Protocol, ServerEntry, Transport,
};
use tahoe_crypto::{StorageIndex, TubId};
use tahoe_introducer::Announcement;
use tahoe_introducer::grid_manager::{Certificate, SignedCertificate};
use tahoe_storage_api::testing::{Call, Fault, Faulty, MemoryStore};
use tahoe_storage_api::{ServerDirectory as _, ShareKind, StorageError, StorageService};
use tokio::time::Instant;

/// Servers by the NURL that names them.
#[derive(Debug, Default)]
struct MemoryTransport(HashMap<String, Arc<Faulty>>);

impl Transport for MemoryTransport {
    fn connect(
        &self,
        nurl: &Nurl,
        _overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError> {
        match self.0.get(&*nurl.to_text()) {
            Some(service) => Ok(Arc::clone(service) as Arc<dyn StorageService>),
            None => Err(StorageError::Unreachable {
                reason: "connection refused".to_owned(),
                may_have_happened: false,
            }),
        }
    }

    fn connect_foolscap(
        &self,
        furl: &Furl,
        _overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError> {
        Err(StorageError::Unreachable {
            reason: format!("nobody is at {:?}", furl.hints),
            may_have_happened: false,
        })
    }
}

/// A grid of servers, each of which can be made to misbehave.
struct Grid {
    services: Vec<Arc<Faulty>>,
    broker: Arc<Broker>,
}

const NOWHERE: &str = "pb://47begbi5fjtikoe4lid7azoxlpwmfxvc@/x";
const FURL: &str = "pb://47begbi5fjtikoe4lid7azoxlpwmfxvc@tcp:127.0.0.1:1/x";

fn nurl(number: u8, way: &str) -> String {
    let key = "7d3GzhVrtb611jhXrCtt3LBWDzGnZhqLZuOMCXvHyf4";
    format!("pb://{key}@127.0.0.1:{number}/{way}#v=1")
}

fn start(count: u8, preferred: &[&str]) -> Grid {
    let mut transport = MemoryTransport::default();
    let mut services = Vec::new();
    let mut yaml = "storage:\n".to_owned();
    for number in 1..=count {
        let store = MemoryStore::new(TubId::from_bytes([number; 20]));
        let service = Arc::new(Faulty::new(Arc::new(store)));
        transport
            .0
            .insert(nurl(number, "good"), Arc::clone(&service));
        services.push(service);
        // The first NURL of each leads nowhere.
        yaml += &format!(
            "  v0-{number}: {{ann: {{nickname: n{number}, anonymous-storage-FURL: '{FURL}', \
             anonymous-storage-NURLs: ['{}', '{}']}}}}\n",
            nurl(number, "bad"),
            nurl(number, "good"),
        );
    }
    let options = BrokerOptions {
        preferred: preferred
            .iter()
            .map(|id| tahoe_crypto::ServerId::new(*id))
            .collect(),
        ..BrokerOptions::default()
    };
    let broker = start_with(&yaml, transport, options);
    Grid { services, broker }
}

fn start_with(yaml: &str, transport: MemoryTransport, options: BrokerOptions) -> Arc<Broker> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("servers.yaml");
    std::fs::write(&path, yaml).unwrap();
    let entries = ServerEntry::read_servers_yaml(&path).unwrap();
    let epoch = Instant::now();
    let clock = Arc::new(move || SystemTime::UNIX_EPOCH + epoch.elapsed());
    Broker::start(entries, Arc::new(transport), clock, options)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// Waits until a server's state is as wanted; says after how long.
async fn wait_until(server: &KnownServer, wanted: impl Fn(&ConnectionState) -> bool) -> Duration {
    let began = Instant::now();
    while !wanted(&server.status().state) {
        assert!(began.elapsed() < Duration::from_secs(60), "{server:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

fn is_failed(state: &ConnectionState) -> bool {
    matches!(state, ConnectionState::Failed { .. })
}

#[tokio::test(start_paused = true)]
async fn servers_connect_by_the_nurl_that_answers() {
    let grid = start(3, &[]);
    assert_eq!(
        grid.broker.servers()[0].status().state,
        ConnectionState::Unstarted
    );
    grid.broker.wait_for_servers(3).await;
    assert_eq!(grid.broker.connected_count(), 3);
    let status = grid.broker.servers()[0].status();
    assert_eq!(status.summary(), "connected");
    assert!(status.version.is_some());
    assert!(status.connected_since.is_some() && status.lost_at.is_none());
    grid.broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_vanished_server_is_known_to_be_gone_within_five_seconds() {
    for (fault, at_most) in [(Fault::Vanish, 2.0), (Fault::Hang, 5.0)] {
        let grid = start(2, &[]);
        grid.broker.wait_for_servers(2).await;
        // Just after a poll is the worst moment.
        grid.services[0].add(fault.always());
        let server = &grid.broker.servers()[0];
        let took = wait_until(server, is_failed).await;
        assert!(took.as_secs_f64() <= at_most + 0.02, "{took:?}");
        assert_eq!(grid.broker.connected_count(), 1);
        let status = server.status();
        assert!(status.summary().starts_with("failure: "));
        assert!(status.lost_at > status.last_answer);
        assert!(status.version.is_some(), "what it was stays known");

        grid.services[0].heal();
        let took = wait_until(server, ConnectionState::is_connected).await;
        assert!(took <= Duration::from_secs(2), "{took:?}");
        assert!(server.status().connected_since > status.lost_at);
        grid.broker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn idle_servers_are_asked_at_the_same_moments() {
    let grid = start(2, &[]);
    grid.broker.wait_for_servers(2).await;
    let delays = [40, 90].map(Duration::from_millis);
    for (service, delay) in grid.services.iter().zip(delays) {
        service.add(Fault::Delay(delay).on(Call::Version));
    }
    // Some polls later, and not within the next one.
    tokio::time::sleep(Duration::from_millis(20_700)).await;
    let servers = grid.broker.servers();
    let asked = servers.iter().zip(delays).map(|(server, delay)| {
        let answered = server.status().last_answer.unwrap();
        since_epoch(answered) - delay
    });
    let asked: Vec<Duration> = asked.collect();
    let apart = asked[0].abs_diff(asked[1]);
    assert!(apart <= Duration::from_millis(3), "{asked:?}");
    grid.broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_makes_a_server_suspect_and_asks_it_at_once() {
    let grid = start(1, &[]);
    grid.broker.wait_for_servers(1).await;
    let server = &grid.broker.servers()[0];
    let index = StorageIndex::from_bytes([1; 16]);
    let connected = grid.broker.servers_for(&index);

    grid.services[0].add(Fault::Vanish.on(Call::ListShares).times(1));
    let call = connected[0]
        .service
        .list_shares(ShareKind::Immutable, &index);
    assert!(call.await.is_err());
    let state = server.status().state;
    assert!(
        matches!(state, ConnectionState::Suspect { .. }),
        "{state:?}"
    );
    assert_eq!(server.status().summary(), "connected");
    assert!(server.status().problem().is_some());
    assert_eq!(grid.broker.servers_for(&index).len(), 1, "not given up yet");
    let took = wait_until(server, |state| *state == ConnectionState::Connected).await;
    assert!(took <= Duration::from_millis(300), "{took:?}");

    grid.services[0].add(Fault::Vanish.always());
    let call = connected[0]
        .service
        .list_shares(ShareKind::Immutable, &index);
    assert!(call.await.is_err());
    let took = wait_until(server, is_failed).await;
    assert!(took <= Duration::from_millis(300), "{took:?}");
    assert!(grid.broker.servers_for(&index).is_empty());
    grid.broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn refusals_raise_no_suspicion() {
    let grid = start(1, &[]);
    grid.broker.wait_for_servers(1).await;
    let index = StorageIndex::from_bytes([1; 16]);
    let connected = grid.broker.servers_for(&index);
    grid.services[0].add(Fault::Fail(|| StorageError::NoSpace).on(Call::ListShares));
    let call = connected[0]
        .service
        .list_shares(ShareKind::Immutable, &index);
    assert!(call.await.is_err());
    let state = grid.broker.servers()[0].status().state;
    assert_eq!(state, ConnectionState::Connected);
    grid.broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_failing_calls_do_not_make_many_polls() {
    let grid = start(1, &[]);
    grid.broker.wait_for_servers(1).await;
    let index = StorageIndex::from_bytes([1; 16]);
    let connected = grid.broker.servers_for(&index);
    grid.services[0].add(Fault::Vanish.on(Call::ListShares));
    let before = grid.services[0].count(Call::Version);
    for _ in 0..200 {
        let call = connected[0]
            .service
            .list_shares(ShareKind::Immutable, &index);
        assert!(call.await.is_err());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let polls = grid.services[0].count(Call::Version) - before;
    assert!(polls <= 6, "{polls} polls in a second");
    grid.broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn answered_calls_make_polls_unnecessary() {
    let grid = start(1, &[]);
    grid.broker.wait_for_servers(1).await;
    let server = &grid.broker.servers()[0];
    let index = StorageIndex::from_bytes([1; 16]);
    let connected = grid.broker.servers_for(&index);
    // Polls hang, as they may behind many large calls; the calls themselves are answered.
    grid.services[0].add(Fault::Hang.on(Call::Version));
    let before = grid.services[0].count(Call::Version);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let call = connected[0]
            .service
            .list_shares(ShareKind::Immutable, &index);
        call.await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(server.status().state, ConnectionState::Connected);
    }
    let polls = grid.services[0].count(Call::Version) - before;
    assert!((2..=4).contains(&polls), "{polls} polls in a minute");
    let took = wait_until(server, is_failed).await;
    assert!(took <= Duration::from_secs(5), "{took:?}");
    grid.broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_that_freezes_is_noticed_as_soon_as_an_idle_one() {
    for calls in 1..12 {
        let grid = start(1, &[]);
        grid.broker.wait_for_servers(1).await;
        let server = &grid.broker.servers()[0];
        let index = StorageIndex::from_bytes([1; 16]);
        let connected = grid.broker.servers_for(&index);
        grid.services[0].add(Fault::Hang.on(Call::Version));
        for _ in 0..calls {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let service = &connected[0].service;
            let call = service.list_shares(ShareKind::Immutable, &index);
            call.await.unwrap();
        }
        let took = wait_until(server, is_failed).await;
        assert!(took <= Duration::from_secs(5), "{took:?} after {calls}");
        grid.broker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn preferred_servers_come_first() {
    let grid = start(6, &["v0-4", "v0-2"]);
    grid.broker.wait_for_servers(6).await;
    let mut orders = HashSet::new();
    for byte in 0..20 {
        let servers = grid
            .broker
            .servers_for(&StorageIndex::from_bytes([byte; 16]));
        let ids: Vec<_> = servers.iter().map(|s| s.id.as_str().to_owned()).collect();
        let first: HashSet<_> = ids[..2].iter().map(String::as_str).collect();
        assert_eq!(first, HashSet::from(["v0-2", "v0-4"]));
        orders.insert(ids);
    }
    assert!(
        orders.len() > 10,
        "the rest is permuted by the storage index"
    );
    grid.broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_runs_out_stops_counting_without_any_event() {
    let key = |byte| tahoe_crypto::SigningKey::from_seed(&[byte; 32]);
    let (manager, server) = (key(1), key(2).verifying_key());
    let expires = time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(30);
    let certificate = SignedCertificate::sign(&manager, &Certificate { server, expires });
    let mut yaml = "storage:\n".to_owned();
    let mut transport = MemoryTransport::default();
    for (number, id) in [
        (1, server.server_id()),
        (2, key(3).verifying_key().server_id()),
    ] {
        let store = MemoryStore::new(TubId::from_bytes([number; 20]));
        let service = Arc::new(Faulty::new(Arc::new(store)));
        transport.0.insert(nurl(number, "good"), service);
        // The other server shows the same certificate, which isn't for it, and nonsense.
        yaml += &format!(
            "  {id}: {{ann: {{anonymous-storage-FURL: '{FURL}', \
             anonymous-storage-NURLs: ['{}'], \
             grid-manager-certificates: [7, {}]}}}}\n",
            nurl(number, "good"),
            certificate.to_json(),
        );
    }
    let options = BrokerOptions {
        grid_managers: vec![manager.verifying_key()],
        ..BrokerOptions::default()
    };
    let broker = start_with(&yaml, transport, options);
    broker.wait_for_servers(2).await;
    let permitted = || -> Vec<_> {
        let servers = broker.servers_for(&StorageIndex::from_bytes([1; 16]));
        assert_eq!(servers.len(), 2, "downloads may use both");
        let permitted = servers.iter().filter(|server| server.upload_permitted);
        permitted.map(|server| server.id.clone()).collect()
    };
    assert_eq!(permitted(), [server.server_id()]);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(permitted(), [server.server_id()]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(permitted(), []);
    broker.stop().await;
}

/// What a server announces of itself: where it is by number, what it is called, and when.
fn announced(key: u8, number: u8, nickname: &str, seqnum: u64) -> (Option<i128>, ServerEntry) {
    let fields = serde_json::json!({
        "service-name": "storage", "nickname": nickname, "seqnum": seqnum,
        "nonce": seqnum.to_string(), "anonymous-storage-FURL": FURL,
        "anonymous-storage-NURLs": [nurl(number, "good")],
    });
    let announcement = Announcement::from_fields(fields.as_object().unwrap().clone()).unwrap();
    let key = tahoe_crypto::SigningKey::from_seed(&[key; 32]).verifying_key();
    let entry = ServerEntry::announced(&key.server_id(), &announcement);
    (announcement.seqnum(), entry)
}

#[tokio::test(start_paused = true)]
async fn announced_servers_come_and_change_while_the_client_runs() {
    let mut transport = MemoryTransport::default();
    for number in 1..=2 {
        let store = MemoryStore::new(TubId::from_bytes([number; 20]));
        let service = Arc::new(Faulty::new(Arc::new(store)));
        transport.0.insert(nurl(number, "good"), service);
    }
    let broker = start_with("storage: {}\n", transport, BrokerOptions::default());
    let hear = |origin, (seqnum, entry)| broker.hear(origin, seqnum, entry);
    let names = || -> Vec<String> {
        let servers = broker.servers();
        servers
            .iter()
            .map(|server| server.nickname().to_owned())
            .collect()
    };
    assert!(hear(Origin::Cache, announced(7, 1, "cached", 90)));
    broker.wait_for_servers(1).await;
    let first = Arc::clone(&broker.servers()[0]);

    // What is said now counts more than what was said then, whatever its number.
    assert!(hear(Origin::Introducer, announced(7, 1, "cached", 4)));
    assert!(
        Arc::ptr_eq(&first, &broker.servers()[0]),
        "it stays connected"
    );
    assert!(!hear(Origin::Cache, announced(7, 1, "stale", 91)));
    // Another introducer is behind, or repeats.
    assert!(!hear(Origin::Introducer, announced(7, 1, "stale", 3)));
    assert!(!hear(Origin::Introducer, announced(7, 1, "stale", 4)));
    assert_eq!(names(), ["cached"]);

    // It moved to where nothing answers, and then to the other place.
    assert!(hear(Origin::Introducer, announced(7, 9, "moved", 5)));
    assert_eq!(
        (broker.connected_count(), names()),
        (0, vec!["moved".to_owned()])
    );
    wait_until(&broker.servers()[0], is_failed).await;
    assert!(hear(Origin::Introducer, announced(7, 2, "back", 6)));
    broker.wait_for_servers(1).await;
    assert_eq!(
        broker.servers_for(&StorageIndex::from_bytes([1; 16])).len(),
        1
    );
    assert!(hear(Origin::Introducer, announced(8, 1, "another", 1)));
    broker.wait_for_servers(2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(broker.connected_count(), 2, "no forgotten task counts");
    broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_owner_wrote_down_is_never_overruled() {
    let (_, entry) = announced(7, 1, "", 1);
    let yaml = format!(
        "storage: {{{}: {{ann: {{nickname: mine, anonymous-storage-FURL: '{FURL}'}}}}}}\n",
        entry.id
    );
    let broker = start_with(&yaml, MemoryTransport::default(), BrokerOptions::default());
    for origin in [Origin::Cache, Origin::Introducer] {
        let (seqnum, entry) = announced(7, 1, "theirs", 100);
        assert!(!broker.hear(origin, seqnum, entry));
    }
    let server = &broker.servers()[0];
    assert_eq!(server.nickname(), "mine");
    // The reference has other words for servers that are reached over Foolscap.
    assert_eq!(server.status().protocol, Some(Protocol::Foolscap));
    wait_until(server, is_failed).await;
    assert_eq!(server.status().summary(), "Trying to connect");
    broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn invented_servers_are_bounded() {
    let options = BrokerOptions {
        max_servers: 3,
        ..BrokerOptions::default()
    };
    let broker = start_with("storage: {}\n", MemoryTransport::default(), options);
    let heard = (0..10u8).filter(|key| {
        let (seqnum, entry) = announced(*key, 1, "", 1);
        broker.hear(Origin::Introducer, seqnum, entry)
    });
    assert_eq!((heard.count(), broker.servers().len()), (3, 3));
    broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_cannot_be_used_say_why() {
    let yaml = format!(
        "storage:
  v0-a: {{ann: {{nickname: old, anonymous-storage-FURL: '{NOWHERE}'}}}}
  v0-b: {{ann: {{nickname: none}}}}
"
    );
    let broker = start_with(&yaml, MemoryTransport::default(), BrokerOptions::default());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let states: Vec<_> = broker
        .servers()
        .iter()
        .map(|s| {
            (
                s.status().summary(),
                s.status().problem().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            "its announcement doesn't say where it is",
            "no anonymous-storage-FURL, from which lease secrets are derived",
        ]
        .map(|problem| ("unstarted".to_owned(), problem.to_owned()))
    );
    assert_eq!(broker.servers()[0].nickname(), "old");
    broker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn polling_is_quiet_and_ends_with_the_broker() {
    let grid = start(1, &[]);
    grid.broker.wait_for_servers(1).await;
    let connected_at = since_epoch(grid.broker.servers()[0].status().connected_since.unwrap());
    let before = grid.services[0].count(Call::Version);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let polls = grid.services[0].count(Call::Version) - before;
    assert!((38..=46).contains(&polls), "{polls} polls in a minute");
    let status = grid.broker.servers()[0].status();
    assert_eq!(since_epoch(status.connected_since.unwrap()), connected_at);

    grid.broker.stop().await;
    let before = grid.services[0].count(Call::Version);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(grid.services[0].count(Call::Version), before);

    let grid = start(1, &[]);
    grid.broker.wait_for_servers(1).await;
    drop(grid.broker);
    let before = grid.services[0].count(Call::Version);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        grid.services[0].count(Call::Version),
        before,
        "dropping ends it too"
    );
}
