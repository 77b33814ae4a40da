//! Many writers of one directory, each a process of its own, through two gateways, while servers are
//! killed and frozen at random: every name whose writer was told that it is there must be there.
//!
//! `TAHOE_WRITERS_SEEDS` and `TAHOE_WRITERS_ADDITIONS` make it longer; see `docs/testing.md`.

use crate::{ours, python};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tahoe_test_support::{Encoding, Grid, Node, Random};

/// With one server away at a time, four of five shares are left, of which two suffice.
const ENCODING: Encoding = Encoding {
    needed: 2,
    happy: 1,
    total: 5,
};
const WRITERS: usize = 10;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn every_acknowledged_name_is_there() {
    let additions = setting("TAHOE_WRITERS_ADDITIONS", 60);
    for seed in 0..setting("TAHOE_WRITERS_SEEDS", 2) {
        let format = ["SDMF", "MDMF"][seed % 2];
        add_while_servers_fail(u64::try_from(seed).unwrap(), format, additions);
    }
}

fn add_while_servers_fail(seed: u64, format: &str, additions: usize) {
    let ours = ours();
    let mut grid = Grid::start(&[&ours; 5], &[&ours, &ours, &python()], ENCODING);
    let made = grid
        .gateway(0)
        .request("POST", &format!("/uri?t=mkdir&format={format}"), b"");
    let root = made.text();
    let content = grid.folder().join("content");
    std::fs::write(&content, "content").unwrap();

    let (gateways, servers) = (&grid.gateways, &mut grid.servers);
    let is_done = AtomicBool::new(false);
    let acknowledged: BTreeSet<String> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (gateway, root, content) = (&gateways[writer % 2], &root, &content);
                let count = additions / WRITERS;
                scope.spawn(move || add(gateway, root, content, writer, count))
            })
            .collect();
        let trouble = scope.spawn(|| make_trouble(servers, seed, &is_done));
        let joined = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap());
        let acknowledged = joined.collect();
        is_done.store(true, Ordering::Relaxed);
        trouble.join().unwrap();
        acknowledged
    });
    grid.wait_until_connected();

    let attempts = additions / WRITERS * WRITERS;
    assert!(
        acknowledged.len() * 2 >= attempts,
        "seed {seed}: only {} of {attempts} were acknowledged\n{}",
        acknowledged.len(),
        grid.gateway(0).log(),
    );
    for (number, gateway) in grid.gateways.iter().enumerate() {
        let listed = gateway.request("GET", &format!("/uri/{root}?t=json"), b"");
        assert_eq!(listed.status, 200, "gateway {number}: {}", listed.text());
        let listed = listed.json();
        let children = listed[1]["children"].as_object().unwrap();
        let is_lost = |name: &&String| !children.contains_key(*name);
        let lost: Vec<_> = acknowledged.iter().filter(is_lost).collect();
        assert!(
            lost.is_empty(),
            "seed {seed}, gateway {number}: {lost:?} are lost"
        );
    }
}

/// Adds names one after the other, each with a process of its own; returns the acknowledged ones.
fn add(gateway: &Node, root: &str, content: &Path, writer: usize, count: usize) -> Vec<String> {
    let names = (0..count).map(|number| format!("{writer}-{number}"));
    let is_acknowledged = |name: &String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tahoe"));
        command
            .arg("-d")
            .arg(gateway.directory())
            .arg("put")
            .arg(content);
        command.arg(format!("{root}/{name}"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().unwrap().success()
    };
    names.filter(is_acknowledged).collect()
}

/// Kills and restarts, or freezes and thaws, one server at a time.
fn make_trouble(servers: &mut [Node], seed: u64, is_done: &AtomicBool) {
    let mut random = Random::new(seed);
    let mut pause = |most: usize| {
        let milliseconds = random.below(most) + 1;
        thread::sleep(Duration::from_millis(milliseconds as u64));
        milliseconds
    };
    while !is_done.load(Ordering::Relaxed) {
        let drawn = pause(300);
        let victim = &mut servers[drawn % 5];
        if drawn % 2 == 0 {
            victim.kill();
            pause(500);
            victim.start();
        } else {
            victim.pause();
            pause(500);
            victim.resume();
        }
        pause(500);
    }
}
