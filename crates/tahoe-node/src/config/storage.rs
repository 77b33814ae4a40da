//! `[storage]`.

use super::values::{self, ValueError};
use super::{Config, ConfigError};
use std::path::{Path, PathBuf};

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

impl StorageSettings {
    pub(super) fn read(config: &Config, directory: &Path) -> Result<Self, ConfigError> {
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
