//! The log of a node: files, listeners, incidents, and that no secret is in any of them.

use crate::{ours, python};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tahoe_caps::Cap;
use tahoe_test_support::http::Request;
use tahoe_test_support::{Encoding, Grid, Node, oracle_python, sample, wait_until};

const ENCODING: Encoding = Encoding {
    needed: 1,
    happy: 1,
    total: 2,
};

fn token(node: &Node) -> String {
    let path = node.directory().join("private/api_auth_token");
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Asks for the websocket of the log; the status line and the connection behind the headers.
fn ask_for_log(node: &Node, authorization: &str) -> (String, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(("127.0.0.1", node.web_port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    write!(
        stream,
        "GET /private/logs/v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "{status}");
    }
    (status.trim().to_owned(), reader)
}

/// Reads one message of a websocket: not masked, not fragmented.
fn read_message(reader: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut head = [0; 2];
    reader.read_exact(&mut head).unwrap();
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).unwrap();
            u16::from_be_bytes(length)
        }
        length => u16::from(length),
    };
    let mut message = vec![0; usize::from(length)];
    reader.read_exact(&mut message).unwrap();
    message
}

#[test]
fn those_who_have_the_token_hear_the_log() {
    let folder = tempfile::tempdir().unwrap();
    for (name, program) in [("ours", ours()), ("theirs", python())] {
        let mut node = Node::create_gateway(&program, &folder.path().join(name), &[]);
        node.start();
        for wrong in [
            "",
            "Authorization: tahoe-lafs x\r\n",
            "Authorization: Basic eA==\r\n",
        ] {
            let (status, _) = ask_for_log(&node, wrong);
            assert!(
                status.starts_with("HTTP/1.1 401"),
                "{name} {wrong:?}: {status}"
            );
        }
        let right = format!("Authorization: tahoe-lafs {}\r\n", token(&node));
        let (status, mut listener) = ask_for_log(&node, &right);
        assert!(status.starts_with("HTTP/1.1 101"), "{name}: {status}");
        node.request("GET", "/statistics", b"");
        let message: Value = serde_json::from_slice(&read_message(&mut listener)).unwrap();
        for key in ["timestamp", "task_uuid", "task_level"] {
            assert!(!message[key].is_null(), "{name}: {message}");
        }
        // A listener doesn't hold up the end.
        assert!(node.stop().success() || name == "theirs");
    }
}

#[test]
fn files_rotate_and_incidents_are_foolscaps() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::create_gateway(&ours(), &folder.path().join("node"), &[]);
    let log = folder.path().join("eliot/log.json");
    node.add_global_option(&format!(
        "--eliot-destination=file:{},rotate_length=2000,max_rotated_files=2",
        log.display()
    ));
    node.start();
    for _ in 0..60 {
        node.request("GET", "/statistics", b"");
    }
    let refused = node.request("GET", "/report_incident", b"");
    assert_eq!(refused.status, 400);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let request = Request {
        method: "POST",
        path: "/report_incident",
        headers: &form,
    };
    let reported = request.send(node.web_port(), b"details=it+hangs").unwrap();
    assert_eq!(
        reported.text(),
        "An incident report has been saved to logs/incidents/ in the node directory."
    );
    assert!(node.stop().success());
    let lines = std::fs::read_to_string(&log).unwrap();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["task_level"], serde_json::json!([1]));
    let rotated = |number: u32| log.with_file_name(format!("log.json.{number}"));
    assert!(rotated(1).exists() && rotated(2).exists() && !rotated(3).exists());
    let incidents = node.directory().join("logs/incidents");
    let mut files = std::fs::read_dir(incidents).unwrap();
    let file = files.next().unwrap().unwrap().path();
    let dump = "from foolscap.logging.cli import run_flogtool; run_flogtool()";
    let shown = Command::new(oracle_python())
        .args(["-c", dump, "dump"])
        .arg(&file)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for words in [
        "User reports incident through web page: it hangs",
        "client running",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn systemd_is_told_when_a_node_serves_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    let mut node = Node::create_gateway(&ours(), &folder.path().join("node"), &[]);
    node.set_environment("NOTIFY_SOCKET", socket.to_str().unwrap());
    node.spawn();
    let heard = || {
        let mut message = [0; 100];
        let length = systemd.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    assert_eq!(heard(), "READY=1\n");
    // It serves by now.
    assert_eq!(node.request("GET", "/statistics", b"").status, 200);
    assert!(node.stop().success());
    assert_eq!(heard(), "STOPPING=1\n");
}

/// Everything of a node that nobody may learn from a log: keys, secrets, tokens, swissnums.
fn secrets_of(directory: &Path) -> Vec<String> {
    let mut secrets = Vec::new();
    for name in ["secret", "convergence", "node.privkey", "api_auth_token"] {
        let text = std::fs::read_to_string(directory.join("private").join(name));
        secrets.extend(text.map(|text| text.trim().to_owned()));
    }
    if let Ok(furl) = std::fs::read_to_string(directory.join("private/storage.furl")) {
        let swissnum = furl.trim().rsplit('/').next().unwrap().to_owned();
        // As it goes over the wire.
        secrets.push(data_encoding::BASE64.encode(swissnum.as_bytes()));
        secrets.push(swissnum);
    }
    let pem = std::fs::read_to_string(directory.join("private/node.pem")).unwrap();
    let key = pem.split("PRIVATE KEY").nth(1).unwrap();
    secrets.extend(
        key.lines()
            .filter(|line| line.len() == 64)
            .map(str::to_owned),
    );
    secrets
}

/// The secrets in and behind capabilities.
fn secrets_of_caps(grid: &Grid, caps: &[String]) -> Vec<String> {
    let mut secrets = Vec::new();
    let master = grid.gateway(0).directory().join("private/secret");
    let master = std::fs::read_to_string(master).unwrap();
    let master = tahoe_crypto::LeaseMaster::from_base32(master.trim()).unwrap();
    for cap in caps {
        secrets.extend([cap.clone(), cap.replace(':', "%3A")]);
        let key = cap.split(':').nth(2).unwrap().to_owned();
        secrets.push(key);
        let Cap::Read(read) = Cap::parse(cap) else {
            continue;
        };
        let tahoe_caps::ReadFileCap::Chk(chk) = &read.file else {
            continue;
        };
        for server in &grid.servers {
            let id = std::fs::read_to_string(server.directory().join("my_nodeid")).unwrap();
            let lease = master.lease_secrets(&chk.storage_index(), &id.trim().parse().unwrap());
            for secret in [lease.renew.as_bytes(), lease.cancel.as_bytes()] {
                secrets.push(tahoe_encoding::base32::encode(secret));
                secrets.push(data_encoding::BASE64.encode(secret));
                secrets.push(data_encoding::HEXLOWER.encode(secret));
            }
        }
    }
    secrets
}

/// All that a node wrote about what it did.
fn logs_of(node: &Node) -> String {
    let mut text = node.log();
    let mut todo = vec![node.directory().join("logs")];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => todo.push(path),
                false => text += &String::from_utf8_lossy(&std::fs::read(path).unwrap()),
            }
        }
    }
    text
}

#[test]
fn no_log_of_a_busy_grid_holds_a_secret() {
    let mut grid = Grid::create(&[&ours(), &ours()], &[&ours()], ENCODING);
    for node in grid.servers.iter_mut().chain(&mut grid.gateways) {
        node.set_environment("TAHOE_LOG", "trace");
        let log = node.directory().join("logs/eliot.json");
        node.add_global_option(&format!("--eliot-destination=file:{}", log.display()));
    }
    grid.start_servers();
    grid.start_gateways();
    let gateway = grid.gateway(0);
    let contents = [
        sample(1, 300_000),
        sample(2, 100),
        b"in its capability".to_vec(),
    ];
    let caps: Vec<String> = contents
        .iter()
        .map(|contents| gateway.put(contents))
        .collect();
    for (cap, contents) in caps.iter().zip(&contents) {
        assert!(gateway.get(cap) == *contents);
    }
    // All sorts of requests, also such as fail.
    let cap = &caps[0];
    let gone = cap.replace("URI:CHK:", "URI:CHK:a");
    for path in [
        format!("/uri?uri={cap}"),
        format!("/uri/{cap}?t=json"),
        format!("/uri/{cap}?t=info&filename={cap}"),
        format!("/uri/{cap}/child"),
        format!("/uri/{cap}?t=frob"),
        format!("/uri/{gone}"),
        format!("/file/{cap}/{cap}"),
        format!("/{cap}"),
        format!("/status/{cap}"),
        format!("/static/{cap}"),
        format!("/?t={cap}"),
    ] {
        gateway.request("GET", &path, b"");
        gateway.request("POST", &path, b"");
        gateway.request("DELETE", &path, b"");
    }
    // A damaged share is reported by the reader to its server, and a lost one is missed.
    let share = &grid.servers[0].shares()[0];
    share.flip_bit(tahoe_test_support::Region::Blocks);
    gateway.request("GET", &format!("/uri/{cap}"), b"");
    gateway.request("POST", "/report_incident", b"");
    grid.servers[0].stop();
    wait_until("the gateway has lost a server", || {
        gateway_servers(&grid) == 1
    });
    grid.gateway(0).request("GET", &format!("/uri/{cap}"), b"");
    let mut secrets = secrets_of_caps(&grid, &caps);
    let nodes: Vec<&Node> = grid.servers.iter().chain(&grid.gateways).collect();
    for node in &nodes {
        secrets.extend(secrets_of(node.directory()));
    }
    for gateway in &mut grid.gateways {
        gateway.stop();
    }
    for server in &mut grid.servers[1..] {
        server.stop();
    }
    for node in grid.servers.iter().chain(&grid.gateways) {
        let log = logs_of(node);
        assert!(
            log.contains("TRACE") || log.contains("DEBUG"),
            "nothing verbose is logged"
        );
        for secret in &secrets {
            let place = log.find(secret.as_str());
            let near = place.map(|place| log[..place].lines().last().unwrap_or_default());
            assert_eq!(
                near,
                None,
                "{} is in the log of {}",
                secret,
                node.directory().display()
            );
        }
    }
}

fn gateway_servers(grid: &Grid) -> usize {
    grid.gateway(0).connected_servers()
}
