//! Checks and repairs by both programs of the same damaged files: the same reports, and shares that
//! either accepts.

use crate::{ours, python};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tahoe_test_support::http::Response;
use tahoe_test_support::{Encoding, Grid, Node, Region, ShareFile, sample};

const ENCODING: Encoding = Encoding {
    needed: 3,
    happy: 1,
    total: 5,
};
/// Several segments.
const SIZE: usize = 3 * (1 << 20) + 77;

/// Does something to a file's shares, which are in the order of their numbers.
type Damage = fn(&[ShareFile]);

/// Damages, with the shares that only we find corrupt.
///
/// The reference never compares a share's own root of its blocks with the chain that proves it.
const DAMAGES: &[(&str, Damage, &[u64])] = &[
    ("nothing", |_| (), &[]),
    ("a share lost", |shares| shares[0].delete(), &[]),
    (
        "three shares lost",
        |shares| shares[1..4].iter().for_each(ShareFile::delete),
        &[],
    ),
    (
        "all shares lost",
        |shares| shares.iter().for_each(ShareFile::delete),
        &[],
    ),
    ("version", |shares| shares[1].flip_bit(Region::Version), &[]),
    ("blocks", |shares| shares[2].flip_bit(Region::Blocks), &[]),
    (
        "ciphertext hashes",
        |shares| shares[3].flip_bit(Region::CiphertextHashes),
        &[],
    ),
    (
        "block hashes",
        |shares| shares[4].flip_bit(Region::BlockHashes),
        &[],
    ),
    (
        "share hashes",
        |shares| shares[0].flip_bit(Region::ShareHashes),
        &[],
    ),
    (
        "extension length",
        |shares| shares[1].flip_bit(Region::ExtensionLength),
        &[],
    ),
    (
        "extension",
        |shares| shares[2].flip_bit(Region::Extension),
        &[],
    ),
    (
        "everything",
        |shares| {
            shares[0].delete();
            shares[1].flip_bit(Region::Blocks);
            shares[2].flip_bit(Region::Version);
            shares[3].flip_bit(Region::Extension);
        },
        &[],
    ),
    (
        "a share cut in its hashes",
        |shares| cut(&shares[3], Region::CiphertextHashes),
        &[],
    ),
    (
        "a share cut in its blocks",
        |shares| cut(&shares[3], Region::Blocks),
        &[],
    ),
    (
        "a share in the place of another",
        |shares| shares[1].write(&shares[4].bytes()),
        &[1],
    ),
];

/// Ends a share in the middle of a region; its leases follow there.
fn cut(share: &ShareFile, region: Region) {
    let range = share.region(region);
    let mut bytes = share.bytes();
    let leases = bytes.split_off(bytes.len() - 72 * share.lease_count());
    bytes.truncate(range.start.midpoint(range.end));
    bytes.extend(leases);
    share.write(&bytes);
}

pub(crate) fn check(gateway: &Node, cap: &str, options: &str) -> Response {
    gateway.request(
        "POST",
        &format!("/uri/{cap}?t=check&output=json{options}"),
        b"",
    )
}

/// All shares of a grid by their numbers; one file is stored, and each share once.
pub(crate) fn shares_of(grid: &Grid) -> Vec<ShareFile> {
    let mut shares: Vec<_> = grid.servers.iter().flat_map(Node::shares).collect();
    shares.sort_by_key(|share| share.share_number);
    shares
}

/// A report whose lists have no order of their own.
pub(crate) fn normal(mut report: Value) -> Value {
    for list in ["servers-responding", "list-corrupt-shares"] {
        if let Some(Value::Array(values)) = report.pointer_mut(&format!("/results/{list}")) {
            values.sort_by_key(Value::to_string);
        }
    }
    for part in ["pre-repair-results", "post-repair-results"] {
        if let Some(part) = report.get_mut(part) {
            *part = normal(part.take());
        }
    }
    report
}

/// The report as it would be if these shares were good.
fn forgive(mut report: Value, shares: &[u64], grid: &Grid) -> Value {
    let corrupt = report["results"]["list-corrupt-shares"].take();
    let (good, bad): (Vec<Value>, Vec<Value>) = corrupt
        .as_array()
        .unwrap()
        .iter()
        .cloned()
        .partition(|entry| shares.contains(&entry[2].as_u64().unwrap()));
    assert_eq!(good.len(), shares.len(), "{report}");
    for entry in good {
        report["results"]["sharemap"][entry[2].to_string()] = json!([entry[0]]);
    }
    let count = report["results"]["sharemap"].as_object().unwrap().len();
    assert_eq!(count, grid.servers.len(), "nothing else is wrong");
    report["summary"] = "Healthy".into();
    report["results"]["healthy"] = true.into();
    report["results"]["count-corrupt-shares"] = bad.len().into();
    report["results"]["list-corrupt-shares"] = bad.into();
    for key in [
        "count-happiness",
        "count-shares-good",
        "count-good-share-hosts",
    ] {
        report["results"][key] = count.into();
    }
    report
}

#[test]
fn reports_are_those_of_the_reference() {
    let (ours, python) = (ours(), python());
    let servers = [&ours, &python, &ours, &python, &ours];
    let mut grid = Grid::create(&servers, &[&ours, &python], ENCODING);
    grid.share_secrets();
    grid.start_servers();
    grid.start_gateways();
    let mut failures = Vec::new();
    for (number, (name, damage, only_ours)) in (0..).zip(DAMAGES) {
        let cap = grid.gateway(1).put(&sample(number, SIZE));
        damage(&shares_of(&grid));
        for options in ["", "&add-lease=true", "&verify=true"] {
            let [mine, theirs] = [0, 1].map(|gateway| check(grid.gateway(gateway), &cap, options));
            let statuses = (mine.status, theirs.status);
            if statuses != (200, 200) {
                let texts = (mine.text(), theirs.text());
                failures.push(format!("{name} {options}: {statuses:?} {texts:?}"));
                continue;
            }
            let (mut mine, theirs) = (normal(mine.json()), normal(theirs.json()));
            if options == "&verify=true" && !only_ours.is_empty() {
                mine = forgive(mine, only_ours, &grid);
            }
            if mine != theirs {
                failures.push(format!("{name} {options}:\n ours {mine}\n theirs {theirs}"));
            }
        }
        grid.delete_shares();
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn repairs_by_either_are_good_for_the_other() {
    let (ours, python) = (ours(), python());
    let servers = [&ours, &python, &ours, &python, &ours];
    let mut grid = Grid::create(&servers, &[&ours, &python], ENCODING);
    grid.share_secrets();
    grid.start_servers();
    grid.start_gateways();
    for repairer in [0, 1] {
        let contents = sample(20 + repairer as u64, SIZE);
        let (mine, other) = (grid.gateway(repairer), grid.gateway(1 - repairer));
        let cap = other.put(&contents);
        let originals: BTreeMap<u8, Vec<u8>> = by_number(&grid);
        let shares = shares_of(&grid);
        shares[0].delete();
        shares[3].delete();
        let report = check(mine, &cap, "&repair=true").json();
        assert_eq!(report["repair-attempted"], true, "{report}");
        assert_eq!(report["repair-successful"], true, "{report}");
        let post = &report["post-repair-results"];
        assert_eq!(
            (&post["summary"], &post["results"]["healthy"]),
            (&json!("healthy"), &json!(true))
        );
        assert_eq!(by_number(&grid), originals, "byte for byte");
        let again = check(other, &cap, "&verify=true").json();
        assert_eq!(again["summary"], "Healthy", "{again}");
        let unneeded = check(other, &cap, "&repair=true&verify=true").json();
        assert_eq!(unneeded["repair-attempted"], false, "{unneeded}");
        assert_eq!(unneeded["repair-successful"], false, "{unneeded}");
        assert_eq!(
            unneeded["post-repair-results"],
            unneeded["pre-repair-results"]
        );
        assert!(mine.get(&cap) == contents && other.get(&cap) == contents);
        grid.delete_shares();
    }
}

/// The shares without their leases; copies of one number must be equal.
fn by_number(grid: &Grid) -> BTreeMap<u8, Vec<u8>> {
    let mut shares = BTreeMap::new();
    for share in shares_of(grid) {
        let contents = share.contents();
        let known = shares
            .entry(share.share_number)
            .or_insert_with(|| contents.clone());
        assert!(*known == contents, "share {}", share.share_number);
    }
    shares
}

#[test]
fn what_can_not_be_repaired_is_gone_in_both() {
    let (ours, python) = (ours(), python());
    let grid = Grid::start(&[&ours; 5], &[&ours, &python], ENCODING);
    let cap = grid.gateway(0).put(&sample(10, 100_000));
    shares_of(&grid)[..3].iter().for_each(ShareFile::delete);
    for gateway in &grid.gateways {
        let answer = check(gateway, &cap, "&repair=true");
        assert_eq!(answer.status, 410, "{}", answer.text());
        assert!(
            answer.text().starts_with("NotEnoughSharesError: "),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn a_server_is_told_of_the_corruption_that_is_found() {
    let (ours, python) = (ours(), python());
    let grid = Grid::start(
        &[&python, &ours, &python],
        &[&ours],
        Encoding {
            needed: 1,
            happy: 1,
            total: 3,
        },
    );
    let cap = grid.gateway(0).put(&sample(11, 100_000));
    for server in &grid.servers {
        for share in server.shares() {
            share.flip_bit(Region::Blocks);
        }
    }
    let report = check(grid.gateway(0), &cap, "&verify=true").json();
    assert_eq!(report["results"]["count-corrupt-shares"], 3, "{report}");
    for server in &grid.servers {
        let advisories = server.directory().join("storage/corruption-advisories");
        assert_eq!(std::fs::read_dir(advisories).unwrap().count(), 1);
    }
}
