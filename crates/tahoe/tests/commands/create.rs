//! `create-node` and `create-client`.

use crate::{check_both_refuse, ours, run, run_oracle};
use std::path::{Path, PathBuf};
use std::process::Command;
use tahoe_test_support::{Output, Program, oracle_python, wait_until};

/// What Python's configparser reads from the tahoe.cfg of directories, for each a list of
/// `section.option=value`, with the port that was picked left out.
fn settings(directories: &[PathBuf]) -> Vec<Vec<String>> {
    let script = "\
import json, sys
from allmydata.util.configutil import get_config
configs = [get_config(path + '/tahoe.cfg') for path in sys.argv[1:]]
print(json.dumps([
    [f'{section}.{option}={value}' for section in config for option, value in config.items(section)]
    for config in configs]))";
    let output = Command::new(oracle_python())
        .args(["-c", script])
        .args(directories)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut all: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    for lines in &mut all {
        for line in lines
            .iter_mut()
            .filter(|line| line.starts_with("node.tub."))
        {
            line.truncate(line.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        }
        lines.sort();
    }
    all
}

fn files(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for folder in [directory.to_owned(), directory.join("private")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            names.push(entry.unwrap().file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}

#[test]
fn the_same_settings_and_files_are_written() {
    let cases: [&[&str]; 11] = [
        &["create-client"],
        &["create-client", "--nickname=a b", "--webport=none"],
        &[
            "create-client",
            "-n",
            "Zoë",
            "-p",
            "tcp:0:interface=127.0.0.1",
        ],
        &[
            "create-client",
            "--shares-needed=1",
            "--shares-happy=1",
            "--shares-total=1",
        ],
        &["create-client", "--introducer=pb://a@b/c"],
        &["create-node", "--hostname=127.0.0.1"],
        &[
            "create-node",
            "--hostname=example.org",
            "--helper",
            "--storage-dir=/x",
        ],
        &["create-node", "--hostname=127.0.0.1", "--no-storage"],
        &["create-node", "--port=tcp:1", "--location=tcp:h:1"],
        &["create-node", "--listen=none", "--no-storage"],
        &["create-node", "--listen=none"],
    ];
    let home = tempfile::tempdir().unwrap();
    let directories = |kind: &str| -> Vec<PathBuf> {
        let name = |number| home.path().join(format!("{kind}{number}"));
        (0..cases.len()).map(name).collect()
    };
    let (mine, theirs) = (directories("ours"), directories("theirs"));
    let commands = |directories: &[PathBuf]| -> Vec<Vec<String>> {
        let with_directory = |(options, directory): (&&[&str], &PathBuf)| {
            let options = options.iter().map(|option| (*option).to_owned());
            options.chain([directory.display().to_string()]).collect()
        };
        cases.iter().zip(directories).map(with_directory).collect()
    };
    for (command, directory) in commands(&mine).iter().zip(&mine) {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        check_made(&run(&ours(), home.path(), &command), directory);
    }
    let their_commands = commands(&theirs);
    let their_commands: Vec<Vec<&str>> = their_commands
        .iter()
        .map(|command| command.iter().map(String::as_str).collect())
        .collect();
    let their_commands: Vec<&[&str]> = their_commands.iter().map(Vec::as_slice).collect();
    let outputs = run_oracle(home.path(), &their_commands, "");
    for (output, directory) in outputs.iter().zip(&theirs) {
        check_made(output, directory);
    }
    let all_settings = settings(&mine).into_iter().zip(settings(&theirs));
    for ((case, (one, other)), (mine, theirs)) in
        cases.iter().zip(all_settings).zip(mine.iter().zip(&theirs))
    {
        assert_eq!(one, other, "{case:?}");
        assert_eq!(files(mine), files(theirs), "{case:?}");
    }
}

fn check_made(output: &Output, directory: &Path) {
    assert_eq!(output.code, 0, "{output:?}");
    let first = output.stdout.lines().next().unwrap();
    let name = directory.file_name().unwrap().to_str().unwrap();
    assert!(first.starts_with("Node created in '") && first.ends_with(&format!("/{name}'")));
}

#[test]
fn small_grids_are_told_what_suits_them() {
    let home = tempfile::tempdir().unwrap();
    let stderr = |arguments: &[&str]| {
        let made = run(&ours(), home.path(), arguments);
        assert_eq!(made.code, 0, "{made:?}");
        made.stderr
    };
    let told = stderr(&["create-client", "one"]);
    assert!(
        told.starts_with("note: storing a file takes at least 7 servers."),
        "{told}"
    );
    assert!(
        told.contains("shares.happy and shares.total in 'HOME/one/tahoe.cfg'"),
        "{told}"
    );
    let small = [
        "create-node",
        "--hostname=127.0.0.1",
        "--shares-needed=3",
        "--shares-happy=4",
        "--shares-total=5",
        "two",
    ];
    assert_eq!(stderr(&small), "");
}

#[test]
fn introducers_have_the_same_settings_and_files() {
    let cases: [&[&str]; 3] = [
        &["--hostname=127.0.0.1"],
        &["--port=tcp:1", "--location=tcp:h:1"],
        &["--listen=none"],
    ];
    let home = tempfile::tempdir().unwrap();
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for (number, options) in cases.iter().enumerate() {
        for (programs, name) in [(&mut mine, "ours"), (&mut theirs, "theirs")] {
            let directory = home.path().join(format!("{name}{number}"));
            let path = directory.to_str().unwrap();
            let arguments = [&["create-introducer"], *options, &[path]].concat();
            let made = match name {
                "ours" => run(&ours(), home.path(), &arguments),
                _ => run_oracle(home.path(), &[&arguments], "").remove(0),
            };
            assert_eq!((made.code, &*made.stderr), (0, ""), "{made:?}");
            assert_eq!(
                made.stdout,
                format!("Introducer created in 'HOME/{name}{number}'\n")
            );
            programs.push(directory);
        }
    }
    assert_eq!(settings(&mine), settings(&theirs));
    for (mine, theirs) in mine.iter().zip(&theirs) {
        assert_eq!(files(mine), files(theirs));
    }
    for output in check_both_refuse(&[
        &["create-introducer"],
        &["create-introducer", "--hostname=h"],
        &["create-introducer", "x"],
    ]) {
        assert!(output.stdout.contains("tahoe:  "), "{output:?}");
    }
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("x"), "").unwrap();
    let directory = home.path().to_str().unwrap();
    for program in [ours(), Program::python()] {
        for command in [&["create-client"][..], &["create-node", "--hostname=h"]] {
            let mut arguments = command.to_vec();
            arguments.push(directory);
            let made = run(&program, home.path(), &arguments);
            assert_eq!((made.code, made.stdout.as_str()), (255, ""), "{program:?}");
            let first = made.stderr.lines().next().unwrap();
            assert_eq!(first, "The base directory 'HOME' is not empty.");
        }
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let commands: [&[&str]; 11] = [
        &["create-node"],
        &["create-node", "--port=tcp:1"],
        &["create-node", "--location=tcp:h:1"],
        &[
            "create-node",
            "--hostname=h",
            "--port=tcp:1",
            "--location=tcp:h:1",
        ],
        &["create-node", "--listen=none", "--hostname=h"],
        &[
            "create-node",
            "--listen=none",
            "--port=tcp:1",
            "--location=tcp:h:1",
        ],
        &["create-node", "--listen=carrier-pigeon"],
        &["create-node", "--tor-launch", "--hostname=h"],
        &["create-node", "--tor-control-port=tcp:1", "--hostname=h"],
        &["create-node", "--i2p-launch", "--hostname=h"],
        &["create-node", "--i2p-sam-port=tcp:1", "--hostname=h"],
    ];
    for output in check_both_refuse(&commands) {
        assert!(output.stdout.contains("tahoe:  "), "{output:?}");
    }
}

#[test]
fn what_is_not_available_is_refused_in_one_sentence() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["create-node", "--listen=tor", "n"][..],
        &["create-node", "--listen=i2p", "n"],
        &["create-node", "--hostname=h", "--i2p-executable=x", "n"],
        &["create-node", "--hostname=h", "--tor-executable=x", "n"],
    ] {
        let made = run(&ours(), home.path(), arguments);
        assert_eq!(made.code, 1, "{arguments:?}");
        assert!(
            made.stdout.contains("available in this version"),
            "{made:?}"
        );
        assert!(!home.path().join("n").exists());
    }
}

#[test]
fn the_reference_runs_what_we_create_with_keys_that_we_made() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("node");
    let path = directory.to_str().unwrap();
    let create = [
        "create-node",
        "--hostname=127.0.0.1",
        "--webport=none",
        "-n",
        "100% mine",
        path,
    ];
    assert_eq!(run(&ours(), home.path(), &create).code, 0);
    let before = run(&ours(), home.path(), &["admin", "server-entry", path]);
    assert_eq!(before.code, 0, "{before:?}");
    let kept = [
        "private/node.pem",
        "private/node.privkey",
        "private/storage.furl",
        "node.pubkey",
    ];
    let contents = || kept.map(|name| std::fs::read(directory.join(name)).unwrap());
    let made = contents();

    let mut node = Program::python()
        .command(home.path())
        .args(["run", path])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let storage = directory.join("storage/shares");
    wait_until("the reference's node runs", || {
        assert_eq!(node.try_wait().unwrap(), None, "it ended");
        storage.exists()
    });
    drop(node.stdin.take());
    node.wait().unwrap();
    assert!(made == contents(), "it kept our keys");
    let after = run(&ours(), home.path(), &["admin", "server-entry", path]);
    assert_eq!(after.stdout, before.stdout);
}
