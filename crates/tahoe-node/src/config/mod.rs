//! tahoe.cfg: read, checked whole, and turned into typed settings.

mod client;
mod connections;
pub(crate) mod edit;
mod endpoint;
mod error;
mod ini;
mod names;
mod node;
mod settings;
mod storage;
pub mod values;
mod vdrive;
mod webport;

pub use client::ClientSettings;
pub use connections::{I2pSettings, LocalService, TcpHandler, TorSettings};
pub use endpoint::{Endpoint, LocationHint, TcpEndpoint};
pub use error::ConfigError;
pub use ini::{Ini, IniError};
pub use node::{NodeSettings, TubAddress};
pub use settings::{Settings, SftpSettings};
pub use storage::{Expiration, ExpirationMode, StorageSettings};
pub use values::ValueError;
pub use vdrive::{PostgresqlUrl, VdriveSettings};

use std::path::{Path, PathBuf};

/// tahoe.cfg with nothing unknown in it; values are still text.
#[derive(Debug, Clone)]
struct Config {
    ini: Ini,
}

impl Config {
    /// Reads a node directory's tahoe.cfg; a missing file is an empty one.
    fn load(directory: &Path) -> Result<Self, ConfigError> {
        refuse_old_files(directory)?;
        let path = directory.join("tahoe.cfg");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, &path),
            Err(_) => Err(ConfigError::NotUtf8 { path }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let path = path.to_owned();
        let ini = match Ini::parse(text) {
            Ok(ini) => ini,
            Err(source) => return Err(ConfigError::Syntax { path, source }),
        };
        for section in ini.sections() {
            let known = names::is_section(section);
            let section = section.to_owned();
            if !known {
                return Err(ConfigError::UnknownSection { path, section });
            }
            let mut options = ini.options(&section).into_iter();
            if let Some(option) = options.find(|option| !names::is_option(&section, option)) {
                let option = option.to_owned();
                return Err(ConfigError::UnknownOption {
                    path,
                    section,
                    option,
                });
            }
        }
        Ok(Self { ini })
    }

    /// An option's value; `None` if it isn't there.
    fn text(&self, section: &str, option: &str) -> Result<Option<String>, ConfigError> {
        let value = self
            .ini
            .get(section, option)
            .map_err(|source| ConfigError::BadReference {
                section: section.to_owned(),
                option: option.to_owned(),
                source,
            })?;
        let has_hash = value.as_ref().is_some_and(|value| value.contains('#'));
        // The FURL of a drive carries its key behind one.
        if has_hash && option.ends_with(".furl") && option != "vdrive.furl" {
            return Err(ConfigError::UnescapedHash {
                section: section.to_owned(),
                option: option.to_owned(),
            });
        }
        Ok(value)
    }

    /// An option's value unless it isn't there or is empty.
    fn non_empty(&self, section: &str, option: &str) -> Result<Option<String>, ConfigError> {
        Ok(self
            .text(section, option)?
            .filter(|value| !value.is_empty()))
    }

    /// An option's value as a type; `None` if it isn't there.
    fn value<T>(
        &self,
        section: &str,
        option: &str,
        read: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, ConfigError> {
        let bad = |source| ConfigError::BadValue {
            section: section.to_owned(),
            option: option.to_owned(),
            source,
        };
        let text = self.text(section, option)?;
        text.map(|text| read(&text).map_err(bad)).transpose()
    }

    fn boolean(&self, section: &str, option: &str, default: bool) -> Result<bool, ConfigError> {
        let value = self.value(section, option, values::boolean)?;
        Ok(value.unwrap_or(default))
    }

    fn list(&self, section: &str, option: &str) -> Result<Vec<String>, ConfigError> {
        let text = self.text(section, option)?;
        Ok(text.map(|text| values::list(&text)).unwrap_or_default())
    }

    /// All options of a section whose names its owner chose.
    fn entries(&self, section: &str) -> Result<Vec<(String, String)>, ConfigError> {
        let mut entries = Vec::new();
        for option in self.ini.options(section) {
            if let Some(value) = self.text(section, option)? {
                entries.push((option.to_owned(), value));
            }
        }
        Ok(entries)
    }
}

fn refuse_old_files(directory: &Path) -> Result<(), ConfigError> {
    let paths = names::PRE_1_3_FILES.iter().map(|name| directory.join(name));
    let found: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
    if found.is_empty() {
        Ok(())
    } else {
        Err(ConfigError::OldFiles(found))
    }
}
