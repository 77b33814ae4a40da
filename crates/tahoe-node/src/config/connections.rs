//! `[connections]`, `[tor]` and `[i2p]`: how others are reached.

use super::values::ValueError;
use super::{Config, ConfigError};

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

impl TcpHandler {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        let read = |text: &str| match text.to_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "tor" => Ok(Self::Tor),
            "i2p" => Ok(Self::I2p),
            "disabled" => Ok(Self::Disabled),
            _ => Err(ValueError::NotOneOf("tcp, tor or disabled")),
        };
        let handler = config.value("connections", "tcp", read)?;
        Ok(handler.unwrap_or(Self::Tcp))
    }
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

impl TorSettings {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
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

impl I2pSettings {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
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
