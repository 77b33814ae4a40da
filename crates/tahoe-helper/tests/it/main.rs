//! A helper and its clients in one process, over real connections: what goes on after a cut, and
//! what a lying helper comes to.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod cuts;

use async_trait::async_trait;
use foolscap::{
    Arguments, Call, CallError, Furl, Reference, Referenceable, RemoteFailure, Tub, TubIdentity,
    TubOptions, Value,
};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tahoe_crypto::{ConvergenceSecret, LeaseMaster};
use tahoe_helper::{
    ConnectedHelper, HelperClient, HelperConfig, HelperError, HelperResults, HelperService,
};
use tahoe_immutable::{
    CpuPool, Enciphered, KeySource, Receiver, UploadParameters, UploadStatus, Uploader,
};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::StorageService as _;
use tahoe_storage_api::testing::{FixedServers, MemoryStore, test_server};

const SIZE: usize = 300_000;

fn pool() -> CpuPool {
    CpuPool::new(NonZeroUsize::new(2).unwrap())
}

async fn one_server() -> Arc<FixedServers> {
    let store = Arc::new(MemoryStore::default());
    let version = store.version().await.unwrap();
    Arc::new(FixedServers::new([test_server(0, version, store)]))
}

fn uploader(servers: &Arc<FixedServers>) -> Arc<Uploader> {
    let master = LeaseMaster::from_bytes([0; 32]);
    let servers = Arc::clone(servers) as _;
    Arc::new(Uploader::new(servers, master, pool()))
}

fn service(folder: &Path, servers: &Arc<FixedServers>) -> HelperService {
    service_with(folder, servers, uploader(servers))
}

fn service_with(
    folder: &Path,
    servers: &Arc<FixedServers>,
    uploader: Arc<Uploader>,
) -> HelperService {
    HelperService::start(HelperConfig {
        folder: folder.to_owned(),
        uploader,
        servers: Arc::clone(servers) as _,
        application_version: "test".to_owned(),
        clock: Arc::new(SystemTime::now),
        observer: Arc::new(|_: &Arc<UploadStatus>| {}),
    })
    .unwrap()
}

/// Lets others use an object.
async fn offer(object: Arc<dyn Referenceable>) -> (Tub, Furl) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hint = format!("tcp:127.0.0.1:{}", listener.local_addr().unwrap().port());
    let options = TubOptions {
        location: vec![hint],
        ..TubOptions::default()
    };
    let tub = Tub::new(TubIdentity::generate().unwrap(), options).unwrap();
    let furl = tub.register(object, None).unwrap();
    tub.listen(listener);
    (tub, furl)
}

fn client_tub() -> Tub {
    Tub::new(TubIdentity::generate().unwrap(), TubOptions::default()).unwrap()
}

async fn connect(tub: &Tub, furl: Furl) -> (HelperClient, ConnectedHelper) {
    let client = HelperClient::start(tub, furl);
    let connected = async {
        loop {
            if let Some(helper) = client.connected() {
                return helper;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let helper = tokio::time::timeout(Duration::from_secs(60), connected);
    let helper = helper.await.unwrap();
    (client, helper)
}

/// A file of bytes that are all the same.
async fn file(byte: u8) -> Arc<Enciphered> {
    let encoding = EncodingParameters::new(2, 3).unwrap();
    let parameters = UploadParameters::new(encoding, 1, 100_000).unwrap();
    let key = KeySource::Convergent(ConvergenceSecret::new(b"secret".to_vec()));
    let mut receiver = Receiver::new(parameters, key, std::env::temp_dir(), pool());
    receiver.write(vec![byte; SIZE].into()).await.unwrap();
    let received = receiver.finish().await.unwrap();
    Arc::new(received.encipher(pool(), &Arc::new(UploadStatus::default())))
}

/// A client that goes away after so many reads.
struct Quitter {
    file: Arc<Enciphered>,
    reads: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl Referenceable for Quitter {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        use std::sync::atomic::Ordering;
        match call.method.as_str() {
            "get_size" => Ok(Value::from(self.file.size())),
            "read_encrypted" if self.reads.fetch_sub(1, Ordering::Relaxed) > 0 => {
                let [offset, length] = call.arguments.take(["offset", "length"]).unwrap();
                let (offset, length) = (offset.as_integer(), length.as_integer());
                let data = self.file.read(offset.unwrap(), length.unwrap()).await;
                Ok(Value::List(vec![Value::Bytes(data.unwrap())]))
            }
            _ => Err(RemoteFailure::new("builtins.OSError", "gone")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_upload_goes_on_after_a_restart_and_isnt_needed_twice() {
    let folder = tempfile::tempdir().unwrap();
    let servers = one_server().await;
    let first = service(folder.path(), &servers);
    let (tub, furl) = offer(Arc::new(first.clone())).await;
    let (client, file) = (client_tub(), file(1).await);
    let helper = client.reference(&furl).await.unwrap();
    let index = Value::bytes(file.storage_index().as_bytes().to_vec());
    let answer = helper.call("upload_chk", Arguments::positional([index]));
    let answer = answer.await.unwrap();
    let upload = answer.as_sequence().unwrap()[1].as_reference().unwrap();
    let upload = upload.remote().unwrap();
    let quitter = Reference::value(Arc::new(Quitter {
        file: Arc::clone(&file),
        reads: 2.into(),
    }));
    let failed = upload
        .call("upload", Arguments::positional([quitter]))
        .await;
    let Err(CallError::Remote(failure)) = failed else {
        panic!("{failed:?}");
    };
    let class = "allmydata.immutable.offloaded.NotEnoughWritersError";
    assert_eq!(failure.type_name, class);
    assert_eq!(
        first.counters()["chk_upload_helper.fetched_bytes"],
        2 * 51_200
    );
    first.stop().await;
    tub.stop().await;

    let second = service(folder.path(), &servers);
    let incoming = second.statistics()["chk_upload_helper.incoming_size"];
    assert_eq!(incoming, 2 * 51_200);
    let (tub, furl) = offer(Arc::new(second.clone())).await;
    let (upkeep, helper) = connect(&client, furl).await;
    let stored = helper.upload(&file).await.unwrap();
    assert_eq!((stored.preexisting_shares, stored.pushed_shares), (0, 3));
    assert_eq!(stored.ciphertext_fetched, Some(SIZE as u64 - 2 * 51_200));
    assert_eq!(second.counters()["chk_upload_helper.resumes"], 1);
    assert_eq!(
        second.counters()["chk_upload_helper.encoded_bytes"],
        SIZE as u64
    );

    let found = helper.upload(&file).await.unwrap();
    assert_eq!((found.preexisting_shares, found.pushed_shares), (3, 0));
    let proof =
        |results: &HelperResults| (results.uri_extension_hash, results.uri_extension.clone());
    assert_eq!(proof(&found), proof(&stored));
    upkeep.stop().await;
    second.stop().await;
    tub.stop().await;
    client.stop().await;
}

/// Answers for another file than it was asked for.
struct Liar {
    service: HelperService,
    other: Arc<Enciphered>,
}

#[async_trait]
impl Referenceable for Liar {
    async fn call(&self, mut call: Call) -> Result<Value, RemoteFailure> {
        if call.method == "upload_chk" {
            let index = self.other.storage_index().as_bytes().to_vec();
            call.arguments = Arguments::positional([Value::bytes(index)]);
        }
        self.service.call(call).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_capability_of_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path(), &one_server().await);
    let (honest, furl) = offer(Arc::new(service.clone())).await;
    let (client, other) = (client_tub(), file(2).await);
    let (first, helper) = connect(&client, furl).await;
    helper.upload(&other).await.unwrap();
    let liar = Liar {
        service: service.clone(),
        other,
    };
    let (tub, furl) = offer(Arc::new(liar)).await;
    let (second, helper) = connect(&client, furl).await;
    let refused = helper.upload(&file(3).await).await;
    assert!(
        matches!(refused, Err(HelperError::OtherFile("ciphertext"))),
        "{refused:?}"
    );
    first.stop().await;
    second.stop().await;
    service.stop().await;
    for tub in [honest, tub, client] {
        tub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_isnt_a_storage_index_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path(), &one_server().await);
    let (tub, furl) = offer(Arc::new(service.clone())).await;
    let client = client_tub();
    let helper = client.reference(&furl).await.unwrap();
    assert_eq!(helper.interface(), Some("RIHelper.tahoe.allmydata.com"));
    for argument in [Value::None, Value::bytes(vec![0; 15]), Value::text("a")] {
        let answer = helper.call("upload_chk", Arguments::positional([argument]));
        assert!(matches!(answer.await, Err(CallError::Remote(_))));
    }
    service.stop().await;
    tub.stop().await;
    client.stop().await;
}
