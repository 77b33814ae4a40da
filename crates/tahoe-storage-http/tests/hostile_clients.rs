//! What a server makes of clients that break the protocol, hang, or want too much.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::raw::{Raw, connect};
use support::{nurl, serve, server_tls};
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::testing::{Call, Fault, Faulty, MemoryStore};
use tahoe_storage_api::{
    Allocation, ReadTestWrite, ReadTestWriteOutcome, ServerVersion, ShareKind, ShareNumber,
    ShareRange, SlotSecrets, StorageError, StorageService, WriteProgress,
};
use tahoe_storage_http::{ClientOptions, HttpStorageClient, Nurl, ServerHandle, ServerLimits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::client::TlsStream;

const INDEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
/// So long that a client on a busy machine keeps within it.
const LIMIT: Duration = Duration::from_secs(1);
/// Much longer than that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes small changes only.
fn narrow() -> ServerLimits {
    ServerLimits {
        largest_change: 1 << 20,
        memory_for_changes: 1 << 20,
        ..ServerLimits::default()
    }
}

/// Waits only so long for a body, or for the client to take an answer.
fn impatient() -> ServerLimits {
    ServerLimits {
        silence_timeout: LIMIT,
        minimum_rate: 1 << 20,
        ..narrow()
    }
}

async fn start(service: Arc<dyn StorageService>, limits: ServerLimits) -> (ServerHandle, Nurl) {
    let server = serve(service, limits).await;
    let nurl = nurl(server_tls(), server.local_address().port());
    (server, nurl)
}

async fn start_empty(limits: ServerLimits) -> (ServerHandle, Nurl) {
    start(Arc::new(MemoryStore::default()), limits).await
}

fn version() -> Raw {
    Raw::new("GET", "/storage/v1/version")
}

fn allocate(body: Vec<u8>) -> Raw {
    Raw::new("POST", format!("/storage/v1/immutable/{INDEX}"))
        .secret("lease-renew-secret", &[1; 32])
        .secret("lease-cancel-secret", &[2; 32])
        .secret("upload-secret", &[3; 20])
        .body(body)
}

fn patch(range: &str) -> Raw {
    Raw::new("PATCH", format!("/storage/v1/immutable/{INDEX}/1"))
        .secret("upload-secret", &[3; 20])
        .header("Content-Range", range)
}

fn change() -> Raw {
    Raw::new(
        "POST",
        format!("/storage/v1/mutable/{INDEX}/read-test-write"),
    )
    .secret("lease-renew-secret", &[1; 32])
    .secret("lease-cancel-secret", &[2; 32])
    .secret("write-enabler", &[3; 32])
}

/// The set `{1}` and a size.
fn allocation(size: u32) -> Vec<u8> {
    let size = size.to_be_bytes();
    let head = b"\xa2\x6dshare-numbers\xd9\x01\x02\x81\x01\x6eallocated-size\x1a";
    [&head[..], &size].concat()
}

/// Writes bytes, then reads until the server closes the connection.
///
/// A server may refuse and close before it has read everything, which can cost its answer; then all
/// is said again.
async fn converse(nurl: &Nurl, request: &[u8]) -> Vec<u8> {
    for _ in 0..20 {
        let mut stream = connect(nurl).await;
        let mut written = stream.write_all(request).await;
        if written.is_ok() {
            written = stream.flush().await;
        }
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(PATIENCE, read).await;
        let read = read.expect("the server closes the connection");
        let is_reset = read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
        if !answer.is_empty() || (written.is_ok() && !is_reset) {
            return answer;
        }
    }
    panic!("the server's answer was never heard");
}

fn assert_status(answer: &[u8], status: &str) {
    let text = String::from_utf8_lossy(answer);
    assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_have_limits() {
    let (_server, nurl) = start_empty(narrow()).await;
    let many = "A: b\r\n".repeat(200);
    assert_status(&converse(&nurl, &version().head(&many)).await, "431");
    let long = format!("A: {}\r\n", "b".repeat(20_000));
    assert_status(&converse(&nurl, &version().head(&long)).await, "431");
    let long = Raw::new("GET", "/x".repeat(40_000)).head("");
    let answer = converse(&nurl, &long).await;
    assert!(answer.starts_with(b"HTTP/1.1 414") || answer.starts_with(b"HTTP/1.1 431"));
    assert_status(&converse(&nurl, b"nonsense\r\n\r\n").await, "400");
    assert_eq!(version().send(&nurl).await.status, 200, "it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_are_closed() {
    let (_server, nurl) = start_empty(ServerLimits {
        header_timeout: LIMIT,
        ..narrow()
    })
    .await;
    let started = Instant::now();
    converse(&nurl, b"").await;
    converse(&nurl, b"GET /storage/v1/version HTT").await;
    let answer = converse(&nurl, &version().head("")).await;
    assert_status(&answer, "200");
    let (_server, nurl) = start_empty(ServerLimits {
        handshake_timeout: LIMIT,
        ..narrow()
    })
    .await;
    let stream = TcpStream::connect((nurl.host(), nurl.port())).await;
    let mut bytes = Vec::new();
    let read = stream.unwrap().read_to_end(&mut bytes).await;
    assert!(read.is_ok() && bytes.is_empty(), "no handshake: {bytes:?}");
    assert!(started.elapsed() > 4 * LIMIT, "not at once either");
    assert!(started.elapsed() < PATIENCE);
}

/// A head that comes byte by byte doesn't count as activity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dripping_heads_are_cut_off() {
    let (_server, nurl) = start_empty(ServerLimits {
        header_timeout: LIMIT,
        ..narrow()
    })
    .await;
    let mut stream = connect(&nurl).await;
    let started = Instant::now();
    while stream.write_all(b"G").await.is_ok() && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_must_come() {
    let (_server, nurl) = start_empty(impatient()).await;
    let allocate = allocate(allocation(100));
    let silent = allocate.head("Content-Length: 60\r\n");
    assert_status(&converse(&nurl, &silent).await, "408");
    let silent = change().head("Content-Length: 60\r\n");
    assert_status(&converse(&nurl, &silent).await, "408");
    assert_eq!(allocate.send(&nurl).await.status, 200);
    let silent = patch("bytes 0-9/100").head("Content-Length: 10\r\n");
    assert_status(&converse(&nurl, &silent).await, "408");
    let mut stream = connect(&nurl).await;
    let head = patch("bytes 0-99/100").head("Content-Length: 100\r\n");
    stream.write_all(&head).await.unwrap();
    let started = Instant::now();
    let mut written = 0;
    while stream.write_all(b"x").await.is_ok() && written < 100 {
        written += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        written < 100,
        "a drip was taken for {:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_have_limits() {
    let (_server, nurl) = start_empty(impatient()).await;
    let declared = allocate(vec![]).head("Content-Length: 1000000000000\r\n");
    assert_status(&converse(&nurl, &declared).await, "413");
    let declared = change().head("Content-Length: 1000000000000\r\n");
    assert_status(&converse(&nurl, &declared).await, "413");
    let too_long = change().body(vec![0; (1 << 20) + 1]).send(&nurl).await;
    assert_eq!(too_long.status, 413);
    let longest = change().body(vec![0; 1 << 20]).send(&nurl).await;
    assert_eq!(longest.status, 400);
    let chunk = [&b"10000\r\n"[..], &[0; 0x10000], b"\r\n"]
        .concat()
        .repeat(20);
    for request in [change(), allocate(vec![])] {
        let mut chunked = request.head("Transfer-Encoding: chunked\r\nConnection: close\r\n");
        chunked.extend_from_slice(&chunk);
        chunked.extend_from_slice(b"0\r\n\r\n");
        assert_status(&converse(&nurl, &chunked).await, "413");
    }
    let stranger = change().without("Authorization").body(vec![0; 8 << 20]);
    assert_eq!(stranger.send(&nurl).await.status, 401, "heard after 8 MiB");
}

/// A client that asks for much and reads nothing loses its connection, and its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_left() {
    let limits = ServerLimits {
        most_connections: 1,
        ..impatient()
    };
    let store: Arc<dyn StorageService> = Arc::new(MemoryStore::default());
    let (_patient, nurl) = start(Arc::clone(&store), ServerLimits::default()).await;
    assert_eq!(allocate(allocation(64 << 20)).send(&nurl).await.status, 200);
    let write = patch("bytes 0-67108863/*").body(vec![7; 64 << 20]);
    assert_eq!(until_accepted(&nurl, &write).await, 201);
    let (_server, nurl) = start(store, limits).await;
    let mut greedy = connect_patiently(&nurl).await;
    let read = Raw::new("GET", format!("/storage/v1/immutable/{INDEX}/1")).head("");
    greedy.write_all(&read).await.unwrap();
    assert_eq!(until_accepted(&nurl, &version()).await, 200);
    let mut rest = Vec::new();
    let read = greedy.read_to_end(&mut rest).await;
    assert!(read.is_err() || rest.len() < 64 << 20, "it was cut off");
}

/// Sends a request until the server has a place for the connection.
async fn until_accepted(nurl: &Nurl, request: &Raw) -> u16 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let attempt = tokio::spawn({
            let (nurl, request) = (nurl.clone(), request.clone());
            async move { request.send(&nurl).await.status }
        });
        match attempt.await {
            Ok(status) => return status,
            Err(_) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("never accepted: {error}"),
        }
    }
}

async fn connect_patiently(nurl: &Nurl) -> TlsStream<TcpStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let nurl = nurl.clone();
        match tokio::spawn(async move { connect(&nurl).await }).await {
            Ok(stream) => return stream,
            Err(_) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("never accepted: {error}"),
        }
    }
}

/// A service that says how large its writes were, and waits before it changes a slot.
#[derive(Debug, Default)]
struct Watched {
    store: MemoryStore,
    largest_write: AtomicUsize,
    changing: Notify,
    may_change: Notify,
    changed: Notify,
}

#[async_trait]
impl StorageService for Watched {
    async fn version(&self) -> Result<ServerVersion, StorageError> {
        self.store.version().await
    }

    async fn allocate_shares(
        &self,
        index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        size: u64,
        lease: &LeaseSecrets,
        secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        self.store
            .allocate_shares(index, shares, size, lease, secret)
            .await
    }

    async fn write_share(
        &self,
        index: &StorageIndex,
        share: ShareNumber,
        secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        self.largest_write.fetch_max(data.len(), Ordering::SeqCst);
        self.store
            .write_share(index, share, secret, offset, data)
            .await
    }

    async fn abort_share(
        &self,
        index: &StorageIndex,
        share: ShareNumber,
        secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        self.store.abort_share(index, share, secret).await
    }

    async fn list_shares(
        &self,
        kind: ShareKind,
        index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        self.store.list_shares(kind, index).await
    }

    async fn read_share(
        &self,
        kind: ShareKind,
        index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        self.store.read_share(kind, index, share, range).await
    }

    async fn add_lease(
        &self,
        index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError> {
        self.store.add_lease(index, lease).await
    }

    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        self.store
            .advise_corrupt_share(kind, index, share, reason)
            .await
    }

    async fn read_test_write(
        &self,
        index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        self.changing.notify_one();
        self.may_change.notified().await;
        let outcome = self.store.read_test_write(index, secrets, change).await;
        self.changed.notify_one();
        outcome
    }
}

/// A share of 20 MB in one request reaches the service in pieces, and comes back in one answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_in_pieces() {
    let service = Arc::new(Watched::default());
    let (_server, nurl) = start(Arc::clone(&service) as _, ServerLimits::default()).await;
    let data: Vec<u8> = (0..20_000_001u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    assert_eq!(
        allocate(allocation(20_000_001)).send(&nurl).await.status,
        200
    );
    let written = patch("bytes 0-20000000/20000001").body(data.clone());
    assert_eq!(written.send(&nurl).await.status, 201);
    let largest = service.largest_write.load(Ordering::SeqCst);
    assert!((100_000..=512 << 10).contains(&largest), "{largest}");
    let read = || Raw::new("GET", format!("/storage/v1/immutable/{INDEX}/1"));
    let whole = read().send(&nurl).await;
    assert_eq!((whole.status, whole.body == data), (200, true));
    let range = read().header("Range", "bytes=7-30000000").send(&nurl).await;
    assert_eq!((range.status, range.body == data[7..]), (206, true));
    assert_eq!(range.headers["content-range"], "bytes 7-20000000/*");
    assert_eq!(range.headers["content-length"], "19999994");
}

/// Chunked bodies have no declared length; the range says what must come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_writes_are_taken() {
    let (_server, nurl) = start_empty(narrow()).await;
    assert_eq!(allocate(allocation(8)).send(&nurl).await.status, 200);
    for (range, body, status) in [
        ("bytes 0-3/8", "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "400"),
        ("bytes 0-3/8", "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", "200"),
        ("bytes 4-7/8", "9\r\nefghijklm\r\n0\r\n\r\n", "201"),
    ] {
        let head = "Transfer-Encoding: chunked\r\nConnection: close\r\n";
        let request = [patch(range).head(head), body.into()].concat();
        assert_status(&converse(&nurl, &request).await, status);
    }
    let read = Raw::new("GET", format!("/storage/v1/immutable/{INDEX}/1"));
    assert_eq!(read.send(&nurl).await.body, b"abcdefgh");
}

/// One connection serves requests of all kinds, also after refusals with unread bodies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_outlives_refusals() {
    let (_server, nurl) = start_empty(ServerLimits {
        header_timeout: LIMIT,
        ..narrow()
    })
    .await;
    let mut requests = Vec::new();
    for request in [
        version().without("Authorization"),
        Raw::new("PUT", "/nowhere"),
        change().header("Content-Type", "text/html"),
        version(),
    ] {
        requests.extend_from_slice(&request.head("Content-Length: 10\r\n"));
        requests.extend_from_slice(&[b'x'; 10]);
    }
    let answers = converse(&nurl, &requests).await;
    let answers = String::from_utf8_lossy(&answers);
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(statuses, ["401", "404", "415", "200"]);
}

/// A change whose client hangs up meanwhile is carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_up_stops_no_change() {
    let service = Arc::new(Watched::default());
    let (_server, nurl) = start(Arc::clone(&service) as _, ServerLimits::default()).await;
    let body = b"\xa2\x72test-write-vectors\xa1\x00\xa3\x64test\x80\x65write\x81\xa2\x66offset\x00\
                 \x64data\x43abc\x6anew-length\xf6\x6bread-vector\x80";
    let head = change().head(&format!("Content-Length: {}\r\n", body.len()));
    let mut stream = connect(&nurl).await;
    stream.write_all(&head).await.unwrap();
    stream.write_all(body).await.unwrap();
    let within = async |event: &Notify| {
        let event = tokio::time::timeout(PATIENCE, event.notified());
        event.await.unwrap();
    };
    within(&service.changing).await;
    drop(stream);
    assert_eq!(version().send(&nurl).await.status, 200);
    service.may_change.notify_one();
    within(&service.changed).await;
    let read = Raw::new("GET", format!("/storage/v1/mutable/{INDEX}/0"));
    assert_eq!(read.send(&nurl).await.body, b"abc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_have_a_limit() {
    let limits = ServerLimits {
        most_connections: 3,
        ..ServerLimits::default()
    };
    let (_server, nurl) = start(Arc::new(MemoryStore::default()), limits).await;
    let held = [
        connect_as_client(&nurl).await,
        connect_as_client(&nurl).await,
        connect_as_client(&nurl).await,
    ];
    let mut refused = TcpStream::connect((nurl.host(), nurl.port()))
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, refused.read_to_end(&mut bytes)).await;
    drop(read.expect("it is closed"));
    assert!(bytes.is_empty());
    drop(held);
    assert_eq!(until_accepted(&nurl, &version()).await, 200);
}

/// A connection over which a request of a client was answered.
async fn connect_as_client(nurl: &Nurl) -> TlsStream<TcpStream> {
    let mut stream = connect(nurl).await;
    stream.write_all(&version().head("")).await.unwrap();
    stream.flush().await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(status, *b"HTTP/1.1 200");
    stream
}

/// Whoever doesn't know the swissnum keeps out nobody, whether it is silent or asks in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_make_room_for_clients() {
    let limits = ServerLimits {
        most_connections: 3,
        ..ServerLimits::default()
    };
    let (_server, nurl) = start(Arc::new(MemoryStore::default()), limits).await;
    let mut client = connect_as_client(&nurl).await;
    let mut strangers = Vec::new();
    for _ in 0..10 {
        let mut stranger = connect(&nurl).await;
        let ask = version().without("Authorization").head("");
        stranger.write_all(&ask).await.unwrap();
        strangers.push(stranger);
        strangers.push(connect(&nurl).await);
    }
    assert_eq!(version().send(&nurl).await.status, 200);
    let mut end = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, strangers[0].read_to_end(&mut end));
    drop(closed.await.expect("the oldest was closed"));
    client
        .write_all(&version().head("Connection: close\r\n"))
        .await
        .unwrap();
    client.flush().await.unwrap();
    let mut answers = Vec::new();
    let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut answers));
    drop(read.await.expect("the client's connection is still served"));
    let count = answers
        .windows(12)
        .filter(|bytes| bytes == b"HTTP/1.1 200")
        .count();
    assert_eq!(count, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_finishes_what_is_under_way() {
    let service = Arc::new(Watched::default());
    let (server, nurl) = start(Arc::clone(&service) as _, ServerLimits::default()).await;
    let mut idle = connect(&nurl).await;
    let body = b"\xa2\x72test-write-vectors\xa0\x6bread-vector\x80".to_vec();
    let asked = tokio::spawn({
        let (request, nurl) = (change().body(body), nurl.clone());
        async move { request.send(&nurl).await.status }
    });
    let changing = tokio::time::timeout(PATIENCE, service.changing.notified());
    changing.await.unwrap();
    let stopping = tokio::spawn(server.shutdown(PATIENCE));
    let mut bytes = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, idle.read_to_end(&mut bytes)).await;
    drop(closed.expect("idle connections are closed"));
    assert!(!stopping.is_finished());
    service.may_change.notify_one();
    assert_eq!(asked.await.unwrap(), 200);
    stopping.await.unwrap();
    assert!(
        TcpStream::connect((nurl.host(), nurl.port()))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_only_so_long() {
    let faulty = Arc::new(Faulty::new(Arc::new(MemoryStore::default())));
    faulty.add(Fault::Hang.on(Call::Version));
    let (server, nurl) = start(Arc::clone(&faulty) as _, ServerLimits::default()).await;
    let client = HttpStorageClient::new(nurl, ClientOptions::default()).unwrap();
    let asking = tokio::spawn(async move { client.version().await });
    let deadline = Instant::now() + PATIENCE;
    while faulty.count(Call::Version) == 0 {
        assert!(Instant::now() < deadline, "the call comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let started = Instant::now();
    server.shutdown(LIMIT).await;
    assert!(started.elapsed() < PATIENCE);
    let error = asking.await.unwrap().unwrap_err();
    assert!(
        matches!(error, StorageError::Unreachable { .. }),
        "{error:?}"
    );
}
