//! What a server announces of itself, and `private/servers.yaml`, where a user writes it down.
//!
//! The file is a mapping `storage: {SERVER-ID: {ann: {…}, connections: {…}}}`; `ann` holds what an
//! introducer would deliver. One unusable entry doesn't hide the others: it is kept with the reason,
//! so that the status page can say why the server isn't connected.

use super::overrides::ConnectionOverrides;
use foolscap::Furl;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tahoe_crypto::{ServerId, TubId};
use tahoe_encoding::base32;
use tahoe_introducer::grid_manager::SignedCertificate;
use tahoe_storage_api::PermutationSeed;
use tahoe_storage_http::Nurl;

/// Most bytes of a `servers.yaml`: thousands of servers.
const MAX_FILE_SIZE: u64 = 16 << 20;
/// Most certificates of a server that are looked at.
const MAX_CERTIFICATES: usize = 64;

/// What a client needs to know of a storage server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What its owner calls it; may be empty.
    pub nickname: String,
    /// Decides its place in the permuted order.
    pub permutation_seed: PermutationSeed,
    /// What lease secrets and write enablers for it are derived with.
    pub tub_id: TubId,
    /// Where its HTTPS storage service is, as far as we understand that; empty if it speaks
    /// Foolscap only.
    pub nurls: Vec<Nurl>,
    /// Where its Foolscap storage service is, if the FURL says so.
    pub furl: Option<Furl>,
    /// Name and version of its program as announced, until it is asked itself.
    pub announced_version: Option<String>,
    /// What grid managers say of it, unchecked; malformed ones are left out.
    pub certificates: Vec<SignedCertificate>,
}

/// An announcement can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnouncementError {
    /// The entry hasn't the shape of an announcement.
    #[error("the entry isn't an announcement: {reason}")]
    Malformed {
        /// What the YAML reader says.
        reason: String,
    },
    /// Lease secrets are derived from the tub id in the FURL, so there must be one.
    #[error("no anonymous-storage-FURL, from which lease secrets are derived")]
    NoFurl,
    /// The FURL doesn't begin with `pb://`, a tub id of 32 base32 characters and `@`.
    #[error("anonymous-storage-FURL is malformed")]
    BadFurl,
    /// No NURL can be used; this is wrong with the first.
    #[error("none of anonymous-storage-NURLs can be used: {reason}")]
    BadNurls {
        /// What is wrong with it, without its secret.
        reason: String,
    },
    /// The seed isn't base32.
    #[error("permutation-seed-base32 is malformed")]
    BadPermutationSeed,
    /// The server id looks like a key but isn't base32.
    #[error("the server id is malformed")]
    BadServerId,
}

/// A server: its id and its announcement, or why that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its name on the grid.
    pub id: ServerId,
    /// What it announces.
    pub announcement: Result<Announcement, AnnouncementError>,
    /// Another way than tahoe.cfg's to connect to it, if its owner wrote one down.
    pub connections: ConnectionOverrides,
}

/// `servers.yaml` as a whole can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServersFileError {
    /// It can't be read.
    #[error("could not read {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is too large to be one.
    #[error("{} is larger than {MAX_FILE_SIZE} bytes", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It isn't YAML, or not a mapping of servers.
    #[error("{} isn't a list of servers (storage: {{SERVER-ID: {{ann: …}}}})", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_yaml_ng::Error,
    },
}

#[derive(Deserialize, Default)]
struct ServersFile {
    #[serde(default)]
    storage: Option<BTreeMap<String, serde_yaml_ng::Value>>,
}

#[derive(Deserialize)]
struct RawEntry {
    ann: RawAnnouncement,
    #[serde(default)]
    connections: Option<ConnectionOverrides>,
}

/// The keys of an announcement that matter here; all others are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawAnnouncement {
    #[serde(default)]
    nickname: Option<String>,
    #[serde(rename = "anonymous-storage-FURL", default)]
    furl: Option<String>,
    #[serde(rename = "anonymous-storage-NURLs", default)]
    nurls: Option<Vec<String>>,
    #[serde(default)]
    permutation_seed_base32: Option<String>,
    #[serde(default)]
    my_version: Option<String>,
    #[serde(default)]
    grid_manager_certificates: Vec<serde_json::Value>,
}

impl ServerEntry {
    /// Reads `private/servers.yaml`; no file means no servers. Servers come in the order of their
    /// ids.
    pub fn read_servers_yaml(path: &Path) -> Result<Vec<Self>, ServersFileError> {
        let io = |source| ServersFileError::Io {
            path: path.to_owned(),
            source,
        };
        let size = match std::fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        if size > MAX_FILE_SIZE {
            return Err(ServersFileError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        Self::parse_servers_yaml(&text).map_err(|source| ServersFileError::Malformed {
            path: path.to_owned(),
            source,
        })
    }

    /// Takes what a server announced.
    pub fn announced(id: &ServerId, announcement: &tahoe_introducer::Announcement) -> Self {
        let raw = RawAnnouncement::deserialize(announcement.fields()).map_err(malformed);
        Self {
            id: id.clone(),
            announcement: raw.and_then(|raw| Announcement::from_raw(id, raw)),
            connections: ConnectionOverrides::default(),
        }
    }

    /// Reads the text of a `servers.yaml`.
    pub fn parse_servers_yaml(text: &str) -> Result<Vec<Self>, serde_yaml_ng::Error> {
        let file: Option<ServersFile> = serde_yaml_ng::from_str(text)?;
        let servers = file.unwrap_or_default().storage.unwrap_or_default();
        let entry = |(id, value)| Self::from_yaml(ServerId::new(id), value);
        Ok(servers.into_iter().map(entry).collect())
    }

    fn from_yaml(id: ServerId, value: serde_yaml_ng::Value) -> Self {
        match serde_yaml_ng::from_value::<RawEntry>(value) {
            Ok(entry) => Self {
                announcement: Announcement::from_raw(&id, entry.ann),
                connections: entry.connections.unwrap_or_default(),
                id,
            },
            Err(error) => Self {
                id,
                announcement: Err(malformed(error)),
                connections: ConnectionOverrides::default(),
            },
        }
    }
}

impl Announcement {
    fn from_raw(id: &ServerId, raw: RawAnnouncement) -> Result<Self, AnnouncementError> {
        let furl = raw.furl.ok_or(AnnouncementError::NoFurl)?;
        let reachable = foolscap_way(&furl);
        let nurls = match usable_nurls(&raw.nurls.unwrap_or_default()) {
            // There is another way to it.
            Err(AnnouncementError::BadNurls { .. }) if reachable.is_some() => Vec::new(),
            nurls => nurls?,
        };
        Ok(Self {
            nickname: raw.nickname.unwrap_or_default(),
            permutation_seed: permutation_seed(id, raw.permutation_seed_base32.as_deref())?,
            tub_id: tub_id_of_furl(&furl).ok_or(AnnouncementError::BadFurl)?,
            nurls,
            furl: reachable,
            announced_version: raw.my_version,
            certificates: well_formed(&raw.grid_manager_certificates),
        })
    }
}

fn malformed(error: impl std::fmt::Display) -> AnnouncementError {
    let reason = error.to_string();
    AnnouncementError::Malformed { reason }
}

fn well_formed(certificates: &[serde_json::Value]) -> Vec<SignedCertificate> {
    let certificates = certificates.iter().take(MAX_CERTIFICATES);
    certificates
        .filter_map(|certificate| SignedCertificate::from_json(certificate).ok())
        .collect()
}

/// The NURLs that we can read: the others may be for newer clients.
fn usable_nurls(texts: &[String]) -> Result<Vec<Nurl>, AnnouncementError> {
    let read = |text: &String| text.parse::<Nurl>().map_err(|error| error.to_string());
    let (usable, unusable): (Vec<_>, Vec<_>) = texts.iter().map(read).partition(Result::is_ok);
    match unusable.into_iter().find_map(Result::err) {
        Some(reason) if usable.is_empty() => Err(AnnouncementError::BadNurls { reason }),
        _ => Ok(usable.into_iter().filter_map(Result::ok).collect()),
    }
}

/// The FURL, if it says where the server is.
fn foolscap_way(furl: &str) -> Option<Furl> {
    let (tub_id, rest) = furl.trim().strip_prefix("pb://")?.split_once('@')?;
    let furl = format!("pb://{}@{rest}", tub_id.to_ascii_lowercase());
    let furl = Furl::parse(&furl).ok()?;
    (!furl.hints.is_empty()).then_some(furl)
}

/// The tub id between `pb://` and `@`; Python reads it in either case.
fn tub_id_of_furl(furl: &str) -> Option<TubId> {
    let (tub_id, _) = furl.strip_prefix("pb://")?.split_once('@')?;
    tub_id.to_ascii_lowercase().parse().ok()
}

/// The announced seed, else the one that follows from the server's id.
fn permutation_seed(
    id: &ServerId,
    announced: Option<&str>,
) -> Result<PermutationSeed, AnnouncementError> {
    let seed = match announced {
        Some(text) => base32::decode(text).map_err(|_| AnnouncementError::BadPermutationSeed)?,
        None => id
            .default_permutation_seed()
            .map_err(|_| AnnouncementError::BadServerId)?,
    };
    Ok(PermutationSeed(seed))
}

#[cfg(test)]
mod tests;
