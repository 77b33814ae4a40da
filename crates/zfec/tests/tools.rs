//! The tools by themselves: files, names, refusals and exit codes.

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use common::{hex, noise, run, share_files, zfec, zunfec};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const SHARE_FILES: &str = include_str!("vectors/share_files.txt");

/// A fresh directory with a file `data` of so many bytes.
fn directory(length: usize) -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    write(directory.path(), "data", &noise(length as u64, length));
    directory
}

fn write(directory: &Path, name: &str, bytes: &[u8]) {
    fs::write(directory.join(name), bytes).expect("a writable directory");
}

fn read(directory: &Path, name: &str) -> Vec<u8> {
    fs::read(directory.join(name)).expect("the file is there")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(name)
        .map(|n| n.to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn share_files_of_the_python_tool() {
    for line in SHARE_FILES.lines() {
        let [needed, total, length, expected] = line
            .split(' ')
            .collect::<Vec<_>>()
            .try_into()
            .expect("four fields");
        let directory = directory(length.parse().expect("a number"));
        let directory = directory.path();
        let (code, printed) = run(zfec(directory).args(["-q", "-k", needed, "-m", total, "data"]));
        assert_eq!((code, printed.as_str()), (0, ""), "{line}");
        let mut digest = Sha256::new();
        for path in share_files(directory) {
            digest.update(path.file_name().expect("a name").as_encoded_bytes());
            digest.update(fs::read(&path).expect("a share file"));
        }
        assert_eq!(hex(&digest.finalize()), expected, "{line}");
    }
}

#[test]
fn a_file_comes_back_from_any_shares() {
    let directory = directory(100_001);
    let directory = directory.path();
    assert_eq!(
        run(zfec(directory).args(["data", "-m", "12", "-k", "4"])).0,
        0
    );
    assert_eq!(names(directory)[1..3], ["data.00_12.fec", "data.01_12.fec"]);
    for chosen in [[0, 1, 2, 3], [8, 9, 10, 11], [11, 0, 7, 2]] {
        let shares = chosen.map(|number| format!("data.{number:02}_12.fec"));
        let mut command = zunfec(directory);
        assert_eq!(
            run(command.args(["--force", "-o", "back"]).args(shares)),
            (0, String::new())
        );
        assert_eq!(read(directory, "back"), read(directory, "data"));
    }
}

#[test]
fn names_follow_prefix_suffix_and_directory() {
    let directory = directory(10);
    let directory = directory.path();
    fs::create_dir(directory.join("out")).expect("a new directory");
    let options = [
        "data", "-p", "pre", "-s", ".share", "-d", "out", "-k", "1", "-m", "2",
    ];
    assert_eq!(run(zfec(directory).args(options)).0, 0);
    assert_eq!(
        names(&directory.join("out")),
        ["pre.0_2.share", "pre.1_2.share"]
    );
}

#[test]
fn a_pipe_is_encoded_too() {
    let directory = directory(50_000);
    let directory = directory.path();
    assert_eq!(run(zfec(directory).args(["data", "-p", "file"])).0, 0);
    for (arguments, prefix) in [(&["-"][..], ""), (&["-", "-p", "named"], "named")] {
        let mut child = zfec(directory)
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(&read(directory, "data"))
            .expect("zfec reads");
        drop(pipe);
        assert!(child.wait().expect("an exit code").success());
        for number in 0..8 {
            let share = read(directory, &format!("{prefix}.{number}_8.fec"));
            assert_eq!(share, read(directory, &format!("file.{number}_8.fec")));
        }
    }
}

#[test]
fn decodes_to_standard_output() {
    let directory = directory(5000);
    let directory = directory.path();
    assert_eq!(run(zfec(directory).arg("data")).0, 0);
    let shares = ["data.5_8.fec", "data.1_8.fec", "data.7_8.fec"];
    let output = zunfec(directory)
        .args(["-o", "-"])
        .args(shares)
        .output()
        .expect("starts");
    assert!(output.status.success());
    assert_eq!(output.stdout, read(directory, "data"));
    assert!(!directory.join("-").exists());
}

#[test]
fn existing_share_files_are_kept() {
    let directory = directory(10);
    let directory = directory.path();
    write(directory, "data.1_2.fec", b"precious");
    let options = ["data", "-k", "1", "-m", "2"];
    assert_eq!(run(zfec(directory).args(options)).0, 1);
    assert_eq!(names(directory), ["data", "data.1_2.fec"]);
    assert_eq!(read(directory, "data.1_2.fec"), b"precious");
    assert_eq!(run(zfec(directory).args(options).arg("-f")).0, 0);
    assert_eq!(read(directory, "data.1_2.fec").len(), 12);
}

#[test]
fn verbose_and_quiet() {
    let directory = directory(10);
    let directory = directory.path();
    let encode = |options: &[&str]| run(zfec(directory).args(["data", "-f"]).args(options));
    assert_eq!(encode(&["-q", "-v"]).0, 1);
    assert_eq!(encode(&[]), (0, String::new()));
    let (code, printed) = encode(&["-k", "2", "-m", "2"]);
    assert_eq!((code, printed.lines().count()), (0, 1));
    let (code, printed) = encode(&["-k", "1", "-m", "1"]);
    assert_eq!((code, printed.lines().count()), (0, 2));
    assert_eq!(encode(&["-k", "1", "-m", "1", "-q"]), (0, String::new()));
    let (code, printed) = encode(&["-v"]);
    assert_eq!(code, 0);
    assert!(
        printed.starts_with("Creating share file './data.0_8.fec'...\n"),
        "{printed}"
    );
    assert!(printed.ends_with("100% ... \nDone!\n"), "{printed}");
}

#[test]
fn wrong_usage_of_zfec() {
    let directory = directory(10);
    let directory = directory.path();
    let code = |arguments: &[&str]| run(zfec(directory).args(arguments)).0;
    assert_eq!(code(&[]), 2);
    assert_eq!(code(&["absent"]), 2);
    assert_eq!(code(&["."]), 2);
    assert_eq!(code(&["data", "-k", "three"]), 2);
    assert_eq!(code(&["data", "--unknown"]), 2);
    for (needed, total) in [
        ("4", "3"),
        ("0", "3"),
        ("-1", "3"),
        ("3", "257"),
        ("1", "0"),
    ] {
        assert_eq!(
            code(&["data", "-k", needed, "-m", total]),
            1,
            "{needed} of {total}"
        );
    }
    assert_eq!(code(&["data", "-d", "absent"]), 1);
    assert_eq!(names(directory), ["data"]);
    assert_eq!(code(&["--help"]), 0);
    assert_eq!(code(&["data", "--total", "4", "--required=2"]), 0);
    assert_eq!(names(directory).len(), 5);
}

#[test]
fn versions() {
    let directory = directory(0);
    let (code, printed) = run(zfec(directory.path()).args(["data", "-V"]));
    assert_eq!((code, printed.lines().count()), (0, 2));
    let (code, printed) = run(zunfec(directory.path()).arg("--version"));
    assert_eq!((code, printed.lines().count()), (0, 2));
    assert_eq!(names(directory.path()), ["data"]);
}

/// Makes a directory with the shares of two files and returns what `zunfec` says of some of them.
fn decode(arguments: &[&str]) -> (i32, String, TempDir) {
    let directory = directory(9000);
    let path = directory.path();
    write(path, "other", &noise(5, 9001));
    write(path, "old", b"old");
    for options in [
        &["data"][..],
        &["other"],
        &["data", "-p", "wide", "-m", "9"],
    ] {
        assert_eq!(run(zfec(path).args(options)).0, 0);
    }
    let share = read(path, "data.0_8.fec");
    write(path, "copy", &share);
    write(path, "data.short", &share[..share.len() - 1]);
    write(path, "header.0", &share[..1]);
    write(path, "none.0", &[7, 0x50]);
    write(path, "none.1", &[7, 0x51]);
    write(path, "none.2", &[7, 0x52]);
    write(path, "odd", &[4, 0xff, 0xff]);
    let (code, printed) = run(zunfec(path).args(arguments));
    (code, printed, directory)
}

#[test]
fn refusals_of_zunfec() {
    let check = |arguments: &[&str], expected: i32, sentence: &str| {
        let (code, printed, directory) = decode(arguments);
        assert_eq!(code, expected, "{arguments:?}: {printed}");
        assert!(printed.contains(sentence), "{arguments:?}: {printed}");
        let out = directory.path().join("out");
        assert!(!out.exists(), "{arguments:?} leaves no output behind");
        assert_eq!(read(directory.path(), "old"), b"old");
    };
    check(&["data.0_8.fec", "data.1_8.fec"], 2, "--output");
    check(&["-o", "out"], 1, "At least two");
    check(&["-o", "out", "data.0_8.fec"], 1, "At least two");
    check(&["-o", "old", "data.0_8.fec", "data.1_8.fec"], 2, "already");
    check(
        &["-o", "absent/out", "data.0_8.fec", "data.1_8.fec"],
        2,
        "absent/out",
    );
    check(
        &["-o", "out", "data.0_8.fec", "data.1_8.fec"],
        3,
        "3 share files are required",
    );
    check(
        &["-fo", "old", "data.0_8.fec", "data.1_8.fec"],
        3,
        "3 share files are required",
    );
    check(
        &["-o", "out", "copy", "data.0_8.fec", "data.1_8.fec"],
        3,
        "only 2",
    );
    check(
        &["-o", "out", "data.0_8.fec", "data.1_8.fec", "nowhere"],
        1,
        "nowhere",
    );
    check(
        &["-o", "out", "data.0_8.fec", "data.1_8.fec", "other.2_8.fec"],
        1,
        "differs",
    );
    check(
        &["-o", "out", "data.0_8.fec", "data.1_8.fec", "wide.2_9.fec"],
        1,
        "differs",
    );
    check(
        &["-o", "out", "data.1_8.fec", "data.2_8.fec", "data.short"],
        1,
        "length",
    );
    check(
        &["-o", "out", "header.0", "data.1_8.fec", "data.2_8.fec"],
        1,
        "header.0",
    );
    check(
        &["-o", "out", "odd", "data.1_8.fec"],
        1,
        "8 blocks cannot be needed of 5",
    );
    check(&["-o", "out", "none.0", "none.1", "none.2"], 1, "truncated");
}

#[test]
fn copies_of_a_share_are_passed_over() {
    let shares = ["data.0_8.fec", "copy", "data.3_8.fec", "data.7_8.fec"];
    let (code, printed, directory) = decode(&[&["-fvo", "old"][..], &shares].concat());
    assert_eq!(code, 0, "{printed}");
    assert_eq!(
        read(directory.path(), "old"),
        read(directory.path(), "data")
    );
}
