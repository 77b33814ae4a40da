//! Paths, methods, authorisation, types.

use super::pair::Pair;
use super::requests::{A, SLOT, get};
use super::support::raw::Raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_methods_and_headers() {
    let mut pair = Pair::start().await;
    let version = || get("/storage/v1/version");
    let auth = "Authorization";
    pair.same("version", 200, version()).await;
    pair.same("query", 200, get("/storage/v1/version?x=1"))
        .await;
    pair.same("escape", 200, get("/storage/v1/vers%69on")).await;
    pair.same("HEAD", 200, Raw::new("HEAD", "/storage/v1/version"))
        .await;
    pair.same("no swissnum", 401, version().without(auth)).await;
    for (value, status) in [
        (&b"Tahoe-LAFS zzz"[..], 401),
        (b"tahoe-lafs YWJjZGVmZ2hpamtsbW5vcA==", 401),
        (b"Tahoe-LAFS YWJjZGVmZ2hpamtsbW5vcA", 401),
        (b"Basic YWJjZGVmZ2hpamtsbW5vcA==", 401),
        (b"\xff\xfe", 400),
    ] {
        let request = version().without(auth).header(auth, value);
        pair.same(&format!("swissnum {value:?}"), status, request)
            .await;
    }
    for (accept, status) in [
        ("application/cbor", 200),
        ("application/cbor, text/html", 200),
        ("application/cbor;q=0", 200),
        ("*, application/cbor", 200),
        ("text/html;q=0.1, application/cbor;q=0.2", 200),
        ("text/html;q=7, application/cbor;q=0.2", 200),
        ("*/*", 406),
        ("application/*", 406),
        ("", 406),
        ("text/html", 406),
        ("text/html, application/cbor", 406),
        ("application/cbor;q=0.5, text/html", 406),
        ("application/cbor;q=2", 406),
        ("application/cbor;x=y", 406),
        ("APPLICATION/CBOR", 406),
    ] {
        let request = version().header("Accept", accept);
        pair.same(&format!("Accept {accept}"), status, request)
            .await;
    }
    for (method, path, status) in [
        ("POST", "/storage/v1/version".to_owned(), 405),
        ("OPTIONS", "/storage/v1/version".to_owned(), 405),
        ("GET", A.to_owned(), 405),
        ("PUT", format!("{A}/1"), 405),
        ("PATCH", format!("{SLOT}/1"), 405),
        ("GET", format!("{SLOT}/read-test-write"), 405),
        ("GET", format!("{A}/1/abort"), 405),
        ("GET", format!("{A}/1/corrupt"), 405),
        (
            "GET",
            "/storage/v1/lease/aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
            405,
        ),
        ("GET", "/".to_owned(), 404),
        ("GET", "/storage/v1/version/".to_owned(), 404),
        (
            "GET",
            "/storage/v1/immutable/AAAAAAAAAAAAAAAAAAAAAAAAAA/shares".to_owned(),
            404,
        ),
        (
            "GET",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaab/shares".to_owned(),
            404,
        ),
        (
            "GET",
            "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaa/shares".to_owned(),
            404,
        ),
        ("GET", format!("{A}/-1"), 404),
        ("GET", format!("{A}/+1"), 404),
        ("GET", format!("{A}/x"), 404),
        ("PUT", format!("{SLOT}/1/abort"), 404),
    ] {
        let what = format!("{method} {path}");
        pair.same(&what, status, Raw::new(method, path)).await;
    }
    let stranger = get(format!("{A}x/shares")).without(auth);
    pair.same("bad path without swissnum", 404, stranger).await;
    pair.differ("double slash", (308, 404), get("/storage//v1/version"))
        .await;
    pair.differ("leading slashes", (200, 404), get("//storage/v1/version"))
        .await;
    let secret = version().secret("upload-secret", &[3; 20]);
    pair.same("unexpected secret", 400, secret).await;
    pair.finish();
}
