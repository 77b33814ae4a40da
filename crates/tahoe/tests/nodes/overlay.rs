//! A gateway that hides its address behind a SOCKS proxy, as behind Tor's.

use crate::{ours, python};
use tahoe_test_support::{Node, SocksProxy, sample, wait_until};

const SHARES: [&str; 3] = ["--shares-needed=1", "--shares-happy=2", "--shares-total=2"];
const HIDDEN: [(&str, &str, &str); 2] = [
    ("node", "reveal-IP-address", "false"),
    ("connections", "tcp", "tor"),
];

/// An introducer of ours and a server of each program, which know nothing of the proxy.
struct Grid {
    introducer: Node,
    servers: Vec<Node>,
    folder: tempfile::TempDir,
}

impl Grid {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut introducer = Node::create_introducer(&ours(), &folder.path().join("introducer"));
        introducer.start();
        let grid = Self {
            introducer,
            servers: Vec::new(),
            folder,
        };
        let server = |(name, program)| {
            let mut node = Node::create_server(&program, &grid.folder.path().join(name));
            grid.introduce(&node, "");
            node.start();
            node
        };
        let servers = [("ours", ours()), ("python", python())];
        Self {
            servers: servers.map(server).into(),
            ..grid
        }
    }

    fn introduce(&self, node: &Node, more: &str) {
        let furl = self.introducer.introducer_furl();
        std::fs::create_dir_all(node.directory().join("private")).unwrap();
        let yaml = format!("introducers:\n  one:\n    furl: {furl}\n{more}");
        node.write_file("private/introducers.yaml", yaml);
    }

    fn gateway(&self, name: &str, proxy: &SocksProxy, options: &[&str]) -> Node {
        let options = [&SHARES[..], options].concat();
        let node = Node::create_gateway(&ours(), &self.folder.path().join(name), &options);
        let port = format!("tcp:127.0.0.1:{}", proxy.port());
        node.set("tor", "socks.port", &port);
        node
    }
}

fn status(node: &Node) -> serde_json::Value {
    node.request("GET", "/?t=json", b"").json()
}

/// What the connected servers are spoken to in.
fn protocols(node: &Node) -> Vec<String> {
    let servers = status(node)["servers"].as_array().unwrap().clone();
    let connected = servers.iter().filter(|server| server["connected"] == true);
    connected
        .map(|server| server["protocol"].as_str().unwrap().to_owned())
        .collect()
}

/// Of all that a gateway is connected to, the handlers that led there.
fn handlers(node: &Node) -> Vec<String> {
    let status = status(node);
    let introducers = status["introducers"]["connections"].as_array().unwrap();
    let servers = status["servers"].as_array().unwrap();
    let connected = introducers.iter().chain(servers);
    let connected = connected.filter(|peer| peer["connected"] == true);
    connected
        .map(|peer| peer["handler"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn everything_goes_through_the_proxy() {
    let grid = Grid::start();
    let proxy = SocksProxy::start();
    let mut gateway = grid.gateway("gateway", &proxy, &["--hide-ip"]);
    let tahoe_cfg = std::fs::read_to_string(gateway.directory().join("tahoe.cfg")).unwrap();
    for (_, option, value) in HIDDEN {
        let line = format!("{option} = {value}\n");
        assert!(tahoe_cfg.contains(&line), "{line} in {tahoe_cfg}");
    }
    grid.introduce(&gateway, "");
    gateway.start();
    gateway.wait_for_servers(2);
    let contents = sample(1, 1 << 20);
    let capability = gateway.put(&contents);
    assert!(gateway.get(&capability) == contents);
    wait_until("all are connected", || handlers(&gateway).len() == 3);
    assert_eq!(handlers(&gateway), ["tor", "tor", "tor"]);
    assert_eq!(protocols(&gateway), ["HTTPS", "HTTPS"]);

    // The proxy was asked for each of them, by its address.
    let mut asked = proxy.targets();
    asked.sort();
    asked.dedup();
    let place = |node: &Node| {
        let furl = match std::fs::read_to_string(node.directory().join("private/storage.furl")) {
            Ok(furl) => furl,
            Err(_) => node.introducer_furl(),
        };
        let (_, rest) = furl.split_once("@tcp:").unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    };
    let nodes = grid.servers.iter().chain([&grid.introducer]);
    let mut expected: Vec<_> = nodes.map(place).collect();
    expected.sort();
    assert_eq!(asked, expected);

    // Without it nothing is left, though everything could be reached directly.
    proxy.stop();
    wait_until("all are gone", || handlers(&gateway).is_empty());
}

/// `connections:` of single servers and introducers comes before tahoe.cfg.
#[test]
fn the_way_to_each_peer_can_be_chosen() {
    let grid = Grid::start();
    let proxy = SocksProxy::start();
    let mut gateway = grid.gateway("gateway", &proxy, &[]);
    gateway.set("connections", "tcp", "disabled");
    grid.introduce(&gateway, "    connections:\n      tcp: tor\n");
    let entry = |(server, connections): (&Node, &str)| {
        let entry = server.server_entry();
        format!(
            "  {}:\n    connections: {connections}\n    ann:\n      nickname: it\n      \
             anonymous-storage-FURL: {}\n      anonymous-storage-NURLs:\n        - {}\n",
            entry.server_id,
            entry.furl,
            entry.nurl()
        )
    };
    let connections = ["{tcp: tor}", "{tcp: tcp}"];
    let entries: String = grid.servers.iter().zip(connections).map(entry).collect();
    gateway.write_file("private/servers.yaml", format!("storage:\n{entries}"));
    gateway.start();
    gateway.wait_for_servers(2);
    wait_until("all are connected", || handlers(&gateway).len() == 3);
    let mut used = handlers(&gateway);
    used.sort();
    assert_eq!(used, ["tcp", "tor", "tor"]);
    assert_eq!(protocols(&gateway), ["HTTPS", "HTTPS"]);
    let contents = sample(1, 100_000);
    let capability = gateway.put(&contents);
    assert!(gateway.get(&capability) == contents);

    // Who hides the address gets no direct way, whatever stands there.
    gateway.stop();
    for (section, option, value) in HIDDEN {
        gateway.set(section, option, value);
    }
    gateway.start();
    wait_until("the others are connected", || handlers(&gateway).len() == 2);
    assert_eq!(handlers(&gateway), ["tor", "tor"]);
    let servers = status(&gateway)["servers"].as_array().unwrap().clone();
    let left_out = servers.iter().find(|server| server["connected"] == false);
    let problem = left_out.unwrap()["problem"].to_string();
    assert!(problem.contains("no handler registered"), "{problem}");
}

/// Servers that say of themselves only where their onion service is, one of each program.
#[test]
fn onion_services_are_reached_over_https() {
    let grid = Grid::start();
    let proxy = SocksProxy::start();
    let mut gateway = grid.gateway("gateway", &proxy, &[]);
    grid.introduce(&gateway, "");
    let Grid { servers, .. } = grid;
    let mut onions = Vec::new();
    let servers: Vec<Node> = servers
        .into_iter()
        .zip('a'..)
        .map(|(mut server, letter)| {
            let host = letter.to_string().repeat(56);
            let onion = format!("{host}.onion:3457");
            server.stop();
            proxy.lead(&onion, &format!("127.0.0.1:{}", server.storage_port()));
            server.set("node", "tub.location", &format!("tor:{onion}"));
            server.start();
            onions.push(onion);
            server
        })
        .collect();
    gateway.start();
    gateway.wait_for_servers(2);
    assert_eq!(protocols(&gateway), ["HTTPS", "HTTPS"]);
    let shown = status(&gateway)["servers"].as_array().unwrap().clone();
    let hints = shown.iter().map(|server| server["hint"].as_str().unwrap());
    let mut hints: Vec<_> = hints.map(str::to_owned).collect();
    hints.sort();
    assert_eq!(
        hints,
        onions
            .iter()
            .map(|o| format!("tor:{o}"))
            .collect::<Vec<_>>()
    );
    let contents = sample(1, 1 << 20);
    let capability = gateway.put(&contents);
    assert!(gateway.get(&capability) == contents);
    let targets = proxy.targets();
    assert!(
        onions.iter().all(|onion| targets.contains(onion)),
        "{targets:?}"
    );
    assert!(servers.iter().all(|server| !server.shares().is_empty()));

    // Where Tor isn't used, nobody looks for them.
    gateway.stop();
    gateway.set("tor", "enabled", "false");
    gateway.start();
    let asked = proxy.targets().len();
    let problems = || {
        let servers = status(&gateway)["servers"].as_array().unwrap().clone();
        let problems = servers
            .iter()
            .filter_map(|server| server["problem"].as_str());
        problems.map(str::to_owned).collect::<Vec<_>>()
    };
    wait_until("both are of no use", || problems().len() == 2);
    assert!(
        problems()
            .iter()
            .all(|p| p.contains("no handler registered")),
        "{:?}",
        problems()
    );
    assert_eq!(proxy.targets().len(), asked);
}
