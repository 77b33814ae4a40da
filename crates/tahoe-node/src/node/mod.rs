//! A running node: what its directory asks for, started in the right order and stopped in the
//! reverse one.
//!
//! Stopping is bounded: whatever hangs is cut.

mod client;
mod discovery;
mod exit_trigger;
mod helper;
mod listen;
mod service;
mod shared_port;
mod storage;
mod storage_status;
mod tub;
mod vdrive;
mod web;

use crate::announcement::AnnouncementError;
use crate::config::{ConfigError, Settings};
use crate::directory::{DirectoryError, NodeDirectory};
use crate::logs::Logs;
use crate::named_furls::NamedFurlsError;
use crate::tub_address::AddressError;
use crate::unavailable::{UnavailableError, refuse_unavailable};
use crate::unused_keys;
use exit_trigger::ExitTrigger;
use foolscap::Tub;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use storage::StorageServer;
use tahoe_client::{BlacklistError, Client, ServersFileError};
use tahoe_storage_api::StorageError;
use tahoe_storage_http::TlsError;
use tahoe_storage_server::PickledState;
use tahoe_vdrive::ServeError;
use web::WebServer;

pub use service::ServiceNode;

/// How long what is under way may take to end when the node stops.
const GRACE: Duration = Duration::from_secs(3);
/// How long stopping may take altogether.
const MAX_STOP_TIME: Duration = Duration::from_secs(15);

/// A node doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// tahoe.cfg can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory asks for something that this version can't do.
    #[error(transparent)]
    Unavailable(#[from] UnavailableError),
    /// A file of the node directory can't be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Where to listen isn't known.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `private/servers.yaml` can't be used.
    #[error(transparent)]
    Servers(#[from] ServersFileError),
    /// `access.blacklist` can't be used.
    #[error(transparent)]
    Blacklist(#[from] BlacklistError),
    /// The storage directory holds state that has to be converted first.
    #[error(transparent)]
    PickledState(#[from] PickledState),
    /// A port can't be listened on.
    #[error("cannot listen on {address} ({what})")]
    Listen {
        /// The setting that names it.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// `private/node.pem` can't be used for TLS.
    #[error("cannot use the certificate in private/node.pem")]
    Certificate(#[source] TlsError),
    /// The node's tub can't be made.
    #[error("cannot set up Foolscap")]
    Tub(#[from] foolscap::TubError),
    /// The name in `private/storage.furl` can't be part of a NURL.
    #[error(
        "the name in private/storage.furl can't be used over HTTPS: set [storage] force_foolscap \
         to true, or remove the file to get a new one"
    )]
    SwissnumNotForHttps,
    /// It can't be told which introducers or shared drives to use.
    #[error(transparent)]
    NamedFurls(#[from] NamedFurlsError),
    /// A shared drive can't be served.
    #[error("cannot serve the shared drive")]
    Vdrive(#[from] ServeError),
    /// The drive's entries are checked with another key.
    #[error(
        "private/vdrive.furl holds the key of another drive than the one in the database: put that \
         of the drive's first server in its place, or remove it to serve without"
    )]
    KeyOfAnotherDrive,
    /// What the storage server announces of itself can't be put together.
    #[error(transparent)]
    Announcement(#[from] AnnouncementError),
    /// An introducer or vdrive server doesn't listen.
    #[error("an introducer or vdrive server must listen: [node] tub.port is disabled in tahoe.cfg")]
    ServiceMustListen,
    /// The storage directory can't be opened.
    #[error("cannot open the storage directory {directory}")]
    Storage {
        /// Which.
        directory: std::path::PathBuf,
        /// Why not.
        source: StorageError,
    },
}

/// A node that runs until it is stopped.
#[derive(Debug)]
pub struct Node {
    directory: NodeDirectory,
    client: Arc<Client>,
    storage: Option<StorageServer>,
    web: Option<WebServer>,
    /// Connect to the introducers.
    discovery: Vec<Tub>,
    /// Connects to the helper.
    helper_connection: Option<Tub>,
    /// Listens for the clients of the helper, if no storage server does.
    helper: Option<Tub>,
    /// Connect to the shared drives.
    drives: Vec<Tub>,
    exit_trigger: Option<ExitTrigger>,
}

impl Node {
    /// Starts the node of a directory: keys are made if there are none, ports listened on.
    ///
    /// `version` is the name and version that others are told, such as `tahoe-lafs/1.20.0`. Must be
    /// called inside a tokio runtime.
    pub async fn start(directory: &NodeDirectory, version: &str) -> Result<Self, StartError> {
        Self::start_logged(directory, version, None).await
    }

    /// The same; incidents of this log are written into the directory, and it is told at
    /// `/private/logs/v1`.
    pub async fn start_logged(
        directory: &NodeDirectory,
        version: &str,
        logs: Option<&Logs>,
    ) -> Result<Self, StartError> {
        let settings = Settings::load(directory.path())?;
        refuse_unavailable(&settings)?;
        directory.create_private()?;
        let certificate = directory.tub_certificate()?;
        let key = directory.signing_key()?;
        let identity = Identity { certificate, key };
        if let Some(logs) = logs {
            logs.belong_to(directory, identity.certificate.tub_id().to_string());
        }
        // Whoever has the directory may ask for what others must not: the token is new each time.
        let token = directory.renew_api_auth_token()?;
        let logs = logs.map(|logs| logs.for_web(&token));

        let client = client::start(directory, &settings, &identity, version)?;
        let storage = StorageServer::start(directory, &settings, &identity, version).await;
        let storage = match storage {
            Ok(storage) => storage,
            Err(error) => {
                stop_client(&client, directory).await;
                return Err(error);
            }
        };
        if let Some(storage) = &storage {
            client.statistics().register(storage.statistics());
        }
        let mut node = Self {
            directory: directory.clone(),
            client,
            storage,
            web: None,
            discovery: Vec::new(),
            helper_connection: None,
            helper: None,
            drives: Vec::new(),
            exit_trigger: ExitTrigger::of(directory),
        };
        // Others may come as soon as they hear of this node: it serves already.
        match discovery::start(directory, &settings, &identity, version, &node.client) {
            Ok(discovery) => node.discovery = discovery,
            Err(error) => {
                node.stop().await;
                return Err(error);
            }
        }
        if let Err(error) = node.start_others(directory, &settings, &identity) {
            node.stop().await;
            return Err(error);
        }
        let storage = node.storage.as_ref().map(StorageServer::status);
        match WebServer::start(directory, &settings, &node.client, storage, logs).await {
            Ok(web) => node.web = web,
            Err(error) => {
                node.stop().await;
                return Err(error);
            }
        }
        Ok(node)
    }

    /// The shared drives that the node uses, the helper that it is, and the one that it uses.
    fn start_others(
        &mut self,
        directory: &NodeDirectory,
        settings: &Settings,
        identity: &Identity,
    ) -> Result<(), StartError> {
        self.drives = vdrive::connect(directory, settings, &self.client)?;
        self.helper_connection = helper::connect(settings, &self.client)?;
        let storage = self.storage.as_ref();
        self.helper = helper::serve(directory, settings, identity, &self.client, storage)?;
        Ok(())
    }

    /// Where the web interface is; none if there is none.
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(WebServer::address)
    }

    /// Where storage is served.
    pub fn storage_addresses(&self) -> Vec<SocketAddr> {
        self.storage
            .as_ref()
            .map(StorageServer::addresses)
            .unwrap_or_default()
    }

    /// The client, for programs that use it without the web.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Returns when the file `exit_trigger` says so; never if it wasn't there at the start.
    pub async fn exit_triggered(&self) {
        exit_triggered(self.exit_trigger.as_ref()).await;
    }

    /// Stops: no new requests, a few seconds for those under way, everything on disk.
    pub async fn stop(self) {
        let stopping = async {
            if let Some(web) = self.web {
                web.stop().await;
            }
            // Before the storage server, which may be one of its servers.
            stop_client(&self.client, &self.directory).await;
            let helpers = [self.helper_connection, self.helper];
            let helpers = helpers.into_iter().flatten();
            for tub in self.discovery.into_iter().chain(self.drives).chain(helpers) {
                tub.stop().await;
            }
            if let Some(storage) = self.storage {
                storage.stop().await;
            }
        };
        within_stop_time(stopping).await;
    }
}

/// Waits for the trigger, for ever if there is none.
async fn exit_triggered(trigger: Option<&ExitTrigger>) {
    match trigger {
        Some(trigger) => trigger.triggered().await,
        None => std::future::pending().await,
    }
}

/// Lets a node stop, but not for longer than it may take.
async fn within_stop_time(stopping: impl Future<Output = ()>) {
    if tokio::time::timeout(MAX_STOP_TIME, stopping).await.is_err() {
        tracing::warn!("the node did not stop in {MAX_STOP_TIME:?}: the rest is cut");
    }
}

/// Stops the client; the next one gets the keys that it made ahead.
async fn stop_client(client: &Client, directory: &NodeDirectory) {
    let (unused, directory) = (client.stop().await, directory.clone());
    let kept = tokio::task::spawn_blocking(move || unused_keys::keep(&directory, &unused));
    if let Err(error) = kept.await {
        tracing::warn!(%error, "unused keys were not kept");
    }
}

/// Who the node is.
struct Identity {
    certificate: crate::TubCertificate,
    key: tahoe_crypto::SigningKey,
}

#[cfg(test)]
mod tests;
