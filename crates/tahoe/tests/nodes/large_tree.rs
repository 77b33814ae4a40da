//! Walks by both programs through a large tree that leads back to itself, with children that nobody
//! knows, children in their capabilities, and children whose shares are gone.

use crate::checks::normal;
use crate::deep_checks::{ask, operate, stream};
use crate::{ours, python};
use serde_json::{Map, Value, json};
use tahoe_encoding::base32;
use tahoe_test_support::{Encoding, Grid, Node, sample, wait_until};

const ENCODING: Encoding = Encoding {
    needed: 1,
    happy: 1,
    total: 2,
};

/// Directories of the tree; each leads to the next ones and back.
const DIRECTORIES: usize = 10;
/// Children of each directory, without directories.
const CHILDREN: usize = 200;

/// A capability's field that nothing belongs to.
fn field(seed: usize, size: usize) -> String {
    base32::encode(&sample(seed as u64, size))
}

/// A child of any sort but a directory; most need no server.
fn child(gateway: &Node, number: usize) -> Value {
    let size = number % 50;
    match number % 20 {
        0 if number.is_multiple_of(100) => {
            let file = gateway.put(&sample(number as u64, 1000 + number));
            json!(["filenode", {"ro_uri": file}])
        }
        0 => {
            let (key, hash) = (field(number, 16), field(number, 32));
            let gone = format!("URI:CHK:{key}:{hash}:1:2:{}", 1000 + number);
            json!(["filenode", {"ro_uri": gone}])
        }
        1 if number.is_multiple_of(3) => {
            let (key, hash) = (field(number, 16), field(number, 32));
            json!(["filenode", {"rw_uri": format!("URI:SSK:{key}:{hash}")}])
        }
        2 => json!(["dirnode", {"ro_uri": "URI:DIR2-LIT:"}]),
        3..=7 => json!(["unknown", {"ro_uri": format!("ro.x-tahoe-future:{number}")}]),
        8 => json!(["unknown", {"ro_uri": format!("imm.x-tahoe-future:{number}")}]),
        _ => {
            let literal = base32::encode(&sample(number as u64, size));
            json!(["filenode", {"ro_uri": format!("URI:LIT:{literal}")}])
        }
    }
}

/// Plants the tree through one gateway; returns its root.
fn plant(gateway: &Node) -> String {
    let make = |_| ask(gateway, "POST", "/uri?t=mkdir", b"");
    let directories: Vec<String> = (0..DIRECTORIES).map(make).collect();
    for (number, directory) in directories.iter().enumerate() {
        let mut children = Map::new();
        for index in 0..CHILDREN {
            let child = child(gateway, number * CHILDREN + index);
            children.insert(format!("child {index}"), child);
        }
        // Down in a tree, and from each back to its parent and to itself.
        for other in [2 * number + 1, 2 * number + 2, number / 2, number] {
            if let Some(cap) = directories.get(other) {
                let link = json!(["dirnode", {"rw_uri": cap}]);
                children.insert(format!("directory {other}"), link);
            }
        }
        let path = format!("/uri/{directory}?t=set_children");
        let children = Value::Object(children).to_string();
        ask(gateway, "POST", &path, children.as_bytes());
    }
    directories[0].clone()
}

/// The result of a slow operation, with the lists that have no order of their own sorted.
fn result(gateway: &Node, root: &str, kind: &str) -> Value {
    let path = format!("/uri/{root}?t=start-{kind}&ophandle={kind}");
    assert_eq!(gateway.request("POST", &path, b"").status, 302, "{kind}");
    let path = format!("/operations/{kind}?output=json");
    let look = || gateway.request("GET", &path, b"").json();
    wait_until("the operation has finished", || look()["finished"] == true);
    let mut result = look();
    for list in ["verifycaps", "storage-index"] {
        if let Some(Value::Array(values)) = result.get_mut(list) {
            values.sort_by_key(Value::to_string);
        }
    }
    result
}

#[test]
fn walks_through_a_large_tree_are_those_of_the_reference() {
    let (ours, python) = (ours(), python());
    let mut grid = Grid::create(&[&ours, &ours], &[&ours, &python], ENCODING);
    grid.share_secrets();
    grid.start_servers();
    grid.start_gateways();
    let [mine, theirs] = [grid.gateway(0), grid.gateway(1)];
    let root = plant(mine);
    for kind in ["deep-stats", "deep-size", "manifest"] {
        let (found, expected) = (result(mine, &root, kind), result(theirs, &root, kind));
        assert_eq!(found, expected, "{kind}");
    }
    let path = format!("/uri/{root}?t=stream-manifest");
    let lines = |gateway| -> Vec<Value> {
        let text = ask(gateway, "POST", &path, b"");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let manifest = lines(mine);
    assert!(manifest.len() >= 2000, "{} objects", manifest.len());
    assert!(manifest == lines(theirs), "other lines");
    let checked = stream(mine, &root, "");
    assert_eq!(checked.len(), manifest.len());
    let expected = stream(theirs, &root, "");
    for (found, expected) in checked.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    let [found, expected] = [mine, theirs].map(|gateway| operate(gateway, &root, "check", ""));
    assert_eq!(found, expected);
    assert_ne!(found["count-objects-unhealthy"], 0, "{found}");
    assert_ne!(found["count-objects-healthy"], 0, "{found}");
}

/// The last lines of a stream: what was found, and the kind of the failure.
fn ending(gateway: &Node, path: &str) -> (Vec<Value>, String) {
    let text = ask(gateway, "POST", path, b"");
    let (found, failure) = text.split_once("ERROR: ").expect("it fails");
    let found = found.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if let Some(results) = line.get_mut("check-results") {
            *results = normal(results.take());
        }
        line
    });
    let class = failure.split('(').next().unwrap();
    (found.collect(), class.to_owned())
}

#[test]
fn walks_end_at_a_directory_that_cannot_be_read() {
    let mut grid = Grid::create(&[&ours()], &[&ours(), &python()], ENCODING);
    grid.share_secrets();
    grid.start_servers();
    grid.start_gateways();
    let [mine, theirs] = [grid.gateway(0), grid.gateway(1)];
    let (key, hash) = (field(1, 16), field(1, 32));
    for gone in [
        json!({"ro_uri": format!("URI:DIR2-CHK:{key}:{hash}:1:2:1000")}),
        json!({"rw_uri": format!("URI:DIR2:{key}:{hash}")}),
        json!({"ro_uri": format!("URI:DIR2-MDMF-RO:{key}:{hash}")}),
    ] {
        let root = ask(mine, "POST", "/uri?t=mkdir", b"");
        let children = json!({
            "a file": ["filenode", {"ro_uri": "URI:LIT:mfrgg"}],
            "gone": ["dirnode", gone],
            "later": ["dirnode", {"ro_uri": "URI:DIR2-LIT:"}],
        });
        let path = format!("/uri/{root}?t=set_children");
        ask(mine, "POST", &path, children.to_string().as_bytes());
        for kind in ["stream-manifest", "stream-deep-check"] {
            let path = format!("/uri/{root}?t={kind}");
            let [found, expected] = [mine, theirs].map(|gateway| ending(gateway, &path));
            assert_eq!(found, expected, "{kind} {gone}");
        }
        for kind in ["manifest", "deep-check", "deep-stats"] {
            let handle = field(2, 16);
            let path = format!("/uri/{root}?t=start-{kind}&ophandle={handle}");
            let [found, expected] = [mine, theirs].map(|gateway| {
                assert_eq!(gateway.request("POST", &path, b"").status, 302, "{kind}");
                let path = format!("/operations/{handle}?output=json");
                let look = || gateway.request("GET", &path, b"");
                wait_until("it has failed", || look().status != 200);
                let ended = look().status;
                let path = format!("/operations/{handle}?t=cancel");
                gateway.request("POST", &path, b"");
                ended
            });
            assert_eq!(found, expected, "{kind} {gone}");
        }
    }
}

/// Plants immutable directories of a thousand children each; returns the root above them.
fn plant_wide(gateway: &Node, objects: usize) -> String {
    let mut directories = Map::new();
    for number in 0..objects / 1000 {
        let children = (0..999).map(|index| {
            let seed = number * 1000 + index;
            let cap = match index % 10 {
                0 => format!("URI:CHK:{}:{}:1:2:999", field(seed, 16), field(seed, 32)),
                _ => format!("URI:LIT:{}", field(seed, 40)),
            };
            (
                format!("child {index}"),
                json!(["filenode", {"ro_uri": cap}]),
            )
        });
        let children = Value::Object(children.collect()).to_string();
        let made = ask(
            gateway,
            "POST",
            "/uri?t=mkdir-immutable",
            children.as_bytes(),
        );
        let link = json!(["dirnode", {"ro_uri": made}]);
        directories.insert(format!("directory {number}"), link);
    }
    let directories = Value::Object(directories).to_string();
    ask(
        gateway,
        "POST",
        "/uri?t=mkdir-immutable",
        directories.as_bytes(),
    )
}

/// By hand with a hundred thousand objects: `TAHOE_WALK_OBJECTS=100000`.
#[test]
fn memory_does_not_grow_with_the_tree() {
    let large = std::env::var("TAHOE_WALK_OBJECTS").map_or(10_000, |text| text.parse().unwrap());
    let mut grid = Grid::create(&[&ours()], &[&ours(), &ours()], ENCODING);
    grid.start_servers();
    grid.start_gateways();
    let [maker, walker] = [grid.gateway(0), grid.gateway(1)];
    let peaks = [1000, large].map(|objects| {
        let root = plant_wide(maker, objects);
        for kind in ["stream-manifest", "stream-deep-check"] {
            let path = format!("/uri/{root}?t={kind}");
            let lines = ask(walker, "POST", &path, b"").lines().count();
            assert_eq!(lines, objects + 2, "{kind}");
        }
        walker.peak_memory_bytes()
    });
    let grown = peaks[1].saturating_sub(peaks[0]);
    println!("peaks {peaks:?} bytes: {grown} more for {large} objects than for 1000");
    // The tables that are kept for the next reader take up to 16 MiB, read-ahead a few more.
    assert!(grown < 48 << 20, "{grown} bytes more: {peaks:?}");
}
