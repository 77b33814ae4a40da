//! What an operator of a node sees, ours beside the reference: pages, figures, refusals.

use crate::{ours, python};
use serde_json::Value;
use tahoe_test_support::{Encoding, Grid, Node, sample};

/// Every path to a value with the kind of the value.
fn shape(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                shape(value, &format!("{path}/{name}"), found);
            }
        }
        // The two tell fractions and whole numbers apart in other places.
        Value::Number(_) => found.push(format!("{path}: number")),
        value => found.push(format!("{path}: {value}")),
    }
}

fn shape_of(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    shape(value, "", &mut found);
    found.sort();
    found
}

#[test]
fn the_storage_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut reports = Vec::new();
    for (name, program) in [("ours", ours()), ("theirs", python())] {
        let mut node = Node::create_server(&program, &folder.path().join(name));
        node.give_web_port();
        node.set("storage", "expire.enabled", "true");
        node.set("storage", "expire.mode", "age");
        node.set("storage", "expire.override_lease_duration", "60 days");
        node.start();
        let page = node.request("GET", "/storage", b"");
        assert_eq!(page.status, 200);
        let text = page.text();
        for words in [
            "Storage Server Status",
            "Enabled: expired leases will be removed",
            "Leases created or last renewed more than",
            "Next crawl in",
            "Not computed yet",
        ] {
            assert!(text.contains(words), "{name}: {words}: {text}");
        }
        let json = node.request("GET", "/storage?t=json", b"");
        assert_eq!(json.header("content-type"), Some("text/plain"));
        let helper = node.request("GET", "/helper_status?t=json", b"");
        assert_eq!((helper.status, helper.text()), (200, "{}\n".into()));
        let bad = node.request("GET", "/storage?t=frob", b"");
        assert_eq!(bad.status, 400);
        reports.push(shape_of(&json.json()));
        node.stop();
        let state = node.directory().join("storage/bucket_counter.state.json");
        assert!(state.exists(), "{name} saves its place");
    }
    assert_eq!(reports[0], reports[1], "ours and theirs");
}

#[test]
fn the_access_blacklist() {
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 1,
    };
    let mut grid = Grid::create(&[&ours()], &[&ours(), &python()], encoding);
    grid.start_servers();
    grid.start_gateways();
    let cap = grid.gateway(0).put(&sample(1, 1000));
    let index = grid.servers[0].shares()[0].storage_index.clone();
    let paths = [
        format!("/uri/{cap}"),
        format!("/uri/{cap}?t=json"),
        format!("/uri/{cap}?t=uri"),
        format!("/uri/{cap}/child"),
        format!("/file/{cap}/name"),
    ];
    for (entry, text) in [
        (true, format!("# comment\n\n{index}  my puppy told me to\n")),
        (false, "# nothing\n".to_owned()),
    ] {
        for gateway in &grid.gateways {
            gateway.write_file("access.blacklist", &text);
        }
        for path in &paths {
            let [ours, theirs] =
                [0, 1].map(|number| grid.gateway(number).request("GET", path, b""));
            assert_eq!(ours.status, theirs.status, "{path}");
            if ours.status == 403 {
                assert!(entry);
                assert!(
                    ours.text()
                        .contains("Access Prohibited: my puppy told me to")
                );
                assert!(
                    theirs
                        .text()
                        .contains("Access Prohibited: my puppy told me to")
                );
            }
        }
        let expected = if entry { 403 } else { 200 };
        assert_eq!(grid.gateway(0).try_get(&cap).status, expected);
    }
}

/// Lists of operations and counters, without what differs from one file to another.
fn mutable_operations(gateway: &Node) -> (Vec<String>, Vec<(String, Value)>) {
    let list = gateway.request("GET", "/status?t=json", b"").json();
    assert_eq!(list["active"], serde_json::json!([]));
    let mut recent = list["recent"].as_array().unwrap().clone();
    for operation in &mut recent {
        let index = operation["storage-index-string"].take();
        assert_eq!(index.as_str().map(str::len), Some(26));
    }
    let mut recent: Vec<String> = recent.iter().map(ToString::to_string).collect();
    recent.sort();
    let statistics = gateway.request("GET", "/statistics?t=json", b"").json();
    let counters = statistics["counters"].as_object().unwrap().clone();
    let mut counters: Vec<_> = counters.into_iter().collect();
    counters.sort_by_key(|(name, _)| name.clone());
    (recent, counters)
}

#[test]
fn the_mutable_operations_of_a_gateway() {
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 2,
    };
    let gateways = [&ours(), &python(), &ours()];
    let mut grid = Grid::create(&[&ours(), &ours()], &gateways, encoding);
    grid.start_servers();
    grid.start_gateways();
    let maker = grid.gateway(2);
    let mut lists = Vec::new();
    for number in 0..2 {
        let gateway = grid.gateway(number);
        for format in ["SDMF", "MDMF"] {
            // Nobody has seen the file through this gateway.
            let path = format!("/uri?format={format}");
            let file = maker.request("PUT", &path, &sample(1, 300_000)).text();
            assert_eq!(gateway.get(&file).len(), 300_000);
            let check = format!("/uri/{file}?t=check&output=json");
            assert_eq!(gateway.request("POST", &check, b"").status, 200);
            let new = gateway.request("PUT", &format!("/uri/{file}"), b"new contents");
            assert_eq!(new.status, 200);
        }
        let directory = maker.request("POST", "/uri?t=mkdir", b"").text();
        let path = format!("/uri/{directory}?t=json");
        assert_eq!(gateway.request("GET", &path, b"").status, 200);
        lists.push(mutable_operations(gateway));
        for kind in ["mapupdate", "publish", "retrieve"] {
            let page = gateway.request("GET", &format!("/status/{kind}-0"), b"");
            assert_eq!(page.status, 200, "{kind}");
            let page = page.text();
            for words in facts_of(kind) {
                assert!(page.contains(words), "{words}: {page}");
            }
            let missing = gateway.request("GET", &format!("/status/{kind}-99"), b"");
            assert_eq!(missing.status, 404, "{kind}");
            for (format, expected) in [("html", 200), ("json", 400)] {
                let path = format!("/status/{kind}-0?t={format}");
                let answer = gateway.request("GET", &path, b"");
                assert_eq!(answer.status, expected, "{kind} {format}");
            }
        }
        let searches = (0..4).map(|number| {
            let path = format!("/status/mapupdate-{number}");
            gateway.request("GET", &path, b"").text()
        });
        let searches: Vec<_> = searches.collect();
        let with_key = searches
            .iter()
            .filter(|page| page.contains("Got privkey from"));
        assert!(with_key.count() >= 1, "{searches:?}");
        let page = gateway.request("GET", "/status", b"").text();
        for words in ["mapupdate MODE_READ", "mapupdate MODE_WRITE", "-NA-"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
    assert_eq!(lists[0], lists[1], "ours and theirs");
}

/// What the page of an operation on a mutable file tells, in either program's.
fn facts_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "mapupdate" => &[
            "100.0%",
            "Initial Queries",
            "Cumulative Verify",
            "Per-Server Response Times",
        ],
        "publish" => &[
            "100.0%",
            "1 of 2",
            "Sharemap",
            "0 -&gt; Placed on",
            "Setup",
            "Encrypting",
            "Encoding",
            "Packing Shares",
            "RSA Signature",
            "Pushing",
            "Per-Server Response Times",
        ],
        _ => &[
            "100.0%",
            "1 of 2",
            "Fetching",
            "Decoding",
            "Decrypting",
            "Per-Server Fetch Response Times",
        ],
    }
}

/// Names of the fields of the first of some events.
fn fields_of_first(events: &Value) -> Vec<String> {
    let first = events[0].as_object().unwrap_or_else(|| panic!("{events}"));
    let mut names: Vec<String> = first.keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn the_operations_of_a_gateway() {
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 2,
    };
    let mut grid = Grid::create(&[&ours(), &ours()], &[&ours(), &python()], encoding);
    for gateway in &grid.gateways {
        gateway.write_file("private/convergence", format!("{}\n", "a".repeat(52)));
    }
    grid.start_servers();
    grid.start_gateways();
    let contents = sample(1, 300_000);
    let cap = grid.gateway(0).put(&contents);
    assert_eq!(grid.gateway(1).put(&contents), cap);
    let mut lists = Vec::new();
    let mut events = Vec::new();
    for gateway in &grid.gateways {
        gateway.put(b"in its capability");
        assert!(gateway.get(&cap) == contents);
        let answer = gateway.request("GET", "/status?t=json", b"");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let list = answer.json();
        assert_eq!(list["active"], serde_json::json!([]));
        let mut recent = list["recent"].as_array().unwrap().clone();
        // Which of two began later may be the same moment.
        recent.sort_by_key(ToString::to_string);
        lists.push(recent);
        let down = gateway.request("GET", "/status/down-0/event_json", b"");
        assert_eq!(down.header("content-type"), Some("text/plain"));
        events.push(down.json());
    }
    assert_eq!(lists[0], lists[1], "ours and theirs");
    let keys = |value: &Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&events[0]), keys(&events[1]));
    for kind in ["read", "segment", "dyhb", "block"] {
        let [ours, theirs] = [0, 1].map(|number| fields_of_first(&events[number][kind]));
        assert_eq!(ours, theirs, "{kind}");
    }
    let read = &events[0]["read"][0];
    assert_eq!(
        (&read["start"], &read["bytes_returned"]),
        (&0.into(), &300_000.into())
    );
    // The same servers have the same names and colours.
    for (id, server) in events[0]["server_info"].as_object().unwrap() {
        let theirs = &events[1]["server_info"][id];
        assert_eq!(
            (&server["color"], &server["short"]),
            (&theirs["color"], &theirs["short"])
        );
    }
    for (path, statuses) in [
        ("/status", [200, 200]),
        ("/status/", [200, 200]),
        ("/status?t=frob", [400, 400]),
        ("/status/up-0", [200, 200]),
        ("/status/up-1", [404, 404]),
        ("/status/down-0", [200, 200]),
        ("/status/up-99", [404, 404]),
        ("/status/frob-0", [404, 404]),
        ("/status/frob", [400, 400]),
        ("/status/down-0/frob", [404, 404]),
    ] {
        let found = [0, 1].map(|number| grid.gateway(number).request("GET", path, b"").status);
        assert_eq!(found, statuses, "{path}");
    }
    // The reference breaks its answer off.
    let bad = grid.gateway(0).request("GET", "/status/up-x", b"");
    assert_eq!(bad.status, 400);
    // The commands of both programs understand it.
    let directory = grid.gateways[0].directory();
    for program in [ours(), python()] {
        let arguments = ["-d", directory.to_str().unwrap(), "status"];
        let shown = program.run_well(directory, arguments);
        assert!(shown.contains("ecent operations"), "{shown}");
    }
    let page = grid.gateway(0).request("GET", "/status/up-0", b"").text();
    for words in ["Shares Pushed", "300000", "100.0%", "Finished", "placed on"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = grid.gateway(0).request("GET", "/status/down-0", b"").text();
    for words in [
        "DYHB Requests:",
        "Read Events:",
        "[0:+300000]",
        "seg0",
        "idle",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}
