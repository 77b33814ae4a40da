//! Checks and repairs by both programs of the same damaged mutable files.

use crate::checks::{check, normal, shares_of};
use crate::{ours, python};
use serde_json::{Value, json};
use std::ops::Range;
use tahoe_share::mutable::{MutableGeometry, MutableHeader};
use tahoe_test_support::{Encoding, Grid, Node, ShareFile, sample};

const ENCODING: Encoding = Encoding {
    needed: 3,
    happy: 1,
    total: 5,
};
/// Several segments of MDMF.
const SIZE: usize = 3 * (128 << 10) + 77;
/// Bytes of a mutable container before the share.
const CONTAINER_HEADER: usize = 468;

/// A part of a share.
#[derive(Debug, Clone, Copy)]
enum Part {
    SequenceNumber,
    Chain,
    BlockHashes,
    Block,
    PrivateKey,
}

/// Where a part lies in a share file.
fn range(share: &ShareFile, part: Part) -> Range<usize> {
    let bytes = share.bytes();
    let share = &bytes[CONTAINER_HEADER..];
    let header = MutableHeader::parse(share).unwrap();
    let geometry = MutableGeometry::of(&header).unwrap();
    let range = match part {
        Part::SequenceNumber => 1..9,
        Part::Chain => header.share_hash_chain_range().unwrap(),
        Part::BlockHashes => header.block_hash_tree_range(&geometry).unwrap(),
        Part::Block => header.block_range(&geometry, 0).unwrap(),
        Part::PrivateKey => header.encrypted_private_key_range().unwrap(),
    };
    let place = |offset: u64| CONTAINER_HEADER + usize::try_from(offset).unwrap();
    place(range.start)..place(range.end)
}

fn flip(share: &ShareFile, part: Part) {
    let range = range(share, part);
    let mut bytes = share.bytes();
    bytes[range.start.midpoint(range.end)] ^= 1;
    share.write(&bytes);
}

/// Does something to a file's shares of now; knows those of the version before.
type Damage = fn(&[ShareFile], &[Vec<u8>]);

/// Damages whose report doesn't depend on who answers first. The copies of key and signature are
/// left out: of each version the one is checked that comes first. For the private key see
/// [`every_copy_of_the_private_key_is_verified`].
const DAMAGES: &[(&str, Damage)] = &[
    ("nothing", |_, _| ()),
    ("a share lost", |now, _| now[0].delete()),
    ("three shares lost", |now, _| {
        now[1..4].iter().for_each(ShareFile::delete);
    }),
    ("all shares lost", |now, _| {
        now.iter().for_each(ShareFile::delete);
    }),
    ("an old share", |now, old| now[2].write(&old[2])),
    ("three old shares", |now, old| {
        (0..3).for_each(|share| now[share].write(&old[share]));
    }),
    ("all old but one", |now, old| {
        (0..4).for_each(|share| now[share].write(&old[share]));
    }),
    ("sequence number", |now, _| {
        flip(&now[0], Part::SequenceNumber);
    }),
    ("share hash chain", |now, _| flip(&now[3], Part::Chain)),
    ("block hashes", |now, _| flip(&now[4], Part::BlockHashes)),
    ("block", |now, _| flip(&now[0], Part::Block)),
];

fn grid() -> Grid {
    let (ours, python) = (ours(), python());
    let servers = [&ours, &python, &ours, &python, &ours];
    let mut grid = Grid::create(&servers, &[&ours, &python], ENCODING);
    grid.share_secrets();
    grid.start_servers();
    grid.start_gateways();
    grid
}

/// Makes a mutable file and returns its capability.
fn create(gateway: &Node, format: &str, contents: &[u8]) -> String {
    let answer = gateway.request("PUT", &format!("/uri?format={format}"), contents);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn overwrite(gateway: &Node, cap: &str, contents: &[u8]) {
    let answer = gateway.request("PUT", &format!("/uri/{cap}"), contents);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn compare(grid: &Grid, cap: &str, what: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for options in ["", "&verify=true"] {
        let [mine, theirs] = [0, 1].map(|gateway| check(grid.gateway(gateway), cap, options));
        let statuses = (mine.status, theirs.status);
        if statuses != (200, 200) {
            let texts = (mine.text(), theirs.text());
            failures.push(format!("{what} {options}: {statuses:?} {texts:?}"));
            continue;
        }
        let (mine, theirs) = (normal(mine.json()), normal(theirs.json()));
        if mine != theirs {
            failures.push(format!("{what} {options}:\n ours {mine}\n theirs {theirs}"));
        }
    }
    failures
}

#[test]
fn reports_of_mutable_files_are_those_of_the_reference() {
    let grid = grid();
    let mut failures = Vec::new();
    for format in ["sdmf", "mdmf"] {
        for (name, damage) in DAMAGES {
            let cap = create(grid.gateway(0), format, &sample(1, SIZE));
            let old: Vec<_> = shares_of(&grid).iter().map(ShareFile::bytes).collect();
            overwrite(grid.gateway(1), &cap, &sample(2, SIZE));
            damage(&shares_of(&grid), &old);
            let what = format!("{format} {name}");
            failures.extend(compare(&grid, &cap, &what));
            grid.delete_shares();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The reference looks for a private key only until it knows one, so what it says of a damaged copy
/// depends on what it remembers and on who answers first. We look at each copy.
#[test]
fn every_copy_of_the_private_key_is_verified() {
    let grid = grid();
    for format in ["sdmf", "mdmf"] {
        let cap = create(grid.gateway(0), format, &sample(1, SIZE));
        flip(&shares_of(&grid)[1], Part::PrivateKey);
        let quick = check(grid.gateway(0), &cap, "").json();
        assert_eq!(quick["results"]["healthy"], true, "{format}: {quick}");
        let [mine, theirs] =
            [0, 1].map(|gateway| normal(check(grid.gateway(gateway), &cap, "&verify=true").json()));
        let corrupt = &mine["results"]["list-corrupt-shares"];
        assert_eq!(corrupt.as_array().unwrap().len(), 1, "{format}: {mine}");
        assert_eq!(mine["results"]["count-shares-good"], 4, "{format}: {mine}");
        let overlooked = theirs["summary"] == "Healthy";
        assert!(overlooked || theirs == mine, "{format}: {mine} {theirs}");
        grid.delete_shares();
    }
}

#[test]
fn repairs_of_mutable_files_by_either_are_good_for_the_other() {
    let grid = grid();
    for format in ["sdmf", "mdmf"] {
        let mut reports = Vec::new();
        for repairer in [0, 1] {
            let (mine, other) = (grid.gateway(repairer), grid.gateway(1 - repairer));
            let contents = sample(3 + repairer as u64, SIZE);
            let cap = create(grid.gateway(0), format, &contents);
            let shares = shares_of(&grid);
            shares[0].delete();
            flip(&shares[3], Part::Block);
            let report = check(mine, &cap, "&repair=true&verify=true").json();
            assert_eq!(report["repair-attempted"], true, "{report}");
            assert_eq!(report["repair-successful"], true, "{report}");
            let again = check(other, &cap, "&verify=true").json();
            assert_eq!(again["summary"], "Healthy", "{again}");
            assert!(other.get(&cap) == contents && mine.get(&cap) == contents);
            let unneeded = check(other, &cap, "&repair=true").json();
            assert_eq!(unneeded["repair-attempted"], false, "{unneeded}");
            reports.push(without_names(report));
            grid.delete_shares();
        }
        assert_eq!(reports[0], reports[1], "{format}");
    }
}

/// The report without what depends on keys and places: numbers and verdicts.
fn without_names(report: Value) -> Value {
    let part = |part: &str| {
        let mut results = report[part]["results"].clone();
        for key in ["sharemap", "servers-responding", "list-corrupt-shares"] {
            let count = match &results[key] {
                Value::Array(list) => list.len(),
                Value::Object(map) => map.len(),
                other => panic!("{other}"),
            };
            results[key] = count.into();
        }
        results
    };
    json!([part("pre-repair-results"), part("post-repair-results")])
}

#[test]
fn what_a_repair_would_undo_is_refused_by_both() {
    let grid = grid();
    let cap = create(grid.gateway(0), "sdmf", &sample(1, 1000));
    let old: Vec<_> = shares_of(&grid).iter().map(ShareFile::bytes).collect();
    overwrite(grid.gateway(1), &cap, &sample(2, 1000));
    let now = shares_of(&grid);
    (0..3).for_each(|share| now[share].write(&old[share]));
    for gateway in &grid.gateways {
        let answer = check(gateway, &cap, "&repair=true");
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(
            answer.text().contains("MustForceRepairError"),
            "{}",
            answer.text()
        );
    }
    // Too few shares of anything: attempted in vain.
    now[0].delete();
    now[3].delete();
    for gateway in &grid.gateways {
        let report = check(gateway, &cap, "&repair=true").json();
        assert_eq!(report["repair-attempted"], true, "{report}");
        assert_eq!(report["repair-successful"], false, "{report}");
    }
}

#[test]
fn what_can_only_be_read_is_not_repaired() {
    let grid = grid();
    let cap = create(grid.gateway(0), "mdmf", &sample(1, 1000));
    assert_eq!(shares_of(&grid).len(), 5);
    let read_only = grid
        .gateway(1)
        .request("GET", &format!("/uri/{cap}?t=readonly-uri"), b"");
    shares_of(&grid)[0].delete();
    let left = shares_of(&grid);
    for gateway in &grid.gateways {
        let report = check(gateway, &read_only.text(), "&repair=true").json();
        assert_eq!(report["repair-attempted"], false, "{report}");
        assert_eq!(report["pre-repair-results"]["results"]["healthy"], false);
        assert_eq!(report["post-repair-results"], report["pre-repair-results"]);
        assert_eq!(shares_of(&grid), left);
    }
    // (The first map that a fresh gateway of the reference makes of a file whose key it doesn't
    // have may lack a share, on its own servers too: its count proves nothing.)
    let report = check(grid.gateway(0), &read_only.text(), "").json();
    assert_eq!(report["results"]["count-shares-good"], 4, "{report}");
}
