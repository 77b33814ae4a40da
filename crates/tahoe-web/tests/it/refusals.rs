//! What isn't possible, and the words in which it is said.

use crate::grid::{Grid, noise};
use tahoe_storage_api::testing::{Call, Fault};

/// Method, path and query, status, content type, a part of the body.
type Row<'a> = (&'a str, &'a str, u16, &'a str, &'a str);

const TEXT: &str = "text/plain;charset=utf-8";
const PAGE: &str = "text/html; charset=utf-8";

async fn check(grid: &Grid, rows: &[Row<'_>]) {
    for (method, uri, status, content_type, part) in rows {
        let answer = grid.ask(method, uri).await;
        assert_eq!(answer.status, *status, "{method} {uri}");
        assert_eq!(
            answer.header("content-type"),
            *content_type,
            "{method} {uri}"
        );
        if *method != "HEAD" {
            let text = answer.text();
            assert!(text.contains(part), "{method} {uri}: {text}");
        }
    }
}

#[tokio::test]
async fn uri_itself() {
    let mkdir = "/uri accepts only PUT, PUT?t=mkdir, POST?t=upload, and POST?t=mkdir";
    check(
        &Grid::new().await,
        &[
            ("GET", "/uri", 400, TEXT, "GET /uri requires uri="),
            ("HEAD", "/uri", 400, TEXT, ""),
            ("GET", "/uri?uri=garbage", 400, TEXT, "Invalid capability"),
            ("GET", "/uri?uri=", 400, TEXT, "Invalid capability"),
            (
                "GET",
                "/uri?uri=URI:CHK:x:y:1:1:1",
                400,
                TEXT,
                "Invalid capability",
            ),
            ("GET", "/uri?uri=%FF", 400, TEXT, "Invalid capability"),
            (
                "DELETE",
                "/uri",
                501,
                PAGE,
                "I don&#39;t know how to treat a DELETE request.",
            ),
            ("FROB", "/uri", 501, PAGE, "<title>501 - Huh?</title>"),
            ("OPTIONS", "/uri", 501, PAGE, "OPTIONS"),
            ("PUT", "/uri?t=bogus", 400, TEXT, mkdir),
            ("POST", "/uri?t=bogus", 400, TEXT, mkdir),
            (
                "PUT",
                "/uri?format=FOO",
                400,
                TEXT,
                "Unknown format: FOO, I know CHK, SDMF, MDMF",
            ),
            (
                "PUT",
                "/uri?mutable=maybe",
                400,
                TEXT,
                "invalid boolean argument: b'maybe'",
            ),
            (
                "PUT",
                "/uri?mutable=",
                400,
                TEXT,
                "invalid boolean argument: b''",
            ),
            (
                "PUT",
                "/uri?t=mkdir&format=CHK",
                400,
                TEXT,
                "format=CHK not accepted for PUT",
            ),
            (
                "POST",
                "/uri?t=mkdir&format=CHK",
                400,
                TEXT,
                "format=CHK not currently accepted",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_body_of_mkdir_is_refused() {
    let grid = Grid::new().await;
    let answer = grid.ask_with("POST", "/uri?t=mkdir", &[], "{}").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text(),
        "t=mkdir does not accept children=, try t=mkdir-with-children instead"
    );
}

#[tokio::test]
async fn redirections_of_uri() {
    let grid = Grid::new().await;
    for (uri, expected) in [
        ("/uri?uri=URI:LIT:nbswy3dp", "/uri/URI%3ALIT%3Anbswy3dp"),
        ("/cap?uri=URI%3ALIT%3Anbswy3dp", "/cap/URI%3ALIT%3Anbswy3dp"),
        (
            "/uri?filename=a%20b&uri=URI:LIT:nbswy3dp&save=true&x=",
            "/uri/URI%3ALIT%3Anbswy3dp?filename=a%20b&save=true&x=",
        ),
        ("/uri/", "/uri"),
        ("/uri/?uri=URI:LIT:a", "/uri?uri=URI%3ALIT%3Aa"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = grid.ask(method, uri).await;
            assert_eq!(answer.status, 302, "{uri}");
            assert_eq!(answer.header("location"), expected);
            assert_eq!(answer.header("content-type"), PAGE);
        }
    }
}

#[tokio::test]
async fn an_immutable_file_cannot_be_changed() {
    let grid = Grid::new().await;
    let f = format!("/uri/{}", grid.put(&noise(100)).await);
    let url = |rest: &str| format!("{f}{rest}");
    let exists = "There was already a child by that name, and you asked me to not replace it.";
    let append = "PUT to a file: append operation invoked on an immutable cap";
    let rows = [
        ("GET", url("?t=bogus"), 400, TEXT, "GET file: bad t=bogus"),
        ("GET", url("?t=JSON"), 400, TEXT, "GET file: bad t=JSON"),
        (
            "GET",
            url("?save=maybe"),
            400,
            TEXT,
            "invalid boolean argument: b'maybe'",
        ),
        (
            "POST",
            url("?t=check&output=frob"),
            400,
            PAGE,
            "Unknown output value: ",
        ),
        ("HEAD", url("?t=json"), 400, TEXT, ""),
        ("HEAD", url("?save=maybe"), 400, TEXT, ""),
        ("PUT", url(""), 500, "text/html", "builtins.AssertionError"),
        (
            "PUT",
            url("?t=uri"),
            500,
            "text/html",
            "builtins.AssertionError",
        ),
        ("PUT", url("?offset=3"), 400, TEXT, append),
        ("PUT", url("?offset=-1"), 400, TEXT, append),
        (
            "PUT",
            url("?offset=x"),
            500,
            "text/html",
            "builtins.ValueError",
        ),
        ("PUT", url("?replace=false"), 409, TEXT, exists),
        ("PUT", url("?t=uri&replace=false"), 409, TEXT, exists),
        (
            "PUT",
            url("?replace=frob"),
            400,
            TEXT,
            "invalid replace= argument: 'frob'",
        ),
        (
            "PUT",
            url("?t=frob"),
            400,
            TEXT,
            "PUT to a file: bad t=frob",
        ),
        ("POST", url(""), 400, TEXT, "POST to file: bad t="),
        (
            "POST",
            url("?t=frob"),
            400,
            TEXT,
            "POST to file: bad t=frob",
        ),
        (
            "POST",
            url("?t=check&verify=maybe"),
            400,
            TEXT,
            "invalid boolean argument: b'maybe'",
        ),
        (
            "POST",
            url("?t=upload"),
            500,
            "text/html",
            "builtins.AssertionError",
        ),
        ("POST", url("?t=upload&replace=false"), 409, TEXT, exists),
        (
            "POST",
            url("?replace=zz"),
            400,
            TEXT,
            "invalid boolean argument: b'zz'",
        ),
        (
            "DELETE",
            url(""),
            500,
            "text/html",
            "builtins.AssertionError",
        ),
        (
            "FROB",
            url(""),
            501,
            PAGE,
            "I don&#39;t know how to treat a FROB request.",
        ),
        (
            "GET",
            url("/x"),
            400,
            PAGE,
            "<h1>Files have no children named &#39;x&#39;</h1>",
        ),
        (
            "GET",
            url("/"),
            400,
            PAGE,
            "Files have no children named &#39;&#39;",
        ),
        (
            "GET",
            url("//"),
            400,
            PAGE,
            "Files have no children named &#39;&#39;",
        ),
        (
            "GET",
            url("/x/y"),
            400,
            PAGE,
            "Files have no children named &#39;x&#39;",
        ),
        (
            "GET",
            url("/%ff"),
            400,
            PAGE,
            "Files have no children named b&quot;\\xff&quot;",
        ),
        (
            "PUT",
            url("/x"),
            409,
            PAGE,
            "Cannot create directory &#39;x&#39;, because its parent is a file",
        ),
        ("POST", url("/x?t=mkdir"), 409, PAGE, "not a directory</h1>"),
        (
            "POST",
            url("/x?t=check"),
            400,
            PAGE,
            "Files have no children",
        ),
        ("DELETE", url("/x"), 400, PAGE, "Files have no children"),
    ];
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(m, u, s, c, t)| (*m, u.as_str(), *s, *c, *t))
        .collect();
    check(&grid, &rows).await;

    let plain = grid.ask_with(
        "PUT",
        &f,
        &[("accept", "text/plain, application/octet-stream")],
        "",
    );
    let plain = plain.await;
    assert_eq!(plain.header("content-type"), TEXT);
    assert!(plain.text().starts_with("builtins.AssertionError: "));
}

#[tokio::test]
async fn file_urls() {
    let bare = "/file must be followed by a file-cap and a name";
    let only_get = "/file can only be used with GET or HEAD";
    check(
        &Grid::new().await,
        &[
            ("GET", "/file", 404, TEXT, bare),
            ("GET", "/named", 404, TEXT, bare),
            ("HEAD", "/file", 404, TEXT, ""),
            (
                "POST",
                "/file",
                405,
                PAGE,
                "<title>405 - Method Not Allowed</title>",
            ),
            ("PUT", "/file", 501, PAGE, "PUT"),
            ("GET", "/file/", 400, PAGE, "b&#39;&#39; is not a file-cap"),
            (
                "GET",
                "/file/garbage/x",
                400,
                PAGE,
                "b&#39;garbage&#39; is not a file-cap",
            ),
            ("PUT", "/file/URI:LIT:nbswy3dp", 400, PAGE, only_get),
            ("POST", "/file/URI:LIT:nbswy3dp/a", 400, PAGE, only_get),
            ("DELETE", "/named/URI:LIT:nbswy3dp/a", 400, PAGE, only_get),
        ],
    )
    .await;
}

#[tokio::test]
async fn weaker_capabilities_are_told_without_servers() {
    let key = "a".repeat(26);
    let hash = "a".repeat(52);
    let grid = Grid::new().await;
    for (kind, read_only) in [("SSK", "URI:SSK-RO:"), ("DIR2", "URI:DIR2-RO:")] {
        let cap = format!("URI:{kind}:{key}:{hash}");
        assert_eq!(grid.get(&format!("/uri/{cap}?t=uri")).await.text(), cap);
        let told = grid.get(&format!("/uri/{cap}?t=readonly-uri")).await;
        assert!(told.text().starts_with(read_only), "{}", told.text());
    }
    let directory = grid.get("/file/URI:DIR2-LIT:/x").await;
    assert_eq!(directory.status, 400);
    assert!(directory.text().contains("is not a file-cap"));
}

#[tokio::test]
async fn too_few_servers_for_an_upload() {
    let grid = Grid::with(2, 1, 3, 5).await;
    let answer = grid
        .ask_with("PUT", "/uri", &[("accept", "text/plain")], noise(100))
        .await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("content-type"), TEXT);
    let text = answer.text();
    assert!(
        text.starts_with("allmydata.interfaces.UploadUnhappinessError: "),
        "{text}"
    );
    assert!(text.contains("2"), "{text}");
    let page = grid.ask_with("PUT", "/uri", &[], noise(100)).await;
    assert_eq!(page.status, 500);
    assert_eq!(page.header("content-type"), "text/html");
    assert!(
        page.text()
            .contains("allmydata.interfaces.UploadUnhappinessError")
    );
    let form = grid
        .post_form("/uri?t=upload", &[("file", &"x".repeat(100))])
        .await;
    assert_eq!(form.status, 500);

    for service in &grid.services {
        service.add(Fault::Vanish.always());
    }
    wait_for_loss(&grid).await;
    let answer = grid
        .ask_with("PUT", "/uri", &[("accept", "text/plain")], noise(100))
        .await;
    let expected = "allmydata.interfaces.NoServersError: client gave us zero servers\n";
    assert_eq!((answer.status.as_u16(), answer.text()), (500, expected));
    assert_eq!(
        grid.put(b"short").await,
        "URI:LIT:onug64tu",
        "which needs no server"
    );
}

async fn wait_for_loss(grid: &Grid) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while grid.client.broker().connected_count() > 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn capabilities_with_impossible_numbers_are_of_no_file() {
    let grid = Grid::new().await;
    for numbers in ["0:0:10", "999:1000:10", "3:2:10"] {
        let cap = format!(
            "/uri/URI:CHK:{}:{}:{numbers}",
            "a".repeat(26),
            "a".repeat(52)
        );
        for (method, uri) in [("GET", cap.clone()), ("POST", format!("{cap}?t=check"))] {
            let answer = grid.ask(method, &uri).await;
            assert_eq!(answer.status, 410, "{method} {uri}: {}", answer.text());
            let text = answer.text();
            let expected = "BadURIError: the capability describes no possible file: ";
            assert!(text.starts_with(expected), "{method} {uri}: {text}");
        }
    }
}

#[tokio::test]
async fn missing_shares_are_gone() {
    let grid = Grid::new().await;
    let cap = grid.put(&noise(1000)).await;
    let zero = format!("/uri/URI:CHK:{}:{}:1:1:100", "a".repeat(26), "a".repeat(52));
    let answer = grid.get(&zero).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (410, TEXT)
    );
    let expected = "NoSharesError: no shares could be found. Zero shares usually indicates a \
                    corrupt URI, or that no servers were connected, but it might also indicate \
                    severe corruption. You should perform a filecheck on this object to learn \
                    more.\n\nThe full error message is:\nno shares (need 1). Last failure: None";
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("etag"), "", "an error has no tag");
    let range = grid
        .ask_with("GET", &zero, &[("range", "bytes=0-1")], "")
        .await;
    assert_eq!(range.status, 410);
    assert_eq!(
        grid.ask("HEAD", &zero).await.status,
        200,
        "nobody looks for shares"
    );

    for service in &grid.services[..3] {
        service.add(Fault::Vanish.on(Call::ListShares));
        service.add(Fault::Vanish.on(Call::ReadShare));
    }
    let answer = grid.get(&format!("/uri/{cap}")).await;
    assert_eq!(answer.status, 410);
    let text = answer.text();
    assert!(
        text.starts_with("NotEnoughSharesError: This indicates that some servers"),
        "{text}"
    );
    assert!(
        text.contains("\n\nThe full error message is:\nran out of shares: complete="),
        "{text}"
    );
    assert!(text.contains("need 3"), "{text}");

    for service in &grid.services {
        service.heal();
    }
    let answer = grid.get(&format!("/uri/{cap}")).await;
    assert_eq!(answer.status, 200, "the failure isn't remembered");
}

#[tokio::test]
async fn paths_that_lead_nowhere() {
    let lost = "Sorry. No luck finding that resource.";
    check(
        &Grid::new().await,
        &[
            ("GET", "/nosuch", 404, PAGE, lost),
            ("GET", "/nosuch/x", 404, PAGE, lost),
            (
                "GET",
                "/statistics/x",
                404,
                PAGE,
                "<title>404 - No Such Resource</title>",
            ),
            ("PUT", "/nosuch", 404, PAGE, lost),
        ],
    )
    .await;
}
