//! A server and a client of it on loopback.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests")]

pub(crate) mod oracle;
pub(crate) mod raw;
pub(crate) mod scripted;

use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use tahoe_storage_api::StorageService;
use tahoe_storage_http::{
    ClientOptions, HttpStorageClient, Nurl, NurlNetwork, ServerHandle, ServerLimits, ServerTls,
    StorageHttpServer, Swissnum,
};
use tokio::net::TcpListener;

pub(crate) const SWISSNUM: &str = "abcdefghijklmnop";

/// Certificate and key in PEM, as `node.pem` holds them.
pub(crate) fn new_pem() -> String {
    let certified = rcgen::generate_simple_self_signed(["newpb_thingy".to_owned()]).unwrap();
    certified.cert.pem() + &certified.signing_key.serialize_pem()
}

/// The identity of most servers of these tests.
pub(crate) fn server_pem() -> &'static str {
    static PEM: LazyLock<String> = LazyLock::new(new_pem);
    &PEM
}

/// The same, ready for use.
pub(crate) fn server_tls() -> &'static ServerTls {
    static TLS: LazyLock<ServerTls> =
        LazyLock::new(|| ServerTls::from_pem(server_pem().as_bytes()).unwrap());
    &TLS
}

pub(crate) fn swissnum() -> Swissnum {
    Swissnum::new(SWISSNUM).unwrap()
}

/// The NURL of a server with that identity on loopback.
pub(crate) fn nurl(tls: &ServerTls, port: u16) -> Nurl {
    let host = "127.0.0.1";
    Nurl::new(NurlNetwork::Tcp, *tls.key_hash(), host, port, swissnum()).unwrap()
}

/// Serves a service on loopback.
pub(crate) async fn serve(service: Arc<dyn StorageService>, limits: ServerLimits) -> ServerHandle {
    let server = StorageHttpServer::new(service, &swissnum(), server_tls(), limits);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    server.serve(listener).unwrap()
}

/// A client of a server, which lives as long as it.
pub(crate) struct Served {
    pub(crate) client: HttpStorageClient,
    pub(crate) server: ServerHandle,
}

impl Deref for Served {
    type Target = HttpStorageClient;

    fn deref(&self) -> &HttpStorageClient {
        &self.client
    }
}

/// Serves a service and makes a client of the server.
pub(crate) async fn served(service: Arc<dyn StorageService>) -> Served {
    let server = serve(service, ServerLimits::default()).await;
    let nurl = nurl(server_tls(), server.local_address().port());
    let client = HttpStorageClient::new(nurl, ClientOptions::default()).unwrap();
    Served { client, server }
}
