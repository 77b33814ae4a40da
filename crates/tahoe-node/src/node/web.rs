//! The web server of a node.

use super::StartError;
use super::listen::listen;
use crate::config::Settings;
use crate::directory::NodeDirectory;
use axum::Router;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::slice;
use std::sync::Arc;
use tahoe_client::Client;
use tahoe_web::{NodeLogs, StorageStatus, WebOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A web server that accepts connections.
#[derive(Debug)]
pub(super) struct WebServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    logs: Option<NodeLogs>,
    serving: JoinHandle<()>,
}

impl WebServer {
    /// Starts the web server of a client's directory, if it has one, and writes `node.url`.
    pub(super) async fn start(
        directory: &NodeDirectory,
        settings: &Settings,
        client: &Arc<Client>,
        storage: Option<Arc<dyn StorageStatus>>,
        logs: Option<NodeLogs>,
    ) -> Result<Option<Self>, StartError> {
        let options = WebOptions {
            storage,
            logs,
            ..WebOptions::default()
        };
        let router = |options| tahoe_web::router(Arc::clone(client), options);
        Self::start_with(directory, settings, options, router).await
    }

    /// Starts a web server with other pages.
    pub(super) async fn start_with(
        directory: &NodeDirectory,
        settings: &Settings,
        options: WebOptions,
        router: impl FnOnce(WebOptions) -> Router,
    ) -> Result<Option<Self>, StartError> {
        let Some(endpoint) = &settings.node.web_port else {
            return Ok(None);
        };
        let Some(listener) = listen(slice::from_ref(endpoint), "web.port")?.pop() else {
            return Ok(None);
        };
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            what: "web.port",
            address: ([0, 0, 0, 0], 0).into(),
            source,
        })?;
        let options = WebOptions {
            static_dir: Some(settings.node.web_static.clone()),
            hosts: settings.node.web_hosts.clone(),
            ..options
        };
        let logs = options.logs.clone();
        let router = router(options.clone());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // A sender that is gone wants it stopped as well.
            drop(stopped.await);
        };
        let serving = tokio::spawn(tahoe_web::serve(listener, router, options, shutdown));
        let written = directory.write("node.url", &format!("{}\n", url(address)));
        let server = Self {
            address,
            stop,
            logs,
            serving,
        };
        match written {
            Ok(()) => Ok(Some(server)),
            Err(error) => {
                server.stop().await;
                Err(error.into())
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new requests and lets those under way end for a few seconds.
    pub(super) async fn stop(self) {
        drop(self.stop);
        if let Some(logs) = &self.logs {
            logs.stop();
        }
        if let Err(error) = self.serving.await {
            tracing::warn!(%error, "the web server did not stop well");
        }
    }
}

/// The web server's address as programs on this machine use it.
fn url(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}/", SocketAddr::new(host, address.port()))
}
