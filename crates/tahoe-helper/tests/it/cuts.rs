//! Uploads that are cut at many points, by the death of the client or of the helper. Whoever died
//! comes back, and the upload ends as if nothing had happened.

use crate::{SIZE, connect, file, offer, service_with, uploader};
use foolscap::{Furl, Tub, TubIdentity, TubOptions};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tahoe_crypto::{StorageIndex, UriExtensionHash};
use tahoe_helper::{HelperClient, HelperService};
use tahoe_immutable::Uploader;
use tahoe_storage_api::testing::{FixedServers, MemoryStore, test_server};
use tahoe_storage_api::{ShareNumber, StorageService as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// At how many points an upload is cut on each side.
const POINTS: u64 = 10;

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Client,
    Helper,
}

/// One direction of a connection: how many bytes have passed, and how many may.
#[derive(Debug)]
struct Direction {
    passed: AtomicU64,
    limit: AtomicU64,
}

/// Both directions of the one connection that a relay lets through.
#[derive(Debug, Default)]
struct Wire {
    from_client: Direction,
    from_helper: Direction,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            passed: AtomicU64::new(0),
            limit: AtomicU64::new(u64::MAX),
        }
    }
}

impl Direction {
    fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Cuts the connection when so many bytes more have passed.
    fn cut_after(&self, bytes: u64) {
        self.limit.store(self.passed() + bytes, Ordering::SeqCst);
    }

    async fn relay(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let room = self.limit.load(Ordering::SeqCst) - self.passed();
            let length = length.min(usize::try_from(room).unwrap_or(usize::MAX));
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
            self.passed.fetch_add(length as u64, Ordering::SeqCst);
            if room == length as u64 {
                return;
            }
        }
    }
}

impl Wire {
    /// A relay in front of a tub. Once its connection was cut, there is no other.
    async fn to(furl: &Furl) -> (Furl, Arc<Self>) {
        let address = furl.hints[0].strip_prefix("tcp:").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hint = format!("tcp:{}", listener.local_addr().unwrap());
        let wire = Arc::new(Self::default());
        let relay = Arc::clone(&wire);
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            drop(listener);
            let helper = TcpStream::connect(&address).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_helper, to_helper) = helper.into_split();
            tokio::select! {
                () = relay.from_client.relay(from_client, to_helper) => {}
                () = relay.from_helper.relay(from_helper, to_client) => {}
            }
        });
        let furl = Furl {
            hints: vec![hint],
            ..furl.clone()
        };
        (furl, wire)
    }

    fn side(&self, side: Side) -> &Direction {
        match side {
            Side::Client => &self.from_client,
            Side::Helper => &self.from_helper,
        }
    }
}

/// A grid of one server, and the folder of a helper that may be started several times.
struct Place {
    store: Arc<MemoryStore>,
    servers: Arc<FixedServers>,
    folder: tempfile::TempDir,
}

/// A helper that runs.
struct Helper {
    service: HelperService,
    uploader: Arc<Uploader>,
    tub: Tub,
    furl: Furl,
}

impl Place {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let server = test_server(0, store.version().await.unwrap(), Arc::clone(&store) as _);
        Self {
            store,
            servers: Arc::new(FixedServers::new([server])),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn helper(&self) -> Helper {
        let uploader = uploader(&self.servers);
        let service = service_with(self.folder.path(), &self.servers, Arc::clone(&uploader));
        let (tub, furl) = offer(Arc::new(service.clone())).await;
        Helper {
            service,
            uploader,
            tub,
            furl,
        }
    }

    fn shares(&self, index: &StorageIndex) -> Vec<Vec<u8>> {
        let share = |number| self.store.share(index, ShareNumber(number));
        (0..3).map(|number| share(number).unwrap().into()).collect()
    }

    fn size_in(&self, folder: &str) -> u64 {
        let folder = std::fs::read_dir(self.folder.path().join(folder)).unwrap();
        let sizes = folder.map(|entry| entry.unwrap().metadata().unwrap().len());
        sizes.sum()
    }

    /// Waits until what was fetched lies on the disk, as far as it is still needed.
    async fn settled(&self, fetched: u64) {
        let expected = if fetched == SIZE as u64 { 0 } else { fetched };
        let is_there = async {
            while self.size_in("CHK_incoming") != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), is_there)
            .await
            .unwrap();
    }
}

impl Helper {
    fn count(&self, name: &str) -> u64 {
        self.service.statistics()[format!("chk_upload_helper.{name}").as_str()]
    }

    async fn stop(self) {
        self.service.stop().await;
        self.tub.stop().await;
        // What a real server does when the connection is lost or nothing comes any more.
        self.uploader.aborts_settled().await;
    }
}

/// A client that runs.
struct Client(Tub, HelperClient);

impl Client {
    async fn stop(self) {
        self.1.stop().await;
        self.0.stop().await;
    }
}

/// What an upload came to: what its capability has beside the file's key, and its shares.
#[derive(Debug, PartialEq)]
struct Ending {
    hash: UriExtensionHash,
    shares: Vec<Vec<u8>>,
}

/// Uploads the file as a client with this identity; none if the connection was cut. The
/// connection is cut after `cut` bytes of one side.
async fn upload(
    place: &Place,
    furl: &Furl,
    identity: &TubIdentity,
    cut: Option<(Side, u64)>,
) -> (Client, Arc<Wire>, [u64; 2], Option<Ending>) {
    let tub = Tub::new(identity.clone(), TubOptions::default()).unwrap();
    let (furl, wire) = Wire::to(furl).await;
    let (client, helper) = connect(&tub, furl).await;
    let before = [wire.from_client.passed(), wire.from_helper.passed()];
    if let Some((side, bytes)) = cut {
        wire.side(side).cut_after(bytes);
    }
    let file = file(1).await;
    let stored = helper.upload(&file).await.ok();
    let ending = stored.map(|results| Ending {
        hash: results.uri_extension_hash,
        shares: place.shares(&file.storage_index()),
    });
    (Client(tub, client), wire, before, ending)
}

/// How many bytes an upload that isn't cut takes, by side, and how it ends.
async fn uncut(identity: &TubIdentity) -> ([u64; 2], Ending) {
    let place = Place::new().await;
    let helper = place.helper().await;
    let (client, wire, before, ending) = upload(&place, &helper.furl, identity, None).await;
    let after = [wire.from_client.passed(), wire.from_helper.passed()];
    client.stop().await;
    helper.stop().await;
    (
        [after[0] - before[0], after[1] - before[1]],
        ending.unwrap(),
    )
}

/// Cuts an upload after so many bytes of one side, goes on with it, and returns how many bytes of
/// ciphertext the helper had until then.
async fn cut_and_resume(side: Side, bytes: u64, identity: &TubIdentity, expected: &Ending) -> u64 {
    let place = Place::new().await;
    let mut helper = place.helper().await;
    let cut = Some((side, bytes));
    let (client, _, _, ending) = upload(&place, &helper.furl, identity, cut).await;
    assert!(ending.is_none(), "{side:?} after {bytes} bytes");
    let first = match side {
        Side::Client => {
            client.stop().await;
            // The helper notices, and waits for the next client.
            while helper.count("active_uploads") > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            helper.count("fetched_bytes")
        }
        Side::Helper => {
            let service = helper.service.clone();
            helper.stop().await;
            client.stop().await;
            let fetched = service.counters()["chk_upload_helper.fetched_bytes"];
            place.settled(fetched).await;
            helper = place.helper().await;
            fetched
        }
    };
    let resumes = helper.count("resumes");
    let counted = helper.count("fetched_bytes");
    let (client, _, _, ending) = upload(&place, &helper.furl, identity, None).await;
    assert_eq!(
        ending.as_ref(),
        Some(expected),
        "{side:?} after {bytes} bytes"
    );
    let rest = helper.count("fetched_bytes") - counted;
    assert_eq!(first + rest, SIZE as u64, "{side:?} after {bytes} bytes");
    let is_resumed = (1..SIZE as u64).contains(&first);
    assert_eq!(helper.count("resumes") - resumes, u64::from(is_resumed));
    assert_eq!(
        place.size_in("CHK_incoming") + place.size_in("CHK_encoding"),
        0
    );
    client.stop().await;
    helper.stop().await;
    first
}

/// Cuts uploads at ten points that are spread evenly over what one side sends.
async fn cut_everywhere(side: Side) {
    let identity = TubIdentity::generate().unwrap();
    let (sent, expected) = uncut(&identity).await;
    let sent = match side {
        Side::Client => sent[0],
        Side::Helper => sent[1],
    };
    let points = (1..=POINTS).map(|point| sent * point / (POINTS + 1));
    let cuts = points.map(|bytes| cut_and_resume(side, bytes, &identity, &expected));
    let had: BTreeSet<u64> = join_all(cuts).await.into_iter().collect();
    // They were different points indeed.
    assert!(had.len() >= 4, "{side:?}: {had:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_wherever_its_client_dies() {
    cut_everywhere(Side::Client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_wherever_its_helper_dies() {
    cut_everywhere(Side::Helper).await;
}
