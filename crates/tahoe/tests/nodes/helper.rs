//! Uploads through helpers, ours and the reference's, by clients of both programs.

use crate::{ours, python, share_files};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use tahoe_test_support::http::Request;
use tahoe_test_support::{Encoding, Grid, Node, Program, sample, wait_until, write_servers};

const ENCODING: Encoding = Encoding {
    needed: 2,
    happy: 2,
    total: 3,
};

/// A grid whose servers are helpers too; each gateway uses the helper whose number is beside it.
fn grid_with_helpers(servers: &[&Program], gateways: &[(&Program, Option<usize>)]) -> Grid {
    let programs: Vec<&Program> = gateways.iter().map(|(program, _)| *program).collect();
    let mut grid = Grid::create(servers, &programs, ENCODING);
    for gateway in &grid.gateways {
        gateway.write_file("private/convergence", format!("{}\n", "a".repeat(52)));
    }
    // What servers announce is known once they have run.
    grid.start_servers();
    let entries = grid.entries();
    for server in &mut grid.servers {
        server.stop();
        server.give_web_port();
        server.set("helper", "enabled", "true");
        write_servers(server, &entries);
    }
    grid.start_servers();
    for (gateway, (_, helper)) in grid.gateways.iter().zip(gateways) {
        if let Some(helper) = helper {
            let path = grid.servers[*helper]
                .directory()
                .join("private/helper.furl");
            let furl = std::fs::read_to_string(path).unwrap();
            gateway.set("client", "helper.furl", furl.trim());
        }
    }
    for server in &grid.servers {
        server.wait_for_servers(servers.len());
    }
    grid.start_gateways();
    grid
}

fn figures(helper: &Node) -> BTreeMap<String, u64> {
    let status = helper.request("GET", "/helper_status?t=json", b"").json();
    let figures = status.as_object().unwrap().iter();
    let figure = |(name, value): (&String, &Value)| {
        let name = name.strip_prefix("chk_upload_helper.").unwrap().to_owned();
        (name, value.as_u64().unwrap())
    };
    figures.map(figure).collect()
}

/// What lies in a helper's folders.
fn fetched(helper: &Node) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for name in ["CHK_incoming", "CHK_encoding"] {
        let folder = helper.directory().join("helper").join(name);
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            // It may be renamed or removed meanwhile.
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            found.push((entry.path(), size));
        }
    }
    found
}

/// Stores small files until one goes through the helper: then the gateway is connected to it.
fn wait_for_helper(gateway: &Node, helper: &Node, seed: u64) {
    let mut attempt = seed * 1000;
    wait_until("a file goes through the helper", || {
        let before = figures(helper)["upload_requests"];
        attempt += 1;
        gateway.put(&sample(attempt, 100));
        figures(helper)["upload_requests"] > before
    });
}

/// The shares of all servers by number, without leases.
fn shares(grid: &Grid) -> Vec<(u8, Vec<u8>)> {
    let files = share_files(grid).into_iter();
    let mut shares: Vec<_> = files
        .map(|(_, share)| (share.share_number, share.contents()))
        .collect();
    shares.sort();
    shares
}

#[test]
fn files_go_through_helpers_of_both_programs() {
    let (ours, python) = (ours(), python());
    let gateways = [
        (&ours, Some(0)),
        (&ours, Some(1)),
        (&python, Some(0)),
        (&ours, None),
    ];
    let grid = grid_with_helpers(&[&ours, &python], &gateways);
    let direct = grid.gateway(3);
    for (number, (_, helper)) in gateways.iter().enumerate().take(3) {
        let (gateway, helper) = (grid.gateway(number), &grid.servers[helper.unwrap()]);
        let seed = number as u64 + 1;
        wait_for_helper(gateway, helper, seed);
        let before = figures(helper);
        let contents = sample(seed, 1_300_000);
        grid.delete_shares();
        let cap = gateway.put(&contents);
        let through_helper = shares(&grid);
        let after = figures(helper);
        let grown = |name: &str| after[name] - before[name];
        assert_eq!(grown("upload_need_upload"), 1, "{number}: {after:?}");
        assert_eq!(grown("fetched_bytes"), 1_300_000, "{number}");
        assert_eq!(grown("encoded_bytes"), 1_300_000, "{number}");
        assert!(fetched(helper).is_empty(), "{number}");
        let list = helper.request("GET", "/status?t=json", b"").json();
        let upload = serde_json::json!({
            "storage-index-string": share_files(&grid)[0].1.storage_index,
            "total-size": 1_300_000,
            "status": "Finished",
            "type": "upload",
            "progress-hash": 1.0,
            "progress-ciphertext": 1.0,
            "progress-encode-push": 1.0,
        });
        assert_eq!(list["recent"][0], upload, "{number}: {list}");
        directory_through_helper(gateway, helper, number);
        assert!(direct.get(&cap) == contents, "{number}");
        // It is there already.
        assert_eq!(gateway.put(&contents), cap);
        let again = figures(helper);
        let present = again["upload_already_present"] - before["upload_already_present"];
        assert_eq!(present, 1, "{number}");
        // Without a helper the same comes of it.
        grid.delete_shares();
        assert_eq!(direct.put(&contents), cap, "{number}");
        assert!(shares(&grid) == through_helper, "{number}: other shares");
    }
    let keys = |number: usize| {
        figures(&grid.servers[number])
            .into_keys()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(0), keys(1), "ours and theirs");
    let page = grid.gateway(0).request("GET", "/", b"").text();
    assert!(page.contains("[censored], connected"), "{page}");
    let page = grid.gateway(0).request("GET", "/status", b"").text();
    assert!(page.contains("Yes"), "{page}");
}

/// An immutable directory is a file like any other.
fn directory_through_helper(gateway: &Node, helper: &Node, number: usize) {
    let child = serde_json::json!(["filenode", {"ro_uri": "URI:LIT:mfrgg"}]);
    let names = (0..20).map(|name| (format!("{number}-{name}"), child.clone()));
    let children = Value::Object(names.collect()).to_string();
    let before = figures(helper)["upload_need_upload"];
    let path = "/uri?t=mkdir-immutable";
    let made = gateway.request("POST", path, children.as_bytes());
    assert!(made.text().starts_with("URI:DIR2-CHK:"), "{}", made.text());
    assert_eq!(figures(helper)["upload_need_upload"], before + 1);
    let listed = gateway.request("GET", &format!("/uri/{}?t=json", made.text()), b"");
    assert_eq!(listed.json()[1]["children"].as_object().unwrap().len(), 20);
}

/// Begins to store a file and returns when the helper has a part of it.
fn begin(gateway: &Node, helper: &Node, contents: &[u8]) -> thread::JoinHandle<bool> {
    let (port, body) = (gateway.web_port(), contents.to_vec());
    let put = thread::spawn(move || {
        let answer = Request::new("PUT", "/uri").send(port, &body);
        answer.is_ok_and(|answer| answer.status == 200 || answer.status == 201)
    });
    wait_until("the helper has a part of the file", || {
        fetched(helper).iter().any(|(_, size)| *size > 1 << 20)
    });
    put
}

/// Cuts an upload twice, once on each side, and goes on with it.
fn cut_and_resume(client: &Program, helper: &Program) {
    const SIZE: usize = 48 << 20;
    let ours = ours();
    let gateways = [(client, Some(0)), (&ours, None)];
    let mut grid = grid_with_helpers(&[helper, &ours], &gateways);
    wait_for_helper(grid.gateway(0), &grid.servers[0], 1);
    grid.delete_shares();
    let contents = sample(9, SIZE);

    let put = begin(grid.gateway(0), &grid.servers[0], &contents);
    grid.gateways[0].kill();
    assert!(!put.join().unwrap(), "it was cut");
    let [(path, first)] = &fetched(&grid.servers[0])[..] else {
        panic!("one file");
    };
    assert!(path.to_str().unwrap().contains("CHK_incoming"), "{path:?}");
    assert!(*first < SIZE as u64);
    // Nothing of the plaintext is there.
    let part = std::fs::read(path).unwrap();
    assert!(part[..1 << 20] != contents[..1 << 20]);

    grid.servers[0].kill();
    grid.servers[0].start();
    grid.servers[0].wait_for_servers(2);
    grid.gateways[0].start();
    grid.wait_until_connected();
    wait_for_helper(grid.gateway(0), &grid.servers[0], 2);
    let before = figures(&grid.servers[0]);
    let cap = grid.gateway(0).put(&contents);
    let after = figures(&grid.servers[0]);
    assert_eq!(after["resumes"] - before["resumes"], 1, "{after:?}");
    let rest = after["fetched_bytes"] - before["fetched_bytes"];
    assert!(rest <= SIZE as u64 - first, "{rest} bytes after {first}");
    assert!(fetched(&grid.servers[0]).is_empty());
    assert!(grid.gateway(1).get(&cap) == contents);
    grid.delete_shares();
    assert_eq!(grid.gateway(1).put(&contents), cap);
}

#[test]
fn an_upload_that_was_cut_goes_on() {
    cut_and_resume(&ours(), &ours());
}

#[test]
fn an_upload_of_the_reference_that_was_cut_goes_on_with_our_helper() {
    cut_and_resume(&python(), &ours());
}

#[test]
fn an_upload_that_was_cut_goes_on_with_the_helper_of_the_reference() {
    cut_and_resume(&ours(), &python());
}
