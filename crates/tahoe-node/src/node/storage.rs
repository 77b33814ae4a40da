//! The storage server of a node: shares on disk, served over Foolscap and HTTPS at one port.

use super::storage_status::{Figures, StoreStatus};
use super::{GRACE, Identity, StartError};
use crate::config::{self, Settings};
use crate::directory::NodeDirectory;
use crate::node::listen::listen;
use crate::node::shared_port::{Protocols, SharedPorts};
use crate::node::tub;
use crate::open_files;
use foolscap::{Tub, TubOptions};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tahoe_client::statistics::StatisticsSource;
use tahoe_storage_api::StorageService;
use tahoe_storage_foolscap::{FoolscapStorageServer, server_limits};
use tahoe_storage_http::{ServerLimits, StorageHttpServer, Swissnum};
use tahoe_storage_server::{
    Crawlers, DiskStore, ExpirationMode, ExpirationPolicy, StoreConfig, refuse_pickled_state,
};
use tahoe_web::StorageStatus;
use tokio::task::JoinHandle;

/// How often the figures of the store are read.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(2);
/// How often uploads are looked at that nobody goes on with.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How often and how many times to look whether the last call has let go of the store.
const CLOSE_RETRY: Duration = Duration::from_millis(20);
const CLOSE_RETRIES: usize = 100;

/// A storage server that accepts connections.
#[derive(Debug)]
pub(super) struct StorageServer {
    store: Arc<DiskStore>,
    https: Option<StorageHttpServer>,
    tub: Tub,
    ports: SharedPorts,
    status: Arc<StoreStatus>,
    crawlers: Arc<Crawlers>,
    upkeep: JoinHandle<()>,
}

impl StorageServer {
    /// Starts the storage server of a node directory, if it has one.
    pub(super) async fn start(
        directory: &NodeDirectory,
        settings: &Settings,
        identity: &Identity,
        version: &str,
    ) -> Result<Option<Self>, StartError> {
        let listening = directory.tub_listening(&settings.node.tub)?;
        let (true, Some(listening)) = (settings.storage.enabled, listening) else {
            return Ok(None);
        };
        refuse_pickled_state(&settings.storage.directory)?;
        let listeners = listen(&listening.endpoints, "tub.port")?;
        let tls = identity
            .certificate
            .server_tls()
            .map_err(StartError::Certificate)?;

        let tub_id = identity.certificate.tub_id();
        let storage = &settings.storage;
        directory.permutation_seed(&identity.key, tub_id, &storage.directory)?;
        let furl = directory.storage_furl(tub_id, &listening.hints)?;
        let config = StoreConfig {
            reserved_space: storage.reserved_space_bytes,
            read_only: storage.readonly,
            discard_data: storage.debug_discard,
            application_version: version.to_owned(),
            ..StoreConfig::new(&storage.directory, tub_id)
        };
        let failed = |source| StartError::Storage {
            directory: storage.directory.clone(),
            source,
        };
        let store = Arc::new(DiskStore::open(config).await.map_err(failed)?);

        let service: Arc<dyn StorageService> = Arc::clone(&store) as _;
        let tub = TubOptions {
            location: listening.hints,
            limits: server_limits(),
            ..tub::options(settings)
        };
        let tub = Tub::new(identity.certificate.identity().clone(), tub)?;
        let server = FoolscapStorageServer::new(Arc::clone(&service));
        tub.register(Arc::new(server), Some(furl.swissnum.clone()))?;
        let https = if storage.force_foolscap {
            None
        } else {
            let swissnum = Swissnum::new(furl.swissnum.as_str());
            let swissnum = swissnum.map_err(|_| StartError::SwissnumNotForHttps)?;
            let mut limits = ServerLimits::default();
            limits.most_connections = open_files::share_of_allowed(limits.most_connections);
            Some(StorageHttpServer::new(service, &swissnum, &tls, limits))
        };
        let protocols = Protocols {
            tub: tub.clone(),
            https: https.clone(),
        };
        let ports = SharedPorts::start(listeners, &protocols);
        let policy = policy(&storage.expiration);
        let crawlers = Crawlers::start(&store, policy).await.map_err(failed)?;
        let crawlers = Arc::new(crawlers);
        let status = StoreStatus::new(tub_id, policy, Arc::clone(&crawlers));
        let status = Arc::new(status);
        let figures = Arc::clone(status.figures());
        // The pages have them from the start.
        figures.set(store.statistics().await.map_err(failed)?);
        let upkeep = tokio::spawn(upkeep(Arc::clone(&store), figures));
        Ok(Some(Self {
            store,
            https,
            tub,
            ports,
            status,
            crawlers,
            upkeep,
        }))
    }

    /// Its tub, for what else the node offers.
    pub(super) fn tub(&self) -> &Tub {
        &self.tub
    }

    /// Where it listens.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.addresses()
    }

    /// What it counts.
    pub(super) fn statistics(&self) -> Arc<dyn StatisticsSource> {
        Arc::clone(&self.status) as _
    }

    /// How it is, for the web page.
    pub(super) fn status(&self) -> Arc<dyn StorageStatus> {
        Arc::clone(&self.status) as _
    }

    /// Lets calls that are under way end, then closes the store.
    pub(super) async fn stop(self) {
        self.upkeep.abort();
        self.ports.stop_accepting();
        let https = async {
            if let Some(https) = &self.https {
                https.shutdown(GRACE).await;
            }
        };
        tokio::join!(self.crawlers.stop(), https, self.tub.stop());
        drop((self.https, self.tub, self.ports));
        let mut store = self.store;
        for _ in 0..CLOSE_RETRIES {
            match Arc::try_unwrap(store) {
                Ok(store) => {
                    if let Err(error) = store.close().await {
                        tracing::warn!(%error, "the store was not closed well");
                    }
                    return;
                }
                // A connection that was cut hasn't noticed yet.
                Err(shared) => store = shared,
            }
            tokio::time::sleep(CLOSE_RETRY).await;
        }
        tracing::warn!("the store is still in use: its journal is read at the next start");
    }
}

async fn upkeep(store: Arc<DiskStore>, figures: Arc<Figures>) {
    let mut statistics = tokio::time::interval(STATISTICS_INTERVAL);
    let mut idle = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        tokio::select! {
            _ = statistics.tick() => {
                // A store that doesn't answer says so to its clients; its figures stay.
                if let Ok(statistics) = store.statistics().await {
                    figures.set(statistics);
                }
            }
            _ = idle.tick() => match store.abort_idle_uploads().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "uploads that nobody went on with were removed"),
                Err(error) => tracing::warn!(%error, "idle uploads could not be removed"),
            }
        }
    }
}

/// What the settings say about leases that have ended.
fn policy(settings: &config::Expiration) -> ExpirationPolicy {
    ExpirationPolicy {
        enabled: settings.enabled,
        mode: match settings.mode {
            config::ExpirationMode::Age {
                override_lease_duration_seconds,
            } => ExpirationMode::Age {
                override_lease_duration: override_lease_duration_seconds,
            },
            config::ExpirationMode::CutoffDate { seconds } => {
                ExpirationMode::CutoffDate { seconds }
            }
        },
        immutable: settings.immutable,
        mutable: settings.mutable,
    }
}
