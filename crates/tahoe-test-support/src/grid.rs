//! A temporary grid of nodes.

use crate::{Node, Program, ServerEntry};
use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

/// How much of a node's log is shown when a test fails.
const SHOWN_LOG_LINES: usize = 30;

/// What gateways with shared secrets have in their files: 32 bytes in base32 each.
const CONVERGENCE_SECRET: &str = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydcmrtgq2q\n";
const LEASE_SECRET: &str = "gezdgnbvgy3tqojqmfrggzdfmztwq2lknnwg23tpobyxe43uov3a\n";

/// How a gateway encodes: k, happy and N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// k: how many shares suffice.
    pub needed: u16,
    /// How many servers must hold different shares.
    pub happy: u16,
    /// N: how many shares are made.
    pub total: u16,
}

/// Storage servers and gateways in a temporary directory; dropping it kills them and deletes it.
#[derive(Debug)]
pub struct Grid {
    /// `server0`, `server1` and so on.
    pub servers: Vec<Node>,
    /// `gateway0`, `gateway1` and so on.
    pub gateways: Vec<Node>,
    // Last, so that the nodes are dead before their directories are deleted.
    directory: tempfile::TempDir,
}

impl Grid {
    /// Creates and starts one storage server per program in `servers`, then one gateway per program
    /// in `gateways`, and waits until each gateway is connected to all servers.
    pub fn start(servers: &[&Program], gateways: &[&Program], encoding: Encoding) -> Self {
        let mut grid = Self::create(servers, gateways, encoding);
        grid.start_servers();
        grid.start_gateways();
        grid
    }

    /// Creates the nodes without starting any.
    pub fn create(servers: &[&Program], gateways: &[&Program], encoding: Encoding) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("tahoe-test-")
            .tempdir()
            .expect("a temporary directory");
        let folder = directory.path();
        let options = [
            format!("--shares-needed={}", encoding.needed),
            format!("--shares-happy={}", encoding.happy),
            format!("--shares-total={}", encoding.total),
        ];
        let options = options.each_ref().map(String::as_str);
        let options = &options;
        let (servers, gateways) = std::thread::scope(|scope| {
            let server = |(index, program)| {
                let directory = folder.join(format!("server{index}"));
                scope.spawn(move || Node::create_server(program, &directory))
            };
            let gateway = |(index, program)| {
                let directory = folder.join(format!("gateway{index}"));
                scope.spawn(move || Node::create_gateway(program, &directory, options))
            };
            let servers: Vec<_> = servers.iter().copied().enumerate().map(server).collect();
            let gateways: Vec<_> = gateways.iter().copied().enumerate().map(gateway).collect();
            let join = |threads: Vec<std::thread::ScopedJoinHandle<'_, Node>>| -> Vec<Node> {
                let join = |thread: std::thread::ScopedJoinHandle<'_, Node>| {
                    thread.join().expect("the node was created")
                };
                threads.into_iter().map(join).collect()
            };
            (join(servers), join(gateways))
        });
        Self {
            servers,
            gateways,
            directory,
        }
    }

    /// Lets servers and gateways speak Foolscap and no HTTPS, once they are started.
    pub fn force_foolscap(&self) {
        for server in &self.servers {
            server.set("storage", "force_foolscap", "true");
        }
        for gateway in &self.gateways {
            gateway.set("client", "force_foolscap", "true");
        }
    }

    /// Starts all servers and waits until they serve.
    pub fn start_servers(&mut self) {
        start_all(&mut self.servers);
    }

    /// Tells the gateways of all servers, starts them and waits until they are connected.
    pub fn start_gateways(&mut self) {
        let entries = self.entries();
        for gateway in &self.gateways {
            write_servers(gateway, &entries);
        }
        start_all(&mut self.gateways);
        self.wait_until_connected();
    }

    /// Waits until each gateway is connected to all servers, as they were last started.
    pub fn wait_until_connected(&self) {
        let starts = self.servers.iter().filter_map(Node::up_since);
        let since = starts.max().unwrap_or(SystemTime::UNIX_EPOCH);
        for gateway in &self.gateways {
            gateway.wait_for_answers(self.servers.len(), since);
        }
    }

    /// The servers' entries for `servers.yaml`.
    pub fn entries(&self) -> Vec<ServerEntry> {
        self.servers.iter().map(Node::server_entry).collect()
    }

    /// The folder that holds all nodes.
    pub fn folder(&self) -> &Path {
        self.directory.path()
    }

    /// A gateway by number.
    pub fn gateway(&self, index: usize) -> &Node {
        &self.gateways[index]
    }

    /// Which server holds which share: (server number, storage index, share number), in order.
    pub fn placement(&self) -> Vec<(usize, String, u8)> {
        let of = |(index, server): (usize, &Node)| {
            let shares = server.shares().into_iter();
            shares
                .map(|share| (index, share.storage_index, share.share_number))
                .collect::<Vec<_>>()
        };
        self.servers.iter().enumerate().flat_map(of).collect()
    }

    /// Gives all gateways the same secrets, so that they encrypt and lease alike; they read
    /// them when they start.
    pub fn share_secrets(&self) {
        for gateway in &self.gateways {
            gateway.write_file("private/convergence", CONVERGENCE_SECRET);
            gateway.write_file("private/secret", LEASE_SECRET);
        }
    }

    /// Stops all gateways, gives them another encoding and starts them again.
    pub fn set_encoding(&mut self, encoding: Encoding) {
        for gateway in &mut self.gateways {
            if gateway.is_running() {
                gateway.stop();
            }
            gateway.set_encoding(encoding);
        }
        self.start_gateways();
    }

    /// Deletes the shares of all servers.
    pub fn delete_shares(&self) {
        for server in &self.servers {
            server.delete_shares();
        }
    }
}

/// Tells a client which storage servers there are; it reads that when it starts.
pub fn write_servers(client: &Node, entries: &[ServerEntry]) {
    let mut text = String::from(if entries.is_empty() {
        "storage: {}\n"
    } else {
        "storage:\n"
    });
    for entry in entries {
        text.push_str(&entry.to_yaml());
    }
    client.write_file("private/servers.yaml", text);
}

fn start_all(nodes: &mut [Node]) {
    for node in nodes.iter_mut() {
        node.spawn();
    }
    for node in nodes {
        node.wait_until_up();
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut logs = String::new();
        for node in self.servers.iter().chain(&self.gateways) {
            let log = node.log();
            // Python announces every connection it makes.
            let told = |line: &&str| !line.contains("ClientFactory");
            let lines: Vec<&str> = log.lines().filter(told).collect();
            let start = lines.len().saturating_sub(SHOWN_LOG_LINES);
            let name = node.directory().display();
            writeln!(logs, "--- {name} ({})", node.program().name()).ok();
            for line in &lines[start..] {
                writeln!(logs, "{line}").ok();
            }
        }
        #[expect(
            clippy::print_stderr,
            reason = "the test harness shows it with the failure"
        )]
        {
            eprintln!("{logs}");
        }
    }
}
