//! The settings of tahoe.cfg as types, one struct per section.

use super::values::{self, ValueError};
use super::{Config, ConfigError, Endpoint, LocationHint, VdriveSettings, webport};
use foolscap::Furl;
use std::path::{Path, PathBuf};
use tahoe_crypto::VerifyingKey;
use tahoe_vdrive::DriveFurl;

/// All that tahoe.cfg says; relative paths are already joined to the node directory.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[node]`.
    pub node: NodeSettings,
    /// `[connections] tcp`: how `tcp:` hints of others are reached.
    pub tcp_handler: TcpHandler,
    /// `[tor]`.
    pub tor: TorSettings,
    /// `[i2p]`.
    pub i2p: I2pSettings,
    /// `[client]`.
    pub client: ClientSettings,
    /// `[storage]`.
    pub storage: StorageSettings,
    /// `[helper] enabled`: whether to upload for others.
    pub helper_enabled: bool,
    /// `[vdrive]`.
    pub vdrive: VdriveSettings,
    /// `[sftpd]`; `None` unless enabled.
    pub sftp: Option<SftpSettings>,
    /// `[grid_managers]`: petname and key of those whose certificates servers need.
    pub grid_managers: Vec<(String, VerifyingKey)>,
    /// `[grid_manager_certificates]`: this server's own certificates.
    pub grid_manager_certificates: Vec<(String, PathBuf)>,
}

/// `[node]`.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// What the owner calls the node.
    pub nickname: String,
    /// Where the web server listens; `None` for no web server.
    pub web_port: Option<Endpoint>,
    /// The directory whose files are served at `/static`.
    pub web_static: PathBuf,
    /// Names under which browsers may use the web server, besides its addresses.
    pub web_hosts: Vec<String>,
    /// Where the storage protocol listens.
    pub tub: TubAddress,
    /// Whether a Foolscap log gatherer is set.
    pub has_log_gatherer: bool,
    /// Seconds after which Foolscap tests an idle connection.
    pub timeout_keepalive_seconds: Option<u64>,
    /// Seconds after which Foolscap drops an idle connection.
    pub timeout_disconnect_seconds: Option<u64>,
    /// Where large request bodies are kept while they arrive.
    pub temporary_directory: PathBuf,
    /// Whether others may learn the machine's address.
    pub reveal_ip_address: bool,
}

/// `[node] tub.port` and `tub.location`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TubAddress {
    /// Both are `disabled`: the node offers nothing to others.
    Disabled,
    /// The node listens.
    Listening {
        /// Where; `None` for the port remembered in `client.port`, or a free one.
        ports: Option<Vec<Endpoint>>,
        /// What others are told.
        hints: Vec<LocationHint>,
    },
}

/// `[connections] tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpHandler {
    /// Directly.
    Tcp,
    /// Through Tor.
    Tor,
    /// Through I2P, which the reference accepts too.
    I2p,
    /// Not at all.
    Disabled,
}

/// Where a program on this machine waits for us: Tor's SOCKS proxy, the bridge of an I2P router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalService {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl LocalService {
    /// Reads `tcp:HOST:PORT`; the program's usual port where nothing is said. `None` for what we
    /// can't connect to, such as a socket in the file system.
    fn read(
        config: &Config,
        section: &'static str,
        option: &'static str,
        usual_port: u16,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(text) = config.non_empty(section, option)? else {
            let host = "127.0.0.1".to_owned();
            let port = usual_port;
            return Ok(Some(Self { host, port }));
        };
        let address = text.strip_prefix("tcp:");
        let address = address.and_then(|address| address.rsplit_once(':'));
        Ok(address.and_then(|(host, port)| {
            let host = host.to_owned();
            let port = port.parse().ok()?;
            Some(Self { host, port })
        }))
    }
}

/// `[tor]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorSettings {
    /// Whether `tor:` hints are used.
    pub enabled: bool,
    /// `socks.port`: where Tor's SOCKS proxy is; `None` where we can't connect to.
    pub socks: Option<LocalService>,
    /// Whether Tor's SOCKS proxy is to be asked for at its control port.
    pub is_found_by_control_port: bool,
    /// Whether the node starts its own Tor.
    pub launch: bool,
    /// Whether the node publishes an onion service.
    pub onion: bool,
}

/// `[i2p]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I2pSettings {
    /// Whether `i2p:` hints are used.
    pub enabled: bool,
    /// `sam.port`: where the router's SAM bridge is; `None` where we can't connect to.
    pub sam: Option<LocalService>,
    /// Whether the router is to be found by its configuration directory.
    pub is_found_by_configuration: bool,
    /// Whether the node starts its own router.
    pub launch: bool,
    /// Whether the node publishes a destination.
    pub dest: bool,
}

/// `[client]`.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `introducer.furl`, if it is set.
    pub introducer: Option<Furl>,
    /// `helper.furl`, if it is set.
    pub helper: Option<Furl>,
    /// `vdrive.furl`, if it is set.
    pub drive: Option<DriveFurl>,
    /// How many shares suffice for new files (k).
    pub shares_needed: u16,
    /// On how many servers new files must be.
    pub shares_happy: u16,
    /// How many shares new files have (N).
    pub shares_total: u16,
    /// The largest segment of new immutable files.
    pub max_segment_size_bytes: u64,
    /// Whether new mutable files are MDMF instead of SDMF.
    pub mutable_format_is_mdmf: bool,
    /// Servers to try first, by id.
    pub peers_preferred: Vec<String>,
    /// Plugins to reach storage with.
    pub storage_plugins: Vec<String>,
    /// Whether storage servers are reached over Foolscap even if they speak HTTPS.
    pub force_foolscap: bool,
}

/// `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageSettings {
    /// Whether the node is a storage server.
    pub enabled: bool,
    /// Whether whoever knows the FURL or NURL may use it.
    pub anonymous: bool,
    /// Whether new immutable shares are refused.
    pub readonly: bool,
    /// How much of the disk must stay free.
    pub reserved_space_bytes: u64,
    /// Where shares are kept.
    pub directory: PathBuf,
    /// Whether what is written is thrown away.
    pub debug_discard: bool,
    /// When leases end.
    pub expiration: Expiration,
    /// Plugins to offer storage with.
    pub plugins: Vec<String>,
    /// Whether the announcement carries grid-manager certificates.
    pub grid_management: bool,
    /// Whether storage is offered over Foolscap only.
    pub force_foolscap: bool,
}

/// `[storage] expire.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiration {
    /// Whether shares without a valid lease are deleted; otherwise they are only counted.
    pub enabled: bool,
    /// Which leases are valid.
    pub mode: ExpirationMode,
    /// Whether immutable shares are deleted.
    pub immutable: bool,
    /// Whether mutable shares are deleted.
    pub mutable: bool,
}

/// `[storage] expire.mode` with what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpirationMode {
    /// A lease ends by itself, or after another time.
    Age {
        /// How long leases are valid after their last renewal, if not as long as they say.
        override_lease_duration_seconds: Option<u64>,
    },
    /// Leases renewed before a date are over.
    CutoffDate {
        /// Seconds since 1970.
        seconds: i64,
    },
}

/// `[sftpd]`, whose feature this version doesn't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SftpSettings;

impl Settings {
    /// Reads and checks the tahoe.cfg of a node directory, given by its absolute path.
    pub fn load(directory: &Path) -> Result<Self, ConfigError> {
        let settings = Self::from_config(&Config::load(directory)?, directory)?;
        settings.with_files(directory)
    }

    /// Reads and checks the tahoe.cfg of an introducer or a vdrive server.
    pub fn load_service(directory: &Path) -> Result<Self, ConfigError> {
        let settings = Self::read(&Config::load(directory)?, directory)?;
        settings.check_privacy()?;
        settings.with_files(directory)
    }

    /// Adds what files beside tahoe.cfg say.
    fn with_files(mut self, directory: &Path) -> Result<Self, ConfigError> {
        self.node.web_port = webport::settle(directory, self.node.web_port)?;
        Ok(self)
    }

    /// Checks the text of a tahoe.cfg.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, ConfigError> {
        let path = directory.join("tahoe.cfg");
        Self::from_config(&Config::parse(text, &path)?, directory)
    }

    fn from_config(config: &Config, directory: &Path) -> Result<Self, ConfigError> {
        let settings = Self::read(config, directory)?;
        settings.check_privacy()?;
        settings.check_reachable()?;
        if settings.vdrive.enabled {
            return Err(ConfigError::Conflict(
                "[vdrive] enabled is true, but clients and storage servers keep no shared drive: \
                 make a node for it with 'tahoe create-vdrive' or 'tahoe create-introducer --vdrive'",
            ));
        }
        Ok(settings)
    }

    fn read(config: &Config, directory: &Path) -> Result<Self, ConfigError> {
        let settings = Self {
            tcp_handler: tcp_handler(config)?,
            node: NodeSettings::read(config, directory)?,
            tor: TorSettings::read(config)?,
            i2p: I2pSettings::read(config)?,
            client: ClientSettings::read(config)?,
            storage: StorageSettings::read(config, directory)?,
            helper_enabled: config.boolean("helper", "enabled", false)?,
            vdrive: VdriveSettings::read(config)?,
            sftp: sftp(config)?,
            grid_managers: grid_managers(config)?,
            grid_manager_certificates: config
                .entries("grid_manager_certificates")?
                .into_iter()
                .map(|(name, path)| (name, directory.join(path)))
                .collect(),
        };
        Ok(settings)
    }

    /// Checks that what is offered to others can be reached.
    fn check_reachable(&self) -> Result<(), ConfigError> {
        if self.node.tub == TubAddress::Disabled {
            if self.storage.enabled {
                return Err(ConfigError::Conflict(
                    "[storage] enabled is true, but tub.port is disabled, so nobody could reach it",
                ));
            }
            if self.helper_enabled {
                return Err(ConfigError::Conflict(
                    "[helper] enabled is true, but tub.port is disabled, so nobody could reach it",
                ));
            }
        }
        Ok(())
    }

    /// Checks that the node's address isn't revealed if it must not be.
    fn check_privacy(&self) -> Result<(), ConfigError> {
        if self.node.reveal_ip_address {
            return Ok(());
        }
        if self.tcp_handler == TcpHandler::Tcp {
            return Err(ConfigError::Privacy(
                "[connections] tcp = tcp would reveal it",
            ));
        }
        let TubAddress::Listening { hints, .. } = &self.node.tub else {
            return Ok(());
        };
        for hint in hints {
            match hint {
                LocationHint::Auto => return Err(ConfigError::Privacy("tub.location uses AUTO")),
                LocationHint::Tcp { .. } => {
                    return Err(ConfigError::Privacy("tub.location includes a tcp: hint"));
                }
                LocationHint::Tor { .. } | LocationHint::Other(_) => {}
            }
        }
        Ok(())
    }
}

impl NodeSettings {
    fn read(config: &Config, directory: &Path) -> Result<Self, ConfigError> {
        let text = |option, default: &str| -> Result<String, ConfigError> {
            Ok(config
                .text("node", option)?
                .unwrap_or_else(|| default.to_owned()))
        };
        let seconds = |option| -> Result<Option<u64>, ConfigError> {
            let read = |text: &str| match text {
                "" => Ok(None),
                text => values::integer(text, 0, u64::MAX).map(Some),
            };
            Ok(config.value("node", option, read)?.flatten())
        };
        let web_port = |text: &str| match text {
            "" => Ok(None),
            text => Endpoint::parse(text).map(Some),
        };
        Ok(Self {
            nickname: text("nickname", "<unspecified>")?,
            web_port: config.value("node", "web.port", web_port)?.flatten(),
            web_static: directory.join(text("web.static", "public_html")?),
            web_hosts: config.list("node", "web.hosts")?,
            tub: TubAddress::read(config)?,
            has_log_gatherer: config.non_empty("node", "log_gatherer.furl")?.is_some(),
            timeout_keepalive_seconds: seconds("timeout.keepalive")?,
            timeout_disconnect_seconds: seconds("timeout.disconnect")?,
            temporary_directory: directory.join(text("tempdir", "tmp")?),
            reveal_ip_address: config.boolean("node", "reveal-ip-address", true)?,
        })
    }
}

impl TubAddress {
    fn read(config: &Config) -> Result<Self, ConfigError> {
        let port = config.value("node", "tub.port", not_blank)?;
        let location = config.value("node", "tub.location", not_blank)?;
        match (port.as_deref(), location.as_deref()) {
            (Some("disabled"), Some("disabled")) => return Ok(Self::Disabled),
            (Some("disabled"), _) => {
                return Err(ConfigError::Conflict(
                    "tub.port is disabled, but not tub.location",
                ));
            }
            (_, Some("disabled")) => {
                return Err(ConfigError::Conflict(
                    "tub.location is disabled, but not tub.port",
                ));
            }
            _ => {}
        }
        let endpoints = |text: &str| text.split(',').map(Endpoint::parse).collect();
        let ports: Option<Vec<Endpoint>> = config.value("node", "tub.port", endpoints)?;
        for port in ports.iter().flatten() {
            if matches!(port, Endpoint::Tcp(tcp) if tcp.port == 0) {
                return Err(ConfigError::PortAssignmentRequired);
            }
        }
        let hints = |text: &str| text.trim().split(',').map(LocationHint::parse).collect();
        let hints = config.value("node", "tub.location", hints)?;
        let hints = hints.unwrap_or_else(|| vec![LocationHint::Auto]);
        Ok(Self::Listening { ports, hints })
    }
}

fn not_blank(text: &str) -> Result<String, ValueError> {
    match text.trim() {
        "" => Err(ValueError::Empty),
        text => Ok(text.to_owned()),
    }
}

fn tcp_handler(config: &Config) -> Result<TcpHandler, ConfigError> {
    let read = |text: &str| match text.to_lowercase().as_str() {
        "tcp" => Ok(TcpHandler::Tcp),
        "tor" => Ok(TcpHandler::Tor),
        "i2p" => Ok(TcpHandler::I2p),
        "disabled" => Ok(TcpHandler::Disabled),
        _ => Err(ValueError::NotOneOf("tcp, tor or disabled")),
    };
    let handler = config.value("connections", "tcp", read)?;
    Ok(handler.unwrap_or(TcpHandler::Tcp))
}

impl TorSettings {
    fn read(config: &Config) -> Result<Self, ConfigError> {
        let names = |option| config.non_empty("tor", option).map(|value| value.is_some());
        Ok(Self {
            enabled: config.boolean("tor", "enabled", true)?,
            socks: LocalService::read(config, "tor", "socks.port", 9050)?,
            is_found_by_control_port: names("control.port")? && !names("socks.port")?,
            launch: config.boolean("tor", "launch", false)?,
            onion: config.boolean("tor", "onion", false)?,
        })
    }
}

impl I2pSettings {
    fn read(config: &Config) -> Result<Self, ConfigError> {
        let names = |option| config.non_empty("i2p", option).map(|value| value.is_some());
        let settings = Self {
            enabled: config.boolean("i2p", "enabled", true)?,
            sam: LocalService::read(config, "i2p", "sam.port", 7656)?,
            is_found_by_configuration: names("i2p.configdir")? && !names("sam.port")?,
            launch: config.boolean("i2p", "launch", false)?,
            dest: config.boolean("i2p", "dest", false)?,
        };
        if settings.launch && names("sam.port")? {
            let problem = "[i2p] must not set both sam.port and launch";
            return Err(ConfigError::Conflict(problem));
        }
        Ok(settings)
    }
}

/// The most shares that the erasure code can make.
const MAX_SHARES: u64 = 256;
const DEFAULT_MAX_SEGMENT_SIZE: u64 = 1024 * 1024;
const LARGEST_MAX_SEGMENT_SIZE: u64 = 1 << 30;

impl ClientSettings {
    fn read(config: &Config) -> Result<Self, ConfigError> {
        let shares = |option, minimum, default: u16| {
            let read = |text: &str| values::integer(text, minimum, MAX_SHARES);
            let value = config.value("client", option, read)?;
            let value = value.and_then(|value| u16::try_from(value).ok());
            Ok::<u16, ConfigError>(value.unwrap_or(default))
        };
        let segment_option = "shares._max_immutable_segment_size_for_testing";
        let segment = |text: &str| values::integer(text, 1, LARGEST_MAX_SEGMENT_SIZE);
        let furl_option = "introducer.furl";
        if config.text("client", furl_option)?.as_deref() == Some("None") {
            return Err(ConfigError::Conflict(
                "[client] introducer.furl = None is not a FURL: leave the line out instead",
            ));
        }
        let furl = |text: &str| match text {
            "" => Ok(None),
            text => Furl::parse(text)
                .map(Some)
                .map_err(|_| ValueError::NotAFurl),
        };
        let introducer = config.value("client", furl_option, furl)?;
        let helper = |text: &str| match text {
            "None" => Ok(None),
            text => furl(text),
        };
        let helper = config.value("client", "helper.furl", helper)?;
        let drive = |text: &str| match text {
            "" => Ok(None),
            text => DriveFurl::parse(text)
                .map(Some)
                .map_err(|_| ValueError::NotADriveFurl),
        };
        let drive = config.value("client", "vdrive.furl", drive)?;
        let format = config.text("client", "mutable.format")?.unwrap_or_default();
        let settings = Self {
            introducer: introducer.flatten(),
            helper: helper.flatten(),
            drive: drive.flatten(),
            shares_needed: shares("shares.needed", 1, 3)?,
            shares_happy: shares("shares.happy", 0, 7)?,
            shares_total: shares("shares.total", 1, 10)?,
            max_segment_size_bytes: config
                .value("client", segment_option, segment)?
                .unwrap_or(DEFAULT_MAX_SEGMENT_SIZE),
            mutable_format_is_mdmf: format.eq_ignore_ascii_case("mdmf"),
            peers_preferred: config.list("client", "peers.preferred")?,
            storage_plugins: config.list("client", "storage.plugins")?,
            force_foolscap: config.boolean("client", "force_foolscap", false)?,
        };
        if settings.shares_needed > settings.shares_total {
            let problem = "[client] shares.needed is more than shares.total";
            return Err(ConfigError::Conflict(problem));
        }
        Ok(settings)
    }
}

impl StorageSettings {
    fn read(config: &Config, directory: &Path) -> Result<Self, ConfigError> {
        let boolean = |option, default| config.boolean("storage", option, default);
        let storage_dir = config.text("storage", "storage_dir")?;
        Ok(Self {
            enabled: boolean("enabled", true)?,
            anonymous: boolean("anonymous", true)?,
            readonly: boolean("readonly", false)?,
            reserved_space_bytes: config
                .value("storage", "reserved_space", values::size_bytes)?
                .flatten()
                .unwrap_or(0),
            directory: directory.join(storage_dir.as_deref().unwrap_or("storage")),
            debug_discard: boolean("debug_discard", false)?,
            expiration: Expiration::read(config)?,
            plugins: config.list("storage", "plugins")?,
            grid_management: boolean("grid_management", false)?,
            force_foolscap: boolean("force_foolscap", false)?,
        })
    }
}

impl Expiration {
    fn read(config: &Config) -> Result<Self, ConfigError> {
        let enabled = config.boolean("storage", "expire.enabled", false)?;
        let missing = |option, because| ConfigError::Missing {
            section: "storage",
            option,
            because,
        };
        let duration_option = "expire.override_lease_duration";
        let duration = config.value("storage", duration_option, values::duration_seconds)?;
        let mode = match config.text("storage", "expire.mode")?.as_deref() {
            None if enabled => return Err(missing("expire.mode", "expire.enabled = true")),
            None | Some("age") => ExpirationMode::Age {
                override_lease_duration_seconds: duration,
            },
            Some("cutoff-date") => ExpirationMode::CutoffDate {
                seconds: config
                    .value("storage", "expire.cutoff_date", values::date_seconds)?
                    .ok_or_else(|| missing("expire.cutoff_date", "expire.mode = cutoff-date"))?,
            },
            Some(_) => {
                return Err(ConfigError::BadValue {
                    section: "storage".to_owned(),
                    option: "expire.mode".to_owned(),
                    source: ValueError::NotOneOf("age or cutoff-date"),
                });
            }
        };
        Ok(Self {
            enabled,
            mode,
            immutable: config.boolean("storage", "expire.immutable", true)?,
            mutable: config.boolean("storage", "expire.mutable", true)?,
        })
    }
}

fn sftp(config: &Config) -> Result<Option<SftpSettings>, ConfigError> {
    let enabled = config.boolean("sftpd", "enabled", false)?;
    Ok(enabled.then_some(SftpSettings))
}

fn grid_managers(config: &Config) -> Result<Vec<(String, VerifyingKey)>, ConfigError> {
    let mut keys = Vec::new();
    for (name, text) in config.entries("grid_managers")? {
        let key = VerifyingKey::from_text(&text).map_err(|_| ConfigError::BadValue {
            section: "grid_managers".to_owned(),
            option: name.clone(),
            source: ValueError::NotAPublicKey,
        })?;
        keys.push((name, key));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
