//! What a node says of its connections is true five seconds after a cable is cut.
//!
//! A frozen process is a cut cable: its system keeps the connection, and nothing comes any more.

use crate::{ours, python};
use std::time::{Duration, Instant};
use tahoe_test_support::{Node, Program, sample, wait_until};

/// How wrong a state may be, for how long.
const BOUND: Duration = Duration::from_secs(5);
/// How much later this test may look: the gateway's own clock keeps the bound, but on a busy machine
/// the gateway and the test wait for the processor too.
const SLACK: Duration = Duration::from_secs(5);

/// An introducer, a server, and our gateway.
struct Grid {
    introducer: Node,
    server: Node,
    gateway: Node,
    _folder: tempfile::TempDir,
}

impl Grid {
    fn start(others: &Program, force_foolscap: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut introducer = Node::create_introducer(others, &at("introducer"));
        introducer.start();
        let furl = introducer.introducer_furl();
        let yaml = format!("introducers:\n  one:\n    furl: {furl}\n");
        let create = |node: &Node| {
            std::fs::create_dir_all(node.directory().join("private")).unwrap();
            node.write_file("private/introducers.yaml", yaml.clone());
        };
        let mut server = Node::create_server(others, &at("server"));
        create(&server);
        server.start();
        let shares = ["--shares-needed=1", "--shares-happy=1", "--shares-total=1"];
        let mut gateway = Node::create_gateway(&ours(), &at("gateway"), &shares);
        create(&gateway);
        gateway.set("client", "force_foolscap", &force_foolscap.to_string());
        gateway.start();
        gateway.wait_for_servers(1);
        let grid = Self {
            introducer,
            server,
            gateway,
            _folder: folder,
        };
        grid.wait("the introducer is connected", |status| {
            introducer_of(status)["connected"] == true
        });
        grid
    }

    fn status(&self) -> serde_json::Value {
        self.gateway.request("GET", "/?t=json", b"").json()
    }

    fn wait(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        wait_until(what, || holds(&self.status()));
    }

    /// Waits until the status is as it must be, which it must be in time.
    fn noticed(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let cut = Instant::now();
        self.wait(what, holds);
        assert!(cut.elapsed() < BOUND + SLACK, "{what}: {:?}", cut.elapsed());
    }

    fn store_and_fetch(&self, seed: u64) {
        let contents = sample(seed, 100_000);
        let capability = self.gateway.put(&contents);
        assert!(self.gateway.get(&capability) == contents);
    }
}

fn server_of(status: &serde_json::Value) -> &serde_json::Value {
    &status["servers"][0]
}

fn introducer_of(status: &serde_json::Value) -> &serde_json::Value {
    &status["introducers"]["connections"][0]
}

/// What is said of a server that is there: the reference's keys in its words, and then ours.
fn check_connected(grid: &Grid, force_foolscap: bool) {
    let status = grid.status();
    let server = server_of(&status);
    let hint = server["hint"].as_str().unwrap();
    assert!(hint.starts_with("tcp:127.0.0.1:"), "{server}");
    let (summary, protocol) = match force_foolscap {
        true => (format!("Connected to {hint} via tcp"), "Foolscap"),
        false => ("connected".to_owned(), "HTTPS"),
    };
    assert_eq!(server["connection_status"], *summary);
    assert_eq!(server["protocol"], protocol);
    assert_eq!(server["handler"], "tcp");
    assert!(server["available_space"].as_u64().unwrap() > 0 && server["problem"].is_null());
    assert!(
        server["version"].as_str().unwrap().contains('/'),
        "{server}"
    );
    let since = server["connected_since"].as_f64().unwrap();
    assert!(server["last_received_data"].as_f64().unwrap() >= since);
    let introducer = introducer_of(&status);
    let hint = introducer["hint"].as_str().unwrap();
    let summary = format!("Connected to {hint} via tcp");
    assert_eq!(status["introducers"]["statuses"][0], *summary);
    assert_eq!(introducer["petname"], "one");
    assert!(introducer["version"].as_str().unwrap().contains('/'));
    let page = grid.gateway.request("GET", "/", b"").text();
    assert!(
        page.contains(&format!("{protocol}, tcp:127.0.0.1:")),
        "{page}"
    );
    assert!(page.contains(&summary), "{page}");
}

fn check_cuts(others: &Program, force_foolscap: bool) {
    let mut grid = Grid::start(others, force_foolscap);
    check_connected(&grid, force_foolscap);
    grid.store_and_fetch(1);

    grid.server.pause();
    grid.introducer.pause();
    grid.noticed("the server is gone", |status| {
        let server = server_of(status);
        server["connected"] == false && server["problem"].is_string()
    });
    let summary = server_of(&grid.status())["connection_status"].clone();
    let expected = match force_foolscap {
        true => "Trying to connect",
        false => "failure: ",
    };
    assert!(summary.as_str().unwrap().starts_with(expected), "{summary}");
    grid.noticed("the introducer is gone", |status| {
        introducer_of(status)["connected"] == false
    });
    grid.server.resume();
    grid.introducer.resume();
    grid.wait("the server is back", |status| {
        server_of(status)["connected"] == true
    });
    grid.wait("the introducer is back", |status| {
        introducer_of(status)["connected"] == true
    });
    grid.store_and_fetch(2);

    grid.server.kill();
    grid.noticed("the server is dead", |status| {
        server_of(status)["connected"] == false
    });
    grid.server.start();
    grid.wait("the server runs again", |status| {
        server_of(status)["connected"] == true
    });
    grid.store_and_fetch(3);
}

#[test]
fn cuts_are_noticed_over_https() {
    check_cuts(&ours(), false);
}

#[test]
fn cuts_are_noticed_over_foolscap() {
    check_cuts(&python(), true);
}
