//! Over real connections: limits, broken downloads, clients that go away, stopping.

use crate::grid::{Grid, noise};
use std::net::SocketAddr;
use std::time::Duration;
use tahoe_storage_api::ShareNumber;
use tahoe_storage_api::testing::{Call, Fault};
use tahoe_web::{WebOptions, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

/// The grid's gateway on a port.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn start(grid: &Grid, options: WebOptions) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move { drop(stopped.await) };
    let server = tokio::spawn(serve(listener, grid.router.clone(), options, shutdown));
    Served {
        address,
        stop,
        server,
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends text on a connection of its own and reads until the server closes it.
    async fn exchange(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.server).await.unwrap().unwrap();
    }
}

fn status_of(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

fn body_of(answer: &[u8]) -> &[u8] {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    &answer[end + 4..]
}

#[tokio::test]
async fn a_large_file_up_and_down() {
    let grid = Grid::new().await;
    let served = start(&grid, WebOptions::default()).await;
    let content = noise(5_000_000);
    let head =
        "PUT /uri HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n";
    let mut request = head.as_bytes().to_vec();
    request.extend_from_slice(&content);
    let answer = served.exchange(request).await;
    assert_eq!(status_of(&answer), 200);
    let cap = String::from_utf8(body_of(&answer).to_vec()).unwrap();
    let request = format!("GET /uri/{cap} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = served.exchange(request).await;
    assert_eq!(status_of(&answer), 200);
    assert!(body_of(&answer) == content);
    served.stop().await;
}

#[tokio::test]
async fn expect_continue_and_keep_alive() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let served = start(&grid, WebOptions::default()).await;
    let mut stream = served.connect().await;
    let head = "PUT /uri HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 1000];
    let read = timeout(PATIENCE, stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&buffer[..read], b"HTTP/1.1 100 Continue\r\n\r\n");
    let rest = "xGET /uri/URI:LIT:pa HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    assert!(
        text.contains("\r\n\r\nURI:LIT:paHTTP/1.1 200 OK\r\n"),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\nx"));
    served.stop().await;
}

#[tokio::test]
async fn a_download_that_breaks_is_cut_short_and_says_so() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let served = start(&grid, WebOptions::default()).await;
    // Enough segments that the first ones are there before the last ones are asked for.
    let content = noise(20_000_000);
    let cap = grid.put(&content).await;
    // The blocks follow a header of 36 bytes; break one in the middle of the file.
    grid.services[0].add(
        Fault::FlipBits(15_000_000..15_000_001)
            .on(Call::ReadShare)
            .for_share(ShareNumber(0)),
    );
    let request = format!("GET /uri/{cap} HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = served.exchange(request).await;
    assert_eq!(status_of(&answer), 200);
    let head = String::from_utf8_lossy(&answer[..500]).to_ascii_lowercase();
    assert!(head.contains("content-length: 20000000\r\n"));
    let body = body_of(&answer);
    let told = b"problem during download\n";
    assert!(body.ends_with(told), "{:?}", &body[body.len() - 50..]);
    let delivered = &body[..body.len() - told.len()];
    assert!(delivered.len() < 15_000_000 && !delivered.is_empty());
    assert!(content.starts_with(delivered), "only verified bytes");
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_transfer() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let served = start(&grid, WebOptions::default()).await;
    let cap = grid.put(&noise(30_000_000)).await;
    let reads_before = grid.services[0].count(Call::ReadShare);
    let mut stream = served.connect().await;
    let request = format!("GET /uri/{cap} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 100_000];
    stream.read_exact(&mut buffer).await.unwrap();
    drop(stream);
    // Once nothing more is read from the server for a while, the transfer has ended.
    let mut last = (Instant::now(), 0);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let statistics = grid.client.statistics().snapshot();
        let count = statistics.counters["downloader.bytes_downloaded"];
        if count != last.1 {
            last = (Instant::now(), count);
        } else if last.0.elapsed() > Duration::from_millis(300) {
            break;
        }
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(20)).await;
    }
    assert!(last.1 < 30_000_000, "not read to its end: {}", last.1);
    assert!(grid.services[0].count(Call::ReadShare) > reads_before);

    // An upload, too.
    let mut stream = served.connect().await;
    let head = "PUT /uri HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&noise(3_000_000)).await.unwrap();
    drop(stream);
    served.stop().await;
    let statistics = grid.client.statistics().snapshot();
    assert_eq!(statistics.counters["uploader.files_uploaded"], 1);
    let left = std::fs::read_dir(grid.dir.path().join("tmp"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "nothing stays in the temporary directory");
}

#[tokio::test]
async fn requests_that_are_too_much() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let served = start(&grid, WebOptions::default()).await;
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000));
    let many_fields = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    let long_field = format!(
        "GET / HTTP/1.1\r\nHost: x\r\na: {}\r\n\r\n",
        "b".repeat(300_000)
    );
    for (request, status) in [
        (long_path, 431),
        (many_fields, 431),
        (long_field, 431),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        // The server may close before it has read everything, which can cost its answer.
        let mut statuses = Vec::new();
        for _ in 0..5 {
            let mut stream = served.connect().await;
            drop(stream.write_all(request.as_bytes()).await);
            let mut answer = Vec::new();
            let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            drop(read.expect("the server closes the connection"));
            statuses.extend((!answer.is_empty()).then(|| status_of(&answer)));
        }
        assert!(
            !statuses.is_empty() && statuses.iter().all(|one| *one == status),
            "{statuses:?}"
        );
    }
    served.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_and_more_wait() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let options = WebOptions {
        max_connections: 2,
        ..WebOptions::default()
    };
    let served = start(&grid, options).await;
    let (one, two) = (served.connect().await, served.connect().await);
    let mut three = served.connect().await;
    let request = "GET /uri/URI:LIT:pa HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    three.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let waiting = timeout(Duration::from_millis(300), three.read_to_end(&mut answer)).await;
    assert!(waiting.is_err() && answer.is_empty());
    drop(one);
    timeout(PATIENCE, three.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status_of(&answer), 200);
    drop(two);
    served.stop().await;
}

#[tokio::test]
async fn slow_clients_are_given_up() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let options = WebOptions {
        header_timeout: Duration::from_millis(200),
        write_timeout: Duration::from_millis(200),
        ..WebOptions::default()
    };
    let served = start(&grid, options).await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET / HTT").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();

    let cap = grid.put(&noise(20_000_000)).await;
    let mut stream = served.connect().await;
    let request = format!("GET /uri/{cap} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let mut answer = Vec::new();
    // Either an end or a reset, but not the file.
    drop(
        timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .unwrap(),
    );
    assert!(answer.len() < 20_000_000, "{}", answer.len());
    served.stop().await;
}

#[tokio::test]
async fn stopping_lets_running_requests_end() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let served = start(&grid, WebOptions::default()).await;
    let idle = served.connect().await;
    grid.services[0].add(Fault::Delay(Duration::from_millis(500)).on(Call::AllocateShares));
    let mut stream = served.connect().await;
    let mut request = b"PUT /uri HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".to_vec();
    request.extend_from_slice(&noise(100));
    stream.write_all(&request).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while grid.services[0].count(Call::AllocateShares) == 0 {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(5)).await;
    }
    served.stop().await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(
        status_of(&answer),
        200,
        "it was answered while the server stopped"
    );
    drop(idle);
    let refused = TcpStream::connect(stream.peer_addr().unwrap()).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let served = start(&grid, WebOptions::default()).await;
    let mut stream = served.connect().await;
    let head = b"PUT /uri HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
    stream.write_all(head).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    served.stop().await;
    assert!(began.elapsed() < PATIENCE);
}

#[tokio::test]
async fn other_sites_change_nothing_and_names_of_theirs_are_refused() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let hosts = vec!["grid.example.org".to_owned()];
    let options = WebOptions {
        hosts,
        ..WebOptions::default()
    };
    let served = start(&grid, options).await;
    let address = served.address;
    for (headers, expected) in [
        (format!("Host: {address}"), 200),
        (format!("Host: {address}\r\nOrigin: http://{address}"), 200),
        (format!("Host: {address}\r\nOrigin: null"), 403),
        (
            format!("Host: {address}\r\nOrigin: http://evil.example"),
            403,
        ),
        (
            format!("Host: {address}\r\nSec-Fetch-Site: cross-site"),
            403,
        ),
        ("Host: evil.example".to_owned(), 421),
        ("Host: grid.example.org".to_owned(), 200),
    ] {
        let request = format!(
            "PUT /uri HTTP/1.1\r\n{headers}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = served.exchange(request).await;
        assert_eq!(status_of(&answer), expected, "{headers}");
        let stored = body_of(&answer) == b"URI:LIT:";
        assert_eq!(stored, expected == 200, "{headers}");
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        assert!(
            head.contains("x-content-type-options: nosniff\r\n"),
            "{head}"
        );
        assert!(head.contains("x-frame-options: deny\r\n"), "{head}");
    }
    served.stop().await;
}
