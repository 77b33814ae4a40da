//! The commands on files and directories beside the original's, on a gateway of either program.

use crate::{ours, run, run_oracle, without_problem};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use tahoe_test_support::{Encoding, Grid, Output, Program};

/// One server, one gateway, and two home directories whose node directories point to the gateway.
pub(crate) struct Store {
    pub(crate) grid: Grid,
    /// Commands that both programs answered alike, and what they said.
    transcript: RefCell<Vec<(String, Output)>>,
}

impl Store {
    pub(crate) fn start(gateway: &Program) -> Self {
        let encoding = Encoding {
            needed: 1,
            happy: 1,
            total: 1,
        };
        let grid = Grid::start(&[&Program::python()], &[gateway], encoding);
        let store = Self {
            grid,
            transcript: RefCell::default(),
        };
        let token = store
            .grid
            .gateway(0)
            .directory()
            .join("private/api_auth_token");
        for home in store.homes() {
            fs::create_dir_all(home.join(".tahoe/private")).unwrap();
            fs::write(home.join(".tahoe/node.url"), store.grid.gateway(0).url()).unwrap();
            fs::copy(&token, home.join(".tahoe/private/api_auth_token")).unwrap();
        }
        store
    }

    /// Our home directory and the original's.
    pub(crate) fn homes(&self) -> [PathBuf; 2] {
        ["ours", "theirs"].map(|name| self.grid.folder().join(name))
    }

    /// Writes a local file for both.
    pub(crate) fn write(&self, name: &str, contents: &[u8]) {
        for home in self.homes() {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
    }

    /// What each program gives for each command.
    pub(crate) fn run(&self, commands: &[&[&str]]) -> Vec<(Output, Output)> {
        let [home, other] = self.homes();
        let theirs = run_oracle(&other, commands, "");
        let mine = commands
            .iter()
            .map(|arguments| without_problem(run(&ours(), &home, arguments)));
        mine.zip(theirs)
            .map(|(mine, theirs)| (comparable(mine), comparable(theirs)))
            .collect()
    }

    /// Makes sure that both programs give the same, capabilities and dates aside.
    pub(crate) fn check(&self, commands: &[&[&str]]) {
        for (arguments, (mine, theirs)) in commands.iter().zip(self.run(commands)) {
            assert_eq!(mine, theirs, "{arguments:?}");
            let command = format!("{arguments:?}");
            self.transcript.borrow_mut().push((command, mine));
        }
    }

    /// Makes sure that both programs fail with the same exit code, ours with this message.
    pub(crate) fn check_fails(&self, cases: &[(&[&str], &str)]) {
        let commands: Vec<_> = cases.iter().map(|(arguments, _)| *arguments).collect();
        for ((arguments, message), (mine, theirs)) in cases.iter().zip(self.run(&commands)) {
            assert_eq!((mine.code, theirs.code), (1, 1), "{arguments:?}: {mine:?}");
            assert!(mine.stderr.contains(message), "{arguments:?}: {mine:?}");
            assert!(!mine.stderr.contains("panicked"), "{mine:?}");
        }
    }

    /// Runs a command of ours that must succeed.
    pub(crate) fn ours_well(&self, arguments: &[&str]) -> String {
        let [home, _] = self.homes();
        let output = run(&ours(), &home, arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
        output.stdout
    }
}

/// An output without what differs from one directory to the other.
fn comparable(output: Output) -> Output {
    Output {
        code: output.code,
        stdout: without_secrets(&output.stdout),
        stderr: without_secrets(&output.stderr),
    }
}

fn without_secrets(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        // The table of a directory holds times with as many digits as they need.
        let is_varying = ["size-directories", "largest-directory:"];
        if !is_varying.iter().any(|name| line.contains(name)) {
            lines.push(without_dates(&without_caps(line)));
        }
    }
    lines.join("\n")
}

/// Capabilities and storage indexes written as `CAP`, with the spaces that align them.
fn without_caps(line: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '-' || c == '%';
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(is_word) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let is_index = word.len() == 26 && word.chars().all(|c| c.is_ascii_alphanumeric());
        let is_cap = word.starts_with("URI:") || word.starts_with("URI%3A") || is_index;
        out.push_str(before);
        out.push_str(if is_cap { "CAP" } else { word });
        rest = after;
        if is_cap {
            rest = rest.trim_start_matches(' ');
        }
    }
    out + rest
}

/// `Nov 26 01:38` written as `(the link's)`.
fn without_dates(line: &str) -> String {
    let bytes = line.as_bytes();
    let is_time = |at: usize| {
        at >= 9
            && bytes[at] == b':'
            && [at - 2, at - 1, at + 1, at + 2]
                .iter()
                .all(|&at| bytes.get(at).is_some_and(u8::is_ascii_digit))
    };
    match (0..bytes.len()).find(|&at| is_time(at)) {
        Some(at) => format!("{}(the link's){}", &line[..at - 9], &line[at + 3..]),
        None => line.to_owned(),
    }
}

/// What an error says: the sentence that our gateway sends, or the one in the original's page, and
/// nothing of a traceback.
fn essence_of_error(stderr: &str) -> String {
    let stderr = stderr.trim_matches(['"', '\n']);
    let Some((start, body)) = stderr.split_once("\nb") else {
        return stderr.to_owned();
    };
    let paragraph = body.split_once("<p>");
    let paragraph = paragraph.and_then(|(_, rest)| rest.split_once("</p>"));
    let text = match paragraph {
        Some((text, _)) => text,
        // Quoted twice, as Python shows bytes.
        None => body.trim_matches(['"', '\'', '\\']),
    };
    if start.contains(" 405 ") {
        return start.to_owned(); // each program words it in its own way
    }
    if body.contains("builtins.") {
        return start.to_owned();
    }
    format!("{start}: {}", text.replace("&#39;", "'").replace('\\', ""))
}

/// Runs something on a gateway of each program; the commands must say the same on both.
pub(crate) fn on_either_gateway(session: impl Fn(&Store) + Sync) {
    let transcript = |gateway: Program| {
        let store = Store::start(&gateway);
        session(&store);
        store.transcript.take()
    };
    let (on_ours, on_theirs) = std::thread::scope(|scope| {
        let on_ours = scope.spawn(|| transcript(ours()));
        let on_theirs = transcript(Program::python());
        (on_ours.join(), on_theirs)
    });
    let on_ours = on_ours.expect("the session on our gateway succeeds");
    assert_eq!(on_ours.len(), on_theirs.len());
    let essence = |(command, output): (String, Output)| {
        let stderr = essence_of_error(&output.stderr);
        (command, Output { stderr, ..output })
    };
    let pairs = on_ours
        .into_iter()
        .map(essence)
        .zip(on_theirs.into_iter().map(essence));
    let differences: Vec<_> = pairs.filter(|(ours, theirs)| ours != theirs).collect();
    assert!(differences.is_empty(), "ours, theirs: {differences:#?}");
}

#[test]
fn commands_say_what_the_original_says() {
    on_either_gateway(|store| {
        let text = "small, but too large for a literal file. ".repeat(50);
        store.write("small", text.as_bytes());
        store.write("changed", b"changed");
        aliases(store);
        changes(store);
        reads(store);
        old_times(store);
        walks(store);
        failures(store);
    });
}

fn aliases(store: &Store) {
    let verifier = "URI:DIR2-Verifier:aaaaaaaaaaaaaaaaaaaaaaaaaa:\
                    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let read_only = "ro.URI:DIR2-RO:aaaaaaaaaaaaaaaaaaaaaaaaaa:\
                     aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    store.check(&[
        &["list-aliases"],
        &["ls"],
        &["create-alias", "w"],
        &["create-alias", "w:"],
        &["create-alias", "a b"],
        &["create-alias", "a:b"],
        &["create-alias", "tahoe"],
        &["add-alias", "verifier", verifier],
        &["add-alias", "ü:", read_only],
        &["add-alias", "ü", read_only],
        &["list-aliases"],
        &["list-aliases", "--readonly-uri"],
        &["list-aliases", "--json"],
        &["-q", "list-aliases"],
    ]);
    let [mine, theirs] = store
        .homes()
        .map(|home| home.join(".tahoe/private/aliases"));
    let [mine_text, their_text] = [&mine, &theirs].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(without_secrets(&mine_text), without_secrets(&their_text));
    // Each goes on with the other's file.
    fs::write(&mine, their_text).unwrap();
    fs::write(&theirs, mine_text).unwrap();
    store.check(&[&["create-alias", "x"], &["list-aliases"], &["mkdir", "x:y"]]);
}

fn changes(store: &Store) {
    store.check(&[
        &["mkdir"],
        &["mkdir", "w:a/b/c"],
        &["mkdir", "w:a/b/c"],
        &["mkdir", "--format=MDMF", "w:m/"],
        &["mkdir", "--format=mdmf"],
        &["mkdir", "w:/"],
        &["mkdir", "w:"],
        &["mkdir", "x"],
        &["mkdir", "unknown:x"],
        &["put", "small", "w:small"],
        &["put", "small", "w:small"],
        &["put", "small", "w:ü ☃"],
        &["put", "--mutable", "small", "w:mutable"],
        &["put", "changed", "w:mutable"],
        &["put", "--format=mdmf", "small", "w:mdmf"],
        &["put", "small", "w:/x"],
        &["put", "small", "w:"],
        &["put", "small", "w:a"],
        &["put", "small", "w:small/x"],
        &["put", "small", "URI:SSK:aaaa"],
        &["mv", "w:small", "w:small2"],
        &["mv", "w:missing", "w:b"],
        &["mv", "w:small2", "w:a"],
        &["mv", "w:small2", "w:a/"],
        &["mv", "URI:LIT:nbuqu", "w:lit"],
        &["ln", "w:a/small2", "w:"],
        &["ln", "w:a/small2", "w:small"],
        &["ln", "w:a", "w:small"],
        &["ln", "w:a", "w:a/itself"],
        &["unlink", "w:lit"],
        &["unlink", "w:missing"],
        &["unlink", "w:"],
        &["unlink", "unknown:x"],
    ]);
}

fn reads(store: &Store) {
    store.check(&[
        &["get", "w:a/small2"],
        &["get", "w:mutable"],
        &["get", "w:ü ☃", "-"],
        &["get", "w:missing"],
        &["get", "w:a/small2", "copy"],
        &["ls", "w:"],
        &["ls", "w:a/"],
        &["ls", "-l", "w:"],
        &["ls", "-F", "w:"],
        &["ls", "--uri", "w:"],
        &["ls", "--readonly-uri", "w:"],
        &["ls", "-l", "-F", "--uri", "--readonly-uri", "w:"],
        &["ls", "w:a/small2"],
        &["ls", "-l", "w:mutable"],
        &["ls", "w:missing"],
        &["ls", "w:a/small2/x"],
        &["ls", "-l", "URI:LIT:nbuqu"],
        &["ls", "--json", "URI:LIT:nbuqu"],
        &["ls", "-l", "URI:CHK:x"],
        &["ls", "verifier:"],
    ]);
    let [mine, theirs] = store
        .homes()
        .map(|home| fs::read(home.join("copy")).unwrap());
    assert_eq!(mine, theirs);
}

/// Links made before 1.4.0 have `ctime` and `mtime`; newer ones have times of their own beside them.
fn old_times(store: &Store) {
    let child =
        |metadata: Value| json!(["filenode", {"ro_uri": "URI:LIT:nbuqu", "metadata": metadata}]);
    let children = json!({
        "both": child(json!({"ctime": 1_000_000_000.0, "mtime": 1_100_000_000.0})),
        "created": child(json!({"ctime": 1_200_000_000})),
        "modified": child(json!({"mtime": 1_100_000_000.0})),
        "neither": child(json!({})),
        "newer": child(json!({"ctime": 1_000_000_000.0, "tahoe": {"linkcrtime": 1_300_000_000.5}})),
        "unset": child(json!({"ctime": 1_400_000_000.0, "tahoe": {"linkcrtime": 0}})),
    });
    let gateway = store.grid.gateway(0);
    let made = gateway.request(
        "POST",
        "/uri?t=mkdir-immutable",
        children.to_string().as_bytes(),
    );
    assert_eq!(made.status, 200, "{}", made.text());
    let cap = made.text();
    let listed = store.ours_well(&["ls", "-l", &cap]);
    let years = ["2001", "2008", "2011", "2014"].map(|year| listed.matches(year).count());
    assert_eq!(years, [1, 1, 1, 1], "{listed}");
    let commands: [&[&str]; 3] = [
        &["ls", "-l", &cap],
        &["ls", "--json", &cap],
        &["ls", "-l", &format!("{cap}/both")],
    ];
    for (arguments, (mine, theirs)) in commands.iter().zip(store.run(&commands)) {
        assert_eq!(mine, theirs, "{arguments:?}");
    }
}

fn walks(store: &Store) {
    store.check(&[
        &["manifest", "w:"],
        &["manifest", "-s", "w:"],
        &["manifest", "--verify-cap", "w:"],
        &["manifest", "--repair-cap", "w:/"],
        &["manifest", "--raw", "w:"],
        &["manifest", "w:missing"],
        &["manifest", "verifier:"],
        &["stats", "w:"],
        &["stats", "w:missing"],
    ]);
}

#[test]
fn checks_say_what_the_original_says() {
    let store = Store::start(&Program::python());
    let text = "small, but too large for a literal file. ".repeat(50);
    store.write("small", text.as_bytes());
    store.check(&[
        &["create-alias", "w"],
        &["mkdir", "w:a/b"],
        &["put", "small", "w:a/small2"],
        &["put", "--mutable", "small", "w:mutable"],
        &["put", "--format=mdmf", "small", "w:mdmf"],
    ]);
    store.check(&[
        &["check", "w:"],
        &["check", "w:a/small2"],
        &["check", "--repair", "w:a/small2"],
        &["check", "--verify", "w:mutable"],
        &["check", "--add-lease", "w:mdmf"],
        &["check", "w:a", "w:mdmf"],
        &["check", "w:missing", "w:a"],
        &["check", "URI:LIT:nbuqu"],
        &["check", "--raw", "URI:LIT:nbuqu"],
        &["deep-check", "w:"],
        &["deep-check", "-v", "w:"],
        &["deep-check", "-v", "--repair", "w:"],
        &["deep-check", "--verify", "--add-lease", "w:"],
        &["deep-check", "w:", "w:a/b"],
        &["deep-check", "w:mutable"],
        &["deep-check", "w:missing"],
    ]);
    let [home, _] = store.homes();
    let checked = run(&ours(), &home, &["check", "--repair", "URI:LIT:nbuqu"]);
    let healthy = "Summary: Healthy (LIT)\n storage index: \n";
    assert_eq!((checked.code, checked.stdout.as_str()), (0, healthy));
}

/// Where the original ends with a traceback, or says nothing useful.
fn failures(store: &Store) {
    store.check_fails(&[
        (
            &["add-alias", "f", "URI:LIT:nbuqu"],
            "no directory's capability",
        ),
        (&["put", "missing", "w:x"], "cannot read 'HOME/missing'"),
        (
            &["put", "--private-key-path=small", "small"],
            "needs --mutable",
        ),
        (
            &["put", "-m", "--private-key-path=small", "small"],
            "it holds no private key in PEM",
        ),
    ]);
    let [home, _] = store.homes();
    let lines = |arguments: &[&str]| {
        let output = run(&ours(), &home, arguments);
        (output.code, output.stdout, output.stderr)
    };
    let (code, stdout, stderr) = lines(&["mkdir", "w:a/small2/sub"]);
    // The original prints an empty line and exits with 0.
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.contains("Error during HTTP request: 409"),
        "{stderr}"
    );
    // The original's line holds the whole URL.
    let (code, _, stderr) = lines(&["ls", "-u", "http://127.0.0.1:1", "w:"]);
    assert_eq!(code, 255);
    assert!(!stderr.contains("URI"), "{stderr}");
    let (code, stdout, stderr) = lines(&["rm", "w:mdmf"]);
    assert_eq!((code, stdout.as_str()), (0, "200 OK\n"));
    assert!(
        stderr.starts_with("'tahoe rm' is 'tahoe unlink'"),
        "{stderr}"
    );
}

#[test]
fn a_key_of_ones_own() {
    let store = Store::start(&Program::python());
    let script = "from cryptography.hazmat.primitives.asymmetric import rsa\n\
                  from cryptography.hazmat.primitives import serialization as s\n\
                  key = rsa.generate_private_key(65537, 2048)\n\
                  for name, form in [('pkcs1', 'TraditionalOpenSSL'), ('pkcs8', 'PKCS8')]:\n    \
                  open(name + '.pem', 'wb').write(key.private_bytes(s.Encoding.PEM, \
                  getattr(s.PrivateFormat, form), s.NoEncryption()))\n";
    let [home, other] = store.homes();
    let made = std::process::Command::new(tahoe_test_support::oracle_python())
        .args(["-c", script])
        .current_dir(&home)
        .status()
        .unwrap();
    assert!(made.success());
    for name in ["pkcs1.pem", "pkcs8.pem"] {
        fs::copy(home.join(name), other.join(name)).unwrap();
    }
    store.write("file", b"contents");
    // The key decides the capability, and a key can be used once only.
    let mut outputs = Vec::new();
    for (program, home) in [(Program::python(), &other), (ours(), &home)] {
        for key in ["pkcs1.pem", "pkcs8.pem"] {
            let arguments = ["put", "-m", "--private-key-path", key, "file"];
            outputs.push(run(&program, home, &arguments));
            store.grid.delete_shares();
        }
    }
    assert_eq!(outputs[0].code, 0, "{outputs:?}");
    assert!(
        outputs.iter().all(|output| *output == outputs[0]),
        "{outputs:?}"
    );
}

#[test]
fn status_shows_what_the_node_did() {
    let store = Store::start(&Program::python());
    store.grid.gateway(0).put(&[7; 1000]);
    let [home, other] = store.homes();
    for arguments in [&["status"][..], &["status", "--verbose"]] {
        let mine = run(&ours(), &home, arguments);
        // It prints some lines past the output that the oracle script captures.
        let theirs = run(&Program::python(), &other, arguments);
        let uptime = |output: &Output| {
            let (first, rest) = output.stdout.split_once('\n').unwrap();
            assert!(first.starts_with("Statistics (for last "), "{first}");
            rest.to_owned()
        };
        assert_eq!(uptime(&mine), uptime(&theirs));
        assert_eq!((mine.code, &mine.stderr), (theirs.code, &theirs.stderr));
    }
    fs::write(home.join(".tahoe/node.url"), "http://127.0.0.1:1").unwrap();
    let failed = run(&ours(), &home, &["status"]);
    assert_eq!(failed.code, 2, "{failed:?}");
    assert!(
        failed.stderr.starts_with("failed to retrieve data: "),
        "{failed:?}"
    );
    fs::remove_file(home.join(".tahoe/private/api_auth_token")).unwrap();
    assert_eq!(run(&ours(), &home, &["status"]).code, 2);
}

#[test]
fn webopen_gives_the_browser_the_address() {
    let store = Store::start(&Program::python());
    let cap = store.ours_well(&["mkdir"]);
    let cap = cap.trim().replace(':', "%3A");
    let url = store.grid.gateway(0).url();
    let [home, other] = store.homes();
    for (program, home) in [(ours(), home), (Program::python(), other)] {
        let browser = home.join("browser");
        let script = "#!/bin/sh\necho \"$1\" >> \"$HOME/visited\"\n";
        fs::write(&browser, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&browser, mode).unwrap();
        let decoded = cap.replace("%3A", ":");
        let with_path = format!("{decoded}/a b/");
        for arguments in [
            &["webopen"][..],
            &["webopen", "-i", &decoded],
            &["webopen", &with_path],
        ] {
            let mut command = program.command(&home);
            let opened = command
                .env("BROWSER", &browser)
                .args(arguments)
                .output()
                .unwrap();
            assert!(opened.status.success(), "{opened:?}");
        }
        let expected = format!("{url}/\n{url}/uri/{cap}?t=info\n{url}/uri/{cap}/a%20b/\n");
        let visited = home.join("visited");
        tahoe_test_support::wait_until("the browser was started", || {
            fs::read_to_string(&visited).is_ok_and(|text| text.lines().count() == 3)
        });
        let mut lines: Vec<_> = fs::read_to_string(&visited)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        let mut wanted: Vec<_> = expected.lines().map(str::to_owned).collect();
        wanted.sort();
        assert_eq!(lines, wanted, "{}", program.name());
    }
}
