//! What a storage server tells its clients, and the file in which clients keep it.
//!
//! `private/servers.yaml` is a mapping `storage: {SERVER-ID: {ann: {…}}}`. It holds the secrets that
//! open the servers, so only its owner may read it.

use crate::config::{ConfigError, Settings};
use crate::directory::{DirectoryError, NodeDirectory};
use crate::furl::nurls;
use crate::tub_address::AddressError;
use foolscap::Furl;
use serde_yaml_ng::{Mapping, Value};
use std::path::PathBuf;
use tahoe_client::ServerEntry;
use tahoe_crypto::ServerId;
use tahoe_introducer::grid_manager::SignedCertificate;
use tahoe_introducer::{Announcement, OLDEST_SUPPORTED};
use tahoe_storage_http::Nurl;
use zeroize::Zeroizing;

/// A storage server as its clients must know it.
#[derive(Debug)]
pub struct StorageAnnouncement {
    /// Its name on the grid.
    pub server_id: ServerId,
    nickname: String,
    furl: Furl,
    nurls: Vec<Nurl>,
    permutation_seed: String,
    certificates: Vec<SignedCertificate>,
}

/// A server can't be announced, or a list of servers not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnouncementError {
    /// tahoe.cfg can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the node directory can't be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The node's address isn't known.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The node stores nothing for others.
    #[error("this node is not a storage server: [storage] enabled is false in its tahoe.cfg")]
    NoStorage,
    /// A certificate of `[grid_manager_certificates]` can't be used.
    #[error("{0} does not hold a grid manager's certificate")]
    BadCertificate(PathBuf),
    /// A text isn't a list of servers.
    #[error("{what} is not a list of servers, which begins with \"storage:\"")]
    BadServers {
        /// Which text.
        what: &'static str,
        /// Where and why, if it isn't even YAML.
        source: Option<serde_yaml_ng::Error>,
    },
    /// A server of the list can't be used.
    #[error("the entry of server {id} cannot be used")]
    BadServer {
        /// Its name.
        id: ServerId,
        /// Why.
        source: tahoe_client::AnnouncementError,
    },
}

impl StorageAnnouncement {
    /// Reads what a node directory says of its storage server; keys that are missing are made.
    pub fn read(directory: &NodeDirectory) -> Result<Self, AnnouncementError> {
        let settings = Settings::load(directory.path())?;
        let listening = directory.tub_listening(&settings.node.tub)?;
        let (true, Some(listening)) = (settings.storage.enabled, listening) else {
            return Err(AnnouncementError::NoStorage);
        };
        directory.create_private()?;
        let certificate = directory.tub_certificate()?;
        let key = directory.signing_key()?;
        let tub_id = certificate.tub_id();
        let furl = directory.storage_furl(tub_id, &listening.hints)?;
        let storage = &settings.storage.directory;
        Ok(Self {
            server_id: key.verifying_key().server_id(),
            nickname: settings.node.nickname.clone(),
            nurls: if settings.storage.force_foolscap {
                Vec::new()
            } else {
                nurls(&furl, certificate.key_hash())
            },
            furl,
            permutation_seed: directory.permutation_seed(&key, tub_id, storage)?,
            certificates: certificates(&settings)?,
        })
    }

    /// Makes what introducers are told; `seqnum` and `nonce` tell it from earlier ones.
    pub(crate) fn to_announcement(&self, version: &str, seqnum: u64, nonce: &str) -> Announcement {
        let nurls = self.nurls.iter().map(|nurl| nurl.to_text());
        let mut fields = serde_json::json!({
            "version": 0,
            "nickname": self.nickname,
            "app-versions": [],
            "my-version": version,
            "oldest-supported": OLDEST_SUPPORTED,
            "service-name": "storage",
            "permutation-seed-base32": self.permutation_seed,
            "anonymous-storage-NURLs": nurls.collect::<Vec<_>>(),
            "anonymous-storage-FURL": *self.furl.to_text(),
            "seqnum": seqnum,
            "nonce": nonce,
        });
        if !self.certificates.is_empty() {
            let certificates = self.certificates.iter().map(SignedCertificate::to_json);
            fields["grid-manager-certificates"] = certificates.collect();
        }
        let serde_json::Value::Object(fields) = fields else {
            unreachable!("it was made as an object")
        };
        Announcement::from_fields(fields).expect("it names its service")
    }

    /// Writes it as a `servers.yaml` of one server: a secret.
    pub fn to_servers_yaml(&self) -> Zeroizing<String> {
        let nurls = self.nurls.iter().map(|nurl| Value::from(nurl.to_text()));
        let mut ann = Mapping::new();
        ann.insert("nickname".into(), self.nickname.as_str().into());
        let furl = self.furl.to_text();
        ann.insert("anonymous-storage-FURL".into(), furl.as_str().into());
        ann.insert("anonymous-storage-NURLs".into(), nurls.collect());
        let seed = self.permutation_seed.as_str();
        ann.insert("permutation-seed-base32".into(), seed.into());
        if !self.certificates.is_empty() {
            let certificates = self.certificates.iter().map(SignedCertificate::to_json);
            let certificates = serde_yaml_ng::to_value(certificates.collect::<Vec<_>>());
            let certificates = certificates.expect("JSON values are YAML values");
            ann.insert("grid-manager-certificates".into(), certificates);
        }
        let server = mapping("ann", ann);
        let servers = mapping(self.server_id.as_str(), server);
        let text = serde_yaml_ng::to_string(&mapping("storage", servers));
        Zeroizing::new(text.expect("strings and lists can be written as YAML"))
    }
}

fn mapping(key: &str, value: impl Into<Value>) -> Mapping {
    Mapping::from_iter([(Value::from(key), value.into())])
}

fn certificates(settings: &Settings) -> Result<Vec<SignedCertificate>, AnnouncementError> {
    if !settings.storage.grid_management {
        return Ok(Vec::new());
    }
    let mut certificates = Vec::new();
    for (_, path) in &settings.grid_manager_certificates {
        let read = std::fs::read(path).map_err(|source| DirectoryError::Io {
            step: "read",
            path: path.clone(),
            source,
        })?;
        let certificate = std::str::from_utf8(&read).ok();
        match certificate.map(SignedCertificate::parse) {
            Some(Ok(certificate)) => certificates.push(certificate),
            _ => return Err(AnnouncementError::BadCertificate(path.clone())),
        }
    }
    Ok(certificates)
}

/// What happened to a server in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerChange {
    /// It is new.
    Added,
    /// It was there with another entry.
    Replaced,
    /// It was there already.
    Unchanged,
}

/// Adds the servers of a text like `servers.yaml` to a node directory's own.
///
/// An entry of the same name is replaced. Comments in the file are lost.
pub fn add_servers(
    directory: &NodeDirectory,
    text: &str,
) -> Result<Vec<(ServerId, ServerChange)>, AnnouncementError> {
    let added = parse_servers(text, "what was given")?;
    for entry in ServerEntry::parse_servers_yaml(text).map_err(|error| bad(Some(error)))? {
        if let Err(source) = entry.announcement {
            let id = entry.id;
            return Err(AnnouncementError::BadServer { id, source });
        }
    }
    directory.create_private()?;
    let mut servers = match directory.read("private/servers.yaml")? {
        Some(text) => parse_servers(&text, "private/servers.yaml")?,
        None => Mapping::new(),
    };
    let mut changes = Vec::new();
    for (id, entry) in added {
        let name = ServerId::new(id.as_str().unwrap_or_default());
        let change = match servers.insert(id, entry.clone()) {
            None => ServerChange::Added,
            Some(old) if old == entry => ServerChange::Unchanged,
            Some(_) => ServerChange::Replaced,
        };
        changes.push((name, change));
    }
    let text = serde_yaml_ng::to_string(&mapping("storage", servers));
    let text = Zeroizing::new(text.map_err(|error| bad(Some(error)))?);
    directory.write_private("servers.yaml", &text)?;
    Ok(changes)
}

fn bad(source: Option<serde_yaml_ng::Error>) -> AnnouncementError {
    let what = "what was given";
    AnnouncementError::BadServers { what, source }
}

/// The servers of a list, by name.
fn parse_servers(text: &str, what: &'static str) -> Result<Mapping, AnnouncementError> {
    let bad = |source| AnnouncementError::BadServers { what, source };
    let value: Value = serde_yaml_ng::from_str(text).map_err(|error| bad(Some(error)))?;
    match value.get("storage") {
        Some(Value::Mapping(servers)) => Ok(servers.clone()),
        Some(Value::Null) => Ok(Mapping::new()),
        _ => Err(bad(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::{Listen, NewNode};

    fn node(storage: bool) -> (tempfile::TempDir, NodeDirectory) {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("node");
        let new = NewNode {
            nickname: "a: \"b\"".to_owned(),
            introducer: None,
            web_port: String::new(),
            listen: Listen::Hostname("127.0.0.1".to_owned()),
            shares_needed: 3,
            shares_happy: 7,
            shares_total: 10,
            storage,
            storage_directory: None,
            helper: false,
            privacy: crate::Privacy::Open,
        };
        new.create(&path).unwrap();
        (temporary, NodeDirectory::new(path))
    }

    #[test]
    fn a_new_server_can_be_added_to_a_client() {
        let (_server, server) = node(true);
        let announcement = StorageAnnouncement::read(&server).unwrap();
        let yaml = announcement.to_servers_yaml();
        let again = StorageAnnouncement::read(&server).unwrap();
        assert_eq!(again.to_servers_yaml(), yaml, "keys and port stay");

        let (_client, client) = node(false);
        let id = announcement.server_id;
        let added = add_servers(&client, &yaml).unwrap();
        assert_eq!(added, [(id.clone(), ServerChange::Added)]);
        let path = client.private_file("servers.yaml");
        let entries = ServerEntry::read_servers_yaml(&path).unwrap();
        assert_eq!(entries[0].id, id);
        let known = entries[0].announcement.as_ref().unwrap();
        assert_eq!(known.nickname, "a: \"b\"");
        assert_eq!(known.tub_id, server.tub_certificate().unwrap().tub_id());
        assert_eq!(known.nurls.len(), 1);
        let unchanged = add_servers(&client, &yaml).unwrap();
        assert_eq!(unchanged, [(id.clone(), ServerChange::Unchanged)]);
        let moved = yaml.replace("tcp:127.0.0.1", "tcp:example.org");
        let replaced = add_servers(&client, &moved).unwrap();
        assert_eq!(replaced, [(id, ServerChange::Replaced)]);
    }

    #[test]
    fn a_client_has_nothing_to_announce() {
        let (_client, client) = node(false);
        let error = StorageAnnouncement::read(&client).unwrap_err();
        assert!(matches!(error, AnnouncementError::NoStorage));
    }

    #[test]
    fn certificates_are_announced() {
        let (_server, server) = node(true);
        let tahoe_cfg = server.read("tahoe.cfg").unwrap().unwrap();
        let tahoe_cfg = tahoe_cfg.replace("[storage]", "[storage]\ngrid_management = true");
        let tahoe_cfg = format!("{tahoe_cfg}\n[grid_manager_certificates]\na = a.cert\n");
        server.write("tahoe.cfg", &tahoe_cfg).unwrap();
        server.write("a.cert", r#"{"certificate": "{}"}"#).unwrap();
        let error = StorageAnnouncement::read(&server).unwrap_err();
        assert!(matches!(error, AnnouncementError::BadCertificate(_)));
        let signature = "a".repeat(103);
        let whole = format!(r#"{{"certificate": "{{}}", "signature": "{signature}"}}"#);
        server.write("a.cert", &whole).unwrap();
        let yaml = StorageAnnouncement::read(&server)
            .unwrap()
            .to_servers_yaml();
        assert!(yaml.contains("grid-manager-certificates"));
    }

    #[test]
    fn lists_that_cannot_be_used_change_nothing() {
        let (_client, client) = node(false);
        for bad in [
            "",
            "x",
            "storage: []",
            "servers: {}",
            "storage: {a: {ann: {}}}",
            "a: [",
        ] {
            assert!(add_servers(&client, bad).is_err(), "{bad:?}");
        }
        assert_eq!(client.read("private/servers.yaml").unwrap(), None);
        client.write_private("servers.yaml", "nonsense").unwrap();
        let error = add_servers(&client, "storage: {}").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("private/servers.yaml is not a list")
        );
    }
}
