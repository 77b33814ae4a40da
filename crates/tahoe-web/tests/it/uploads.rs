//! Storing files: PUT and the form.

use crate::grid::{Grid, noise};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Request;

#[tokio::test]
async fn put_answers_200_and_the_capability() {
    let grid = Grid::new().await;
    for uri in [
        "/uri",
        "/cap",
        "/uri?format=chk",
        "/uri?format=&mutable=false",
    ] {
        let answer = grid.ask_with("PUT", uri, &[], "x").await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, "URI:LIT:pa"),
            "{uri}"
        );
        assert_eq!(answer.header("content-type"), "text/html");
    }
    let same = (grid.put(&noise(1000)).await, grid.put(&noise(1000)).await);
    assert_eq!(same.0, same.1, "convergence");
    let statistics = grid.client.statistics().snapshot();
    assert_eq!(statistics.counters["uploader.files_uploaded"], 6);
    assert_eq!(statistics.counters["uploader.bytes_uploaded"], 2004);
}

#[tokio::test]
async fn a_body_in_pieces_is_the_same_file() {
    let grid = Grid::new().await;
    let content = noise(3_000_000);
    let whole = grid.put(&content).await;
    let pieces: Vec<_> = content.chunks(77_777).map(Bytes::copy_from_slice).collect();
    let body = Body::from_stream(stream::iter(pieces).map(Ok::<_, std::io::Error>));
    let request = Request::put("/uri").body(body).unwrap();
    assert_eq!(grid.send(request).await.text(), whole);
    assert_eq!(grid.get(&format!("/uri/{whole}")).await.body, content);
}

#[tokio::test]
async fn a_broken_body_stores_nothing() {
    let grid = Grid::new().await;
    let pieces = [
        Ok(Bytes::from(noise(1000))),
        Err(std::io::Error::other("gone")),
    ];
    let body = Body::from_stream(stream::iter(pieces));
    let answer = grid.send(Request::put("/uri").body(body).unwrap()).await;
    assert_eq!(answer.status, 400);
    assert!(grid.client.statistics().snapshot().counters.is_empty());
}

#[tokio::test]
async fn the_form_shows_results() {
    let grid = Grid::new().await;
    let content = "x".repeat(1000);
    let cap = grid.put(content.as_bytes()).await;
    for (uri, fields) in [
        (
            "/uri?t=upload",
            vec![("file; filename=\"a.txt\"", &*content)],
        ),
        (
            "/uri",
            vec![("file; filename=\"a.txt\"", &*content), ("t", "upload")],
        ),
        (
            "/uri",
            vec![("t", "upload"), ("format", "chk"), ("file", &*content)],
        ),
        ("/cap", vec![("file", &*content)]),
    ] {
        let answer = grid.post_form(uri, &fields).await;
        assert_eq!(answer.status, 200, "{uri} {answer:?}");
        assert_eq!(answer.header("content-type"), "text/html");
        assert!(answer.text().contains(&cap));
    }
    let pushed = grid.post_form("/uri", &[("file", &"y".repeat(1000))]).await;
    assert!(
        pushed.text().contains("0 -&gt; placed on [server"),
        "{}",
        pushed.text()
    );
    assert!(pushed.text().contains("got share: #"));
    assert!(pushed.text().contains("1000 bytes"));
    let literal = grid.post_form("/uri", &[("file", "hello")]).await;
    assert!(literal.text().contains("URI:LIT:nbswy3dp"));
}

#[tokio::test]
async fn when_done_redirects_with_the_capability() {
    let grid = Grid::new().await;
    for (uri, fields, expected) in [
        (
            "/uri?t=upload&when_done=/x?u=%25(uri)s",
            vec![("file", "hello")],
            "/x?u=URI%3ALIT%3Anbswy3dp",
        ),
        (
            "/uri",
            vec![
                ("file", "hello"),
                ("when_done", "http://example.com/a%20b/%(uri)s#f"),
            ],
            "http://example.com/a%20b/URI%3ALIT%3Anbswy3dp#f",
        ),
        ("/uri?when_done=foo", vec![("file", "hello")], "/foo"),
    ] {
        let answer = grid.post_form(uri, &fields).await;
        assert_eq!(answer.status, 302, "{uri}");
        assert_eq!(answer.header("location"), expected);
    }
    let script = grid
        .post_form("/uri?when_done=javascript:x", &[("file", "hello")])
        .await;
    assert_eq!(script.status, 400);
}

#[tokio::test]
async fn forms_that_make_no_sense() {
    let grid = Grid::new().await;
    let long = "v".repeat(70_000);
    let many: Vec<_> = std::iter::repeat_n(("field", "x"), 100).collect();
    for (fields, status, text) in [
        (vec![("nofile", "x")], 400, "no field named \"file\""),
        (
            vec![("file", "x"), ("file", "y")],
            400,
            "more than one field named \"file\"",
        ),
        (
            vec![("t", "bogus"), ("file", "x")],
            400,
            "/uri accepts only PUT, PUT?t=mkdir",
        ),
        (
            vec![("file", "x"), ("format", "FOO")],
            400,
            "Unknown format: FOO, I know CHK, SDMF, MDMF",
        ),
        (
            vec![("mutable", "maybe"), ("file", "x")],
            400,
            "invalid boolean argument: b'maybe'",
        ),
        (vec![("other", &*long)], 413, "at most 65536 bytes"),
        (many, 400, "at most 64 fields"),
    ] {
        let answer = grid.post_form("/uri", &fields).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.text().contains(text), "{}", answer.text());
        assert_eq!(answer.header("content-type"), "text/plain;charset=utf-8");
    }
    for (content_type, body, status) in [
        ("multipart/form-data", "x", 400),
        (
            "multipart/form-data; boundary=B",
            "--B\r\nContent-Disposition: form-data; name=",
            400,
        ),
        (
            "multipart/form-data; boundary=B",
            "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx",
            400,
        ),
        ("application/x-www-form-urlencoded", "file=hello", 400),
        ("text/plain", "hello", 400),
    ] {
        let headers = [("content-type", content_type)];
        let answer = grid.ask_with("POST", "/uri?t=upload", &headers, body).await;
        assert_eq!(answer.status, status, "{content_type} {answer:?}");
    }
}

#[tokio::test]
async fn fields_may_be_urlencoded() {
    let grid = Grid::new().await;
    let headers = [(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    let answer = grid
        .ask_with("POST", "/uri", &headers, "t=mkdir&format=CHK")
        .await;
    assert_eq!(
        answer.text(),
        "format=CHK not currently accepted for POST /uri?t=mkdir"
    );
    let answer = grid
        .ask_with("POST", "/uri?t=upload", &headers, "t=mkdir")
        .await;
    assert!(answer.text().contains("\"file\""), "the query string wins");
}
