//! Node directories and share files go from one program to the other and back.

use crate::{ours, python};
use std::fs;
use std::path::Path;
use tahoe_test_support::{Encoding, Grid, Node, Program, sample};

const ENCODING: Encoding = Encoding {
    needed: 2,
    happy: 2,
    total: 2,
};

/// What must be the same whichever program runs a directory: who the node is and what it keeps.
const IDENTITY: [&str; 9] = [
    "my_nodeid",
    "node.pubkey",
    "permutation-seed",
    "tahoe.cfg",
    "private/convergence",
    "private/node.pem",
    "private/node.privkey",
    "private/secret",
    "private/storage.furl",
];

#[test]
fn made_by_ours() {
    hand_over(&ours(), &python());
}

#[test]
fn made_by_python() {
    hand_over(&python(), &ours());
}

/// Directories made by one program are run by it, by the other, and by it again.
fn hand_over(maker: &Program, other: &Program) {
    let mut grid = Grid::create(&[maker, maker], &[maker], ENCODING);
    grid.start_servers();
    grid.start_gateways();
    let identities = || -> Vec<Vec<u8>> { grid_identity(&grid) };
    let before = identities();
    let mut stored: Vec<(String, Vec<u8>)> = Vec::new();
    store_and_fetch(&grid, &mut stored);
    for program in [other, maker] {
        for node in grid.gateways.iter_mut().chain(&mut grid.servers) {
            node.stop();
            node.set_program(program);
        }
        grid.start_servers();
        grid.start_gateways();
        store_and_fetch(&grid, &mut stored);
        assert!(grid_identity(&grid) == before, "run by {}", program.name());
    }
}

/// Directories that the other program is the first to run.
#[test]
fn first_run_by_the_other_program() {
    for (maker, runner) in [(ours(), python()), (python(), ours())] {
        let mut grid = Grid::create(&[&maker, &maker], &[&maker], ENCODING);
        for node in grid.gateways.iter_mut().chain(&mut grid.servers) {
            node.set_program(&runner);
        }
        grid.start_servers();
        grid.start_gateways();
        store_and_fetch(&grid, &mut Vec::new());
    }
}

/// Fetches everything stored so far, stores it again without any new share, and stores one more.
fn store_and_fetch(grid: &Grid, stored: &mut Vec<(String, Vec<u8>)>) {
    let gateway = grid.gateway(0);
    let placement = grid.placement();
    for (capability, contents) in stored.iter() {
        assert!(gateway.get(capability) == *contents);
        assert_eq!(gateway.put(contents), *capability);
    }
    assert_eq!(grid.placement(), placement);
    let leases = grid.servers.iter().flat_map(Node::shares);
    assert!(
        leases
            .map(|share| share.lease_count())
            .all(|count| count == 1)
    );
    let contents = sample(stored.len() as u64, 200_000 + stored.len());
    let capability = gateway.put(&contents);
    assert!(gateway.get(&capability) == contents);
    stored.push((capability, contents));
}

fn grid_identity(grid: &Grid) -> Vec<Vec<u8>> {
    let nodes = grid.servers.iter().chain(&grid.gateways);
    nodes
        .flat_map(|node| {
            let read = |name: &&str| fs::read(node.directory().join(name)).unwrap_or_default();
            IDENTITY.iter().map(read).collect::<Vec<_>>()
        })
        .collect()
}

/// Share files on disk change places between servers of both programs.
#[test]
fn shares_are_swapped_on_disk() {
    let mut grid = Grid::start(&[&ours(), &python()], &[&ours(), &python()], ENCODING);
    let files: Vec<(String, Vec<u8>)> = (0..6)
        .map(|index| {
            let contents = sample(index as u64, 60_000 * (index + 1));
            let gateway = grid.gateway(index % 2);
            (gateway.put(&contents), contents)
        })
        .collect();
    let placement = grid.placement();
    for server in &mut grid.servers {
        server.stop();
    }
    swap_shares(&grid.servers[0], &grid.servers[1]);
    assert_ne!(grid.placement(), placement);
    grid.start_servers();
    grid.wait_until_connected();
    for (capability, contents) in &files {
        for gateway in &grid.gateways {
            assert!(gateway.get(capability) == *contents, "{capability}");
        }
    }
}

fn swap_shares(one: &Node, other: &Node) {
    let shares = |node: &Node| node.directory().join("storage/shares");
    let aside = one.directory().join("storage/aside");
    let rename = |from: &Path, to: &Path| fs::rename(from, to).unwrap();
    rename(&shares(one), &aside);
    rename(&shares(other), &shares(one));
    rename(&aside, &shares(other));
}
