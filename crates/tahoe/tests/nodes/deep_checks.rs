//! Deep checks and repairs by both programs of the same damaged trees.

use crate::checks::{normal, shares_of};
use crate::{ours, python};
use serde_json::{Value, json};
use tahoe_test_support::{Encoding, Grid, Node, Region, ShareFile, sample, wait_until};

const ENCODING: Encoding = Encoding {
    needed: 2,
    happy: 1,
    total: 3,
};

pub(crate) fn ask(gateway: &Node, method: &str, path: &str, body: &[u8]) -> String {
    let answer = gateway.request(method, path, body);
    assert!(answer.status < 400, "{method} {path}: {}", answer.text());
    answer.text()
}

/// A tree that leads back to itself, with objects of every kind; returns its root.
fn plant(gateway: &Node) -> String {
    let root = ask(gateway, "PUT", "/uri?t=mkdir", b"");
    let put = |path: &str, contents: &[u8]| {
        ask(gateway, "PUT", &format!("/uri/{root}/{path}"), contents);
    };
    put("a.txt", &sample(1, 5000));
    put("below/b.txt", &sample(2, 300_000));
    put("below/deeper/c.txt", b"literal");
    put("below/deeper/again.txt", &sample(1, 5000));
    put("mutable?format=sdmf", &sample(3, 700));
    put("large%20mutable?format=mdmf", &sample(4, 200_000));
    put("empty/nothing.txt", b"");
    let back = format!("/uri/{root}/below/deeper/back?t=uri");
    ask(gateway, "PUT", &back, root.as_bytes());
    let children = json!({"\u{fc}nknown": ["unknown", {"ro_uri": "ro.x-tahoe-crazy://future"}]});
    let path = format!("/uri/{root}/below?t=set_children");
    ask(gateway, "POST", &path, children.to_string().as_bytes());
    let immutable = ask(gateway, "POST", "/uri?t=mkdir-immutable", b"{}");
    let path = format!("/uri/{root}/immutable?t=uri");
    ask(gateway, "PUT", &path, immutable.as_bytes());
    root
}

/// Flips a bit in a share of the largest immutable file and deletes one of another.
fn damage(grid: &Grid) {
    let mut immutable: Vec<ShareFile> = shares_of(grid);
    immutable.retain(|share| share.bytes().starts_with(&[0, 0, 0]));
    let size = |share: &ShareFile| share.bytes().len();
    immutable.sort_by_key(|share| (size(share), share.share_number));
    immutable.first().unwrap().delete();
    immutable.last().unwrap().flip_bit(Region::Blocks);
}

/// The lines of a stream; lists in reports have no order of their own.
pub(crate) fn stream(gateway: &Node, root: &str, options: &str) -> Vec<Value> {
    let path = format!("/uri/{root}?t=stream-deep-check{options}");
    let text = ask(gateway, "POST", &path, b"");
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in ["check-results", "check-and-repair-results"] {
            if let Some(results) = line.get_mut(key) {
                *results = normal(results.take());
            }
        }
        line
    };
    text.lines().map(line).collect()
}

/// Runs an operation to its end and returns its JSON.
pub(crate) fn operate(gateway: &Node, root: &str, handle: &str, options: &str) -> Value {
    let path = format!("/uri/{root}?t=start-deep-check&ophandle={handle}{options}");
    let started = gateway.request("POST", &path, b"");
    assert_eq!(started.status, 302, "{}", started.text());
    let location = started.header("location").unwrap();
    assert!(
        location.ends_with(&format!("/operations/{handle}")),
        "{location}"
    );
    let path = format!("/operations/{handle}?output=json");
    let look = || gateway.request("GET", &path, b"").json();
    wait_until("the deep check has finished", || look()["finished"] == true);
    let mut found = look();
    for list in [
        "list-corrupt-shares",
        "list-unhealthy-files",
        "list-remaining-corrupt-shares",
    ] {
        if let Some(Value::Array(values)) = found.get_mut(list) {
            for value in values.iter_mut().filter(|value| value[1].is_object()) {
                value[1] = normal(value[1].take());
            }
            values.sort_by_key(Value::to_string);
        }
    }
    found
}

#[test]
fn deep_checks_are_those_of_the_reference() {
    let (ours, python) = (ours(), python());
    let mut grid = Grid::create(&[&ours, &python, &ours], &[&ours, &python], ENCODING);
    grid.share_secrets();
    grid.start_servers();
    grid.start_gateways();
    let root = plant(grid.gateway(1));
    let [mine, theirs] = [grid.gateway(0), grid.gateway(1)];
    assert_eq!(stream(mine, &root, ""), stream(theirs, &root, ""));
    damage(&grid);
    for (number, options) in ["", "&verify=true", "&add-lease=true"].iter().enumerate() {
        assert_eq!(
            stream(mine, &root, options),
            stream(theirs, &root, options),
            "{options}"
        );
        let handle = format!("h{number}");
        let [found, expected] =
            [mine, theirs].map(|gateway| operate(gateway, &root, &handle, options));
        assert_eq!(found, expected, "{options}");
    }
    details(&grid, &root);
    repairs(&grid, &root);
}

/// `/operations/HANDLE/SI`, pages, cancelling, unknown handles.
fn details(grid: &Grid, root: &str) {
    let found = operate(grid.gateway(0), root, "details", "&verify=true");
    operate(grid.gateway(1), root, "details", "&verify=true");
    let unhealthy = found["list-unhealthy-files"].as_array().unwrap();
    assert!(!unhealthy.is_empty(), "{found}");
    for entry in unhealthy {
        let index = entry[1]["storage-index"].as_str().unwrap();
        let path = format!("/operations/details/{index}?output=json");
        let [mine, theirs] =
            [0, 1].map(|gateway| normal(grid.gateway(gateway).request("GET", &path, b"").json()));
        assert_eq!(mine, theirs);
    }
    for path in [
        "/operations/details",
        "/operations/details?output=html",
        "/operations/details/aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "/operations/unknown?output=json",
    ] {
        let [mine, theirs] = [0, 1].map(|gateway| grid.gateway(gateway).request("GET", path, b""));
        assert_eq!(mine.status, theirs.status, "{path}: {}", theirs.text());
        let title = |text: &str| {
            let title = text
                .split_once("<title>")
                .and_then(|(_, rest)| rest.split_once("</title>"));
            title.map(|(title, _)| title.to_owned())
        };
        assert_eq!(title(&mine.text()), title(&theirs.text()), "{path}");
    }
}

/// Repairs by both, the second one after the same damage again.
fn repairs(grid: &Grid, root: &str) {
    let mut counts = Vec::new();
    for repairer in [0, 1] {
        if repairer == 1 {
            damage(grid);
        }
        let gateway = grid.gateway(repairer);
        let found = operate(gateway, root, "repair", "&repair=true&verify=true");
        let keys = [
            "count-objects-checked",
            "count-objects-unhealthy-pre-repair",
        ];
        counts.push(keys.map(|key| found[key].clone()));
        assert_ne!(found["count-repairs-successful"], 0, "{found}");
    }
    assert_eq!(counts[0][0], counts[1][0]);
    for gateway in &grid.gateways {
        for line in stream(gateway, root, "&repair=true") {
            if line["type"] == "stats" {
                continue;
            }
            let results = &line["check-and-repair-results"];
            if results["storage-index"] != "" {
                assert_eq!(
                    results["post-repair-results"]["results"]["healthy"], true,
                    "{line}"
                );
            }
        }
    }
}
