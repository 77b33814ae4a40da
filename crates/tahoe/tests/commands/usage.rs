//! What every command has in common.

use crate::{both, check_both_refuse, ours, run};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

#[test]
fn wrong_usage_shows_the_usage_on_standard_output_and_exits_with_1() {
    let refused = check_both_refuse(&[
        &[],
        &["--oops"],
        &["nonsense"],
        &["create-node", "--oops"],
        &["put", "--version"],
        &["put", "a", "b", "c"],
        &["get"],
        &["put", "--format=nonsense"],
        &["put", "--node-url=nonsense"],
        &["put", "--", "-x"],
        &["debug"],
        &["debug", "nonsense"],
        &["-d", "a", "create-client", "-C", "b"],
        &["-d", "a", "create-client", "b"],
        &["create-client", "-C", "a", "b"],
        &["create-client", "a", "b"],
        &["create-client", "--shares-needed=x"],
    ]);
    for output in refused {
        assert!(output.stdout.contains("Usage:"), "{output:?}");
        assert!(output.stdout.contains("tahoe:  "), "{output:?}");
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn retired_commands_say_so() {
    let refused = both(&[&["debug", "trial"], &["debug", "repl"]]);
    for (ours, theirs) in refused {
        assert_eq!(ours, theirs);
    }
    let home = tempfile::tempdir().unwrap();
    let arguments = ["debug", "flogtool", "dump", "--verbose", "x"];
    let refused = run(&ours(), home.path(), &arguments);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("Python's foolscap"), "{refused:?}");
}

#[test]
fn help_and_version_succeed() {
    let commands: [&[&str]; 7] = [
        &["--version"],
        &["-V"],
        &["--version-and-path"],
        &["-q", "--version"],
        &["--help"],
        &["create-node", "--help"],
        &["debug", "--help"],
    ];
    let outputs = both(&commands);
    for (arguments, (ours, theirs)) in commands.iter().zip(&outputs) {
        assert_eq!(
            (ours.code, theirs.code),
            (0, 0),
            "{arguments:?}: {ours:?} {theirs:?}"
        );
        assert_eq!(ours.stderr, "");
        assert!(!ours.stdout.is_empty());
    }
    for (ours, theirs) in &outputs[..4] {
        assert!(
            ours.stdout.starts_with(theirs.stdout.trim()),
            "{ours:?}, {theirs:?}"
        );
    }
}

#[test]
fn the_message_is_the_last_line() {
    let home = tempfile::tempdir().unwrap();
    let last_line = |arguments: &[&str]| {
        let output = run(&ours(), home.path(), arguments);
        let line = output.stdout.trim_end().lines().last().map(str::to_owned);
        line.unwrap_or_default()
    };
    let cases: [(&[&str], &str); 7] = [
        (&[], "must specify a command"),
        (&["nonsense"], "Unknown command: nonsense"),
        (
            &["invite"],
            "the following required arguments were not provided: <NICKNAME>",
        ),
        (
            &["--quet"],
            "unexpected argument '--quet' found; tip: a similar argument exists: '--quiet'",
        ),
        (&["put", "--version"], "--version stands before the command"),
        (
            &["create-node", "--hostname=h", "--", "-x"],
            "the path '-x' cannot start with '-': write './-x' if you mean a file of that name",
        ),
        (
            &["-d", "a", "create-client", "-C", "b"],
            "the --node-directory (or -d) option and the --basedir (or -C) option cannot both be \
             used",
        ),
    ];
    for (arguments, message) in cases {
        let line = last_line(arguments);
        assert!(
            line.ends_with(&format!("tahoe:  {message}")),
            "{arguments:?}: {line}"
        );
    }
}

#[test]
fn long_options_may_be_abbreviated() {
    let home = tempfile::tempdir().unwrap();
    let made = run(
        &ours(),
        home.path(),
        &["--quiet", "--node-dir", "n", "create-client"],
    );
    assert_eq!((made.code, made.stdout.as_str()), (0, ""));
    assert!(home.path().join("n/tahoe.cfg").exists());
}

#[test]
fn man_pages_and_completions_come_from_the_same_definition() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(run(&ours(), home.path(), &["generate", "man", "."]).code, 0);
    let page = std::fs::read_to_string(home.path().join("tahoe-put.1")).unwrap();
    assert!(page.contains("LOCAL"));
    assert!(
        page.contains("[\\fB\\-\\-format\\fR \\fIFORMAT\\fR]"),
        "{page}"
    );
    let example =
        "\n.nf\n  tahoe put report.pdf                   store a file, print its capability\n";
    assert!(
        page.contains(example) && page.contains("\n.nh\n.ad l\n"),
        "{page}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&ours(), home.path(), &["generate", "completions", shell]);
        assert!(
            script.code == 0 && script.stdout.contains("create-node"),
            "{shell}"
        );
    }
}

/// Runs a command whose standard output goes to a full disk.
fn run_on_full_disk(command: &mut Command) -> (Option<i32>, String) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(full))
        .output()
        .unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

const LOST: &str = "cannot write to standard output: No space left on device (os error 28)\n";

#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 9] = [
        &["--version"],
        &["--help"],
        &["put", "--help"],
        &["--help-eliot-destinations"],
        &["admin", "generate-keypair"],
        &["list-aliases"],
        &["debug", "dump-cap", "URI:LIT:nbuqu"],
        &["generate", "completions", "bash"],
        &["create-client", "--shares-happy=1", "node"],
    ];
    run(&ours(), home.path(), &["-d", ".", "create-client"]);
    std::fs::write(home.path().join("private/aliases"), "a: URI:DIR2-LIT:\n").unwrap();
    for arguments in commands {
        let mut command = ours().command(home.path());
        let failed = run_on_full_disk(command.args(["-d", "."]).args(arguments));
        assert_eq!(failed, (Some(1), LOST.to_owned()), "{arguments:?}");
    }
    let mut quiet = ours().command(home.path());
    quiet.args(["-q", "-d", ".", "list-aliases"]);
    assert_eq!(run_on_full_disk(&mut quiet), (Some(0), String::new()));

    let manager = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grid-manager"));
        command.current_dir(home.path()).args(["-c", "gm"]);
        command
    };
    assert!(manager().arg("create").status().unwrap().success());
    for argument in ["public-identity", "--help"] {
        let failed = run_on_full_disk(manager().arg(argument));
        assert_eq!(failed, (Some(1), LOST.to_owned()), "{argument}");
    }
}

#[test]
fn a_lost_capability_is_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let node = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nURI:LIT:nbuqu";
        stream.write_all(answer).unwrap();
    });
    let mut command = ours().command(home.path());
    command.args(["put", "-u", &url, "-"]);
    let failed = run_on_full_disk(&mut command);
    node.join().unwrap();
    let expected = format!("waiting for file data on stdin..\n200 OK\n{LOST}");
    assert_eq!(failed, (Some(1), expected));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let mut completions = ours()
        .command(home.path())
        .args(["generate", "completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(completions.stdout.take());
    let done = completions.wait_with_output().unwrap();
    assert_eq!((done.status.code(), done.stderr), (Some(0), Vec::new()));
}
