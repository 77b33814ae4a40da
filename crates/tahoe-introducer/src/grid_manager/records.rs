//! A grid manager's `config.json`: its private key and the servers that it knows by name.

use super::{Certificate, SignedCertificate, indented_json};
use serde_json::{Map, Value, json};
use tahoe_crypto::{SigningKey, VerifyingKey};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// The version of the file that this is.
const VERSION: u64 = 0;

/// A grid manager's file can't be used, or not be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GridManagerError {
    /// It isn't JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It isn't the file of a grid manager, or of a version that isn't known here.
    #[error("Missing or unknown version '{0}' of Grid Manager config")]
    UnknownVersion(String),
    /// It has no private key.
    #[error("'private_key' required in config")]
    NoPrivateKey,
    /// Its private key can't be read.
    #[error("Invalid Grid Manager private_key")]
    BadPrivateKey,
    /// A server has no key.
    #[error("No 'public_key' for storage server '{0}'")]
    NoPublicKey(String),
    /// A server's key can't be read.
    #[error("Invalid 'public_key' for storage server '{0}'")]
    BadPublicKey(String),
    /// A name that can't be part of the name of a file.
    #[error("a storage-server's name must not be empty nor contain '/': {0:?}")]
    BadName(String),
    /// There is a server of that name already.
    #[error("A storage-server called '{0}' already exists")]
    AlreadyThere(String),
    /// There is no server of that name.
    #[error("No storage-server called '{0}' exists")]
    Unknown(String),
}

/// A grid manager: a key, and the servers that it may certify.
#[derive(Debug, Clone)]
pub struct GridManager {
    key: SigningKey,
    /// Names and keys, in the order of the file.
    servers: Vec<(String, VerifyingKey)>,
}

impl GridManager {
    /// Makes a grid manager that knows no servers.
    pub fn new(key: SigningKey) -> Self {
        let servers = Vec::new();
        Self { key, servers }
    }

    /// Reads the text of a `config.json`.
    pub fn parse(text: &str) -> Result<Self, GridManagerError> {
        let config: Value =
            serde_json::from_str(text).map_err(|e| GridManagerError::NotJson(e.to_string()))?;
        match config.get("grid_manager_config_version") {
            Some(version) if version.as_u64() == Some(VERSION) => {}
            None | Some(Value::Null) => {
                return Err(GridManagerError::UnknownVersion("None".to_owned()));
            }
            Some(other) => return Err(GridManagerError::UnknownVersion(other.to_string())),
        }
        let key = config
            .get("private_key")
            .ok_or(GridManagerError::NoPrivateKey)?;
        let key = key.as_str().and_then(|key| SigningKey::from_text(key).ok());
        let mut grid_manager = Self::new(key.ok_or(GridManagerError::BadPrivateKey)?);
        let servers = config.get("storage_servers").and_then(Value::as_object);
        for (name, server) in servers.into_iter().flatten() {
            let key = server
                .get("public_key")
                .and_then(Value::as_str)
                .ok_or_else(|| GridManagerError::NoPublicKey(name.clone()))?;
            let key = VerifyingKey::from_text(key)
                .map_err(|_| GridManagerError::BadPublicKey(name.clone()))?;
            grid_manager.add(name, key)?;
        }
        Ok(grid_manager)
    }

    /// Writes the file, without a line end: a secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let key = self.key.to_text();
        let mut config = json!({"grid_manager_config_version": VERSION, "private_key": key});
        if !self.servers.is_empty() {
            let entry = |(name, key): &(String, VerifyingKey)| {
                (name.clone(), json!({"public_key": key.to_string()}))
            };
            let servers: Map<String, Value> = self.servers.iter().map(entry).collect();
            config["storage_servers"] = servers.into();
        }
        Zeroizing::new(indented_json(&config))
    }

    /// What clients are told, so that they believe its certificates.
    pub fn public_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Names and keys of the servers that it knows.
    pub fn servers(&self) -> &[(String, VerifyingKey)] {
        &self.servers
    }

    /// Comes to know a server.
    pub fn add(&mut self, name: &str, key: VerifyingKey) -> Result<(), GridManagerError> {
        if name.is_empty() || name.contains(['/', '\0']) {
            return Err(GridManagerError::BadName(name.to_owned()));
        }
        if self.find(name).is_ok() {
            return Err(GridManagerError::AlreadyThere(name.to_owned()));
        }
        self.servers.push((name.to_owned(), key));
        Ok(())
    }

    /// Forgets a server.
    pub fn remove(&mut self, name: &str) -> Result<(), GridManagerError> {
        self.find(name)?;
        self.servers.retain(|(known, _)| known != name);
        Ok(())
    }

    /// Certifies a server until a moment.
    pub fn sign(
        &self,
        name: &str,
        expires: OffsetDateTime,
    ) -> Result<SignedCertificate, GridManagerError> {
        let server = self.find(name)?;
        let certificate = Certificate { server, expires };
        Ok(SignedCertificate::sign(&self.key, &certificate))
    }

    fn find(&self, name: &str) -> Result<VerifyingKey, GridManagerError> {
        let server = self.servers.iter().find(|(known, _)| known == name);
        let unknown = || GridManagerError::Unknown(name.to_owned());
        server.map(|(_, key)| *key).ok_or_else(unknown)
    }
}
