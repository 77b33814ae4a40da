//! `backup` beside the original's: same capabilities, same lines, one database.

use crate::store::Store;
use crate::{ours, run, run_oracle};
use std::fs;
use std::path::{Path, PathBuf};
use tahoe_test_support::{Output, Program};

/// A tree that both programs back up, so that inode numbers and times are the same.
fn write_tree(store: &Store) -> PathBuf {
    let tree = store.grid.folder().join("tree");
    fs::create_dir_all(tree.join("sub/deeper")).unwrap();
    fs::create_dir_all(tree.join("empty")).unwrap();
    fs::create_dir_all(tree.join(".git")).unwrap();
    let long = "too long for its capability ".repeat(100);
    fs::write(tree.join("long"), &long).unwrap();
    fs::write(tree.join("sub/short"), "short").unwrap();
    fs::write(tree.join("sub/deeper/ü ☃"), &long[..500]).unwrap();
    fs::write(tree.join("left out.tmp"), "x").unwrap();
    fs::write(tree.join(".git/config"), "x").unwrap();
    tree
}

/// What doesn't depend on time or on the order in which things are done.
fn sorted(output: &Output) -> (i32, Vec<String>, Vec<&str>) {
    let without_time = |line: &str| match line.split_once(" elapsed") {
        Some((before, _)) => before
            .rsplit_once("... ")
            .map_or(before, |(before, _)| before)
            .to_owned(),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = output.stdout.lines().map(without_time).collect();
    lines.sort();
    let mut warnings: Vec<&str> = output.stderr.lines().collect();
    warnings.sort_unstable();
    (output.code, lines, warnings)
}

/// Runs a command with both programs; both must say the same. Returns what ours says.
fn both(store: &Store, arguments: &[&str]) -> Output {
    let [home, other] = store.homes();
    let mine = run(&ours(), &home, arguments);
    let theirs = run_oracle(&other, &[arguments], "").remove(0);
    assert_eq!(sorted(&mine), sorted(&theirs), "{arguments:?}");
    mine
}

fn database(home: &Path) -> PathBuf {
    home.join(".tahoe/private/backupdb.sqlite")
}

/// Lets each program go on with the other's database.
fn swap_databases(store: &Store) {
    let [mine, theirs] = store.homes().map(|home| database(&home));
    let mine_bytes = fs::read(&mine).unwrap();
    fs::copy(&theirs, &mine).unwrap();
    fs::write(&theirs, mine_bytes).unwrap();
}

fn change(store: &Store, sql: &str) {
    for home in store.homes() {
        let connection = rusqlite::Connection::open(database(&home)).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

#[test]
fn backups_are_those_of_the_original() {
    let store = Store::start(&Program::python());
    store.check(&[&["create-alias", "w"]]);
    let tree = write_tree(&store);
    let from = tree.to_str().unwrap();
    let command = ["backup", from, "w:b", "--exclude-vcs", "--exclude=*.tmp"];
    let backup = |more: &[&str]| {
        // The original's options must come first.
        let arguments = [&command[..1], more, &command[3..], &command[1..3]].concat();
        both(&store, &arguments)
    };
    let first = backup(&["-v"]);
    assert!(first.stdout.contains("\n 3 files uploaded (0 reused), 0 files skipped, 4 directories created (0 reused), 0 directories skipped\n"), "{first:?}");
    let capabilities = || both(&store, &["ls", "--uri", "w:b/Latest"]).stdout;
    let before = capabilities();
    let again = backup(&["-v"]);
    assert!(
        again.stdout.contains(" 0 files uploaded (3 reused)"),
        "{again:?}"
    );
    assert_eq!(capabilities(), before);

    swap_databases(&store);
    let swapped = backup(&[]);
    assert!(
        swapped.stdout.contains(
            " 0 files uploaded (3 reused), 0 files skipped, 0 directories created (4 reused)"
        ),
        "{swapped:?}"
    );
    // Two months later everything is checked, and trusted again for a month.
    change(
        &store,
        "UPDATE last_upload SET last_checked = 0; UPDATE directories SET last_checked = 0",
    );
    let checked = backup(&["-v"]);
    assert!(
        checked
            .stdout
            .contains(" 3 files checked, 4 directories checked\n"),
        "{checked:?}"
    );
    assert!(
        backup(&["-v"])
            .stdout
            .contains(" 0 files checked, 0 directories checked\n")
    );
    // What is gone is stored again.
    change(&store, "UPDATE last_upload SET last_checked = 0");
    let cap = both(&store, &["ls", "--uri", "w:b/Latest/long"]).stdout;
    let cap = cap.trim().strip_prefix("long ").unwrap().to_owned();
    let dump = store.ours_well(&["debug", "dump-cap", &cap]);
    let delete = |name: &str| {
        let shares = store.grid.servers[0].shares();
        let of_file: Vec<_> = shares
            .iter()
            .filter(|share| dump.contains(&share.storage_index))
            .collect();
        assert_eq!(of_file.len(), 1, "{name}");
        of_file[0].delete();
    };
    let [home, other] = store.homes();
    let arguments = [&command[..1], &command[3..], &command[1..3]].concat();
    delete("before ours");
    let mine = run(&ours(), &home, &arguments);
    delete("before theirs");
    let theirs = run_oracle(&other, &[&arguments], "").remove(0);
    assert_eq!(sorted(&mine), sorted(&theirs));
    assert!(
        mine.stdout.contains(" 1 files uploaded (2 reused)"),
        "{mine:?}"
    );

    fs::write(tree.join("long"), "changed").unwrap();
    let changed = backup(&[]);
    assert!(
        changed.stdout.contains(
            " 1 files uploaded (2 reused), 0 files skipped, 1 directories created (3 reused)"
        ),
        "{changed:?}"
    );
    assert!(capabilities() != before);
    let ignoring = backup(&["--ignore-timestamps"]);
    assert!(
        ignoring.stdout.contains(" 3 files uploaded (0 reused)"),
        "{ignoring:?}"
    );
    assert_eq!(both(&store, &["get", "w:b/Latest/long"]).stdout, "changed");
}

#[test]
fn what_is_skipped_gives_a_warning_and_exit_status_2() {
    let store = Store::start(&Program::python());
    store.check(&[&["create-alias", "w"]]);
    let tree = write_tree(&store);
    std::os::unix::fs::symlink("long", tree.join("link")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    let patterns = store.grid.folder().join("patterns");
    fs::write(&patterns, "*.tmp\n\n .g?t \n").unwrap();
    let (from, patterns) = (tree.to_str().unwrap(), patterns.to_str().unwrap());
    let skipped = both(
        &store,
        &["backup", "--exclude-from-utf-8", patterns, from, "w:"],
    );
    drop(socket);
    assert_eq!(skipped.code, 2);
    assert_eq!(skipped.stderr.lines().count(), 2, "{skipped:?}");
    let quiet = both(&store, &["-q", "backup", "--exclude=link", from, "w:"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (2, ""));
}

#[test]
fn failures_are_sentences() {
    let store = Store::start(&Program::python());
    store.ours_well(&["create-alias", "w"]);
    let tree = write_tree(&store);
    let from = tree.to_str().unwrap();
    let [home, _] = store.homes();
    let fails = |arguments: &[&str], message: &str| {
        let Output { code, stderr, .. } = run(&ours(), &home, arguments);
        assert_eq!(code, 1, "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    };
    fails(&["backup", "missing", "w:"], "cannot list 'HOME/missing'");
    fails(
        &["backup", from, "unknown:"],
        "error: Unknown alias 'unknown'",
    );
    fails(
        &["backup", "--exclude-from-utf-8=missing", from, "w:"],
        "Error opening exclude file 'HOME/missing'",
    );
    fails(
        &["backup", "-u", "http://127.0.0.1:1", from, "w:"],
        "Connection refused",
    );
    store.ours_well(&["backup", from, "w:"]);
    fs::write(
        database(&home),
        "no database at all, but long enough to look at",
    )
    .unwrap();
    fails(&["backup", from, "w:"], "ERROR: Unable to load backup db.");
}
