//! `[node]`.

use super::values::{self, ValueError};
use super::{Config, ConfigError, Endpoint, LocationHint};
use std::path::{Path, PathBuf};

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

impl NodeSettings {
    pub(super) fn read(config: &Config, directory: &Path) -> Result<Self, ConfigError> {
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
