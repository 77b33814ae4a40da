//! The client part of a node: its secrets, its servers, and the way to them.

use super::{Identity, StartError, tub};
use crate::config::{ClientSettings, Settings, TcpHandler};
use crate::directory::{DirectoryError, NodeDirectory};
use crate::unused_keys;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_caps::MutableFormat;
use tahoe_client::{
    Blacklist, BrokerOptions, Client, ClientConfig, EncodingParameters, NetworkTransport,
    OVERLAY_CONNECT_TIMEOUT, ServerEntry, Surroundings, TransferLimits, UploadParameters,
};
use tahoe_crypto::ServerId;

/// Starts the client of a node directory.
pub(super) fn start(
    directory: &NodeDirectory,
    settings: &Settings,
    identity: &Identity,
    version: &str,
) -> Result<Arc<Client>, StartError> {
    let temporary_directory = &settings.node.temporary_directory;
    std::fs::create_dir_all(temporary_directory).map_err(|source| DirectoryError::Io {
        step: "create",
        path: temporary_directory.clone(),
        source,
    })?;
    let preferred = settings.client.peers_preferred.iter().map(ServerId::new);
    let config = ClientConfig {
        nickname: settings.node.nickname.clone(),
        node_id: identity.key.verifying_key().server_id(),
        tub_id: identity.certificate.tub_id(),
        application_version: version.to_owned(),
        convergence: directory.convergence_secret()?,
        lease_master: directory.lease_master()?,
        encoding: upload_parameters(&settings.client),
        mutable_format: match settings.client.mutable_format_is_mdmf {
            true => MutableFormat::Mdmf,
            false => MutableFormat::Sdmf,
        },
        tempdir: temporary_directory.clone(),
        broker: BrokerOptions {
            preferred: preferred.collect::<HashSet<_>>(),
            force_foolscap: settings.client.force_foolscap,
            connect_timeout: match settings.tcp_handler {
                TcpHandler::Tcp => BrokerOptions::default().connect_timeout,
                _ => OVERLAY_CONNECT_TIMEOUT,
            },
            grid_managers: settings.grid_managers.iter().map(|(_, key)| *key).collect(),
            ..BrokerOptions::default()
        },
        limits: limits(settings),
        blacklist: Blacklist::open(directory.file("access.blacklist"))?.into(),
    };
    let servers = ServerEntry::read_servers_yaml(&directory.private_file("servers.yaml"))?;
    tracing::info!(
        servers = servers.len(),
        "servers known from private/servers.yaml"
    );
    Ok(Client::start(
        config,
        servers,
        surroundings(directory, settings)?,
    ))
}

/// A node that mainly stores makes RSA keys ahead only once it has needed one.
fn limits(settings: &Settings) -> TransferLimits {
    let mut limits = TransferLimits::default();
    if settings.storage.enabled {
        limits.ready_keys.at_first = 2;
    }
    limits
}

fn upload_parameters(settings: &ClientSettings) -> UploadParameters {
    let needed = u64::from(settings.shares_needed);
    let total = u64::from(settings.shares_total);
    let encoding = EncodingParameters::new(needed, total);
    let encoding = encoding.expect("the settings were checked: 1 ≤ k ≤ N ≤ 256");
    let size = settings.max_segment_size_bytes;
    let parameters = UploadParameters::new(encoding, settings.shares_happy, size);
    parameters.expect("the settings were checked: from 1 byte to 1 GiB")
}

fn surroundings(
    directory: &NodeDirectory,
    settings: &Settings,
) -> Result<Surroundings, StartError> {
    let randomness = StdRng::try_from_rng(&mut SysRng);
    let randomness = randomness.map_err(|_| DirectoryError::NoRandomness("random numbers"))?;
    Ok(Surroundings {
        transport: Arc::new(NetworkTransport::new(
            tub::options(settings),
            tub::available(settings),
        )),
        clock: Arc::new(SystemTime::now),
        randomness: Box::new(randomness),
        cpu_threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        unused_keys: unused_keys::take(directory),
    })
}
