//! Random texts of tahoe.cfg and random values, read by us and by the original.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tahoe_node::config::{Ini, values};
use tahoe_test_support::oracle_python;

/// Sections and their options; an option without value couldn't be had.
type File = Vec<(String, Vec<(String, Option<String>)>)>;
type Number = Option<serde_json::Number>;
/// What it is as an integer, a switch, a size, a duration.
type Readings = (Number, Option<bool>, Number, Number);

#[derive(Serialize)]
struct Request {
    files: Vec<String>,
    values: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    files: Vec<Option<File>>,
    values: Vec<Readings>,
}

fn ask(request: &Request) -> Answer {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configparser/oracle.py");
    let mut python = Command::new(oracle_python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin
        .write_all(&serde_json::to_vec(request).unwrap())
        .unwrap();
    drop(stdin);
    let done = python.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn samples(strategy: impl Strategy<Value = String>, count: usize) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let sample = |_| strategy.new_tree(&mut runner).unwrap().current();
    (0..count).map(sample).collect()
}

fn read(text: &str) -> Option<File> {
    let ini = Ini::parse(text).ok()?;
    let section = |name: &str| {
        let options = ini.options(name).into_iter().map(|option| {
            let value = ini.get(name, option).ok().flatten();
            (option.to_owned(), value)
        });
        (name.to_owned(), options.collect())
    };
    Some(ini.sections().map(section).collect())
}

/// Lines that look like configuration, some of them broken.
fn line() -> impl Strategy<Value = String> {
    let name = "[aAbB%. ]{0,3}";
    proptest::prop_oneof![
        (name, "[=:]", "[a-c=:#;% \t\u{a0}]{0,6}").prop_map(|(n, d, v)| format!("{n}{d}{v}")),
        (name, "[ab]{1,2}").prop_map(|(n, r)| format!("{n} = x%({r})s%%")),
        "[ \t]{1,3}[a-c#;%=]{0,4}",
        "\\[[abD\\]]{0,3}\\][a ]{0,2}",
        proptest::strategy::Just("[DEFAULT]".to_owned()),
        proptest::strategy::Just("[a]".to_owned()),
        "[#;][a-c]{0,3}",
        "[\r\u{1c}\u{85}\u{2028}\u{feff} ]{0,2}",
    ]
}

#[test]
fn configurations_are_read_alike() {
    let lines = proptest::collection::vec(line(), 0..8);
    let mut files = samples(
        lines.prop_map(|lines| format!("[a]\n{}", lines.join("\n"))),
        3000,
    );
    let lines = proptest::collection::vec(line(), 0..5);
    files.extend(samples(lines.prop_map(|lines| lines.join("\n")), 1000));
    let request = Request {
        files,
        values: Vec::new(),
    };
    let answer = ask(&request);
    let mut accepted = 0;
    for (text, theirs) in request.files.iter().zip(answer.files) {
        accepted += usize::from(theirs.is_some());
        assert_eq!(read(text), theirs, "{text:?}");
    }
    assert!(accepted > 1000, "only {accepted} made sense");
}

#[test]
fn values_are_read_alike() {
    let mut all = samples("[0-9]{0,4}[ ]?[kKMGTPEiIbB]{0,3}", 1500);
    all.extend(samples("[ +_-]?[0-9]{0,3}[_. ]?[0-9]{0,2}[ _]?", 1500));
    all.extend(samples(
        "[0-9_]{0,3} ?(day|days|mo|mos|month|months|year|years|s|y|Day)?",
        1000,
    ));
    all.extend(samples("(?i)(1|0|yes|no|true|false|on|off|y|t)?[ ]?", 300));
    let request = Request {
        files: Vec::new(),
        values: all,
    };
    let answer = ask(&request);
    for (text, (integer, boolean, size, duration)) in request.values.iter().zip(answer.values) {
        // Python's numbers have no end and may be negative; ours mean counts of something.
        let count = |number: Number| number.and_then(|number| number.as_u64());
        let (integer, size, duration) = (count(integer), count(size), count(duration));
        assert_eq!(
            values::integer(text, 0, u64::MAX).ok(),
            integer,
            "{text:?} as integer"
        );
        assert_eq!(values::boolean(text).ok(), boolean, "{text:?} as switch");
        assert_eq!(
            values::size_bytes(text).ok().flatten(),
            size,
            "{text:?} as size"
        );
        assert_eq!(
            values::duration_seconds(text).ok(),
            duration,
            "{text:?} as duration"
        );
    }
}
