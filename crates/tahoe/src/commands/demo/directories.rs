//! The node directories of a demo grid: made once, found again, and moved to other ports if
//! something else has taken theirs.

use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use tahoe_node::config::{Endpoint, Settings, TubAddress};
use tahoe_node::{
    DirectoryError, Furl, Listen, NewNode, NewService, NodeDirectory, Privacy, RunningError,
    RunningProcess,
};

/// How many storage servers there are.
pub(super) const SERVERS: usize = 5;
/// How many shares give a file back.
const SHARES_NEEDED: u64 = 3;
/// With one server down, files can still be stored, and survive the loss of another.
const SHARES_HAPPY: u64 = 4;

/// The node directories of a grid, ready to run.
pub(super) struct Directories {
    /// The introducer and where it listens.
    pub(super) introducer: (NodeDirectory, u16),
    /// Storage servers and where they listen.
    pub(super) servers: Vec<(NodeDirectory, u16)>,
    /// The gateway and where its web page is.
    pub(super) gateway: (NodeDirectory, u16),
    /// Whether the grid was made just now.
    pub(super) is_new: bool,
}

impl Directories {
    /// Makes the grid, or finds the one that is there.
    pub(super) fn prepare(path: &Path) -> Result<Self> {
        let is_new = !path.join("gateway").exists();
        if is_new {
            refuse_foreign(path)?;
            std::fs::create_dir_all(path).map_err(|error| {
                CommandError::failed(format!("cannot create {}: {error}", quoted_path(path)))
            })?;
        }
        let mut ports = Ports::default();
        let mut prepare = |name: &str, role| prepare_node(path.join(name), name, role, &mut ports);
        let introducer = prepare("introducer", Role::Introducer)?;
        let server = |number| prepare(&format!("server{number}"), Role::Server);
        let servers: Vec<_> = (1..=SERVERS).map(server).collect::<Result<_>>()?;
        let gateway = prepare("gateway", Role::Gateway)?;
        let furl = furl_of(&introducer).map_err(|error| failed(&error))?;
        for (node, _) in servers.iter().chain([&gateway]) {
            node.use_introducer(&furl).map_err(|error| failed(&error))?;
        }
        forget_listed_servers(&gateway.0)?;
        Ok(Self {
            introducer,
            servers,
            gateway,
            is_new,
        })
    }
}

/// Gives the gateway the shared drive that the introducer keeps, which must run. The introducer of a
/// grid that an older version made keeps none.
pub(super) fn share_drive(introducer: &NodeDirectory, gateway: &NodeDirectory) -> Result {
    const FILE: &str = "vdrive.furl";
    match introducer.read(FILE).map_err(|error| failed(&error))? {
        Some(furl) => gateway
            .write_secret(FILE, &format!("{furl}\n"))
            .map_err(|error| failed(&error)),
        None => Ok(()),
    }
}

fn failed(error: &dyn std::error::Error) -> CommandError {
    CommandError::caused_by(error)
}

/// Makes sure that a directory which isn't a demo's is empty.
fn refuse_foreign(path: &Path) -> Result {
    let is_foreign = |entry: std::io::Result<std::fs::DirEntry>| {
        // What an interrupted start left.
        !entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name == "introducer" || name.starts_with("server")
        })
    };
    let has_foreign = std::fs::read_dir(path).is_ok_and(|mut entries| entries.any(is_foreign));
    if !has_foreign {
        return Ok(());
    }
    let path = quoted_path(path);
    let message = format!("{path} is not empty, and not a grid that `tahoe demo` made");
    Err(CommandError::failed(message).hint("Name another directory with --dir."))
}

/// What a node of the grid is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Introducer,
    Server,
    Gateway,
}

/// The introducer's FURL; keys are made if there are none.
fn furl_of((introducer, port): &(NodeDirectory, u16)) -> std::result::Result<Furl, DirectoryError> {
    introducer.create_private()?;
    let tub_id = introducer.tub_certificate()?.tub_id();
    introducer.introducer_furl(tub_id, &[format!("tcp:127.0.0.1:{port}")])
}

/// Removes the list of servers that demos of before there were introducers had.
fn forget_listed_servers(gateway: &NodeDirectory) -> Result {
    let list = gateway.private_file("servers.yaml");
    match std::fs::remove_file(&list) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let list = quoted_path(&list);
            Err(CommandError::failed(format!(
                "cannot remove {list}: {error}"
            )))
        }
        _ => Ok(()),
    }
}

/// Makes or finds a node; returns it and its port.
fn prepare_node(
    path: PathBuf,
    name: &str,
    role: Role,
    ports: &mut Ports,
) -> Result<(NodeDirectory, u16)> {
    let directory = NodeDirectory::new(&path);
    let is_there =
        directory.path().is_dir() && directory.kind().map_err(|error| failed(&error))?.is_some();
    if !is_there {
        create_node(&path, name, role, ports.free()?)?;
    }
    refuse_running(&directory)?;
    let settings = match role {
        Role::Introducer => Settings::load_service(&path),
        Role::Server | Role::Gateway => Settings::load(&path),
    };
    let settings = settings.map_err(|error| failed(&error))?;
    let port = match role {
        Role::Introducer | Role::Server => tub_port(&settings),
        Role::Gateway => settings.node.web_port.as_ref().and_then(tcp_port),
    };
    let port = port.ok_or_else(|| {
        let path = quoted_path(&path);
        CommandError::failed(format!("the node in {path} listens on no TCP port"))
    })?;
    if !is_there || ports.hold(port).is_ok() {
        return Ok((directory, port));
    }
    let free = ports.free()?;
    move_to_port(&directory, port, free)?;
    Ok((directory, free))
}

fn create_node(path: &Path, name: &str, role: Role, port: u16) -> Result {
    let endpoint = format!("tcp:{port}:interface=127.0.0.1");
    let listen = Listen::Explicit {
        port: endpoint.clone(),
        location: format!("tcp:127.0.0.1:{port}"),
    };
    let (web_port, listen) = match role {
        Role::Gateway => (endpoint, Listen::Nowhere),
        Role::Introducer | Role::Server => (String::new(), listen),
    };
    let node = NewNode {
        nickname: name.to_owned(),
        introducer: None,
        web_port,
        listen,
        shares_needed: SHARES_NEEDED,
        shares_happy: SHARES_HAPPY,
        shares_total: SERVERS as u64,
        storage: role == Role::Server,
        storage_directory: None,
        helper: false,
        privacy: Privacy::Open,
    };
    let created = match role {
        Role::Introducer => NewService {
            listen: node.listen,
            introducer: true,
            vdrive: true,
            privacy: node.privacy,
        }
        .create(path),
        Role::Server | Role::Gateway => node.create(path),
    };
    created.map_err(|error| {
        let path = quoted_path(path);
        CommandError::failed(format!("{path}: {}", crate::error::chain(&error)))
    })
}

/// The ports of one grid, taken until all its nodes have theirs, so that no two get the same.
#[derive(Default)]
struct Ports {
    taken: Vec<TcpListener>,
}

impl Ports {
    /// A port that nobody uses.
    fn free(&mut self) -> Result<u16> {
        let found = self.hold(0);
        found.map_err(|error| CommandError::failed(format!("cannot find a free port: {error}")))
    }

    /// Takes a port, or any if it is 0; fails if somebody has it.
    fn hold(&mut self, port: u16) -> std::io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        self.taken.push(listener);
        Ok(port)
    }
}

fn refuse_running(directory: &NodeDirectory) -> Result {
    match RunningProcess::claim(directory) {
        Ok(claimed) => claimed.release().map_err(|error| failed(&error)),
        Err(RunningError::InTheWay(pid)) => {
            let path = quoted_path(directory.path());
            let message = format!("the node in {path} runs already, as process {pid}");
            Err(CommandError::failed(message)
                .hint("Stop the other demo, or name another directory with --dir."))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn tub_port(settings: &Settings) -> Option<u16> {
    match &settings.node.tub {
        TubAddress::Listening {
            ports: Some(ports), ..
        } => ports.first().and_then(tcp_port),
        _ => None,
    }
}

fn tcp_port(endpoint: &Endpoint) -> Option<u16> {
    match endpoint {
        Endpoint::Tcp(tcp) => Some(tcp.port),
        _ => None,
    }
}

/// Rewrites the lines of tahoe.cfg that name a port.
fn move_to_port(directory: &NodeDirectory, old: u16, new: u16) -> Result {
    let text = directory
        .read("tahoe.cfg")
        .map_err(|error| failed(&error))?;
    let names_port = |line: &&str| {
        let option = line.split('=').next().unwrap_or_default().trim();
        matches!(option, "tub.port" | "tub.location" | "web.port")
    };
    let moved = |line: &str| match names_port(&line) {
        true => line.replace(&format!(":{old}"), &format!(":{new}")),
        false => line.to_owned(),
    };
    let text = text.unwrap_or_default();
    let lines: Vec<String> = text.lines().map(moved).collect();
    let written = directory.write("tahoe.cfg", &(lines.join("\n") + "\n"));
    written.map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_made_once_and_moves_if_a_port_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        let first = Directories::prepare(&path).unwrap();
        assert!(first.is_new);
        let taken = [first.servers[2].1, first.introducer.1]
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        let second = Directories::prepare(&path).unwrap();
        assert!(!second.is_new);
        assert_eq!(second.gateway.1, first.gateway.1);
        assert_eq!(second.servers[0].1, first.servers[0].1);
        for (taken, moved) in taken.iter().zip([second.servers[2].1, second.introducer.1]) {
            assert_ne!(moved, taken.local_addr().unwrap().port());
        }
        let furl = std::fs::read_to_string(path.join("introducer/private/introducer.furl"));
        let furl = furl.unwrap();
        assert!(furl.contains(&format!("@tcp:127.0.0.1:{}/", second.introducer.1)));
        for (node, _) in second.servers.iter().chain([&second.gateway]) {
            let known = node.read("private/introducers.yaml").unwrap().unwrap();
            assert!(known.contains(furl.trim()), "{known}");
        }
    }

    #[test]
    fn other_directories_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis"), "").unwrap();
        assert!(Directories::prepare(folder.path()).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_grid_that_runs_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        let grid = Directories::prepare(&path).unwrap();
        let running = RunningProcess::claim(&grid.gateway.0).unwrap();
        let error = Directories::prepare(&path).map(drop).unwrap_err();
        let expected = format!("runs already, as process {}", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");
        running.release().unwrap();
        assert!(Directories::prepare(&path).is_ok());
    }
}
