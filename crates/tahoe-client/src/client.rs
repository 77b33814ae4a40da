//! The façade that frontends use.

use crate::blacklist::Blacklist;
use crate::broker::{Broker, BrokerOptions, ServerEntry, Transport, WallClock};
use crate::directory_files::DirectoryFiles;
use crate::drives::Drives;
use crate::history::History;
use crate::open_files::OpenFiles;
use crate::statistics::Statistics;
use crate::transfers::{Gates, TransferLimits};
use rand::Rng;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tahoe_caps::MutableFormat;
use tahoe_crypto::{ConvergenceSecret, LeaseMaster, RsaPrivateKey, ServerId, StorageIndex, TubId};
use tahoe_directory::Directories;
use tahoe_helper::{HelperClient, HelperService};
use tahoe_immutable::{Checker, CpuPool, Downloader, Repairer, UploadParameters, Uploader};
use tahoe_introducer::IntroducerClient;
use tahoe_mutable::{MutableFiles, MutableKind, MutableObserver, ReadyKeys, RsaKeyPool};
use tahoe_storage_api::ServerDirectory;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long servers may take to be told the last things when the client stops.
const FAREWELL_TIME: Duration = Duration::from_secs(2);

/// What a client is and how it stores.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// What its owner calls the node.
    pub nickname: String,
    /// The node's name on the grid.
    pub node_id: ServerId,
    /// Id of the node's Foolscap certificate (`my_nodeid`).
    pub tub_id: TubId,
    /// Name and version of the program, for instance `tahoe-lafs/1.20.0`.
    pub application_version: String,
    /// Separates the convergent keys of this client's group (`private/convergence`).
    pub convergence: ConvergenceSecret,
    /// Root of its lease secrets (`private/secret`).
    pub lease_master: LeaseMaster,
    /// How files are erasure-coded and how widely they must be spread.
    pub encoding: UploadParameters,
    /// What new directories are, and new mutable files of which nothing else is said
    /// (`mutable.format`).
    pub mutable_format: MutableFormat,
    /// Where bodies are spooled that are too large for memory; must exist.
    pub tempdir: PathBuf,
    /// How it treats its servers.
    pub broker: BrokerOptions,
    /// How much goes on at once.
    pub limits: TransferLimits,
    /// Files that it doesn't give out.
    pub blacklist: Arc<Blacklist>,
}

/// What a client takes from the world around it.
pub struct Surroundings {
    /// The way to servers.
    pub transport: Arc<dyn Transport>,
    /// What time it is.
    pub clock: WallClock,
    /// Where salts are drawn from.
    pub randomness: Box<dyn Rng + Send>,
    /// How many pieces of hashing, ciphering and coding may run at once.
    pub cpu_threads: NonZeroUsize,
    /// Keys for mutable files that an earlier client made and didn't use.
    pub unused_keys: Vec<RsaPrivateKey>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("transport", &self.transport)
            .field("cpu_threads", &self.cpu_threads)
            .finish_non_exhaustive()
    }
}

/// A running client: what frontends use.
pub struct Client {
    config: ClientConfig,
    broker: Arc<Broker>,
    uploader: Arc<Uploader>,
    downloader: Downloader,
    checker: Checker,
    repairer: Repairer,
    pub(crate) mutable: MutableFiles,
    directories: Directories,
    keys: Arc<RsaKeyPool>,
    pool: CpuPool,
    gates: Gates,
    open_files: OpenFiles,
    statistics: Arc<Statistics>,
    history: Arc<History>,
    clock: WallClock,
    introducers: Mutex<Vec<IntroducerClient>>,
    /// Uploads for this client.
    pub(crate) helper: OnceLock<HelperClient>,
    /// Uploads for others.
    pub(crate) helper_service: OnceLock<HelperService>,
    pub(crate) drives: OnceLock<Drives>,
    tasks: Mutex<JoinSet<()>>,
}

impl Client {
    /// Starts a client of these servers; must be called inside a tokio runtime.
    pub fn start(
        config: ClientConfig,
        servers: Vec<ServerEntry>,
        surroundings: Surroundings,
    ) -> Arc<Self> {
        let Surroundings {
            transport,
            clock,
            randomness,
            cpu_threads,
            unused_keys,
        } = surroundings;
        let options = config.broker.clone();
        let broker = Broker::start(servers, transport, Arc::clone(&clock), options);
        let pool = CpuPool::new(cpu_threads);
        let statistics = Arc::new(Statistics::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&statistics).sample_processor());
        let lease_master = config.lease_master.clone();
        let directory: Arc<dyn ServerDirectory> = Arc::clone(&broker) as _;
        let keys = Arc::new(key_pool(&pool, config.limits.ready_keys, unused_keys));
        let history = Arc::new(History::default());
        let observer = mutable_observer(&history, &statistics, &clock);
        let mutable = MutableFiles::new(
            Arc::clone(&directory),
            lease_master.clone(),
            config.encoding.encoding(),
            pool.clone(),
            Arc::clone(&keys),
            randomness,
            observer,
        );
        let uploader = Arc::new(Uploader::new(
            Arc::clone(&directory),
            lease_master.clone(),
            pool.clone(),
        ));
        let downloader = Downloader::new(Arc::clone(&directory), pool.clone());
        let repairer = Repairer::new(
            downloader.clone(),
            Arc::clone(&uploader),
            config.tempdir.clone(),
            pool.clone(),
        );
        Arc::new_cyclic(|client| Self {
            directories: Directories::new(tahoe_directory::Surroundings {
                mutable: mutable.clone(),
                immutable: Arc::new(DirectoryFiles(Weak::clone(client))),
                pool: pool.clone(),
                clock: Arc::clone(&clock),
            }),
            mutable,
            keys,
            uploader,
            downloader,
            checker: Checker::new(directory, lease_master, pool.clone()),
            repairer,
            gates: Gates::new(config.limits),
            open_files: OpenFiles::new(config.limits.open_files),
            config,
            broker,
            pool,
            statistics,
            history,
            clock,
            introducers: Mutex::default(),
            helper: OnceLock::new(),
            helper_service: OnceLock::new(),
            drives: OnceLock::new(),
            tasks: Mutex::new(tasks),
        })
    }

    /// What the client is and how it stores.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The servers it knows.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Why it doesn't give out a file; none if it does.
    pub async fn prohibition(&self, storage_index: StorageIndex) -> Option<String> {
        let blacklist = Arc::clone(&self.config.blacklist);
        let asked = tokio::task::spawn_blocking(move || blacklist.reason(&storage_index));
        // It neither panics nor is cancelled while the runtime lives.
        asked.await.ok().flatten()
    }

    /// Directories.
    pub fn directories(&self) -> &Directories {
        &self.directories
    }

    /// What it counts.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// What it did lately.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What time it is.
    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// Ends every task of the client. Servers are still told, for two seconds at most, to forget
    /// the shares of uploads that were given up and which shares were found corrupt.
    ///
    /// Returns the keys that were made ahead and not used: they may be given to the next client.
    pub async fn stop(&self) -> Vec<RsaPrivateKey> {
        let introducers = std::mem::take(
            &mut *self
                .introducers
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for introducer in introducers {
            introducer.stop().await;
        }
        self.stop_helpers().await;
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        self.directories.stop().await;
        let told = async {
            self.uploader.aborts_settled().await;
            self.downloader.advisories_settled().await;
            self.mutable.advisories_settled().await;
        };
        if timeout(FAREWELL_TIME, told).await.is_err() {
            tracing::warn!("some servers could not be told to forget unfinished shares");
        }
        self.broker.stop().await;
        self.keys.close()
    }

    /// Runs a task that ends with the client.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    pub(crate) fn shared_history(&self) -> &Arc<History> {
        &self.history
    }

    pub(crate) fn shared_broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    pub(crate) fn introducer_clients(&self) -> &Mutex<Vec<IntroducerClient>> {
        &self.introducers
    }

    pub(crate) fn uploader(&self) -> &Arc<Uploader> {
        &self.uploader
    }

    pub(crate) fn downloader(&self) -> &Downloader {
        &self.downloader
    }

    pub(crate) fn checker(&self) -> &Checker {
        &self.checker
    }

    pub(crate) fn repairer(&self) -> &Repairer {
        &self.repairer
    }

    pub(crate) fn clock(&self) -> &WallClock {
        &self.clock
    }

    pub(crate) fn pool(&self) -> &CpuPool {
        &self.pool
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    pub(crate) fn open_files(&self) -> &OpenFiles {
        &self.open_files
    }
}

/// Lists and counts what happens to mutable files, and with them to directories.
fn mutable_observer(
    history: &Arc<History>,
    statistics: &Arc<Statistics>,
    clock: &WallClock,
) -> Arc<MutableObserver> {
    let (history, statistics) = (Arc::clone(history), Arc::clone(statistics));
    let clock = Arc::clone(clock);
    Arc::new(move |status| {
        history.note_mutable(status, clock());
        match status.kind() {
            MutableKind::Mapupdate(_) => {}
            MutableKind::Publish(transfer) => {
                statistics.count("mutable.files_published", 1);
                statistics.count("mutable.bytes_published", transfer.size_bytes);
            }
            MutableKind::Retrieve(transfer) => {
                statistics.count("mutable.files_retrieved", 1);
                statistics.count("mutable.bytes_retrieved", transfer.size_bytes);
            }
        }
    })
}

/// Keys made ahead; if there can be no thread for them, they are made when they are needed.
fn key_pool(cpu: &CpuPool, wanted: ReadyKeys, unused: Vec<RsaPrivateKey>) -> RsaKeyPool {
    RsaKeyPool::start(cpu, wanted, unused).unwrap_or_else(|error| {
        tracing::warn!(%error, "no RSA keys are made ahead");
        RsaKeyPool::without_stock(cpu)
    })
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .field("broker", &self.broker)
            .finish_non_exhaustive()
    }
}
