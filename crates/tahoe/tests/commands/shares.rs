//! The `debug` commands that look for shares on a server's disk, beside the original's.

use crate::store::Store;
use crate::{ours, run, run_oracle};
use std::fs;
use tahoe_test_support::{Output, Program};

/// A line of the catalogue without its expiration, which is in seconds from now.
fn without_expiration(output: &Output) -> (i32, Vec<String>) {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_share = words[0] != "UNKNOWN";
        let kept = words
            .iter()
            .enumerate()
            .filter(|(at, _)| !is_share || *at != 5);
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    };
    (output.code, output.stdout.lines().map(line).collect())
}

#[test]
fn shares_are_found_catalogued_and_damaged() {
    let store = Store::start(&Program::python());
    store.write("file", &[b'x'; 5000]);
    for format in ["CHK", "SDMF", "MDMF"] {
        store.ours_well(&["put", "--format", format, "file"]);
    }
    let server = &store.grid.servers[0];
    let shares = server.shares();
    assert_eq!(shares.len(), 3);
    let node = server.directory().to_str().unwrap();
    let odd = server
        .directory()
        .join("storage/shares/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa");
    fs::create_dir_all(&odd).unwrap();
    fs::write(
        odd.join("0"),
        "no share at all, but as long as a header of one",
    )
    .unwrap();
    let [home, other] = store.homes();
    let both = |arguments: &[&str]| {
        let theirs = run_oracle(&other, &[arguments], "").remove(0);
        (run(&ours(), &home, arguments), theirs)
    };

    let (mine, theirs) = both(&["debug", "catalog-shares", node, "missing"]);
    assert_eq!(without_expiration(&mine), without_expiration(&theirs));
    for word in ["CHK", "SDMF", "MDMF", "UNKNOWN really-unknown"] {
        assert!(mine.stdout.contains(word), "{word}: {mine:?}");
    }
    for share in &shares {
        let (mine, theirs) = both(&[
            "debug",
            "find-shares",
            &share.storage_index,
            node,
            "missing",
        ]);
        assert_eq!(mine, theirs);
        assert_eq!(mine.stdout.lines().count(), 1);
    }
    assert_eq!(both(&["debug", "find-shares", "x", node]).0.code, 1);
    assert_eq!(both(&["debug", "catalog-shares"]).0.code, 1);

    for share in &shares {
        let path = share.path.to_str().unwrap().to_owned();
        let before = share.bytes();
        let mine = run(&ours(), &home, &["debug", "corrupt-share", &path]);
        assert_eq!(mine.code, 0, "{mine:?}");
        let after = share.bytes();
        let differs = |(at, (a, b)): (usize, (&u8, &u8))| (a != b).then_some((at, a ^ b));
        let changed: Vec<_> = before
            .iter()
            .zip(&after)
            .enumerate()
            .filter_map(differs)
            .collect();
        let [(offset, bit)] = changed[..] else {
            panic!("{changed:?}");
        };
        let named = format!(":  {offset}.b{}\n", bit.trailing_zeros());
        assert!(
            bit.is_power_of_two() && mine.stdout.ends_with(&named),
            "{mine:?}"
        );
        let theirs = run_oracle(&other, &[&["debug", "corrupt-share", &path]], "").remove(0);
        // The original can't damage MDMF.
        let range = |output: &Output| output.stdout.split(':').next().map(str::to_owned);
        if theirs.code == 0 {
            assert_eq!(range(&mine), range(&theirs));
        }
        share.write(&before);
    }
    let refused = run(
        &ours(),
        &home,
        &["debug", "corrupt-share", "--offset=7", "x"],
    );
    assert_eq!(refused.code, 1, "{refused:?}");
}
