//! Files and shares of both programs, exchanged in every direction.

use crate::{ours, python, share_files};
use std::collections::{BTreeMap, BTreeSet};
use tahoe_test_support::http::Request;
use tahoe_test_support::{Encoding, Grid, Node, Program, sample};

/// The largest segment of both programs.
const SEGMENT: usize = 1 << 20;

/// An encoding and the sizes of the files to try it with.
struct Case {
    encoding: Encoding,
    sizes: Vec<usize>,
}

fn case(needed: u16, total: u16, sizes: &[usize]) -> Case {
    Case {
        encoding: Encoding {
            needed,
            happy: 1,
            total,
        },
        sizes: sizes.to_vec(),
    }
}

#[test]
fn on_our_servers() {
    let cases = [
        case(1, 1, &[0, 1, 55, 56, SEGMENT - 1, SEGMENT, SEGMENT + 1]),
        case(2, 3, &[56, 57, SEGMENT - 1, SEGMENT, SEGMENT + 1]),
        // A segment is rounded up to a multiple of 3: two bytes more than a power of two.
        case(
            3,
            10,
            &[
                1,
                55,
                56,
                57,
                58,
                100_000,
                SEGMENT - 1,
                SEGMENT,
                SEGMENT + 1,
                SEGMENT + 2,
            ],
        ),
        case(
            3,
            10,
            &[SEGMENT + 3, 2 * (SEGMENT + 2), 5 * SEGMENT + 12_345],
        ),
        case(
            25,
            100,
            &[56, 1000, SEGMENT + 23, SEGMENT + 24, SEGMENT + 25],
        ),
    ];
    exchange(&[&ours(), &ours(), &ours(), &ours()], &cases);
}

#[test]
fn on_python_servers() {
    let cases = [
        case(1, 1, &[56, SEGMENT + 1]),
        case(2, 3, &[56, SEGMENT, SEGMENT + 1]),
        case(
            3,
            10,
            &[0, 55, 56, SEGMENT + 2, SEGMENT + 3, 3 * SEGMENT + 7],
        ),
        case(25, 100, &[100_000]),
    ];
    exchange(&[&python(), &python(), &python()], &cases);
}

#[test]
fn on_mixed_servers() {
    let cases = [
        case(3, 5, &[56, SEGMENT + 2, SEGMENT + 3, 4 * SEGMENT]),
        case(3, 10, &[1000, SEGMENT + 3]),
    ];
    exchange(&[&ours(), &python(), &ours(), &python(), &ours()], &cases);
}

/// Stores and fetches files through a gateway of ours and one of Python's.
fn exchange(servers: &[&Program], cases: &[Case]) {
    let first = cases[0].encoding;
    let mut grid = Grid::create(servers, &[&ours(), &python()], first);
    grid.share_secrets();
    grid.start_servers();
    for case in cases {
        grid.set_encoding(case.encoding);
        for &size in &case.sizes {
            let contents = sample(size as u64, size);
            exchange_file(&grid, &contents);
            grid.delete_shares();
        }
    }
}

fn exchange_file(grid: &Grid, contents: &[u8]) {
    let [ours, python] = [grid.gateway(0), grid.gateway(1)];
    let capability = ours.put(contents);
    let kind = if contents.len() > 55 {
        "URI:CHK:"
    } else {
        "URI:LIT:"
    };
    assert!(capability.starts_with(kind), "{capability}");
    assert!(python.get(&capability) == contents, "{capability}");
    let our_shares = shares_by_number(grid);
    // Each program recognises the other's shares and adds none that differ.
    assert_eq!(python.put(contents), capability);
    assert!(shares_by_number(grid) == our_shares, "{capability}");

    let our_groups = (grid.delete_shares(), ours.put(contents), groups(grid)).2;
    grid.delete_shares();
    assert_eq!(python.put(contents), capability);
    assert!(shares_by_number(grid) == our_shares, "{capability}");
    assert_eq!(groups(grid), our_groups, "{capability}");
    assert!(ours.get(&capability) == contents, "{capability}");
    assert_eq!(ours.put(contents), capability);
    assert!(shares_by_number(grid) == our_shares, "{capability}");
    compare_ranges(ours, python, &capability, contents);
}

/// The shares without leases; all copies of one share must be the same.
fn shares_by_number(grid: &Grid) -> BTreeMap<u8, Vec<u8>> {
    let mut shares = BTreeMap::new();
    for (_, file) in share_files(grid) {
        let contents = file.contents();
        let first = shares
            .entry(file.share_number)
            .or_insert_with(|| contents.clone());
        assert!(
            *first == contents,
            "copies of share {} differ",
            file.share_number
        );
    }
    shares
}

/// Which shares lie together on a server, forgetting on which: Python picks the servers for a fresh
/// file in an order that changes from run to run.
fn groups(grid: &Grid) -> BTreeSet<BTreeSet<u8>> {
    let mut groups = BTreeMap::<usize, BTreeSet<u8>>::new();
    for (server, file) in share_files(grid) {
        groups.entry(server).or_default().insert(file.share_number);
    }
    groups.into_values().collect()
}

/// Both gateways answer requests for parts with the same status, headers and bytes.
fn compare_ranges(ours: &Node, python: &Node, capability: &str, contents: &[u8]) {
    let size = contents.len();
    let ranges = [
        "bytes=0-0".to_owned(),
        "bytes=1-".to_owned(),
        "bytes=-7".to_owned(),
        format!("bytes={}-", size.saturating_sub(1)),
        format!("bytes={}-{}", size / 2, size / 2 + 999),
        format!("bytes={}-{}", SEGMENT - 1, SEGMENT + 3),
        format!("bytes={size}-"),
    ];
    // Python answers -7 on an empty file with 206 and the range 0--1.
    for range in ranges
        .into_iter()
        .filter(|range| size > 0 || range != "bytes=-7")
    {
        let ask = |node: &Node| {
            let path = format!("/uri/{capability}");
            let request = Request {
                headers: &[("Range", &range)],
                ..Request::new("GET", &path)
            };
            request.send(node.web_port(), b"").expect("an answer")
        };
        let (mine, theirs) = (ask(ours), ask(python));
        assert_eq!(mine.status, theirs.status, "{range} of {capability}");
        if mine.status == 416 {
            continue;
        }
        for name in [
            "content-range",
            "content-length",
            "content-type",
            "etag",
            "accept-ranges",
        ] {
            let (mine, theirs) = (mine.header(name), theirs.header(name));
            assert_eq!(mine, theirs, "{name} of {range} of {capability}");
        }
        assert!(mine.body == theirs.body, "{range} of {capability}");
    }
}
