//! `cp` beside the original's: every kind of source and target.

use crate::store::{Store, on_either_gateway};
use crate::{ours, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tahoe_test_support::{Output, Program};

/// Local files, the same for both programs.
fn write_files(store: &Store) {
    let long = "a file that is too long to lie in its capability. ".repeat(40);
    store.write("l/file", long.as_bytes());
    store.write("l/ü ☃", b"short");
    store.write("l/dir/a", b"in a directory");
    store.write("l/dir/sub/b", long.as_bytes());
    store.write("l/other/a", b"another a");
    store.write("l/named/mutable", b"new contents");
    store.write("l/existing/x", b"x");
    for home in store.homes() {
        fs::create_dir(home.join("l/dir/empty")).unwrap();
    }
}

#[test]
fn copies_are_those_of_the_original() {
    on_either_gateway(|store| {
        write_files(store);
        store.check(&[&["create-alias", "w"]]);
        to_the_grid(store);
        from_the_grid(store);
        within_the_grid(store);
        mutable_files(store);
        let [mine, theirs] = store.homes().map(|home| contents(&home.join("l")));
        assert_eq!(mine, theirs);
    });
}

/// All files and directories below a directory.
fn contents(directory: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = contents(&path).into_iter();
            all.extend(below.map(|(below, contents)| (format!("{name}/{below}"), contents)));
            all.insert(name, None);
        } else {
            all.insert(name, Some(fs::read(&path).unwrap()));
        }
    }
    all
}

fn to_the_grid(store: &Store) {
    store.check(&[
        &["cp", "l/file", "w:"],
        &["cp", "l/file", "w:copy"],
        &["cp", "l/ü ☃", "w:copy"],
        &["-q", "cp", "l/ü ☃", "w:quiet"],
        &["cp", "l/file", "w:new/"],
        &["cp", "l/file", "w:deep/er/copy"],
        &["cp", "l/file", "l/ü ☃", "w:"],
        &["cp", "l/file", "l/ü ☃", "w:several"],
        &["cp", "l/file", "l/dir/a", "w:file"],
        &["cp", "l/dir", "w:"],
        &["cp", "-r", "l/dir", "w:"],
        &["cp", "-r", "l/dir/", "w:newdir"],
        &["cp", "-r", "l/dir", "w:newdir"],
        &["cp", "-r", "l/dir", "w:file"],
        &["cp", "-r", "l/dir", "l/file", "w:both"],
        &["cp", "-r", "l/dir", "l/other", "w:both"],
        &["cp", "l/dir/a", "l/other/a", "w:several"],
        &["cp", "l/file/", "w:x"],
        &["cp", "l/missing", "w:"],
        &["cp", "l/file", "unknown:"],
        &["cp", "/dev/null", "w:"],
        &["ls", "-F", "w:"],
        &["ls", "-F", "w:several"],
        &["ls", "-F", "w:newdir"],
        &["ls", "-F", "w:newdir/dir"],
        &["ls", "-F", "w:both"],
        &["get", "w:copy"],
        &["get", "w:newdir/dir/sub/b"],
    ]);
}

fn from_the_grid(store: &Store) {
    store.check(&[
        &["cp", "w:file", "l/out"],
        &["cp", "w:copy", "l/out"],
        &["cp", "w:file", "l/existing"],
        &["cp", "w:file", "l/existing/"],
        &["cp", "w:file", "w:copy", "l/made"],
        &["cp", "w:file", "w:copy", "l/out"],
        &["cp", "w:file", "l/missing/"],
        &["cp", "w:file/", "l/x"],
        &["cp", "w:missing", "l/x"],
        &["cp", "w:file/below", "l/x"],
        &["cp", "unknown:x", "l/x"],
        &["cp", "w:dir", "l/x"],
        &["cp", "-r", "w:dir", "l/tree"],
        &["cp", "-r", "w:dir", "l/existing"],
        &["cp", "-r", "w:", "l/all"],
        &["cp", "-r", "w:dir", "l/out"],
        &["cp", "-r", "--caps-only", "w:dir", "l/caps"],
        &["cp", "URI:LIT:nbuqu", "l/literal"],
        &["cp", "URI:LIT:nbuqu", "l/existing"],
        &["cp", "l/file", "l/local-copy"],
        &["cp", "-r", "l/dir", "l/local-copies"],
    ]);
}

fn within_the_grid(store: &Store) {
    store.check(&[
        &["cp", "w:file", "w:linked"],
        &["cp", "w:file", "w:dir"],
        &["cp", "w:file", "w:copy", "w:dir"],
        &["cp", "-r", "w:dir", "w:dir-copy"],
        &["cp", "URI:LIT:nbuqu", "w:literal"],
        &["cp", "URI:LIT:nbuqu", "w:"],
        &["ls", "-F", "w:"],
        &["ls", "-F", "w:dir"],
        &["ls", "-F", "w:dir-copy"],
        &["ls", "-F", "w:dir-copy/dir"],
        &["get", "w:linked"],
        &["get", "w:dir-copy/dir/sub/b"],
        &["get", "w:literal"],
    ]);
}

fn mutable_files(store: &Store) {
    store.check(&[
        &["put", "--mutable", "l/file", "w:mutable"],
        &["cp", "l/ü ☃", "w:mutable"],
        &["get", "w:mutable"],
        &["cp", "w:file", "w:mutable"],
        &["get", "w:mutable"],
        &["cp", "l/named/mutable", "w:"],
        &["get", "w:mutable"],
        &["cp", "w:mutable", "w:immutable"],
        &["get", "w:immutable"],
        &["cp", "w:mutable", "l/from-mutable"],
        &["ls", "-F", "w:"],
    ]);
}

fn fails(store: &Store, arguments: &[&str], message: &str) {
    let [home, _] = store.homes();
    let Output { code, stderr, .. } = run(&ours(), &home, arguments);
    assert_eq!(code, 1, "{arguments:?}: {stderr}");
    assert!(stderr.contains(message), "{arguments:?}: {stderr}");
}

#[test]
fn what_would_only_hurt_is_refused() {
    let store = Store::start(&Program::python());
    write_files(&store);
    let [home, _] = store.homes();
    store.ours_well(&["create-alias", "w"]);
    store.ours_well(&["cp", "-r", "l/dir", "l/file", "w:"]);
    let file_of_ours = |text: &str| {
        let aliases = fs::read_to_string(home.join(".tahoe/private/aliases")).unwrap();
        aliases.trim().replace("w: ", "") + text
    };
    // Python empties the source.
    fails(&store, &["cp", "l/file", "l/file"], "are the same file");
    assert!(fs::metadata(home.join("l/file")).unwrap().len() > 0);
    // Python ends with a traceback.
    store.ours_well(&["cp", "-r", "w:dir", "w:"]);
    // Python runs until its stack is full.
    store.ours_well(&["ln", "w:dir", "w:dir/sub/loop"]);
    fails(&store, &["cp", "-r", "w:dir", "l/loop"], "contains itself");
    store.ours_well(&["unlink", "w:dir/sub/loop"]);
    // Python replaces the directory by the file, or ends with a traceback.
    store.ours_well(&["put", "l/file", "w:blocked/dir"]);
    store.ours_well(&["mkdir", "w:blocked/file"]);
    fails(
        &store,
        &["cp", "-r", "l/dir", "w:blocked"],
        "a file is in the way",
    );
    fails(
        &store,
        &["cp", "l/file", "w:blocked"],
        "a directory is in the way",
    );
    store.write("l/in-the-way/dir", b"a file");
    fails(
        &store,
        &["cp", "-r", "w:dir", "l/in-the-way"],
        "cannot make the directory",
    );
    // Python writes outside the target.
    let url = format!(
        "/uri/{}?t=set_children",
        file_of_ours("/hostile").replace(':', "%3A")
    );
    store.ours_well(&["mkdir", "w:hostile"]);
    for name in ["../escaped", "..", "/tmp/tahoe-escaped"] {
        let body = serde_json::json!({name: ["filenode", {"ro_uri": "URI:LIT:nbuqu"}]});
        let answer = store
            .grid
            .gateway(0)
            .request("POST", &url, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        fails(
            &store,
            &["cp", "-r", "w:hostile", "l/hostile"],
            "refusing to copy",
        );
        store.ours_well(&["mkdir", "w:new-hostile"]);
        store.ours_well(&["unlink", "w:hostile"]);
        store.ours_well(&["mkdir", "w:hostile"]);
    }
    assert!(!home.join("l/escaped").exists() && !home.join("l/hostile/escaped").exists());
    let json = store.ours_well(&["ls", "--json", "w:dir"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let read_only = json[1]["ro_uri"].as_str().unwrap();
    fails(&store, &["cp", "l/file", read_only], "may only be read");
    fails(&store, &["cp", "l/file"], "");
}

#[test]
fn immutable_files_are_linked_within_the_grid() {
    let store = Store::start(&Program::python());
    write_files(&store);
    store.ours_well(&["create-alias", "w"]);
    let before = store.grid.placement();
    store.ours_well(&["put", "l/file", "w:file"]);
    let is_new = |index: &String| !before.iter().any(|(_, old, _)| old == index);
    let shares = store.grid.servers[0].shares();
    let cap = store.ours_well(&["ls", "--uri", "w:file"]);
    let cap = cap.trim().strip_prefix("file ").unwrap().to_owned();
    let dump = store.ours_well(&["debug", "dump-cap", &cap]);
    let new = shares.iter().filter(|share| is_new(&share.storage_index));
    let of_file: Vec<_> = new
        .filter(|share| dump.contains(&share.storage_index))
        .collect();
    assert_eq!(of_file.len(), 1);
    // Nobody can read the file any more, so it can't have been read.
    of_file[0].delete();
    store.ours_well(&["mkdir", "w:dir"]);
    assert_eq!(
        store.ours_well(&["cp", "w:file", "w:link"]),
        "Success: file copied\n"
    );
    assert_eq!(
        store.ours_well(&["cp", "w:file", "w:dir"]),
        "Success: files copied\n"
    );
    for path in ["w:link", "w:dir/file"] {
        assert!(
            store.ours_well(&["ls", "--uri", path]).contains(&cap),
            "{path}"
        );
    }
}
