//! New node directories, as `create-node` and `create-client` make them.

use crate::files::{self, Readers};
use crate::introducers::introducers_yaml;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// What a new node shall be.
#[derive(Clone)]
pub struct NewNode {
    /// What its owner calls it; may be empty.
    pub nickname: String,
    /// FURL of an introducer for `private/introducers.yaml`.
    pub introducer: Option<String>,
    /// Endpoint of the web server; empty for none.
    pub web_port: String,
    /// Where the storage protocol listens.
    pub listen: Listen,
    /// How many shares suffice for new files (k).
    pub shares_needed: u64,
    /// On how many servers new files must be.
    pub shares_happy: u64,
    /// How many shares new files have (N).
    pub shares_total: u64,
    /// Whether it is a storage server.
    pub storage: bool,
    /// Where it keeps shares, if not in its own directory.
    pub storage_directory: Option<String>,
    /// Whether it uploads for others.
    pub helper: bool,
    /// Whether others may learn the machine's address.
    pub privacy: Privacy,
}

/// What a new node shall be that serves a grid's nodes and isn't a client.
#[derive(Debug, Clone)]
pub struct NewService {
    /// Where it listens.
    pub listen: Listen,
    /// Whether it is an introducer.
    pub introducer: bool,
    /// Whether it keeps a shared drive.
    pub vdrive: bool,
    /// Whether others may learn the machine's address.
    pub privacy: Privacy,
}

/// Whether others may learn the address of a new node's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privacy {
    /// They may.
    #[default]
    Open,
    /// The node connects through Tor only, and doesn't start with a setting that would tell.
    HideAddress,
}

/// Where a new node's storage protocol listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Nowhere,
    /// On a free port, under this name.
    Hostname(String),
    /// As told: `tub.port` and `tub.location`.
    Explicit {
        /// An endpoint.
        port: String,
        /// Location hints.
        location: String,
    },
}

/// A node directory can't be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is something in it already.
    #[error("the base directory is not empty")]
    NotEmpty,
    /// A value would become more than one line of tahoe.cfg.
    #[error("the {0} must be a single line")]
    LineBreak(&'static str),
    /// No free port was found.
    #[error("cannot find a free port")]
    NoPort(#[source] io::Error),
    /// A file or directory can't be written.
    #[error("cannot create {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl std::fmt::Debug for NewNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewNode")
            .field("nickname", &self.nickname)
            .field("listen", &self.listen)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl NewNode {
    /// Creates the directory with `tahoe.cfg`, `private` and the file that marks it as a node's.
    ///
    /// The directory may be there if it is empty. Keys are made when the node first runs.
    pub fn create(&self, directory: &Path) -> Result<(), CreateError> {
        let (port, location) = self.listen.addresses()?;
        let tahoe_cfg = self.tahoe_cfg(&port, &location)?;
        claim(directory)?;
        let private = directory.join("private");
        files::create_private_directory(&private).map_err(|source| at(&private, source))?;
        if let Some(introducer) = &self.introducer {
            let path = private.join("introducers.yaml");
            write(&path, &introducers_yaml(introducer), Readers::Owner)?;
        }
        write(&directory.join("tahoe.cfg"), &tahoe_cfg, Readers::Everyone)?;
        // Last: it is what makes the directory a node's.
        write(&directory.join("tahoe-client.tac"), TAC, Readers::Everyone)
    }

    fn tahoe_cfg(&self, port: &str, location: &str) -> Result<String, CreateError> {
        let storage_directory = self.storage_directory.as_deref();
        let storage_directory = storage_directory.map(|d| one_line("storage directory", d));
        let storage_directory = match storage_directory.transpose()? {
            Some(path) => format!("storage_dir = {path}"),
            None => "#storage_dir =".to_owned(),
        };
        let mut text = node_section(
            &self.nickname,
            &self.web_port,
            (port, location),
            self.privacy,
        )?;
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "[client]\n\
             helper.furl =\n\n\
             # How new files are spread: any shares.needed of shares.total shares give the file\n\
             # back, and an upload succeeds if they are on shares.happy servers. A file keeps what\n\
             # it was stored with, so this may be changed at any time.\n\
             shares.needed = {}\n\
             shares.happy = {}\n\
             shares.total = {}\n\n\
             [storage]\n\
             # Whether this node stores shares for others.\n\
             enabled = {}\n\
             #readonly =\n\
             reserved_space = 1G\n\
             {storage_directory}\n\
             #expire.enabled =\n\
             #expire.mode =\n\n\
             [helper]\n\
             # Whether this node uploads on behalf of clients with slow links.\n\
             enabled = {}\n\n",
            self.shares_needed, self.shares_happy, self.shares_total, self.storage, self.helper,
        );
        Ok(text)
    }
}

impl NewService {
    /// Creates the directory, as [`NewNode::create`] does.
    pub fn create(&self, directory: &Path) -> Result<(), CreateError> {
        let (port, location) = self.listen.addresses()?;
        let mut tahoe_cfg = node_section("", "", (&port, &location), self.privacy)?;
        if self.vdrive {
            tahoe_cfg += VDRIVE_SECTION;
        }
        claim(directory)?;
        let private = directory.join("private");
        files::create_private_directory(&private).map_err(|source| at(&private, source))?;
        write(&directory.join("tahoe.cfg"), &tahoe_cfg, Readers::Everyone)?;
        let tac = match self.introducer {
            true => "tahoe-introducer.tac",
            false => "tahoe-vdrive.tac",
        };
        write(&directory.join(tac), TAC, Readers::Everyone)
    }
}

/// The beginning of a tahoe.cfg: what every node has.
fn node_section(
    nickname: &str,
    web_port: &str,
    (port, location): (&str, &str),
    privacy: Privacy,
) -> Result<String, CreateError> {
    let web_port = one_line("web port", web_port)?;
    let nickname = one_line("nickname", nickname)?;
    let port = one_line("port", port)?;
    let location = one_line("location", location)?;
    let (connections, reveal) = match privacy {
        Privacy::Open => ("", true),
        Privacy::HideAddress => ("[connections]\ntcp = tor\n\n", false),
    };
    Ok(format!(
        "{HEADER}\
         {connections}\
         [node]\n\
         nickname = {nickname}\n\
         reveal-IP-address = {reveal}\n\
         web.port = {web_port}\n\
         web.static = public_html\n\
         tub.port = {port}\n\
         tub.location = {location}\n\n\
         #log_gatherer.furl =\n\
         #timeout.keepalive =\n\
         #timeout.disconnect =\n\n"
    ))
}

impl Listen {
    /// The values of `tub.port` and `tub.location`.
    fn addresses(&self) -> Result<(String, String), CreateError> {
        match self {
            Self::Nowhere => Ok(("disabled".to_owned(), "disabled".to_owned())),
            Self::Explicit { port, location } => Ok((port.clone(), location.clone())),
            Self::Hostname(host) => {
                let port = free_port().map_err(CreateError::NoPort)?;
                Ok((format!("tcp:{port}"), format!("tcp:{host}:{port}")))
            }
        }
    }
}

/// A TCP port that is free on every interface now.
pub(crate) fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    Ok(listener.local_addr()?.port())
}

const HEADER: &str = "\
# -*- mode: conf; coding: utf-8 -*-

# The settings of the Tahoe-LAFS node in this directory. They are read when the
# node starts. A percent sign in a value is written twice.

";

const VDRIVE_SECTION: &str = "\
[vdrive]
# Whether this node keeps a shared drive.
enabled = true
# Where its tree of names is. Without this line, in private/vdrive.sqlite.
#database = postgresql://USER:PASSWORD@HOST/DATABASE

";

/// A marker; only its name counts.
const TAC: &str = "\
# Marks this directory as a Tahoe-LAFS node's: run it with `tahoe run`.
raise SystemExit(\"run this node with: tahoe run\")
";

fn at(path: &Path, source: io::Error) -> CreateError {
    let path = path.to_owned();
    CreateError::Io { path, source }
}

fn write(path: &Path, text: &str, readers: Readers) -> Result<(), CreateError> {
    let written = files::write_atomically(path, text.as_bytes(), readers);
    written.map_err(|source| at(path, source))
}

/// Creates the directory, or makes sure that it is an empty one.
fn claim(directory: &Path) -> Result<(), CreateError> {
    match std::fs::create_dir(directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut entries = std::fs::read_dir(directory).map_err(|e| at(directory, e))?;
            match entries.next() {
                None => Ok(()),
                Some(_) => Err(CreateError::NotEmpty),
            }
        }
        Err(source) => Err(at(directory, source)),
    }
}

/// Writes a value as tahoe.cfg needs it: percent signs doubled.
fn one_line(what: &'static str, value: &str) -> Result<String, CreateError> {
    if value.contains(['\n', '\r']) {
        return Err(CreateError::LineBreak(what));
    }
    Ok(value.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Endpoint, LocationHint, Settings, TubAddress};
    use std::os::unix::fs::PermissionsExt as _;

    fn new_node() -> NewNode {
        NewNode {
            nickname: "100% nämlich".to_owned(),
            introducer: Some("pb://a@b/c".to_owned()),
            web_port: "tcp:3456:interface=127.0.0.1".to_owned(),
            listen: Listen::Hostname("example.org".to_owned()),
            shares_needed: 2,
            shares_happy: 3,
            shares_total: 4,
            storage: true,
            storage_directory: Some("/shares".to_owned()),
            helper: false,
            privacy: Privacy::Open,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("node");
        new_node().create(&directory).unwrap();
        let settings = Settings::load(&directory).unwrap();
        assert_eq!(settings.node.nickname, "100% nämlich");
        let TubAddress::Listening {
            ports: Some(ports),
            hints,
        } = &settings.node.tub
        else {
            panic!("it listens")
        };
        let [Endpoint::Tcp(port)] = &ports[..] else {
            panic!("one TCP port")
        };
        let [
            LocationHint::Tcp {
                host, port: told, ..
            },
        ] = &hints[..]
        else {
            panic!("one hint")
        };
        assert_eq!((host.as_str(), *told), ("example.org", port.port));
        let client = &settings.client;
        let shares = (
            client.shares_needed,
            client.shares_happy,
            client.shares_total,
        );
        assert_eq!(shares, (2, 3, 4));
        assert_eq!(settings.storage.directory, Path::new("/shares"));
        assert_eq!(settings.storage.reserved_space_bytes, 1_000_000_000);
        let mode = directory
            .join("private")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(directory.join("tahoe-client.tac").exists());
    }

    #[test]
    fn nothing_is_overwritten() {
        let temporary = tempfile::tempdir().unwrap();
        new_node().create(temporary.path()).unwrap();
        let again = new_node().create(temporary.path());
        assert!(matches!(again, Err(CreateError::NotEmpty)));
        let orphan = new_node().create(&temporary.path().join("a/b"));
        assert!(matches!(orphan, Err(CreateError::Io { .. })));
    }

    #[test]
    fn values_cannot_add_settings() {
        let temporary = tempfile::tempdir().unwrap();
        let node = NewNode {
            nickname: "x\nweb.port = 1".to_owned(),
            ..new_node()
        };
        let created = node.create(&temporary.path().join("node"));
        assert!(matches!(created, Err(CreateError::LineBreak("nickname"))));
        assert!(!temporary.path().join("node").exists());
    }
}
