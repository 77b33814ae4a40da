//! The shared drive: the day that Tahoe's first announcement describes, and the commands.

use crate::ours;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tahoe_test_support::http::{Request, Response};
use tahoe_test_support::{
    DriveGrid, Node, Output, PATIENCE, handed_out, wait_for_drive, wait_until,
};

/// As many as must have shares of a file by default.
const CLIENTS: usize = 7;
const FORM: &str = "multipart/form-data; boundary=edge";

/// Sends a form as a browser does; a field `file` is a file called `hello.txt`.
fn submit(node: &Node, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut body = String::new();
    for (name, value) in fields {
        let file_name = match *name {
            "file" => "; filename=\"hello.txt\"",
            _ => "",
        };
        body += "--edge\r\nContent-Disposition: form-data; name=\"";
        body += &format!("{name}\"{file_name}\r\n\r\n{value}\r\n");
    }
    body += "--edge--\r\n";
    let request = Request {
        headers: &[("Content-Type", FORM)],
        ..Request::new("POST", path)
    };
    let answer = request.send(node.web_port(), body.as_bytes());
    answer.unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

pub(crate) fn page(node: &Node, path: &str) -> String {
    let answer = node.request("GET", path, b"");
    assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
    answer.text()
}

pub(crate) fn names(node: &Node, path: &str) -> Vec<String> {
    let json = node.request("GET", &format!("{path}?t=json"), b"").json();
    let children = json[1]["children"].as_object().unwrap();
    children.keys().cloned().collect()
}

pub(crate) fn is_old(node: &Node, path: &str) -> bool {
    let answer = node.request("GET", path, b"");
    answer.header("x-tahoe-old-since").is_some()
}

#[test]
fn the_first_day() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let program = ours();
    let create = ["create-introducer", "--vdrive"];
    let mut introducer = Node::create_service(&program, &at("introducer"), &create);
    introducer.start();
    let furls = ["introducer.furl", "vdrive.furl"].map(|name| handed_out(&introducer, name));
    let files = [
        ("introducer.furl", furls[0].as_str()),
        ("vdrive.furl", furls[1].as_str()),
    ];
    let client = |number| Node::of_first_files(&program, &at(&format!("{number}")), &files);
    let mut clients: Vec<Node> = (0..CLIENTS).map(client).collect();
    clients.iter_mut().for_each(Node::spawn);
    clients.iter_mut().for_each(Node::wait_until_up);
    clients
        .iter()
        .for_each(|client| client.wait_for_servers(CLIENTS));
    let [one, other] = [&clients[0], &clients[1]];
    for client in [one, other] {
        wait_for_drive(client, "/vdrive/");
    }

    let status = page(one, "/");
    assert!(status.contains("Connected to 7 of 7") && status.contains("href=\"/vdrive/\""));

    let upload = [("t", "upload"), ("when_done", "."), ("file", "hello\n")];
    assert_eq!(submit(one, "/vdrive/", &upload).status, 302);
    let mkdir = [("t", "mkdir"), ("name", "photos"), ("when_done", ".")];
    assert_eq!(submit(other, "/vdrive/", &mkdir).status, 302);
    let listing = page(other, "/vdrive/");
    assert!(listing.contains(">hello.txt</a>") && listing.contains("href=\"/vdrive/photos/\""));
    let link = listing.split('"').find(|part| part.starts_with("/file/"));
    assert_eq!(page(other, link.unwrap()), "hello\n");
    assert_eq!(page(other, "/vdrive/hello.txt"), "hello\n");
    let uri = page(one, "/vdrive/hello.txt?t=uri");

    let again = [("t", "upload"), ("file", "in photos\n")];
    assert_eq!(submit(one, "/vdrive/photos/", &again).status, 200);
    assert_eq!(page(other, "/vdrive/photos/hello.txt"), "in photos\n");
    let unlink = [("t", "unlink"), ("name", "photos")];
    assert_eq!(
        submit(other, "/vdrive/", &unlink).status,
        409,
        "it isn't empty"
    );
    let unlink = [("t", "unlink"), ("name", "hello.txt"), ("when_done", ".")];
    assert_eq!(submit(other, "/vdrive/photos/", &unlink).status, 302);
    assert!(names(one, "/vdrive/photos/").is_empty());
    let unlink = [("t", "unlink"), ("name", "photos")];
    assert_eq!(submit(other, "/vdrive/", &unlink).status, 200);
    assert_eq!(names(one, "/vdrive/"), ["hello.txt"]);

    introducer.stop();
    wait_until("the listing is marked as old", || is_old(one, "/vdrive/"));
    assert!(page(one, "/vdrive/").contains(">hello.txt</a>"));
    assert_eq!(names(one, "/vdrive/"), ["hello.txt"]);
    assert_eq!(other.get(&uri), b"hello\n");
    assert_eq!(page(one, "/vdrive/hello.txt"), "hello\n");
    let refused = one.request("PUT", "/vdrive/new", b"lost");
    assert_eq!((refused.status, refused.text().lines().count()), (503, 1));

    introducer.start();
    let what = "the drive is connected again";
    wait_until(what, || {
        one.request("PUT", "/vdrive/new", b"kept").status == 201
    });
    wait_until("at the other node", || names(other, "/vdrive/").len() == 2);
}

/// A gateway that may change a drive, and one that may only read it and knows it by a name.
pub(crate) struct Drive {
    pub(crate) writer: Node,
    pub(crate) reader: Node,
    pub(crate) grid: DriveGrid,
}

impl Drive {
    pub(crate) fn start() -> Self {
        let grid = DriveGrid::start(&ours());
        Self {
            writer: grid.writer("writer"),
            reader: grid.reader("reader", "team"),
            grid,
        }
    }

    fn path(&self) -> &Path {
        self.grid.folder()
    }

    pub(crate) fn run(&self, node: &Node, arguments: &[&str]) -> Output {
        let directory = node.directory().to_str().unwrap();
        ours().run(self.path(), [&["-d", directory], arguments].concat())
    }

    /// Runs a command of the writer that must succeed; returns what it prints.
    pub(crate) fn well(&self, arguments: &[&str]) -> String {
        let output = self.run(&self.writer, arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
        output.stdout
    }
}

/// Makes sure that nobody but its owner can use a file, or a folder and what is in it.
fn assert_private(path: &Path) {
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{}", path.display());
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            assert_private(&entry.unwrap().path());
        }
    }
}

#[test]
fn commands_take_the_drive_for_an_alias() {
    let drive = Drive::start();
    let write = |name: &str, text: &str| std::fs::write(drive.path().join(name), text).unwrap();
    write("note", "one\n");
    drive.well(&["put", "note", "vdrive:note"]);
    assert_eq!(drive.well(&["get", "vdrive:note"]), "one\n");
    write("note", "two\n");
    drive.well(&["put", "note", "vdrive:note"]);
    assert_eq!(drive.well(&["get", "vdrive:note"]), "two\n");
    assert_eq!(drive.well(&["mkdir", "vdrive:a/b"]), "/vdrive/a/b/\n");

    assert!(drive.well(&["ls", "-l", "vdrive:"]).starts_with("drwx"));

    std::fs::create_dir_all(drive.path().join("tree/deep/er")).unwrap();
    write("tree/top", "top\n");
    write("tree/deep/er/bottom", "bottom\n");
    drive.well(&["cp", "-r", "tree", "vdrive:a"]);
    assert_eq!(drive.well(&["ls", "vdrive:a"]), "b\ntree\n");
    drive.well(&["cp", "-r", "vdrive:a/tree", "."]);
    drive.well(&["cp", "-r", "vdrive:a/tree", "back"]);
    let copied = std::fs::read_to_string(drive.path().join("back/tree/deep/er/bottom"));
    assert_eq!(copied.unwrap(), "bottom\n");
    drive.well(&["cp", "-r", "vdrive:a/tree", "vdrive:copy"]);
    assert_eq!(drive.well(&["get", "vdrive:copy/tree/top"]), "top\n");

    drive.well(&["mv", "vdrive:a/tree", "vdrive:moved"]);
    drive.well(&["mv", "vdrive:note", "vdrive:moved/"]);
    assert_eq!(drive.well(&["ls", "vdrive:moved"]), "deep\nnote\ntop\n");
    drive.well(&["ln", "vdrive:moved/note", "vdrive:linked"]);
    drive.well(&["mkdir", "vdrive:copy/two words"]);
    drive.well(&["mv", "vdrive:copy/tree/top", "vdrive:copy/two words/"]);
    assert_eq!(drive.well(&["get", "vdrive:copy/two words/top"]), "top\n");
    drive.well(&["create-alias", "mine"]);
    drive.well(&["ln", "vdrive:linked", "mine:from-drive"]);
    drive.well(&["mv", "mine:from-drive", "vdrive:from-drive"]);
    assert_eq!(drive.well(&["get", "vdrive:from-drive"]), "two\n");
    let elsewhere = drive.run(&drive.writer, &["mv", "vdrive:moved", "mine:moved"]);
    assert_ne!(
        elsewhere.code, 0,
        "a directory has no place outside its drive"
    );

    drive.well(&["backup", "tree", "vdrive:backups"]);
    assert_eq!(drive.well(&["get", "vdrive:backups/Latest/top"]), "top\n");
    assert_eq!(drive.well(&["ls", "vdrive:backups"]), "Archives\nLatest\n");

    let refused = drive.run(&drive.writer, &["unlink", "vdrive:moved"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("isn't empty"),
        "{refused:?}"
    );
    drive.well(&["unlink", "--recursive", "vdrive:moved"]);
    drive.well(&["unlink", "vdrive:linked"]);
    assert_eq!(
        drive.well(&["ls", "vdrive:"]),
        "a\nbackups\ncopy\nfrom-drive\n"
    );

    let vdrive = &drive.grid.vdrive;
    for name in ["vdrive.sqlite", "vdrive.sqlite-wal", "vdrive.sqlite-shm"] {
        assert_private(&vdrive.directory().join("private").join(name));
    }
    assert_private(&drive.writer.directory().join("private/vdrive-seen"));

    // Somebody's own alias comes first.
    drive.well(&["create-alias", "vdrive"]);
    assert_eq!(drive.well(&["ls", "vdrive:"]), "");
}

#[test]
fn programs_restore_what_was_removed() {
    let drive = Drive::start();
    let node = &drive.writer;
    let answer = |method: &str, path: &str, body: &[u8]| node.request(method, path, body);
    for (path, contents) in [("a", "1"), ("a", "2"), ("dir/b", "3")] {
        let put = answer("PUT", &format!("/vdrive/{path}"), contents.as_bytes());
        assert!(put.status < 300, "{}", put.text());
    }
    for path in ["a", "dir/b", "dir"] {
        assert_eq!(
            answer("DELETE", &format!("/vdrive/{path}"), b"").status,
            200
        );
    }
    let trash = answer("GET", "/vdrive/?t=trash&output=json", b"").json();
    let facts = |child: &Value| {
        let kept = child["kept_until"].as_f64().unwrap() - child["removed"].as_f64().unwrap();
        assert!((kept - 30.0 * 24.0 * 3600.0).abs() < 1.0, "{kept} s");
        let [name, kind] = [&child["name"], &child["child"][0]].map(|text| text.as_str().unwrap());
        let was_in = child["was_in"].to_string();
        (format!("{name} {kind} {was_in}"), child["was_here"] == true)
    };
    let children = trash["trash"].as_array().unwrap();
    let found: Vec<_> = children.iter().map(facts).collect();
    let expected = [
        ("dir dirnode []", true),
        ("b filenode [\"dir\"]", false),
        ("a filenode []", true),
        ("a filenode []", true),
    ];
    assert_eq!(found, expected.map(|(text, here)| (text.to_owned(), here)));
    assert!(trash["next"].is_null());
    let first = &children[3];
    let cap = first["child"][1]["ro_uri"].as_str().unwrap();
    assert_eq!(node.get(cap), b"1");

    // The last of a name, an older one under another name, and each but once.
    let restore = |path: &str, arguments: &str| {
        let restored = answer(
            "POST",
            &format!("/vdrive/{path}?t=restore&{arguments}"),
            b"",
        );
        restored.status
    };
    assert_eq!(restore("", "name=a"), 200);
    assert_eq!(page(node, "/vdrive/a"), "2");
    let old = format!("trash={}", first["trash"]);
    assert_eq!(restore("", &old), 409, "its name is taken");
    assert_eq!(restore("", &format!("{old}&name=old")), 200);
    assert_eq!(page(node, "/vdrive/old"), "1");
    assert_eq!(restore("", &old), 404);
    assert_eq!(restore("", "name=a"), 404);
    // A directory comes back with its own trash.
    assert_eq!(restore("dir/", "name=b"), 404, "there is no such directory");
    assert_eq!(restore("", "name=dir"), 200);
    assert_eq!(restore("dir/", "name=b"), 200);
    assert_eq!(page(node, "/vdrive/dir/b"), "3");
    for bad in ["", "trash=x", "trash=-1"] {
        assert_eq!(restore("", bad), 400, "{bad}");
    }
    let cap = answer("POST", "/uri?t=mkdir", b"").text();
    let grid = answer("GET", &format!("/uri/{cap}?t=trash"), b"");
    assert_eq!(grid.status, 400);
}

#[test]
fn commands_restore_what_was_removed() {
    let drive = Drive::start();
    let put = |text: &str, path: &str| {
        std::fs::write(drive.path().join("file"), text).unwrap();
        drive.well(&["put", "file", &format!("vdrive:{path}")]);
    };
    assert_eq!(drive.well(&["trash"]), "");
    put("one", "notes");
    put("two", "notes");
    put("waves", "photos/sea é");
    drive.well(&["unlink", "vdrive:photos/sea é"]);
    drive.well(&["unlink", "vdrive:photos"]);

    // The last removed first; each by its id.
    let list = |path: &str| -> Vec<Vec<String>> {
        let lines = drive.well(&["trash", path]);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        lines.lines().map(words).collect()
    };
    let listed = list("vdrive:");
    // An id and two dates of three words each come before the path.
    let paths: Vec<_> = listed[1..]
        .iter()
        .map(|words| words[7..].join(" "))
        .collect();
    assert_eq!(paths, ["photos/", "photos/sea é", "notes"]);
    let json = drive.well(&["trash", "--json"]);
    assert!(json.is_ascii());
    let json: Value = serde_json::from_str(&json).unwrap();
    let ids = |items: &Value| -> Vec<String> {
        let items = items["trash"].as_array().unwrap();
        items.iter().map(|item| item["trash"].to_string()).collect()
    };
    let ids = ids(&json);
    assert_eq!(json["trash"][1]["name"], "sea é");
    assert!(listed[1..].iter().map(|words| &words[0]).eq(&ids));

    // By name, with all that was in it, and its trash.
    let missing = drive.run(&drive.writer, &["trash", "vdrive:photos"]);
    assert!(missing.code == 1 && missing.stderr.contains("No such directory"));
    assert_eq!(drive.well(&["restore", "vdrive:photos/"]), "OK\n");
    assert_eq!(list("vdrive:photos")[1][0], ids[1]);
    drive.well(&["restore", "vdrive:photos/sea é"]);
    assert_eq!(drive.well(&["get", "vdrive:photos/sea é"]), "waves");

    // Nothing is replaced.
    let fails = |arguments: &[&str], said: &str| {
        let output = drive.run(&drive.writer, arguments);
        assert!(
            output.code == 1 && output.stderr.contains(said),
            "{output:?}"
        );
    };
    fails(&["restore", "vdrive:notes"], "--as");
    drive.well(&["restore", "--as", "old notes", "vdrive:notes"]);
    assert_eq!(drive.well(&["get", "vdrive:old notes"]), "one");
    fails(&["restore", "vdrive:notes"], "tahoe trash");
    drive.well(&["unlink", "vdrive:photos/sea é"]);
    let id = &list("vdrive:")[1][0];
    fails(&["restore", "--id", id, "vdrive:notes"], "another name");
    drive.well(&["restore", "--id", id, "vdrive:"]);
    assert_eq!(drive.well(&["get", "vdrive:sea é"]), "waves");
    drive.well(&["unlink", "vdrive:sea é"]);
    let id = &list("vdrive:")[1][0];
    drive.well(&["restore", "--id", id, "vdrive:photos/waves"]);
    assert_eq!(drive.well(&["ls", "vdrive:photos"]), "waves\n");
    fails(&["restore", "--id", id, "vdrive:again"], "tahoe trash");

    fails(&["restore", "vdrive:"], "a path must be given");
    let both = drive.run(&drive.writer, &["restore", "--id=1", "--as=x", "vdrive:x"]);
    assert!(
        both.code == 1 && both.stdout.contains("cannot be used with"),
        "{both:?}"
    );
    drive.well(&["create-alias", "mine"]);
    fails(&["trash", "mine:"], "only possible in a shared drive");
    fails(&["restore", "mine:x"], "only possible in a shared drive");
    for arguments in [["trash", "team@vdrive:"], ["restore", "team@vdrive:notes"]] {
        let refused = drive.run(&drive.reader, &arguments);
        assert_eq!(refused.code, 1, "{refused:?}");
    }
}

#[test]
fn the_trash_is_listed_page_by_page() {
    const REMOVED: usize = 450;
    let drive = Drive::start();
    for number in 0..=REMOVED {
        let put = drive
            .writer
            .request("PUT", "/vdrive/name?t=uri", b"URI:LIT:aa");
        assert_eq!(put.status, 200, "{number}: {}", put.text());
    }
    let json: Value = serde_json::from_str(&drive.well(&["trash", "--json"])).unwrap();
    let ids = json["trash"].as_array().unwrap().iter();
    let ids: Vec<u64> = ids.map(|item| item["trash"].as_u64().unwrap()).collect();
    assert!(ids.len() == REMOVED && ids.is_sorted_by(|one, next| one > next));
    assert_eq!(drive.well(&["trash"]).lines().count(), 1 + REMOVED);
}

/// Asks to be told of changes, until the answer has this text; returns what still comes.
pub(crate) fn listen(node: &Node, path: &str, header: &str, expected: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", node.web_port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let asked = format!("GET {path}?t=changes HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n");
    stream.write_all(asked.as_bytes()).unwrap();
    hear(&mut stream, expected);
    stream
}

pub(crate) fn hear(stream: &mut TcpStream, expected: &str) {
    let mut heard = Vec::new();
    let mut some = [0; 1024];
    while !String::from_utf8_lossy(&heard).contains(expected) {
        let count = stream.read(&mut some).unwrap();
        let so_far = String::from_utf8_lossy(&heard);
        assert!(count > 0, "the end instead of {expected:?} after {so_far}");
        heard.extend(&some[..count]);
    }
}

#[test]
fn listeners_are_told_of_changes() {
    const MOST: usize = 64;
    const EVENT: &str = "data: changed";
    let mut drive = Drive::start();
    let (writer, reader) = (&drive.writer, &drive.reader);
    let put = |path: &str| assert_eq!(writer.request("PUT", path, b"x").status, 201);
    put("/vdrive/dir/a");
    // Each is told at once that it should look.
    let mut root = listen(reader, "/vdrives/team/", "", EVENT);
    let mut below = listen(
        writer,
        "/vdrive/dir/",
        "Sec-Fetch-Site: same-origin\r\n",
        EVENT,
    );
    put("/vdrive/dir/b");
    hear(&mut below, EVENT);
    put("/vdrive/c");
    hear(&mut root, EVENT);

    for header in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: http://evil.example\r\n",
    ] {
        listen(writer, "/vdrive/", header, "HTTP/1.1 403");
    }
    let cap = writer.request("POST", "/uri?t=mkdir", b"").text();
    listen(writer, &format!("/uri/{cap}"), "", "HTTP/1.1 400");
    let mut listeners = vec![below];
    while listeners.len() < MOST {
        listeners.push(listen(writer, "/vdrive/", "", EVENT));
    }
    listen(writer, "/vdrive/", "", "HTTP/1.1 503");
    // Who leaves makes place.
    listeners.pop();
    wait_until("there is place again", || {
        let mut stream = TcpStream::connect(("127.0.0.1", writer.web_port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let asked = b"GET /vdrive/?t=changes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        stream.write_all(asked).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        status == *b"HTTP/1.1 200"
    });
    // They don't keep the node from stopping, and hear the end.
    assert!(drive.writer.stop().success());
    let mut rest = Vec::new();
    assert!(listeners[0].read_to_end(&mut rest).is_ok());
}

#[test]
fn a_read_only_furl_reads_and_changes_nothing() {
    let drive = Drive::start();
    std::fs::write(drive.path().join("file"), "text\n").unwrap();
    drive.well(&["put", "file", "vdrive:dir/file"]);
    drive.well(&["put", "file", "vdrive:gone"]);
    drive.well(&["unlink", "vdrive:gone"]);
    let reader = &drive.reader;
    let read = drive.run(reader, &["get", "team@vdrive:dir/file"]);
    assert_eq!((read.code, read.stdout.as_str()), (0, "text\n"));

    let cap = page(reader, "/vdrives/team/dir/file?t=uri");
    let children = format!("{{\"new\": [\"filenode\", {{\"ro_uri\": \"{cap}\"}}]}}");
    let attempts: &[(&str, &str, &[u8])] = &[
        ("PUT", "dir/file", b"other"),
        ("PUT", "new", b"other"),
        ("PUT", "new?t=uri", cap.as_bytes()),
        ("PUT", "new?t=mkdir", b""),
        ("PUT", "new/below", b"other"),
        ("POST", "?t=upload&name=new", b""),
        ("POST", "?t=mkdir&name=new", b""),
        ("POST", "new?t=mkdir", b""),
        (
            "POST",
            "?t=mkdir-with-children&name=new",
            children.as_bytes(),
        ),
        ("POST", "?t=mkdir-immutable&name=new", children.as_bytes()),
        ("POST", "?t=set_children", children.as_bytes()),
        ("POST", "?t=unlink&name=dir&recursive=true", b""),
        ("POST", "?t=rename&from_name=dir&to_name=new", b""),
        (
            "POST",
            "?t=relink&from_name=dir&to_name=new&to_dir=/vdrives/team/dir",
            b"",
        ),
        ("POST", "?t=restore&name=gone", b""),
        ("DELETE", "dir/file", b""),
        ("DELETE", "dir?recursive=true", b""),
    ];
    for (method, path, body) in attempts {
        let answer = reader.request(method, &format!("/vdrives/team/{path}"), body);
        assert!(answer.status >= 400, "{method} {path}: {}", answer.status);
    }
    assert_eq!(names(&drive.writer, "/vdrive/"), ["dir"]);
    assert_eq!(names(&drive.writer, "/vdrive/dir/"), ["file"]);
    assert_eq!(page(&drive.writer, "/vdrive/dir/file"), "text\n");
    let shown = page(reader, "/vdrives/team/");
    assert!(shown.contains("directory is read-only") && !shown.contains("t=trash"));
    assert!(reader.request("GET", "/vdrives/team/?t=trash", b"").status >= 400);
    assert_eq!(reader.request("GET", "/vdrive/", b"").status, 404);
}
