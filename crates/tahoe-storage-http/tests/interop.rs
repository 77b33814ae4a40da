//! Each side with the other side of the reference.

mod support;

use std::sync::Arc;
use support::oracle::{self, PythonServer};
use support::{nurl, serve, server_tls};
use tahoe_storage_api::StorageService as _;
use tahoe_storage_api::testing::MemoryStore;
use tahoe_storage_api::testing::conformance::{self, Expectations};
use tahoe_storage_http::{ClientOptions, HttpStorageClient, ServerLimits};

/// The reference's server keeps our contract's promises to our client, but for what it does
/// otherwise. Its certificate is an X.509 version 1 one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_with_the_python_server() {
    let server = PythonServer::start().await;
    let options = ClientOptions::default();
    let client = HttpStorageClient::new(server.nurl.clone(), options).unwrap();
    let version = client.version().await.unwrap();
    assert_eq!(version.application_version, "tahoe-lafs/1.20.0");
    let expected = Expectations {
        allocation_repeats: false,
        kinds_are_separate: false,
        oversized_change_is_atomic: false,
        bad_write_enabler_names_recorder: false,
        longest_advice: 32_757,
        ..Expectations::default()
    };
    conformance::run_all(&client, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_server_with_the_python_client() {
    let store = Arc::new(MemoryStore::default());
    let server = serve(store, ServerLimits::default()).await;
    oracle::drive(&nurl(server_tls(), server.local_address().port())).await;
}

/// What the Python client is asked to check does hold with its own server.
#[tokio::test]
async fn the_python_client_with_the_python_server() {
    let server = PythonServer::start().await;
    oracle::drive(&server.nurl).await;
}
