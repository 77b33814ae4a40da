//! The storage service over Foolscap: its promises, and each side with the reference's other side.
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use foolscap::{Furl, Tub, TubIdentity, TubOptions};
use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tahoe_crypto::{LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, WriteEnabler};
use tahoe_storage_api::testing::MemoryStore;
use tahoe_storage_api::testing::conformance::{self, Expectations};
use tahoe_storage_api::{
    ReadTestWrite, ShareNumber, ShareRange, SlotSecrets, StorageService, TestWriteVectors,
    WriteVector,
};
use tahoe_storage_foolscap::{
    FoolscapStorageClient, FoolscapStorageServer, client_limits, server_limits,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// How long a Python program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(120);

fn identity() -> TubIdentity {
    TubIdentity::ephemeral().unwrap()
}

/// A tub of ours that serves a store.
async fn serve(service: Arc<dyn StorageService>) -> (Tub, Furl) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = TubOptions {
        location: vec![format!("tcp:{}", listener.local_addr().unwrap())],
        limits: server_limits(),
        ..TubOptions::default()
    };
    let tub = Tub::new(identity(), options).unwrap();
    let server = FoolscapStorageServer::new(service);
    let furl = tub.register(Arc::new(server), None).unwrap();
    tub.listen(listener);
    (tub, furl)
}

fn client(furl: Furl) -> FoolscapStorageClient {
    let options = TubOptions {
        limits: client_limits(),
        ..TubOptions::default()
    };
    FoolscapStorageClient::new(Tub::new(identity(), options).unwrap(), furl)
}

/// A client of ours with a server of ours.
struct Served {
    client: FoolscapStorageClient,
    _server: Tub,
}

impl Deref for Served {
    type Target = FoolscapStorageClient;

    fn deref(&self) -> &FoolscapStorageClient {
        &self.client
    }
}

async fn served(store: MemoryStore) -> Served {
    let (server, furl) = serve(Arc::new(store)).await;
    let client = client(furl);
    Served {
        client,
        _server: server,
    }
}

tahoe_storage_api::conformance_tests!(
    async { served(MemoryStore::default()).await },
    Expectations::default()
);

/// Shares 0 and 1 of a slot are overwritten all the time; no read sees two versions of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_slot_is_of_one_version() {
    const INDEX: StorageIndex = StorageIndex::from_bytes([3; 16]);
    const READS: [ShareRange; 2] = [range(0, 10), range(4000, 10)];
    let store = Arc::new(MemoryStore::default());
    let (_server, furl) = serve(Arc::clone(&store) as _).await;
    let client = client(furl);
    let write = |version: u8| {
        let write = WriteVector {
            offset: 0,
            data: vec![version; 5000].into(),
        };
        let vectors = TestWriteVectors {
            writes: vec![write],
            ..TestWriteVectors::default()
        };
        ReadTestWrite {
            vectors: [0, 1].map(|n| (ShareNumber(n), vectors.clone())).into(),
            reads: Vec::new(),
        }
    };
    let secrets = SlotSecrets {
        write_enabler: WriteEnabler::from_bytes([1; 32]),
        lease: LeaseSecrets {
            renew: LeaseRenewSecret::from_bytes([2; 32]),
            cancel: LeaseCancelSecret::from_bytes([3; 32]),
        },
    };
    let change = store.read_test_write(&INDEX, &secrets, write(0));
    assert!(change.await.unwrap().success);
    let writing = tokio::spawn(async move {
        for version in (0..=255).cycle() {
            let change = store.read_test_write(&INDEX, &secrets, write(version));
            assert!(change.await.unwrap().success);
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..300 {
        let slot = client.read_slot(&INDEX, &BTreeSet::new(), &READS).await;
        let slot = slot.unwrap();
        assert_eq!(slot.len(), 2);
        let bytes: Vec<u8> = slot.into_values().flatten().flatten().collect();
        assert_eq!(bytes, vec![bytes[0]; 40]);
    }
    assert!(!writing.is_finished());
    writing.abort();
    let wanted = BTreeSet::from([ShareNumber(1), ShareNumber(7)]);
    let slot = client.read_slot(&INDEX, &wanted, &[]).await.unwrap();
    assert_eq!(slot.into_keys().collect::<Vec<_>>(), [ShareNumber(1)]);
}

const fn range(offset: u64, length: u64) -> ShareRange {
    ShareRange { offset, length }
}

#[tokio::test]
async fn a_read_only_server_changes_only_slots() {
    let store = MemoryStore::default();
    store.set_read_only(true);
    let service = served(store).await;
    conformance::a_read_only_server_changes_only_slots(&*service, &Expectations::default()).await;
}

#[tokio::test]
async fn a_full_server_takes_what_fits() {
    let store = MemoryStore::default();
    store.set_available_space(100_000);
    let service = served(store).await;
    let expected = Expectations::default();
    conformance::a_full_server_takes_what_fits(&*service, &expected, 100_000).await;
}

fn program(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let default = root.join("../../target/oracle/bin/python");
    let python = std::env::var_os("TAHOE_ORACLE_PYTHON").map_or(default, PathBuf::from);
    assert!(
        python.exists(),
        "{} isn't there: run `cargo xtask oracle`, or set TAHOE_ORACLE_PYTHON",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .arg(root.join("tests/python").join(name))
        .kill_on_drop(true);
    command
}

/// A storage server of the reference; dropping it kills it.
struct PythonServer {
    furl: Furl,
    _process: Child,
    _directory: tempfile::TempDir,
}

impl PythonServer {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = program("serve.py");
        let command = command.arg(directory.path());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("the Python server starts").unwrap().unwrap();
        Self {
            furl: Furl::parse(&line).unwrap(),
            _process: process,
            _directory: directory,
        }
    }
}

/// Drives a server with the client of the reference, and returns what that says.
async fn drive(furl: &Furl, more: &[&str]) -> String {
    let output = program("drive.py")
        .arg(furl.to_text().as_str())
        .args(more)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    let output = output.expect("the Python client ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_with_the_python_server() {
    let server = PythonServer::start().await;
    let client = client(server.furl.clone());
    let version = client.version().await.unwrap();
    assert_eq!(version.application_version, "tahoe-lafs/1.20.0");
    let expected = Expectations {
        kinds_are_separate: false,
        oversized_change_is_atomic: false,
        ..Expectations::default()
    };
    conformance::run_all(&client, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_server_with_the_python_client() {
    let (tub, furl) = serve(Arc::new(MemoryStore::default())).await;
    assert_eq!(drive(&furl, &[]).await, "done\n");
    tub.stop().await;
}

/// What the Python client is asked to check does hold with its own server.
#[tokio::test]
async fn the_python_client_with_the_python_server() {
    let server = PythonServer::start().await;
    assert_eq!(drive(&server.furl, &[]).await, "done\n");
}
