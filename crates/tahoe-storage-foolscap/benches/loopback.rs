//! Rates on loopback: our client and server, beside the reference's where that is installed.
//!
//! `cargo bench -p tahoe-storage-foolscap`. Shares are in memory with our server, on disk with the
//! reference's. Pieces have 128 KiB, and eight are on their way at a time.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the command line, of which a failure is a panic"
)]

use bytes::Bytes;
use foolscap::{Furl, Tub, TubIdentity, TubOptions};
use futures_util::StreamExt as _;
use futures_util::stream;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tahoe_crypto::{LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::testing::MemoryStore;
use tahoe_storage_api::{ShareKind, ShareNumber, ShareRange, StorageService};
use tahoe_storage_foolscap::{
    FoolscapStorageClient, FoolscapStorageServer, client_limits, server_limits,
};
use tokio::net::TcpListener;

const PIECE: u64 = 128 << 10;
const PIECES: u64 = 1024;
const SERVERS: usize = 50;

async fn serve() -> (Tub, Furl) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = TubOptions {
        location: vec![format!("tcp:{}", listener.local_addr().unwrap())],
        limits: server_limits(),
        ..TubOptions::default()
    };
    let tub = Tub::new(TubIdentity::generate().unwrap(), options).unwrap();
    let server = FoolscapStorageServer::new(Arc::new(MemoryStore::default()));
    let furl = tub.register(Arc::new(server), None).unwrap();
    tub.listen(listener);
    (tub, furl)
}

fn client(furl: Furl) -> FoolscapStorageClient {
    let options = TubOptions {
        limits: client_limits(),
        ..TubOptions::default()
    };
    let tub = Tub::new(TubIdentity::ephemeral().unwrap(), options).unwrap();
    FoolscapStorageClient::new(tub, furl)
}

/// Uploads and downloads one share; returns the two times.
async fn transfer(client: &FoolscapStorageClient, number: u8) -> (Duration, Duration) {
    let index = StorageIndex::from_bytes([number; 16]);
    let secret = UploadSecret::from_bytes([2; UploadSecret::LENGTH]);
    let lease = LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes([3; 32]),
        cancel: LeaseCancelSecret::from_bytes([4; 32]),
    };
    let share = ShareNumber(0);
    let data = Bytes::from(vec![0x5a; usize::try_from(PIECE).unwrap()]);
    let began = Instant::now();
    let shares = BTreeSet::from([share]);
    let size = PIECE * PIECES;
    let allocated = client
        .allocate_shares(&index, &shares, size, &lease, &secret)
        .await;
    assert_eq!(allocated.unwrap().allocated, shares);
    let writes = stream::iter(0..PIECES)
        .map(|piece| client.write_share(&index, share, &secret, piece * PIECE, data.clone()));
    writes
        .buffer_unordered(8)
        .for_each(|written| async { drop(written.unwrap()) })
        .await;
    let uploaded = began.elapsed();
    let began = Instant::now();
    let reads = stream::iter(0..PIECES).map(|piece| {
        let (offset, length) = (piece * PIECE, PIECE);
        client.read_share(
            ShareKind::Immutable,
            &index,
            share,
            ShareRange { offset, length },
        )
    });
    let read = reads.buffer_unordered(8).fold(0, |sum, read| async move {
        sum + u64::try_from(read.unwrap().len()).unwrap()
    });
    assert_eq!(read.await, size);
    (uploaded, began.elapsed())
}

fn show(what: &str, up: Duration, down: Duration) {
    let rate = |time: Duration| (PIECE * PIECES) as f64 / 1e6 / time.as_secs_f64();
    println!(
        "{what:<44} up {:>7.1} MB/s   down {:>7.1} MB/s",
        rate(up),
        rate(down)
    );
}

/// The reference's client with this server.
async fn python_client(python: &str, what: &str, furl: &Furl) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/drive.py");
    let mut command = tokio::process::Command::new(python);
    let size = (PIECE * PIECES).to_string();
    let command = command.arg(script).args([furl.to_text().as_str(), &size]);
    let output = command.stderr(Stdio::inherit()).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let times: Vec<f64> = text
        .split_whitespace()
        .map(|time| time.parse().unwrap())
        .collect();
    let [up, down] = times[..] else {
        panic!("{text:?}")
    };
    show(
        what,
        Duration::from_secs_f64(up),
        Duration::from_secs_f64(down),
    );
}

async fn connect_many() {
    let served = futures_util::future::join_all((0..SERVERS).map(|_| serve())).await;
    let began = Instant::now();
    let clients: Vec<_> = served
        .iter()
        .map(|(_, furl)| client(furl.clone()))
        .collect();
    let versions = clients.iter().map(StorageService::version);
    let versions = futures_util::future::join_all(versions).await;
    assert!(versions.iter().all(Result::is_ok));
    println!(
        "connecting to {SERVERS} servers: {:.2} s",
        began.elapsed().as_secs_f64()
    );
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    connect_many().await;
    let (_tub, furl) = serve().await;
    let ours = client(furl.clone());
    for number in 0..3 {
        let (up, down) = transfer(&ours, number).await;
        show("our client, our server", up, down);
    }
    let Ok(python) = std::env::var("TAHOE_ORACLE_PYTHON") else {
        return println!("TAHOE_ORACLE_PYTHON isn't set: nothing to compare with");
    };
    python_client(&python, "Python's client, our server", &furl).await;
    let directory = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/serve.py");
    let mut server = Command::new(&python)
        .arg(script)
        .arg(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = server.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    let furl = Furl::parse(&line).unwrap();
    python_client(&python, "Python's client, Python's server", &furl).await;
    let (up, down) = transfer(&client(furl), 9).await;
    show("our client, Python's server", up, down);
    drop(server.stdin.take());
    server.wait().unwrap();
}
