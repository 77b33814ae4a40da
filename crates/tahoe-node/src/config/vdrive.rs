//! `[vdrive]`: the shared drive that a node keeps.

use super::values::ValueError;
use super::{Config, ConfigError};
use std::fmt;
use zeroize::Zeroizing;

/// `[vdrive]`.
#[derive(Debug, Clone)]
pub struct VdriveSettings {
    /// Whether the node keeps a shared drive.
    pub enabled: bool,
    /// The database of its tree of names; `None` for one in a file of the node directory.
    pub database: Option<PostgresqlUrl>,
}

/// Where a PostgreSQL database is and what opens it: a secret.
#[derive(Clone)]
pub struct PostgresqlUrl(Zeroizing<String>);

impl PostgresqlUrl {
    /// The text: never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PostgresqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresqlUrl(..)")
    }
}

impl VdriveSettings {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        let url = |text: &str| match text {
            "" => Ok(None),
            url if url.starts_with("postgresql://") => {
                Ok(Some(PostgresqlUrl(Zeroizing::new(url.to_owned()))))
            }
            _ => Err(ValueError::NotOneOf(
                "postgresql://USER:PASSWORD@HOST/DATABASE",
            )),
        };
        Ok(Self {
            enabled: config.boolean("vdrive", "enabled", false)?,
            database: config.value("vdrive", "database", url)?.flatten(),
        })
    }
}
