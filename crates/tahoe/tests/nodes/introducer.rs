//! Grids that find themselves: introducers, caches, grid managers.

use crate::{ours, python};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tahoe_test_support::{Node, Program, sample, wait_until};

const SHARES: [&str; 3] = ["--shares-needed=1", "--shares-happy=1", "--shares-total=2"];

/// An introducer, one server of each program, one gateway of each program.
struct Grid {
    introducer: Node,
    servers: Vec<Node>,
    gateways: Vec<Node>,
    folder: tempfile::TempDir,
}

impl Grid {
    fn create(introducer: &Program) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut introducer = Node::create_introducer(introducer, &at("introducer"));
        introducer.start();
        let furl = introducer.introducer_furl();
        let programs = [("ours", ours()), ("python", python())];
        let server = |(name, program): &(&str, Program)| {
            let node = Node::create_server(program, &at(&format!("server-{name}")));
            use_introducers(&node, &[&furl]);
            node
        };
        let gateway = |(name, program): &(&str, Program)| {
            let node = Node::create_gateway(program, &at(&format!("gateway-{name}")), &SHARES);
            use_introducers(&node, &[&furl]);
            node
        };
        Self {
            servers: programs.iter().map(server).collect(),
            gateways: programs.iter().map(gateway).collect(),
            introducer,
            folder,
        }
    }

    fn start(&mut self) {
        start_all(&mut self.servers);
        start_all(&mut self.gateways);
        for gateway in &self.gateways {
            gateway.wait_for_servers(self.servers.len());
        }
    }
}

fn start_all(nodes: &mut [Node]) {
    for node in nodes.iter_mut() {
        node.spawn();
    }
    for node in nodes {
        node.wait_until_up();
    }
}

fn use_introducers(node: &Node, furls: &[&str]) {
    let entry = |(number, furl): (usize, &&str)| format!("  i{number}:\n    furl: {furl}\n");
    let entries: String = furls.iter().enumerate().map(entry).collect();
    std::fs::create_dir_all(node.directory().join("private")).unwrap();
    node.write_file(
        "private/introducers.yaml",
        format!("introducers:\n{entries}"),
    );
}

fn introducer_statuses(node: &Node) -> Vec<String> {
    let status = node.request("GET", "/?t=json", b"").json();
    let statuses = status["introducers"]["statuses"].as_array().unwrap();
    statuses
        .iter()
        .map(|s| s.as_str().unwrap().to_owned())
        .collect()
}

fn is_connected(node: &Node) -> bool {
    introducer_statuses(node)
        .iter()
        .all(|status| status.starts_with("Connected to tcp:127.0.0.1:"))
}

/// Each gateway stores a file, and each reads each of them.
fn exchange(gateways: &[Node], seed: u64) {
    let stored: Vec<_> = (seed..)
        .zip(gateways)
        .map(|(seed, gateway)| {
            let contents = sample(seed, 20_000);
            (gateway.put(&contents), contents)
        })
        .collect();
    for gateway in gateways {
        for (capability, contents) in &stored {
            assert!(gateway.get(capability) == *contents);
        }
    }
}

fn check_grid(introducer: &Program) {
    let mut grid = Grid::create(introducer);
    grid.start();
    exchange(&grid.gateways, 1);
    for gateway in &grid.gateways {
        wait_until("the introducer is connected", || is_connected(gateway));
    }
    // Servers are subscribers as well.
    let expected = serde_json::json!({
        "subscription_summary": {"storage": 4},
        "announcement_summary": {"storage": 2},
    });
    wait_until("the introducer knows all", || {
        grid.introducer.request("GET", "/?t=json", b"").json() == expected
    });
    let page = grid.introducer.request("GET", "/", b"").text();
    for name in ["server-ours", "server-python", "gateway-ours"] {
        assert!(page.contains(name), "{name} in {page}");
    }

    // Without the introducer the grid goes on; ours says within five seconds that it is gone.
    grid.introducer.kill();
    let killed = Instant::now();
    wait_until("ours notices", || !is_connected(&grid.gateways[0]));
    assert!(
        killed.elapsed() < Duration::from_secs(5),
        "{:?}",
        killed.elapsed()
    );
    exchange(&grid.gateways, 10);
    for gateway in &mut grid.gateways {
        gateway.stop();
    }
    start_all(&mut grid.gateways);
    for gateway in &grid.gateways {
        gateway.wait_for_servers(2);
    }
    exchange(&grid.gateways, 20);

    // It comes back with the same address; who had waited finds it again.
    grid.introducer.start();
    wait_until("they find it again", || is_connected(&grid.gateways[0]));
}

#[test]
fn our_introducer_serves_both_programs() {
    check_grid(&ours());
}

#[test]
fn the_reference_s_introducer_serves_both_programs() {
    check_grid(&python());
}

/// A node of either program goes on from what the other cached.
#[test]
fn either_program_starts_from_the_other_s_cache() {
    let mut grid = Grid::create(&ours());
    grid.start();
    let cached = |node: &Node| {
        let path = node.directory().join("private/introducer_i0_cache.yaml");
        std::fs::read_to_string(path).is_ok_and(|text| text.matches("key_s").count() == 2)
    };
    for gateway in &grid.gateways {
        wait_until("both servers are in the cache", || cached(gateway));
    }
    grid.introducer.kill();
    for gateway in &mut grid.gateways {
        gateway.stop();
    }
    let [mine, theirs] = &mut grid.gateways[..] else {
        panic!("two gateways")
    };
    mine.set_program(&python());
    theirs.set_program(&ours());
    start_all(&mut grid.gateways);
    for gateway in &grid.gateways {
        gateway.wait_for_servers(2);
    }
    exchange(&grid.gateways, 1);
}

/// One introducer is down, and one server is known to each of two others only.
#[test]
fn servers_of_several_introducers_are_used_together() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let programs = [ours(), python()];
    let mut introducers: Vec<_> = (0..2)
        .map(|i| Node::create_introducer(&programs[i], &at(&format!("introducer{i}"))))
        .collect();
    start_all(&mut introducers);
    let furls: Vec<_> = introducers.iter().map(Node::introducer_furl).collect();
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let down = format!("pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:{unused}/none");
    let mut servers: Vec<_> = (0..2)
        .map(|i| Node::create_server(&ours(), &at(&format!("server{i}"))))
        .collect();
    use_introducers(&servers[0], &[&furls[0]]);
    use_introducers(&servers[1], &[&furls[1]]);
    let mut gateway = Node::create_gateway(&ours(), &at("gateway"), &SHARES);
    use_introducers(&gateway, &[&down, &furls[0], &furls[1]]);
    start_all(&mut servers);
    gateway.start();
    gateway.wait_for_servers(2);
    let statuses = introducer_statuses(&gateway);
    assert!(!statuses[0].starts_with("Connected"), "{statuses:?}");
    exchange(std::slice::from_ref(&gateway), 1);
    // As in the days of the first release: a file in the node directory is enough.
    gateway.stop();
    std::fs::remove_file(gateway.directory().join("private/introducers.yaml")).unwrap();
    for entry in std::fs::read_dir(gateway.directory().join("private")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().contains("_cache") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    gateway.write_file("introducer.furl", format!("{}\n", furls[1]));
    gateway.start();
    gateway.wait_for_servers(1);
}

fn grid_manager(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_grid-manager"))
        .args(["-c", "manager"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A grid manager admits one server and not the other; both serve what they have.
#[test]
fn a_grid_manager_decides_who_receives_shares() {
    let mut grid = Grid::create(&ours());
    let folder = grid.folder.path().to_owned();
    grid.start();
    let before = sample(1, 20_000);
    let capability = grid.gateways[0].put(&before);
    for server in &grid.servers {
        assert_eq!(server.shares().len(), 1);
    }
    for node in grid.servers.iter_mut().chain(&mut grid.gateways) {
        node.stop();
    }
    grid_manager(&folder, &["create"]);
    let manager = grid_manager(&folder, &["public-identity"]);
    // A Python server is admitted, with a certificate made by us.
    let admitted = &grid.servers[1];
    let key = std::fs::read_to_string(admitted.directory().join("node.pubkey")).unwrap();
    grid_manager(&folder, &["add", "theirs", key.trim()]);
    std::fs::write(
        folder.join("cert"),
        grid_manager(&folder, &["sign", "theirs", "9"]),
    )
    .unwrap();
    let directory = admitted.directory().to_str().unwrap();
    let add = ["-d", directory, "admin", "add-grid-manager-cert"];
    let add = [&add[..], &["--filename=cert", "--name=gm"]].concat();
    ours().run_well(&folder, &add);
    for gateway in &grid.gateways {
        gateway.set("grid_managers", "gm", manager.trim());
    }
    grid.start();
    for (seed, gateway) in (2..).zip(&grid.gateways) {
        let contents = sample(seed, 20_000);
        let admitted = grid.servers[1].shares().len();
        let new = gateway.put(&contents);
        assert_eq!(grid.servers[0].shares().len(), 1, "nothing new there");
        assert_eq!(grid.servers[1].shares().len(), admitted + 2);
        assert!(gateway.get(&new) == contents);
        assert!(gateway.get(&capability) == before);
    }
    // What the other server has can still be read from it alone.
    grid.servers[1].delete_shares();
    for gateway in &grid.gateways {
        assert!(gateway.get(&capability) == before);
    }
}
