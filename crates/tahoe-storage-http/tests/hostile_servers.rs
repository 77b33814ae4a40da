//! What a client makes of servers that break the protocol, hang, or are somebody else.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::scripted::{Bodies, Scripted, Step};
use support::{new_pem, nurl, serve, server_tls, swissnum};
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, UploadSecret, WriteEnabler,
};
use tahoe_storage_api::testing::MemoryStore;
use tahoe_storage_api::{
    ReadTestWrite, ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError,
    StorageService as _, TestWriteVectors, WriteVector,
};
use tahoe_storage_http::{
    ClientOptions, HttpStorageClient, Nurl, NurlNetwork, ServerLimits, ServerTls, Swissnum,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

const INDEX: StorageIndex = StorageIndex::from_bytes([7; 16]);
/// So long that a server on a busy machine keeps within it.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Much longer than that, and shorter than any limit of a patient client.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that no slowness of this machine can disturb.
fn client(nurl: &Nurl) -> HttpStorageClient {
    let options = ClientOptions {
        silence_timeout: 2 * PATIENCE,
        ..ClientOptions::default()
    };
    HttpStorageClient::new(nurl.clone(), options).unwrap()
}

/// A client that waits only so long for the next bytes.
fn impatient_client(nurl: &Nurl) -> HttpStorageClient {
    let options = ClientOptions {
        silence_timeout: ANSWER_LIMIT,
        minimum_rate: 1 << 20,
        ..ClientOptions::default()
    };
    HttpStorageClient::new(nurl.clone(), options).unwrap()
}

async fn read(client: &HttpStorageClient, length: u64) -> Result<Bytes, StorageError> {
    let range = ShareRange { offset: 0, length };
    client
        .read_share(ShareKind::Immutable, &INDEX, ShareNumber(0), range)
        .await
}

async fn list(client: &HttpStorageClient) -> Result<BTreeSet<ShareNumber>, StorageError> {
    client.list_shares(ShareKind::Immutable, &INDEX).await
}

async fn write(client: &HttpStorageClient, size: usize) -> Result<(), StorageError> {
    let (secret, data) = (UploadSecret::from_bytes([1; 20]), vec![7; size].into());
    let write = client.write_share(&INDEX, ShareNumber(0), &secret, 0, data);
    write.await.map(drop)
}

fn lease() -> LeaseSecrets {
    LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes([1; 32]),
        cancel: LeaseCancelSecret::from_bytes([2; 32]),
    }
}

fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// An answer with a body of this type.
fn answer(status: &str, headers: &str, body: &[u8]) -> Step {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    Step::Send([head.as_bytes(), body].concat())
}

fn cbor(status: &str, body: &[u8]) -> Step {
    answer(status, "Content-Type: application/cbor\r\n", body)
}

fn octets(content_range: &str, body: &[u8]) -> Step {
    let headers =
        format!("Content-Type: application/octet-stream\r\nContent-Range: {content_range}\r\n");
    answer("206 Partial Content", &headers, body)
}

fn is_misbehaved(error: &StorageError) -> bool {
    matches!(error, StorageError::PeerMisbehaved { .. })
}

fn is_timed_out(error: &StorageError) -> bool {
    matches!(error, StorageError::TimedOut { .. })
}

fn may_have_happened(error: &StorageError) -> bool {
    let unreachable = matches!(error, StorageError::Unreachable { .. });
    unreachable
        && matches!(error, StorageError::Unreachable { may_have_happened, .. } if *may_have_happened)
}

fn never_happened(error: &StorageError) -> bool {
    matches!(error, StorageError::Unreachable { may_have_happened, .. } if !may_have_happened)
}

/// A read of ten bytes and a listing both fail so, after this many requests each, in time.
async fn check_reads(
    what: &str,
    client: fn(&Nurl) -> HttpStorageClient,
    steps: Vec<Step>,
    expected: fn(&StorageError) -> bool,
    requests: usize,
) {
    let started = Instant::now();
    let server = Scripted::always(steps.clone()).await;
    let error = read(&client(&server.nurl), 10).await.unwrap_err();
    assert!(expected(&error), "{what}, read: {error:?}");
    assert_eq!(server.requests(), requests, "{what}, read");
    let server = Scripted::always(steps).await;
    let error = list(&client(&server.nurl)).await.unwrap_err();
    assert!(expected(&error), "{what}, list: {error:?}");
    assert_eq!(server.requests(), requests, "{what}, list");
    assert!(started.elapsed() < PATIENCE, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_http_is_a_broken_protocol() {
    let endless_head = [
        send("HTTP/1.1 200 OK\r\n"),
        Step::Endless(b"A: b\r\n".repeat(1000)),
    ];
    check_reads(
        "endless head",
        client,
        endless_head.into(),
        is_misbehaved,
        1,
    )
    .await;
    check_reads(
        "no HTTP",
        client,
        vec![send("SSH-2.0-x\r\n\r\n")],
        is_misbehaved,
        1,
    )
    .await;
    let long = "Content-Type: application/cbor\r\nContent-Length: 1152921504606846976\r\n\r\n";
    for status in ["200 OK", "206 Partial Content", "500 Oops"] {
        let head = send(&format!("HTTP/1.1 {status}\r\n{long}"));
        check_reads(
            "huge length",
            client,
            vec![head, Step::Hang],
            is_misbehaved,
            1,
        )
        .await;
    }
    let chunk = [&b"8000\r\n"[..], &[0; 0x8000], b"\r\n"].concat();
    for status in ["200 OK", "206 Partial Content", "404 Not Found"] {
        let head = send(&format!(
            "HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        let steps = vec![head, Step::Endless(chunk.clone())];
        check_reads("endless body", client, steps, is_misbehaved, 1).await;
    }
    let bad_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n";
    let steps = vec![send(bad_chunk), Step::Close];
    check_reads(
        "bad chunk",
        client,
        steps,
        |error| is_misbehaved(error) || may_have_happened(error),
        2,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_ends() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/cbor\r\nContent-Length: 8\r\n\r\n";
    let pause = Duration::from_millis(50);
    for (what, steps) in [
        ("no answer", vec![Step::Hang]),
        ("half a head", vec![send("HTTP/1.1 200"), Step::Hang]),
        ("half a body", vec![send(head), send("ab"), Step::Hang]),
        ("dripping head", vec![Step::Drip(b'H', pause)]),
        (
            "continues",
            vec![Step::Endless(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())],
        ),
    ] {
        check_reads(
            what,
            impatient_client,
            steps,
            |e| is_timed_out(e) || is_misbehaved(e),
            1,
        )
        .await;
    }
    let head = "HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\n\
                Content-Range: bytes 0-9999/*\r\nContent-Length: 10000\r\n\r\n";
    let server = Scripted::always(vec![send(head), Step::Drip(0, pause)]).await;
    let error = read(&impatient_client(&server.nurl), 10_000)
        .await
        .unwrap_err();
    assert!(is_timed_out(&error), "a dripping body: {error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_asked_for_again_only_by_reads() {
    let cut = "HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\n\
               Content-Range: bytes 0-9/*\r\nContent-Length: 10\r\n\r\nabc";
    for (what, steps) in [
        ("no answer", vec![Step::Close]),
        ("half a head", vec![send("HTTP/1.1 2"), Step::Close]),
        ("half a body", vec![send(cut), Step::Close]),
    ] {
        let server = Scripted::always(steps).await;
        let error = read(&client(&server.nurl), 10).await.unwrap_err();
        assert!(may_have_happened(&error), "{what}: {error:?}");
        assert_eq!(server.requests(), 2, "{what}: read");
        let client = client(&server.nurl);
        let error = write(&client, 10).await.unwrap_err();
        assert!(may_have_happened(&error), "{what}: {error:?}");
        let error = client.add_lease(&INDEX, &lease()).await.unwrap_err();
        assert!(may_have_happened(&error), "{what}: {error:?}");
        assert_eq!(server.requests(), 4, "{what}: writes once each");
    }
    let server = Scripted::start(Bodies::Read, |number| match number {
        0 => vec![Step::Close],
        _ => vec![octets("bytes 0-9/*", b"0123456789")],
    });
    let server = server.await;
    assert_eq!(read(&client(&server.nurl), 10).await.unwrap(), "0123456789");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server = Scripted::start(Bodies::Read, |_| {
        vec![octets("bytes 0-9/*", b"0123456789"), Step::Close]
    });
    let server = server.await;
    let client = client(&server.nurl);
    for _ in 0..20 {
        assert_eq!(read(&client, 10).await.unwrap(), "0123456789");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_get_what_they_asked_for() {
    for (what, step) in [
        ("too much", octets("bytes 0-10/*", b"0123456789a")),
        ("another range", octets("bytes 1-10/*", b"0123456789")),
        ("less than said", octets("bytes 0-9/*", b"012345678")),
        ("more than said", octets("bytes 0-8/*", b"0123456789")),
        ("no range", octets("", b"0123456789")),
        (
            "HTML",
            answer(
                "206 Partial Content",
                "Content-Range: bytes 0-9/*\r\nContent-Type: text/html\r\n",
                b"0123456789",
            ),
        ),
        (
            "no type",
            answer(
                "206 Partial Content",
                "Content-Range: bytes 0-9/*\r\n",
                b"0123456789",
            ),
        ),
        (
            "the whole share",
            answer(
                "200 OK",
                "Content-Type: application/octet-stream\r\n",
                b"0123456789",
            ),
        ),
        (
            "elsewhere",
            answer("302 Found", "Location: https://example.org/\r\n", b""),
        ),
    ] {
        let server = Scripted::always(vec![step]).await;
        let error = read(&client(&server.nurl), 10).await.unwrap_err();
        assert!(is_misbehaved(&error), "{what}: {error:?}");
        assert_eq!(server.requests(), 1, "{what}");
    }
    let server = Scripted::always(vec![octets("bytes 0-4/*", b"01234")]).await;
    let short = read(&client(&server.nurl), 10).await.unwrap();
    assert_eq!(short, "01234", "a share may end early");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_what_they_must_be() {
    let set_of_300: Vec<u8> = [&b"\xd9\x01\x02\x99\x01\x2c"[..], &[1; 300]].concat();
    for (what, step) in [
        (
            "another type",
            answer("200 OK", "Content-Type: text/html\r\n", b"\xd9\x01\x02\x80"),
        ),
        ("no type", answer("200 OK", "", b"\xd9\x01\x02\x80")),
        ("nothing", cbor("200 OK", b"")),
        ("no set", cbor("200 OK", b"\x80")),
        ("cut off", cbor("200 OK", b"\xd9\x01\x02\x82\x01")),
        (
            "huge",
            cbor(
                "200 OK",
                b"\xd9\x01\x02\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            ),
        ),
        ("300 members", cbor("200 OK", &set_of_300)),
        ("share 300", cbor("200 OK", b"\xd9\x01\x02\x81\x19\x01\x2c")),
        ("more bytes", cbor("200 OK", b"\xd9\x01\x02\x80\x00")),
        ("no content", answer("204 No Content", "", b"")),
    ] {
        let server = Scripted::always(vec![step]).await;
        let error = list(&client(&server.nurl)).await.unwrap_err();
        assert!(is_misbehaved(&error), "{what}: {error:?}");
    }
    for (what, body) in [
        (
            "not asked for",
            &b"\xa2\x6calready-have\xd9\x01\x02\x80\x69allocated\xd9\x01\x02\x81\x02"[..],
        ),
        (
            "both",
            b"\xa2\x6calready-have\xd9\x01\x02\x81\x01\x69allocated\xd9\x01\x02\x81\x01",
        ),
        ("one set", b"\xa1\x69allocated\xd9\x01\x02\x81\x01"),
    ] {
        let server = Scripted::always(vec![cbor("200 OK", body)]).await;
        let (client, lease) = (client(&server.nurl), lease());
        let secret = UploadSecret::from_bytes([1; 20]);
        let shares = BTreeSet::from([ShareNumber(1)]);
        let allocation = client.allocate_shares(&INDEX, &shares, 10, &lease, &secret);
        let error = allocation.await.unwrap_err();
        assert!(is_misbehaved(&error), "{what}: {error:?}");
    }
    for (what, step) in [
        (
            "complete, but not",
            cbor(
                "201 Created",
                b"\xa1\x68required\x81\xa2\x65begin\x01\x63end\x02",
            ),
        ),
        (
            "not complete, but is",
            cbor("200 OK", b"\xa1\x68required\x80"),
        ),
        (
            "range backwards",
            cbor(
                "200 OK",
                b"\xa1\x68required\x81\xa2\x65begin\x02\x63end\x01",
            ),
        ),
    ] {
        let server = Scripted::always(vec![step]).await;
        let error = write(&client(&server.nurl), 10).await.unwrap_err();
        assert!(is_misbehaved(&error), "{what}: {error:?}");
    }
}

/// The answers to a change are as many and as long as its read vectors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_read_what_they_asked_for() {
    let body = |reads: &[u8]| [b"\xa2\x67success\xf5\x64data\xa1\x00", reads].concat();
    let secrets = SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([3; 32]),
        lease: lease(),
    };
    for (reads, accepted) in [
        (&b"\x81\x42ab"[..], true),
        (b"\x81\x43abc", true),
        (b"\x81\x44abcd", false),
        (b"\x80", false),
        (b"\x82\x40\x40", false),
    ] {
        let server = Scripted::always(vec![cbor("200 OK", &body(reads))]).await;
        let read = ShareRange {
            offset: 0,
            length: 3,
        };
        let change = ReadTestWrite {
            vectors: BTreeMap::new(),
            reads: vec![read],
        };
        let client = client(&server.nurl);
        let outcome = client.read_test_write(&INDEX, &secrets, change).await;
        assert_eq!(outcome.is_ok(), accepted, "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_left() {
    let server = Scripted::start(Bodies::Ignore, |_| vec![Step::Hang]).await;
    let started = Instant::now();
    let client = impatient_client(&server.nurl);
    let error = write(&client, 64 << 20).await.unwrap_err();
    assert!(
        is_timed_out(&error) || may_have_happened(&error),
        "{error:?}"
    );
    let data = Bytes::from(vec![7; 64 << 20]);
    let writes = vec![WriteVector { offset: 0, data }];
    let vectors = TestWriteVectors {
        writes,
        ..TestWriteVectors::default()
    };
    let change = ReadTestWrite {
        vectors: BTreeMap::from([(ShareNumber(0), vectors)]),
        reads: Vec::new(),
    };
    let secrets = SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([3; 32]),
        lease: lease(),
    };
    let error = client.read_test_write(&INDEX, &secrets, change).await;
    let error = error.unwrap_err();
    assert!(
        is_timed_out(&error) || may_have_happened(&error),
        "{error:?}"
    );
    assert!(started.elapsed() < PATIENCE);
    assert_eq!(server.requests(), 2, "once each");
}

/// An early answer counts although the request wasn't read to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_refusal_is_heard() {
    let steps = vec![answer("409 Conflict", "", b""), Step::Hang];
    let server = Scripted::start(Bodies::Ignore, move |_| steps.clone()).await;
    let error = write(&client(&server.nurl), 64 << 20).await.unwrap_err();
    assert!(matches!(error, StorageError::ConflictingWrite), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_gets_nothing() {
    let server = serve(Arc::new(MemoryStore::default()), ServerLimits::default()).await;
    let port = server.local_address().port();
    let other = ServerTls::from_pem(new_pem().as_bytes()).unwrap();
    let error = list(&client(&nurl(&other, port))).await.unwrap_err();
    assert!(matches!(error, StorageError::WrongCertificate), "{error:?}");
    let wrong = Swissnum::new("wrong").unwrap();
    let hash = *server_tls().key_hash();
    let wrong = Nurl::new(NurlNetwork::Tcp, hash, "127.0.0.1", port, wrong).unwrap();
    let client = client(&wrong);
    for error in [
        list(&client).await.unwrap_err(),
        read(&client, 10).await.unwrap_err(),
        write(&client, 3 << 20).await.unwrap_err(),
        client.add_lease(&INDEX, &lease()).await.unwrap_err(),
        client.version().await.unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::Unauthorized), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = nurl(server_tls(), port);
    let in_a_hurry = ClientOptions {
        connect_timeout: ANSWER_LIMIT,
        ..ClientOptions::default()
    };
    let client_in_a_hurry = HttpStorageClient::new(silent.clone(), in_a_hurry).unwrap();
    let error = list(&client_in_a_hurry).await.unwrap_err();
    assert!(never_happened(&error), "no handshake: {error:?}");
    let talks = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The client may be gone.
            drop(stream.write_all(b"220 mail.example.org ESMTP\r\n").await);
        }
    });
    let error = write(&client(&silent), 10).await.unwrap_err();
    assert!(never_happened(&error), "no TLS: {error:?}");
    talks.abort();
    assert!(talks.await.unwrap_err().is_cancelled());
    let error = write(&client(&silent), 10).await.unwrap_err();
    assert!(never_happened(&error), "nobody: {error:?}");
    let unknown = "host.invalid";
    let unknown = Nurl::new(
        NurlNetwork::Tcp,
        *server_tls().key_hash(),
        unknown,
        1,
        swissnum(),
    );
    let error = list(&client(&unknown.unwrap())).await.unwrap_err();
    assert!(never_happened(&error), "no such host: {error:?}");
}

#[tokio::test]
async fn onion_services_need_tor() {
    let hash = *server_tls().key_hash();
    let onion = Nurl::new(NurlNetwork::Tor, hash, "x.onion", 80, swissnum()).unwrap();
    let error = HttpStorageClient::new(onion, ClientOptions::default()).unwrap_err();
    assert!(never_happened(&error), "{error:?}");
}

/// No error and no `Debug` shows the swissnum.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_swissnum_stays_hidden() {
    let server = Scripted::always(vec![Step::Close]).await;
    let client = client(&server.nurl);
    let error = list(&client).await.unwrap_err();
    let shown = format!("{client:?} {error:?} {error} {:?}", server.nurl);
    assert!(!shown.contains(support::SWISSNUM), "{shown}");
    assert!(!shown.contains("YWJjZGVm"), "{shown}");
}
