//! `admin migrate-crawler` beside the original's, and `run` with state that isn't converted.

use crate::{ours, run, run_oracle};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tahoe_test_support::oracle_python;

const FILES: [&str; 3] = [
    "bucket_counter.state",
    "lease_checker.state",
    "lease_checker.history",
];

/// Writes state as old releases did, in a protocol of pickle.
fn write_pickles(storage: &Path, protocol: u8) {
    std::fs::create_dir_all(storage).unwrap();
    let done = Command::new(oracle_python())
        .arg("-c")
        .arg(include_str!("make_pickles.py"))
        .arg(storage)
        .arg(protocol.to_string())
        .status()
        .unwrap();
    assert!(done.success());
}

fn read(storage: &Path, file: &str) -> Value {
    let text = std::fs::read(storage.join(format!("{file}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn converts_as_the_original_does() {
    for protocol in [0, 2, 4] {
        let folder = tempfile::tempdir().unwrap();
        let [home, other] = ["ours", "theirs"].map(|name| folder.path().join(name));
        let arguments = ["admin", "migrate-crawler", "--basedir", "node"];
        for home in [&home, &other] {
            write_pickles(&home.join("node/storage"), protocol);
        }
        for _ in 0..2 {
            let theirs = run_oracle(&other, &[&arguments], "").remove(0);
            assert_eq!(run(&ours(), &home, &arguments), theirs, "{protocol}");
        }
        for file in FILES {
            let [ours, theirs] = [&home, &other].map(|home| read(&home.join("node/storage"), file));
            assert_eq!(ours, theirs, "{file}, protocol {protocol}");
            assert!(!home.join("node/storage").join(file).exists());
        }
    }
}

#[test]
fn says_what_there_is_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("node/storage")).unwrap();
    let arguments = ["admin", "migrate-crawler", "-C", "node"];
    let mine = run(&ours(), folder.path(), &arguments);
    assert_eq!(mine, run_oracle(folder.path(), &[&arguments], "").remove(0));
    assert!(
        mine.stdout
            .starts_with("Not found: 'HOME/node/storage/lease_checker.state'")
    );
}

#[test]
fn a_pickle_that_does_something_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("node/storage");
    std::fs::create_dir_all(&storage).unwrap();
    // Would call os.system("touch harm").
    std::fs::write(
        storage.join("lease_checker.state"),
        b"cos\nsystem\n(S'touch harm'\ntR.",
    )
    .unwrap();
    let refused = run(
        &ours(),
        folder.path(),
        &["admin", "migrate-crawler", "-C", "node"],
    );
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("is not the state of a crawler"),
        "{refused:?}"
    );
    assert!(storage.join("lease_checker.state").exists());
}

#[test]
fn a_node_with_pickled_state_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let options = [
        "create-node",
        "--hostname=127.0.0.1",
        "--webport=none",
        "node",
    ];
    assert_eq!(run(&ours(), folder.path(), &options).code, 0);
    let storage = folder.path().join("node/storage");
    write_pickles(&storage, 4);
    let refused = run(&ours(), folder.path(), &["run", "node"]);
    assert_eq!(refused.code, 1);
    let expected = "Error\nAt least one 'pickle' format file exists.\n\
         The file is HOME/node/storage/bucket_counter.state\n\
         You must either delete the pickle-format files or migrate them using the command:\n    \
         tahoe admin migrate-crawler --basedir HOME/node\n";
    assert!(
        refused.stderr.ends_with(&format!("{expected}\n")),
        "{refused:?}"
    );
}
