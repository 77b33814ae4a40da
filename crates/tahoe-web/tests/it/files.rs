//! Reading files: contents, ranges, tags, names, `t=`.

use crate::grid::{Grid, noise};

fn quoted(cap: &str) -> String {
    cap.replace(':', "%3A")
}

fn storage_index(verify_cap: &str) -> String {
    verify_cap.split(':').nth(2).unwrap().to_owned()
}

#[tokio::test]
async fn contents_of_every_size() {
    let grid = Grid::new().await;
    for size in [0, 1, 55, 56, 57, 131_072, 131_073, 400_000] {
        let content = noise(size);
        let cap = grid.put(&content).await;
        let prefix = if size <= 55 { "URI:LIT:" } else { "URI:CHK:" };
        assert!(cap.starts_with(prefix), "{size}");
        for path in ["uri", "cap", "file", "named"] {
            let answer = grid.get(&format!("/{path}/{}", quoted(&cap))).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body, content);
            assert_eq!(answer.header("content-length"), size.to_string());
            assert_eq!(answer.header("content-type"), "text/plain");
            assert_eq!(answer.header("accept-ranges"), "bytes");
        }
        let head = grid.ask("HEAD", &format!("/uri/{cap}")).await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-length"), size.to_string());
        assert_eq!(head.header("etag"), "", "the reference sends none here");
    }
}

#[tokio::test]
async fn ranges() {
    let grid = Grid::new().await;
    let content = noise(300_000);
    let url = format!("/uri/{}", grid.put(&content).await);
    for (header, expected) in [
        ("bytes=2-5", Some(2..6)),
        ("bytes=131071-131073", Some(131_071..131_074)),
        ("bytes=299999-400000", Some(299_999..300_000)),
        ("bytes=100000-", Some(100_000..300_000)),
        ("bytes=-5", Some(299_995..300_000)),
        ("bytes=-400000", Some(0..300_000)),
        ("bytes=0-0,5-6", Some(0..1)),
        ("bytes=5-2", None),
        ("bytes=x", None),
        ("furlongs=1-2", None),
    ] {
        let answer = grid.ask_with("GET", &url, &[("range", header)], "").await;
        match expected {
            Some(range) => {
                assert_eq!(answer.status, 206, "{header}");
                let (first, last) = (range.start, range.end - 1);
                let shown = format!("bytes {first}-{last}/300000");
                assert_eq!(answer.header("content-range"), shown);
                assert_eq!(answer.body, content[range]);
            }
            None => {
                assert_eq!(answer.status, 200, "{header}");
                assert_eq!(answer.header("content-range"), "");
                assert_eq!(answer.body, content);
            }
        }
        let head = grid.ask_with("HEAD", &url, &[("range", header)], "").await;
        assert_eq!(head.status, answer.status);
        for name in ["content-length", "content-range", "content-type"] {
            assert_eq!(head.header(name), answer.header(name));
        }
    }
    let beyond = grid
        .ask_with("GET", &url, &[("range", "bytes=300000-300001")], "")
        .await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.text(), "First beyond end of file");

    let literal = grid.ask_with(
        "GET",
        "/uri/URI:LIT:nbswy3dp",
        &[("range", "bytes=1-2")],
        "",
    );
    let literal = literal.await;
    assert_eq!((literal.status.as_u16(), literal.text()), (206, "el"));
    for range in ["bytes=0-0", "bytes=-1"] {
        let empty = grid
            .ask_with("GET", "/uri/URI:LIT:", &[("range", range)], "")
            .await;
        assert_eq!(empty.status, 416, "{range}");
    }
}

#[tokio::test]
async fn entity_tags() {
    let grid = Grid::new().await;
    let url = format!("/uri/{}", grid.put(&noise(100)).await);
    let json = grid.get(&format!("{url}?t=json")).await.json();
    let index = storage_index(json[1]["verify_uri"].as_str().unwrap());
    for (t, tag) in [
        ("", format!("{index}-")),
        ("json", format!("{index}-json")),
        ("uri", format!("{index}-uri")),
        ("readonly-uri", format!("{index}-readonly-uri")),
        ("info", String::new()),
    ] {
        let url = format!("{url}?t={t}");
        let answer = grid.get(&url).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("etag")),
            (200, &*tag)
        );
        let quoted = format!("\"{tag}\"");
        let several = format!("\"x\", W/\"{tag}\"");
        for (sent, hit) in [
            (&*tag, true),
            (&*quoted, true),
            (&*several, true),
            ("\"x\"", false),
        ] {
            let answer = grid
                .ask_with("GET", &url, &[("if-none-match", sent)], "")
                .await;
            let expected = if hit && t != "info" { 304 } else { 200 };
            assert_eq!(answer.status, expected, "{t} {sent}");
            if expected == 304 {
                assert_eq!(answer.header("etag"), tag);
                assert!(answer.body.is_empty());
            }
        }
    }
    let any = grid
        .ask_with("GET", &url, &[("if-none-match", "*")], "")
        .await;
    assert_eq!(any.status, 304);
    let literal = "/uri/URI:LIT:nbswy3dp";
    let any = grid
        .ask_with("GET", literal, &[("if-none-match", "*")], "")
        .await;
    assert_eq!(any.status, 200, "a literal file has no tag");
}

#[tokio::test]
async fn names_and_saving() {
    let grid = Grid::new().await;
    let cap = "URI:LIT:nbswy3dp";
    for (url, content_type, disposition) in [
        (format!("/uri/{cap}?filename=foo.png"), "image/png", ""),
        (format!("/uri/{cap}?filename=foo.nosuch"), "text/plain", ""),
        (format!("/uri/{cap}?filename="), "text/plain", ""),
        (
            format!("/uri/{cap}?filename=a%20b.html&save=true"),
            "text/html",
            "attachment; filename=\"a b.html\"",
        ),
        (
            format!("/uri/{cap}?save=1"),
            "text/plain",
            "attachment; filename=\"unknown\"",
        ),
        (format!("/uri/{cap}?save=false"), "text/plain", ""),
        (format!("/file/{cap}/a.html"), "text/html", ""),
        (format!("/file/{cap}/@@named=/a.html"), "text/html", ""),
        (format!("/named/{cap}/x/y/a.png"), "image/png", ""),
        (format!("/named/{cap}/"), "text/plain", ""),
        (
            format!("/file/{cap}/b.jpg?filename=c.html"),
            "text/html",
            "",
        ),
        (
            format!("/file/{cap}/b.jpg?save=true"),
            "image/jpeg",
            "attachment; filename=\"b.jpg\"",
        ),
    ] {
        let answer = grid.get(&url).await;
        assert_eq!(answer.status, 200, "{url}");
        assert_eq!(answer.header("content-type"), content_type, "{url}");
        assert_eq!(answer.header("content-disposition"), disposition, "{url}");
        assert_eq!(answer.text(), "hello");
    }
    let zipped = grid.get(&format!("/uri/{cap}?filename=a.tar.gz")).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
}

#[tokio::test]
async fn what_t_asks() {
    let grid = Grid::new().await;
    let cap = grid.put(&noise(100)).await;
    let json = grid.get(&format!("/uri/{cap}?t=json")).await;
    assert_eq!(json.header("content-type"), "text/plain");
    let facts = &json.json()[1];
    let verify_cap = facts["verify_uri"].as_str().unwrap().to_owned();
    let expected = format!(
        "[\n \"filenode\",\n {{\n  \"mutable\": false,\n  \"format\": \"CHK\",\n  \"size\": 100,\n  \
         \"ro_uri\": \"{cap}\",\n  \"verify_uri\": \"{verify_cap}\"\n }}\n]\n"
    );
    assert_eq!(json.text(), expected);

    let json = grid.get("/uri/URI:LIT:nbswy3dp?t=json").await;
    let expected = "[\n \"filenode\",\n {\n  \"mutable\": false,\n  \"format\": \"CHK\",\n  \
                    \"size\": 5,\n  \"ro_uri\": \"URI:LIT:nbswy3dp\"\n }\n]\n";
    assert_eq!(json.text(), expected);

    for cap in [cap.as_str(), "URI:LIT:nbswy3dp"] {
        for t in ["uri", "readonly-uri", "%20uri%20"] {
            let answer = grid.get(&format!("/uri/{cap}?t={t}")).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, cap));
            assert_eq!(answer.header("content-type"), "text/plain");
        }
        let info = grid.get(&format!("/uri/{cap}?t=info")).await;
        assert_eq!(info.header("content-type"), "text/html");
        assert!(info.text().contains(cap));
        let named = grid.get(&format!("/file/{cap}/a.txt?t=json")).await;
        assert_eq!(named.json()[0], "filenode");
    }
    let info = grid.get(&format!("/uri/{cap}?t=info")).await;
    assert!(
        info.text()
            .contains("<title>More Info for immutable file (SI=")
    );
    assert!(info.text().contains(&verify_cap));

    let alleged = grid.get(&format!("/uri/ro.{cap}?t=uri")).await;
    assert_eq!(
        alleged.text(),
        cap,
        "a known cap keeps the word and loses the prefix"
    );
}

#[tokio::test]
async fn caps_that_only_verify_and_unknown_ones() {
    let grid = Grid::new().await;
    let cap = grid.put(&noise(100)).await;
    let json = grid.get(&format!("/uri/{cap}?t=json")).await.json();
    let verifier = json[1]["verify_uri"].as_str().unwrap().to_owned();
    let expected = format!(
        "[\n \"unknown\",\n {{\n  \"mutable\": false,\n  \"verify_uri\": \"{verifier}\"\n }}\n]\n"
    );
    for (cap, json) in [
        (verifier.as_str(), expected.as_str()),
        ("garbage", "[\n \"unknown\",\n {}\n]\n"),
        ("%ff", "[\n \"unknown\",\n {}\n]\n"),
        ("URI:CHK:x:y:1:1:1", "[\n \"unknown\",\n {}\n]\n"),
        (
            "ro.garbage",
            "[\n \"unknown\",\n {\n  \"ro_uri\": \"ro.garbage\"\n }\n]\n",
        ),
        (
            "imm.garbage",
            "[\n \"unknown\",\n {\n  \"ro_uri\": \"imm.garbage\",\n  \"mutable\": false\n }\n]\n",
        ),
    ] {
        let answer = grid.get(&format!("/uri/{cap}?t=json")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, json),
            "{cap}"
        );
        assert_eq!(grid.get(&format!("/uri/{cap}?t=info")).await.status, 200);
        for (method, t, status) in [
            ("GET", "", 400),
            ("GET", "uri", 400),
            ("HEAD", "", 400),
            ("PUT", "", 501),
            ("DELETE", "", 501),
            ("POST", "", 405),
        ] {
            let answer = grid.ask(method, &format!("/uri/{cap}?t={t}")).await;
            assert_eq!(answer.status, status, "{method} {cap} {t}");
        }
        assert_eq!(grid.get(&format!("/uri/{cap}/x")).await.status, 404);
        let named = grid.get(&format!("/file/{cap}/x")).await;
        assert_eq!(named.status, 400);
        assert!(named.text().contains("is not a file-cap"));
    }
    for (cap, problem) in [
        ("garbage", "unrecognised capability"),
        (
            "URI:CHK:abc",
            "malformed URI:CHK: capability: it is cut off in or after its key",
        ),
        ("URI:SSK:!", "malformed URI:SSK: capability: bad write key"),
    ] {
        let info = grid.get(&format!("/uri/{cap}?t=info")).await;
        assert!(info.text().contains(problem), "{cap}: {}", info.text());
    }
    let answer = grid.get("/uri/garbage?t=uri").await;
    assert_eq!(
        answer.text(),
        "GET unknown URI type: can only do t=info and t=json, not t=uri.\n\
         Using a webapi server that supports a later version of Tahoe may help."
    );
}

#[tokio::test]
async fn what_is_shown_of_the_grid_is_in_a_sandbox() {
    let grid = Grid::new().await;
    let literal = grid.put(b"<script>1</script>").await;
    let chk = grid.put(&noise(1000)).await;
    for cap in [literal, chk] {
        for name in ["page.html", "picture.svg", "a.xml", "plain"] {
            let answer = grid.get(&format!("/file/{cap}/@@named=/{name}")).await;
            assert_eq!(answer.status, 200);
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("sandbox; "), "{name}: {policy}");
            assert!(policy.contains("script-src 'none'"), "{name}: {policy}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
        let answer = grid.get(&format!("/uri/{cap}?filename=a.pdf")).await;
        assert_eq!(answer.header("content-type"), "application/pdf");
        let policy = answer.header("content-security-policy");
        assert_eq!(
            policy, "frame-ancestors 'self'",
            "its viewer needs an origin"
        );
    }
}
