//! `debug dump-cap`.

use crate::{check_both_refuse, check_same};

const KEY: &str = "fs6ul2fju2fvb2cfx7gt6ngycm";
const HASH: &str = "hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq";
const SERVER: &str = "y3o76xcnlz2ozxc252v7sv5infn4cats";

#[test]
fn every_kind_with_and_without_secrets() {
    let immutable = ["CHK", "CHK-Verifier", "DIR2-CHK", "DIR2-CHK-Verifier"];
    let mutable = [
        "SSK",
        "SSK-RO",
        "SSK-Verifier",
        "MDMF",
        "MDMF-RO",
        "MDMF-Verifier",
    ];
    let directories = [
        "DIR2",
        "DIR2-RO",
        "DIR2-Verifier",
        "DIR2-MDMF",
        "DIR2-MDMF-RO",
    ];
    let immutable = immutable.map(|kind| format!("URI:{kind}:{KEY}:{HASH}:3:10:12345"));
    let mutable = mutable.map(|kind| format!("URI:{kind}:{KEY}:{HASH}"));
    let directories = directories.map(|kind| format!("URI:{kind}:{KEY}:{HASH}"));
    let last = format!("URI:DIR2-MDMF-Verifier:{KEY}:{HASH}");
    let capabilities = immutable
        .iter()
        .chain(&mutable)
        .chain(&directories)
        .chain([&last]);
    let nodeid = format!("--nodeid={SERVER}");
    let secret = format!("--client-secret={HASH}");
    let commands: Vec<Vec<&str>> = capabilities
        .flat_map(|capability| {
            [
                vec!["debug", "dump-cap", capability],
                vec!["debug", "dump-cap", &nodeid, capability],
                vec!["debug", "dump-cap", &secret, capability],
                vec!["debug", "dump-cap", "-n", SERVER, "-c", HASH, capability],
            ]
        })
        .collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    check_same(&commands);
}

#[test]
fn literals_and_unknown_ones() {
    let commands = [
        "URI:LIT:nbuqu",
        "URI:LIT:",
        "URI:LIT:e4taui",
        "URI:LIT:74",
        "URI:DIR2-LIT:nbuqu",
        "URI:future:x",
        "nonsense",
        "ro.URI:LIT:nbuqu",
        "imm.URI:SSK:x",
        "http://127.0.0.1:3456/uri/URI%3ALIT%3Anbuqu",
    ]
    .map(|capability| ["debug", "dump-cap", capability]);
    let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
    check_same(&commands);
}

#[test]
fn the_secret_of_a_node_directory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("private")).unwrap();
    std::fs::write(folder.path().join("private/secret"), format!("{HASH}\n")).unwrap();
    let directory = format!("--client-dir={}", folder.path().display());
    let capability = format!("URI:CHK:{KEY}:{HASH}:3:10:1");
    check_same(&[
        &["debug", "dump-cap", &directory, &capability],
        &["debug", "dump-cap", "--client-dir=/no/such", &capability],
    ]);
}

#[test]
fn what_cannot_be_read_fails() {
    check_both_refuse(&[
        &["debug", "dump-cap", "--nodeid=x", "URI:LIT:"],
        &["debug", "dump-cap", "--client-secret=1", "URI:LIT:"],
        &["debug", "dump-cap", "http://127.0.0.1/x"],
        &["debug", "dump-cap"],
    ]);
}
