//! Directories of both programs, in turns: each makes, fills, renames, moves and unlinks in what the
//! other made, and both see the same, byte for byte.

use crate::{ours, python};
use tahoe_test_support::{Encoding, Grid, Node, Program};

const ENCODING: Encoding = Encoding {
    needed: 2,
    happy: 1,
    total: 3,
};

/// Names in several scripts, in both normal forms, and some that need care in URLs and pages.
const NAMES: &[&str] = &[
    "plain.txt",
    "with space",
    " leading and trailing ",
    "caf\u{e9}",
    "cafe\u{301} decomposed",
    "\u{212b}ngstrom",
    "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{5e2}\u{5d1}\u{5e8}\u{5d9}\u{5ea}",
    "\u{639}\u{631}\u{628}\u{64a}\u{629}",
    "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
    "\u{395}\u{3bb}\u{3bb}\u{3b7}\u{3bd}\u{3b9}\u{3ba}\u{3ac}",
    "\u{1f600}\u{1f469}\u{200d}\u{1f680}",
    "\u{fb01}ligature",
    "q\u{307}\u{323}",
    "%2F;?#&=+\"'<>\\",
    "..",
    "new\nline",
    "\u{7f}\u{1}",
];

#[test]
fn on_our_servers() {
    exchange(&[&ours(), &ours(), &ours()]);
}

#[test]
fn on_mixed_servers() {
    exchange(&[&python(), &ours(), &python()]);
}

fn exchange(servers: &[&Program]) {
    let grid = Grid::start(servers, &[&ours(), &python()], ENCODING);
    for format in ["SDMF", "MDMF"] {
        for creator in 0..2 {
            in_turns(&grid, format, creator);
        }
    }
}

/// Two gateways and a directory on their grid.
struct Turns<'a> {
    gateways: [&'a Node; 2],
    root: String,
    next: usize,
}

impl Turns<'_> {
    /// The gateways take turns.
    fn gateway(&mut self) -> &Node {
        self.next += 1;
        self.gateways[self.next % 2]
    }

    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> String {
        let path = format!("/uri/{}/{path}", self.root);
        let gateway = self.gateway();
        let answer = gateway.request(method, &path, body);
        let text = answer.text();
        assert!(
            answer.status < 300,
            "{method} {path}: {} {text}",
            answer.status
        );
        text
    }

    /// Both gateways tell the same of this.
    fn agree(&self, method: &str, path: &str) -> String {
        let path = format!("/uri/{}/{path}", self.root);
        let [one, other] = self.gateways.map(|gateway| {
            let answer = gateway.request(method, &path, b"");
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
            answer.text()
        });
        let differs = one
            .lines()
            .zip(other.lines())
            .find(|(one, other)| one != other);
        assert_eq!(differs, None, "{method} {path}");
        assert_eq!(one.len(), other.len(), "{method} {path}");
        one
    }

    fn children(&self, path: &str) -> Vec<String> {
        let json: serde_json::Value =
            serde_json::from_str(&self.agree("GET", &format!("{path}?t=json"))).unwrap();
        let children = json[1]["children"].as_object().unwrap();
        children.keys().cloned().collect()
    }
}

fn quoted(name: &str) -> String {
    let byte = |byte: u8| format!("%{byte:02X}");
    name.bytes().map(byte).collect()
}

fn in_turns(grid: &Grid, format: &str, creator: usize) {
    let [one, other] = [grid.gateway(creator), grid.gateway(1 - creator)];
    let made = one.request("POST", &format!("/uri?t=mkdir&format={format}"), b"");
    let mut turns = Turns {
        gateways: [one, other],
        root: made.text(),
        next: 0,
    };
    fill(&mut turns);
    rename_and_move(&mut turns, format);
    share_read_only(&turns);
    walk_through_cycles(&mut turns);
}

fn fill(turns: &mut Turns<'_>) {
    for (number, name) in NAMES.iter().enumerate() {
        let content = format!("content {number}");
        turns.ask("PUT", &quoted(name), content.as_bytes());
        let read = turns.ask("GET", &quoted(name), b"");
        assert_eq!(read, content, "{name:?}");
    }
    assert_eq!(turns.children("").len(), NAMES.len());
    // The same names in another normal form are the same children.
    for (first, second) in [
        ("caf\u{e9}", "cafe\u{301}"),
        ("\u{c5}ngstrom", "A\u{30a}ngstrom"),
    ] {
        let read = turns.ask("GET", &quoted(first), b"");
        turns.ask("PUT", &quoted(second), b"again");
        assert_ne!(turns.ask("GET", &quoted(first), b""), read);
    }
    assert_eq!(turns.children("").len(), NAMES.len());
}

fn rename_and_move(turns: &mut Turns<'_>, format: &str) {
    turns.ask("PUT", &format!("sub/deeper?t=mkdir&format={format}"), b"");
    let deeper = turns.ask("GET", "sub/deeper?t=uri", b"");
    for name in NAMES {
        // Spaces around names are taken off by the form.
        let trimmed = name.trim_matches([' ', '\n']);
        if trimmed != *name {
            continue;
        }
        let (from, to) = (quoted(name), quoted(&format!("{name} moved")));
        turns.ask(
            "POST",
            &format!("?t=rename&from_name={from}&to_name={to}"),
            b"",
        );
        let moved = format!("?t=relink&from_name={to}&to_dir={deeper}&to_name={from}");
        turns.ask("POST", &moved, b"");
    }
    let left: Vec<_> = turns.children("");
    assert_eq!(left, [" leading and trailing ", "sub"]);
    assert_eq!(turns.children("sub/deeper").len(), NAMES.len() - 1);
    for name in ["plain.txt", "\u{65e5}\u{672c}\u{8a9e}"] {
        turns.ask("DELETE", &format!("sub/deeper/{}", quoted(name)), b"");
        turns.ask("PUT", &format!("sub/deeper/{}", quoted(name)), b"back");
        turns.ask(
            "POST",
            &format!("sub/deeper?t=unlink&name={}", quoted(name)),
            b"",
        );
    }
    assert_eq!(turns.children("sub/deeper").len(), NAMES.len() - 3);
}

/// The read-only capability shows the same children and nothing that writes.
fn share_read_only(turns: &Turns<'_>) {
    let read_only = turns.agree("GET", "?t=readonly-uri");
    let reader = Turns {
        root: read_only,
        ..*turns
    };
    for path in ["?t=json", "sub?t=json", "sub/deeper?t=json"] {
        let listed = reader.agree("GET", path);
        assert!(!listed.contains("rw_uri"), "{path}: {listed}");
    }
    let manifest = reader.agree("POST", "?t=stream-manifest");
    for writer in [
        "\"URI:DIR2:",
        "\"URI:DIR2-MDMF:",
        "\"URI:SSK:",
        "\"URI:MDMF:",
    ] {
        assert!(!manifest.contains(writer), "{manifest}");
    }
    for gateway in reader.gateways {
        let refused = gateway.request("PUT", &format!("/uri/{}/x", reader.root), b"x");
        assert_eq!(refused.status, 500, "{}", refused.text());
        assert!(
            refused.text().contains("NotWriteableError"),
            "{}",
            refused.text()
        );
    }
}

fn walk_through_cycles(turns: &mut Turns<'_>) {
    let root = turns.root.clone();
    turns.ask("PUT", "sub/deeper/up?t=uri", root.as_bytes());
    turns.ask(
        "PUT",
        "sub/self?t=uri",
        turns.agree("GET", "sub?t=uri").as_bytes(),
    );
    let frozen = format!(
        "{{\"in\": [\"filenode\", {{\"ro_uri\": \"URI:LIT:nbswy3dp\"}}], \"{}\": [\"filenode\", \
         {{\"ro_uri\": \"URI:LIT:\"}}]}}",
        "x".repeat(60)
    );
    turns.ask("POST", "frozen?t=mkdir-immutable", frozen.as_bytes());
    turns.ask("PUT", "mutable?format=SDMF", b"mutable");
    let manifest = turns.agree("POST", "?t=stream-manifest");
    assert_eq!(
        manifest
            .lines()
            .filter(|line| line.contains("\"directory\""))
            .count(),
        4
    );
    assert!(!manifest.contains("ERROR"), "{manifest}");
    assert_eq!(
        turns.children("sub/deeper/up/sub/self/deeper/up"),
        turns.children("")
    );
}
