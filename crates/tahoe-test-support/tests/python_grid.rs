//! The tools of this crate, tried on a grid of Python nodes.

use std::os::unix::process::ExitStatusExt as _;
use tahoe_test_support::{
    Action, Encoding, Grid, Node, Program, Proxy, Region, http::Request, sample, write_servers,
};

const ENCODING: Encoding = Encoding {
    needed: 1,
    happy: 2,
    total: 2,
};

#[test]
fn stores_fetches_and_tampers() {
    let python = Program::python();
    let mut grid = Grid::start(&[&python, &python], &[&python], ENCODING);
    let contents = sample(1, 300_000);
    let capability = grid.gateway(0).put(&contents);
    assert_eq!(grid.gateway(0).get(&capability), contents);

    let placement = grid.placement();
    assert_eq!(placement.len(), 2);
    assert_ne!(placement[0].0, placement[1].0, "a share on each server");
    finds_regions(&grid.servers[0]);
    assert!(grid.gateway(0).peak_memory_bytes() > 1 << 20);

    survives_a_flipped_bit(&grid, &capability, &contents);
    survives_a_killed_server(&mut grid, &capability, &contents);
    notices_a_paused_server(&grid);
    sees_requests_through_a_proxy(&mut grid, &capability, &contents);

    grid.delete_shares();
    assert_eq!(grid.gateway(0).try_get(&capability).status, 410);
    // It repeats the signal to itself once everything is closed.
    let status = grid.gateways[0].stop();
    assert_eq!(status.signal(), Some(15), "{status}");
    assert_eq!(grid.servers[0].close_stdin().code(), Some(1));
}

/// The regions follow each other, and the last ends where the leases begin.
fn finds_regions(server: &Node) {
    let share = &server.shares()[0];
    assert_eq!(share.lease_count(), 1);
    let regions = Region::ALL.map(|region| share.region(region));
    assert!(regions.iter().all(|region| !region.is_empty()));
    assert!(regions.is_sorted_by(|a, b| a.end <= b.start));
    assert_eq!(regions[7].end, share.contents().len());
    let extension = &share.bytes()[regions[7].clone()];
    assert!(extension.starts_with(b"codec_name:3:crs,"));
}

fn survives_a_flipped_bit(grid: &Grid, capability: &str, contents: &[u8]) {
    let share = &grid.servers[0].shares()[0];
    let before = share.bytes();
    share.flip_bit(Region::Blocks);
    assert_ne!(share.bytes(), before);
    assert_eq!(grid.gateway(0).get(capability), contents);
    share.write(&before);
}

fn survives_a_killed_server(grid: &mut Grid, capability: &str, contents: &[u8]) {
    grid.servers[0].kill();
    grid.gateway(0).wait_for_servers(1);
    assert_eq!(grid.gateway(0).get(capability), contents);
    assert_eq!(grid.gateway(0).try_put(&sample(2, 1000)).status, 500);
    grid.servers[0].start();
    grid.gateway(0).wait_for_servers(2);
}

fn notices_a_paused_server(grid: &Grid) {
    grid.servers[1].pause();
    grid.gateway(0).wait_for_servers(1);
    grid.servers[1].resume();
    grid.gateway(0).wait_for_servers(2);
}

/// The only servers that the gateway knows are behind proxies.
fn sees_requests_through_a_proxy(grid: &mut Grid, capability: &str, contents: &[u8]) {
    let proxies: Vec<Proxy> = grid.entries().iter().map(Proxy::start).collect();
    let entries: Vec<_> = proxies.iter().map(|proxy| proxy.entry().clone()).collect();
    grid.gateways[0].stop();
    write_servers(&grid.gateways[0], &entries);
    grid.gateways[0].start();
    grid.wait_until_connected();
    assert_eq!(grid.gateway(0).get(capability), contents);

    // One lies about every block; the other's shares suffice.
    proxies[0].set_rule(|request| match request.is_share_read() {
        true => Action::Change(|body| body.iter_mut().for_each(|byte| *byte ^= 1)),
        false => Action::Forward,
    });
    assert_eq!(grid.gateway(0).get(capability), contents);
    // Neither gives anything.
    for proxy in &proxies {
        proxy.set_rule(|request| match request.is_share_read() {
            true => Action::Close,
            false => Action::Forward,
        });
    }
    let path = format!("/uri/{capability}");
    let answer = Request::new("GET", &path).send(grid.gateway(0).web_port(), b"");
    assert_eq!(answer.expect("an answer").status, 410);
}
