//! A shared drive and what its clients need.

use crate::{Node, Program, wait_until, write_servers};
use std::fs::read_to_string;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How gateways encode before a single server.
const SHARES: [&str; 3] = ["--shares-needed=1", "--shares-happy=1", "--shares-total=1"];

/// A vdrive server by itself and a storage server in a temporary directory, which is deleted with it:
/// gateways that are made in it must be dropped before.
#[derive(Debug)]
pub struct DriveGrid {
    /// What keeps the drive.
    pub vdrive: Node,
    /// What keeps the files.
    pub server: Node,
    // Last, so that the nodes are dead before their directories are deleted.
    directory: tempfile::TempDir,
}

impl DriveGrid {
    /// Creates and starts both servers.
    pub fn start(program: &Program) -> Self {
        let mut grid = Self::create(program);
        grid.vdrive.start();
        grid
    }

    /// Creates both servers, and starts the storage server.
    pub fn create(program: &Program) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let mut server = Node::create_server(program, &at("server"));
        server.start();
        Self {
            vdrive: Node::create_service(program, &at("vdrive"), &["create-vdrive"]),
            server,
            directory,
        }
    }

    /// The folder that holds all nodes.
    pub fn folder(&self) -> &Path {
        self.directory.path()
    }

    /// Creates and starts a gateway that may change the drive, at `/vdrive/`.
    pub fn writer(&self, name: &str) -> Node {
        self.writer_with(name, &handed_out(&self.vdrive, "vdrive.furl"))
    }

    /// The same with another FURL of the drive.
    pub fn writer_with(&self, name: &str, furl: &str) -> Node {
        let mut node = self.gateway(name);
        node.set("client", "vdrive.furl", furl);
        self.start_client(&mut node, "/vdrive/");
        node
    }

    /// Creates and starts a gateway that may only read the drive, and calls it `drive`.
    pub fn reader(&self, name: &str, drive: &str) -> Node {
        let mut node = self.gateway(name);
        let furl = handed_out(&self.vdrive, "vdrive-readonly.furl");
        let list = format!("vdrives:\n  {drive}:\n    furl: '{furl}'\n");
        node.write_file("private/vdrives.yaml", list);
        self.start_client(&mut node, &format!("/vdrives/{drive}/"));
        node
    }

    fn gateway(&self, name: &str) -> Node {
        let directory = self.folder().join(name);
        let node = Node::create_gateway(self.server.program(), &directory, &SHARES);
        write_servers(&node, &[self.server.server_entry()]);
        node
    }

    fn start_client(&self, node: &mut Node, drive: &str) {
        node.start();
        node.wait_for_servers(1);
        wait_for_drive(node, drive);
    }
}

/// Waits until a gateway is connected to the server of a drive, which is at this path.
pub fn wait_for_drive(node: &Node, path: &str) {
    let what = format!("{} is connected to {path}", node.directory().display());
    // The page would say that it isn't.
    let listing = format!("{path}?t=json");
    wait_until(&what, || node.request("GET", &listing, b"").status == 200);
}

/// Reads a secret that a running node has written for others.
///
/// # Panics
/// If others than its owner may read it, too.
pub fn handed_out(node: &Node, name: &str) -> String {
    let path = node.directory().join(name);
    let read = || {
        let mode = path.metadata()?.permissions().mode();
        Ok::<_, std::io::Error>((mode & 0o777, read_to_string(&path)?))
    };
    let (mode, text) = read().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(mode, 0o600, "{}", path.display());
    text.trim().to_owned()
}
