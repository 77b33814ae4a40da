//! `put` and `get` against a real node of the original.

use crate::{ours, run, run_oracle, without_home, without_problem};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use tahoe_test_support::{Node, Output, Program};

/// Runs a command with something on standard input.
fn run_with_input(program: &Program, home: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = program
        .command(home)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that doesn't read its input may have ended already.
    stdin.write_all(input).ok();
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    let output = Output {
        code: done.status.code().unwrap(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    };
    without_home(home, output)
}

#[test]
fn put_and_get_say_what_the_original_says() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut gateway = Node::create_gateway(&Program::python(), &home.join("gateway"), &[]);
    gateway.start();
    std::fs::write(home.join("small"), "hi\n").unwrap();
    std::fs::write(home.join("large"), vec![7; 3_000_000]).unwrap();
    let chk = "URI:CHK:aaaaaaaaaaaaaaaaaaaaaaaaaa:\
               aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:3:10:100";
    let url = gateway.url();
    let commands: [&[&str]; 15] = [
        &["-d", "gateway", "put", "small"],
        &["-q", "-d", "gateway", "put", "small"],
        &["-d", "gateway", "put", "--format=CHK", "small"],
        &["put", "--node-url", &url, "small"],
        &["-d", "gateway", "put", "large"], // fails: there are no servers
        &["-d", "gateway", "put"],
        &["-d", "gateway", "put", "-"],
        &["-q", "-d", "gateway", "put"],
        &["-d", "gateway", "get", "URI:LIT:nbuqu"],
        &["-d", "gateway", "get", "URI:LIT:nbuqu", "-"],
        &["-d", "gateway", "get", "URI:LIT:nbuqu", "copy"],
        &["-d", "gateway", "get", "URI:LIT:e4taui"],
        &["-d", "gateway", "get", "URI:future:x"],
        &["-d", "gateway", "get", "URI:LIT:nbuqu/child"],
        &["-d", "gateway", "get", chk],
    ];
    let input = "from a pipe $\n\u{ff}";
    let bytes: Vec<u8> = input.chars().map(|c| c as u8).collect();
    let outputs = run_oracle(home, &commands, input);
    let their_copy = std::fs::read(home.join("copy")).unwrap();
    std::fs::remove_file(home.join("copy")).unwrap();
    for (arguments, theirs) in commands.iter().zip(outputs) {
        let mut mine = without_problem(run_with_input(&ours(), home, arguments, &bytes));
        if theirs.stderr.contains("NoServersError") {
            let next_step = format!("The gateway's page {url}/ shows which servers it knows.\n");
            let without = mine.stderr.strip_suffix(&next_step).map(str::to_owned);
            mine.stderr = without.unwrap();
        }
        assert_eq!(mine, theirs, "{arguments:?}");
    }
    assert_eq!(std::fs::read(home.join("copy")).unwrap(), their_copy);
}

#[test]
fn failures_are_explained_without_the_capability() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let check = |arguments: &[&str], expected: &str| {
        let output = run(&ours(), home, arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (1, ""),
            "{arguments:?}"
        );
        assert!(
            output.stderr.contains(expected),
            "{arguments:?}: {output:?}"
        );
        assert!(!output.stderr.contains("nbuqu"), "{output:?}");
    };
    let nobody = "http://127.0.0.1:1";
    check(
        &["get", "-u", nobody, "URI:LIT:nbuqu"],
        "Error during GET: -1 Error trying to connect to http://127.0.0.1:1/: [Errno 111] \
         Connection refused",
    );
    check(
        &["get", "URI:LIT:nbuqu"],
        "cannot read 'HOME/.tahoe/node.url'",
    );
    check(
        &["get", "-u", nobody, "tahoe:x"],
        "error: Unknown alias 'tahoe'",
    );
    check(
        &["put", "-u", nobody, "missing"],
        "cannot read 'HOME/missing'",
    );
    check(&["put", "-u", nobody, "."], "'HOME' is a directory");
    check(
        &["put", "-u", nobody, ".", "tahoe:b"],
        "error: Unknown alias 'tahoe'",
    );
}

#[test]
fn what_is_wrong_with_a_capability_is_said() {
    let home = tempfile::tempdir().unwrap();
    let mut gateway = Node::create_gateway(&ours(), &home.path().join("gateway"), &[]);
    gateway.start();
    let cut = format!("URI:CHK:{}:4hn7jzfc53v4", "a".repeat(26));
    let said = "What you gave is a malformed URI:CHK: capability: it is cut off in or after its UEB \
                hash.";
    let url = gateway.url();
    for command in [["get", "-u", &url, &cut], ["check", "-u", &url, &cut]] {
        let failed = run(&ours(), home.path(), &command);
        let last = failed.stderr.trim_end().lines().last().unwrap_or_default();
        assert_eq!(
            (failed.code != 0, last),
            (true, said),
            "{command:?}: {failed:?}"
        );
    }
}

#[test]
fn an_upload_that_too_few_servers_took_ends_with_a_next_step() {
    let home = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let node = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            assert!(std::io::Read::read(&mut stream, &mut request).unwrap() > 0);
            let reason = "allmydata.interfaces.UploadUnhappinessError: shares could be placed";
            let head = format!(
                "HTTP/1.1 500 Internal Server Error\r\nContent-Length: {}\r\n\r\n",
                reason.len()
            );
            stream.write_all((head + reason).as_bytes()).unwrap();
        }
    });
    let url = format!("http://{address}");
    std::fs::write(home.path().join("node.url"), &url).unwrap();
    std::fs::write(home.path().join("tahoe.cfg"), "").unwrap();
    std::fs::write(home.path().join("empty"), "").unwrap();
    for (options, file) in [
        (["-d", ".", "put", "empty"].as_slice(), "'HOME/tahoe.cfg'"),
        (&["put", "-u", &url, "empty"], "the gateway's tahoe.cfg"),
    ] {
        let failed = run(&ours(), home.path(), options);
        let last = failed.stderr.trim_end().lines().last().unwrap_or_default();
        let next_step = format!(
            "Start more storage servers, or be content with fewer: set shares.happy in {file} and \
             start the gateway again."
        );
        assert_eq!((failed.code, last), (1, next_step.as_str()));
    }
    node.join().unwrap();
}

#[test]
fn a_body_that_ends_early_is_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = std::io::Read::read(&mut stream, &mut request).unwrap();
        assert!(request[..read].starts_with(b"GET /uri/URI%3ALIT%3Anbuqu HTTP/1.1\r\n"));
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
        stream.write_all(head).unwrap();
    });
    let got = run(
        &ours(),
        home.path(),
        &["get", "-u", &url, "URI:LIT:nbuqu", "copy"],
    );
    server.join().unwrap();
    assert_eq!(got.code, 1);
    assert!(
        got.stderr.contains("stopped sending after 4 bytes"),
        "{got:?}"
    );
}
