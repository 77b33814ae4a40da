//! The tools against the Python ones, both ways.
//!
//! The Python interpreter that has the package zfec is named by `TAHOE_ORACLE_PYTHON`; the default
//! is the environment that the workspace's test command makes.

mod common;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{noise, run, share_files, zfec, zunfec};
use tempfile::TempDir;

const CODES: [(usize, usize); 7] = [
    (1, 2),
    (2, 3),
    (3, 10),
    (6, 6),
    (16, 32),
    (25, 100),
    (100, 256),
];

fn interpreter() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracle/bin/python");
    let path = env::var_os("TAHOE_ORACLE_PYTHON").map_or(default, PathBuf::from);
    assert!(
        path.exists(),
        "there is no Python with zfec 1.6 at {}: make a virtual environment there with the package \
         zfec, or set TAHOE_ORACLE_PYTHON to its interpreter",
        path.display(),
    );
    path
}

/// A Python tool, `zfec` or `zunfec`, to be run in a directory.
fn python(tool: &str, directory: &Path) -> Command {
    let program = format!("import sys; from zfec.cmdline_{tool} import main; sys.exit(main())");
    let mut command = Command::new(interpreter());
    command.current_dir(directory).args(["-c", &program]);
    command
}

/// Lengths in bytes at which blocks or segments change their number or size.
fn lengths(needed: usize) -> Vec<usize> {
    let segment = needed * 4096;
    let mut lengths = vec![
        0,
        1,
        needed + 1,
        4095,
        segment - 1,
        segment,
        segment + 1,
        2 * segment + 777,
    ];
    lengths.dedup();
    lengths
}

/// Returns `needed` share files, as many check blocks among them as there can be or as few.
fn some_shares(directory: &Path, needed: usize, from_the_end: bool) -> Vec<PathBuf> {
    let mut paths = share_files(directory);
    if from_the_end {
        paths.reverse();
    }
    paths.truncate(needed.max(2));
    paths
}

fn check(needed: usize, total: usize, length: usize) {
    let case = format!("{needed} of {total}, {length} bytes");
    let top = TempDir::new().expect("a temporary directory");
    let data = noise(length as u64, length);
    fs::write(top.path().join("data"), &data).expect("a writable directory");
    let (theirs, ours) = (top.path().join("theirs"), top.path().join("ours"));
    let tools = [
        (&theirs, python("zfec", top.path()), zunfec(top.path())),
        (&ours, zfec(top.path()), python("zunfec", top.path())),
    ];
    for (directory, mut encode, mut decode) in tools {
        fs::create_dir(directory).expect("a new directory");
        let numbers = [needed.to_string(), total.to_string()];
        encode
            .args(["-q", "data", "-k", &numbers[0], "-m", &numbers[1], "-d"])
            .arg(directory);
        assert_eq!(run(&mut encode), (0, String::new()), "{case}");
        let shares = some_shares(
            directory,
            needed,
            directory == &ours || length.is_multiple_of(2),
        );
        decode.args(["-o"]).arg(directory.join("back")).args(shares);
        assert_eq!(run(&mut decode), (0, String::new()), "{case}");
        assert!(
            fs::read(directory.join("back")).expect("decoded") == data,
            "{case}"
        );
    }
    let (theirs, ours) = (share_files(&theirs), share_files(&ours));
    assert_eq!((theirs.len(), ours.len()), (total, total));
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs.file_name(), ours.file_name(), "{case}");
        assert!(
            fs::read(theirs).expect("a share") == fs::read(ours).expect("a share"),
            "{case}"
        );
    }
}

#[test]
fn share_files_go_both_ways() {
    for (needed, total) in CODES {
        for length in lengths(needed) {
            check(needed, total, length);
        }
    }
}

/// The same arguments in the same directory end with the same exit code and leave the same files.
#[test]
fn exit_codes_are_the_same() {
    let cases: [(&str, &[&str]); 18] = [
        ("zfec", &[]),
        ("zfec", &["-V"]),
        ("zfec", &["--help"]),
        ("zfec", &["absent"]),
        ("zfec", &["data", "-q", "-v"]),
        ("zfec", &["data", "-k", "9"]),
        ("zfec", &["data", "-m", "257"]),
        ("zfec", &["data", "-k", "x"]),
        ("zfec", &["data", "-p", "share", "-m", "8"]),
        ("zfec", &["data", "-p", "share", "-m", "8", "-f"]),
        ("zfec", &["data", "--suff", "", "-v", "-d", "."]),
        ("zfec", &["data", "-d", "absent"]),
        ("zunfec", &[]),
        ("zunfec", &["-o", "out"]),
        (
            "zunfec",
            &[
                "-o",
                "data",
                "share.0_8.fec",
                "share.1_8.fec",
                "share.2_8.fec",
            ],
        ),
        (
            "zunfec",
            &[
                "-o",
                "out",
                "share.0_8.fec",
                "share.7_8.fec",
                "share.2_8.fec",
            ],
        ),
        (
            "zunfec",
            &[
                "-fo",
                "data",
                "share.4_8.fec",
                "share.7_8.fec",
                "share.2_8.fec",
            ],
        ),
        (
            "zunfec",
            &[
                "-o",
                "out",
                "-v",
                "share.4_8.fec",
                "share.7_8.fec",
                "share.2_8.fec",
                "share.5_8.fec",
            ],
        ),
    ];
    for (tool, arguments) in cases {
        let results = [false, true].map(|is_ours| {
            let top = TempDir::new().expect("a temporary directory");
            let path = top.path();
            fs::write(path.join("data"), noise(1, 10_000)).expect("a writable directory");
            assert_eq!(run(python("zfec", path).args(["data", "-p", "share"])).0, 0);
            let mut command = match (is_ours, tool) {
                (false, _) => python(tool, path),
                (true, "zfec") => zfec(path),
                (true, _) => zunfec(path),
            };
            let (code, _) = run(command.args(arguments));
            let entries = path.read_dir().expect("a directory");
            let mut files: Vec<_> = entries
                .map(|entry| entry.expect("an entry"))
                .map(|entry| (entry.file_name(), fs::read(entry.path()).expect("a file")))
                .collect();
            files.sort_unstable();
            (code, files)
        });
        let [theirs, ours] = results;
        assert_eq!(theirs.0, ours.0, "{tool} {arguments:?}");
        assert!(theirs.1 == ours.1, "{tool} {arguments:?} left other files");
    }
}
