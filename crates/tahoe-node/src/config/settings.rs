//! The settings of tahoe.cfg as types; larger sections have a struct and a file each.

use super::values::ValueError;
use super::{
    ClientSettings, Config, ConfigError, I2pSettings, LocationHint, NodeSettings, StorageSettings,
    TcpHandler, TorSettings, TubAddress, VdriveSettings, webport,
};
use std::path::{Path, PathBuf};
use tahoe_crypto::VerifyingKey;

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
            tcp_handler: TcpHandler::read(config)?,
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
