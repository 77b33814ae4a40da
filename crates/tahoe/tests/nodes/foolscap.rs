//! Storage over Foolscap between nodes of both programs.

use crate::{ours, python};
use tahoe_test_support::{Encoding, Grid, Node, sample};

const ENCODING: Encoding = Encoding {
    needed: 2,
    happy: 2,
    total: 2,
};

/// Every gateway stores files, and every gateway reads all of them.
fn exchange(grid: &Grid) {
    let contents = [sample(1, 57), sample(2, 3 << 20)];
    for writer in &grid.gateways {
        for contents in &contents {
            let capability = writer.put(contents);
            for reader in &grid.gateways {
                assert!(reader.get(&capability) == *contents, "read differs");
            }
        }
    }
}

fn force_clients(grid: &Grid) {
    for gateway in &grid.gateways {
        gateway.set("client", "force_foolscap", "true");
    }
}

/// Servers that speak nothing else, of both programs, with gateways of both.
#[test]
fn files_go_over_foolscap_alone() {
    let mut grid = Grid::create(&[&ours(), &python()], &[&ours(), &python()], ENCODING);
    grid.force_foolscap();
    grid.start_servers();
    grid.start_gateways();
    exchange(&grid);
}

/// One gateway comes over Foolscap, the other over HTTPS, to the same port.
#[test]
fn one_port_serves_both() {
    let servers = [&ours(), &python()];
    let mut grid = Grid::create(&servers, &[&ours(), &python(), &ours()], ENCODING);
    grid.gateways[0].set("client", "force_foolscap", "true");
    grid.gateways[1].set("client", "force_foolscap", "true");
    grid.start_servers();
    grid.start_gateways();
    exchange(&grid);
}

/// A server whose entry names a FURL and no NURL, as old servers announce themselves.
#[test]
fn a_server_without_nurls_is_reached_by_its_furl() {
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 1,
    };
    let mut grid = Grid::create(&[&python()], &[&ours()], encoding);
    grid.start_servers();
    let entry = grid.entries().remove(0);
    let yaml = format!(
        "storage:\n  {}:\n    ann:\n      nickname: old\n      anonymous-storage-FURL: {}\n",
        entry.server_id, entry.furl
    );
    let gateway = &mut grid.gateways[0];
    gateway.write_file("private/servers.yaml", yaml);
    gateway.start();
    gateway.wait_for_servers(1);
    exchange(&grid);
}

/// A server that goes silent, as when a cable is cut, is known to be gone, and comes back.
#[test]
fn a_silent_server_is_noticed() {
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 1,
    };
    for program in [ours(), python()] {
        let mut grid = Grid::create(&[&program], &[&ours()], encoding);
        force_clients(&grid);
        grid.start_servers();
        grid.start_gateways();
        grid.servers[0].pause();
        wait_for(&grid.gateways[0], 0);
        grid.servers[0].resume();
        wait_for(&grid.gateways[0], 1);
        exchange(&grid);
    }
}

/// Waits until a gateway is connected to so many servers, and no more.
fn wait_for(gateway: &Node, count: usize) {
    let began = std::time::Instant::now();
    while gateway.connected_servers() != count {
        assert!(began.elapsed().as_secs() < 120, "not {count} servers");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
