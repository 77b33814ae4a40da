//! Our gateway and the Python reference side by side: the same requests, the same answers.
//!
//! Both have the same convergence secret and encoding, so the capabilities are the same. Where we
//! answer otherwise on purpose, the row says so and `docs/differences.md` lists it.

use crate::grid::{Grid, form, noise};
use crate::mutable_rows::MUTABLE_ROWS;
use crate::vectors::private_key;
use std::collections::BTreeMap;
use std::sync::Arc;
use tahoe_storage_api::testing::Fault;
use tahoe_test_support::http::{Request, Response};
use tahoe_test_support::{Encoding, Grid as PythonGrid, Program, wait_until};
use tahoe_web::{WebOptions, serve};
use tokio::net::TcpListener;

/// What must be the same about two answers.
#[derive(Clone, Copy)]
pub(crate) enum Alike {
    /// Status, significant headers and every byte.
    Wholly,
    /// Status, headers and the page's title.
    Title,
    /// Status and headers; both bodies hold this.
    Holding(&'static str),
    /// Status, headers, and the shape of the JSON: the same keys with values of the same kinds.
    Shape,
    /// The same, with keys of our own beside them.
    ShapeOrMore,
    /// Nothing: theirs has this status, ours that one.
    Not(u16, u16),
}
use Alike::{Holding, Not, Shape, ShapeOrMore, Title, Wholly};

/// Headers that a client may act upon.
const SIGNIFICANT: &[&str] = &[
    "content-type",
    "location",
    "allow",
    "content-encoding",
    "x-frame-options",
    "referrer-policy",
];
/// Those that we leave out of errors, where the reference leaves them in.
const OF_SUCCESS: &[&str] = &[
    "etag",
    "accept-ranges",
    "content-range",
    "content-disposition",
];

pub(crate) const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=BOUNDARY");
const PLAIN: (&str, &str) = ("accept", "text/plain, application/octet-stream");

pub(crate) type Headers = &'static [(&'static str, &'static str)];
pub(crate) type Row = (&'static str, &'static str, Headers, &'static str, Alike);

/// Method, path (with placeholders), headers, body, and what must be alike.
const ROWS: &[Row] = &[
    // Contents.
    ("GET", "/uri/{chk}", &[], "", Wholly),
    ("GET", "/uri/{quoted}", &[], "", Wholly),
    ("GET", "/cap/{chk}", &[], "", Wholly),
    ("GET", "/uri/{large}", &[], "", Wholly),
    ("GET", "/uri/{lit}", &[], "", Wholly),
    ("GET", "/uri/{empty}", &[], "", Wholly),
    ("GET", "/uri/ro.{chk}", &[], "", Wholly),
    ("GET", "/uri/imm.{chk}", &[], "", Wholly),
    ("GET", "/uri/{chk}?t=%20", &[], "", Wholly),
    ("HEAD", "/uri/{chk}", &[], "", Wholly),
    ("HEAD", "/uri/{chk}?t=", &[], "", Wholly),
    ("HEAD", "/uri/{lit}", &[], "", Wholly),
    ("HEAD", "/uri/{empty}", &[], "", Wholly),
    ("HEAD", "/uri/{gone}", &[], "", Wholly),
    // Ranges.
    ("GET", "/uri/{chk}", &[("range", "bytes=2-5")], "", Wholly),
    ("HEAD", "/uri/{chk}", &[("range", "bytes=2-5")], "", Wholly),
    (
        "GET",
        "/uri/{chk}",
        &[("range", "bytes=95-200")],
        "",
        Wholly,
    ),
    ("GET", "/uri/{chk}", &[("range", "bytes=3-")], "", Wholly),
    ("GET", "/uri/{chk}", &[("range", "bytes=-5")], "", Wholly),
    ("GET", "/uri/{chk}", &[("range", "bytes=-500")], "", Wholly),
    ("GET", "/uri/{chk}", &[("range", "bytes=-0")], "", Wholly),
    (
        "GET",
        "/uri/{chk}",
        &[("range", "bytes=0-0,5-6")],
        "",
        Wholly,
    ),
    ("GET", "/uri/{chk}", &[("range", "bytes=1-2,x")], "", Wholly),
    ("GET", "/uri/{chk}", &[("range", "bytes=5-2")], "", Wholly),
    ("GET", "/uri/{chk}", &[("range", "bytes=100-")], "", Wholly),
    (
        "GET",
        "/uri/{chk}",
        &[("range", "bytes=100-200")],
        "",
        Wholly,
    ),
    (
        "HEAD",
        "/uri/{chk}",
        &[("range", "bytes=100-200")],
        "",
        Wholly,
    ),
    (
        "GET",
        "/uri/{chk}",
        &[("range", "bytes= 2 - 5 ")],
        "",
        Wholly,
    ),
    ("GET", "/uri/{chk}", &[("range", "bytes=+2-5")], "", Wholly),
    (
        "GET",
        "/uri/{chk}",
        &[("range", "bytes=1_0-2_0")],
        "",
        Wholly,
    ),
    ("GET", "/uri/{chk}", &[("range", "Bytes=1-2")], "", Wholly),
    ("GET", "/uri/{chk}", &[("range", "frobs=1-2")], "", Wholly),
    ("GET", "/uri/{chk}", &[("range", "bytes=2--5")], "", Wholly),
    ("GET", "/uri/{lit}", &[("range", "bytes=1-2")], "", Wholly),
    ("GET", "/uri/{empty}", &[("range", "bytes=0-0")], "", Wholly),
    (
        "GET",
        "/uri/{empty}",
        &[("range", "bytes=-5")],
        "",
        Not(206, 416),
    ),
    (
        "GET",
        "/uri/{large}",
        &[("range", "bytes=131070-131075")],
        "",
        Wholly,
    ),
    // Tags.
    ("GET", "/uri/{chk}", &[("if-none-match", "*")], "", Wholly),
    (
        "GET",
        "/uri/{chk}",
        &[("if-none-match", "\"x\"")],
        "",
        Wholly,
    ),
    (
        "GET",
        "/uri/{chk}",
        &[("if-none-match", "{si}-")],
        "",
        Wholly,
    ),
    (
        "GET",
        "/uri/{chk}?t=json",
        &[("if-none-match", "{si}-json")],
        "",
        Wholly,
    ),
    (
        "GET",
        "/uri/{chk}?t=uri",
        &[("if-none-match", "{si}-")],
        "",
        Wholly,
    ),
    (
        "GET",
        "/uri/{chk}",
        &[("if-none-match", "\"{si}-\"")],
        "",
        Not(200, 304),
    ),
    ("GET", "/uri/{lit}", &[("if-none-match", "*")], "", Wholly),
    (
        "HEAD",
        "/uri/{chk}",
        &[("if-none-match", "{si}-")],
        "",
        Wholly,
    ),
    // Names.
    ("GET", "/uri/{lit}?filename=foo.png", &[], "", Wholly),
    ("GET", "/uri/{lit}?filename=foo.PNG", &[], "", Wholly),
    ("GET", "/uri/{lit}?filename=foo.tar.gz", &[], "", Wholly),
    ("GET", "/uri/{lit}?filename=foo.html.bz2", &[], "", Wholly),
    ("GET", "/uri/{lit}?filename=.html", &[], "", Wholly),
    ("GET", "/uri/{lit}?filename=a.nosuchtype", &[], "", Wholly),
    ("GET", "/uri/{lit}?filename=", &[], "", Wholly),
    ("GET", "/uri/{lit}?filename=a%2Fb.pdf", &[], "", Wholly),
    (
        "GET",
        "/uri/{lit}?filename=foo.mp3&save=true",
        &[],
        "",
        Wholly,
    ),
    (
        "GET",
        "/uri/{lit}?filename=a%20b.txt&save=ON",
        &[],
        "",
        Wholly,
    ),
    (
        "GET",
        "/uri/{lit}?filename=foo.css&save=false",
        &[],
        "",
        Wholly,
    ),
    (
        "HEAD",
        "/uri/{chk}?filename=foo.webm&save=1",
        &[],
        "",
        Wholly,
    ),
    ("GET", "/uri/{chk}?save=true", &[], "", Not(500, 200)),
    ("GET", "/file/{chk}/a.html", &[], "", Wholly),
    ("GET", "/file/{chk}/@@named=/a.html", &[], "", Wholly),
    ("GET", "/file/{chk}/@@named=/x/y/a.png", &[], "", Wholly),
    ("GET", "/file/{chk}", &[], "", Wholly),
    ("GET", "/file/{chk}/", &[], "", Wholly),
    ("GET", "/named/{chk}/a.html", &[], "", Wholly),
    ("GET", "/named/{chk}", &[], "", Wholly),
    ("HEAD", "/file/{chk}/a.html", &[], "", Wholly),
    ("GET", "/file/{lit}/b.jpg?save=true", &[], "", Wholly),
    ("GET", "/file/{lit}/b.jpg?filename=c.html", &[], "", Wholly),
    ("GET", "/file/{lit}/b.jpg?t=json", &[], "", Wholly),
    // What t asks.
    ("GET", "/uri/{chk}?t=json", &[], "", Wholly),
    ("GET", "/uri/{chk}?t=uri", &[], "", Wholly),
    ("GET", "/uri/{chk}?t=readonly-uri", &[], "", Wholly),
    ("GET", "/uri/{chk}?t=uri&t=json", &[], "", Wholly),
    ("GET", "/uri/{chk}?t=info", &[], "", Title),
    ("GET", "/uri/{chk}?t=bogus", &[], "", Wholly),
    ("GET", "/uri/{chk}?t=JSON", &[], "", Wholly),
    ("GET", "/uri/{lit}?t=json", &[], "", Wholly),
    ("GET", "/uri/{lit}?t=uri", &[], "", Wholly),
    ("GET", "/uri/{lit}?t=readonly-uri", &[], "", Wholly),
    ("GET", "/uri/{lit}?t=info", &[], "", Title),
    ("GET", "/uri/{empty}?t=json", &[], "", Wholly),
    ("GET", "/uri/{gone}?t=json", &[], "", Wholly),
    ("HEAD", "/uri/{chk}?t=json", &[], "", Wholly),
    // Capabilities that read nothing.
    ("GET", "/uri/{verify}", &[], "", Wholly),
    ("GET", "/uri/{verify}?t=uri", &[], "", Wholly),
    ("GET", "/uri/{verify}?t=json", &[], "", Not(500, 200)),
    ("HEAD", "/uri/{verify}", &[], "", Wholly),
    ("PUT", "/uri/{verify}", &[], "x", Title),
    ("POST", "/uri/{verify}", &[], "", Title),
    ("DELETE", "/uri/{verify}", &[], "", Title),
    ("GET", "/file/{verify}/a.txt", &[], "", Title),
    ("GET", "/uri/garbage", &[], "", Wholly),
    ("GET", "/uri/garbage?t=json", &[], "", Wholly),
    ("GET", "/uri/garbage?t=info", &[], "", Title),
    ("GET", "/uri/ro.garbage?t=json", &[], "", Wholly),
    ("GET", "/uri/imm.garbage?t=json", &[], "", Wholly),
    (
        "GET",
        "/uri/imm.garbage?t=info",
        &[],
        "",
        Holding("imm.garbage"),
    ),
    ("GET", "/uri/URI:CHK:x:y:1:1:1?t=json", &[], "", Wholly),
    ("GET", "/uri/URI:CHK:x:y:1:1:1", &[], "", Wholly),
    ("GET", "/uri/%ff?t=json", &[], "", Wholly),
    ("HEAD", "/uri/garbage", &[], "", Wholly),
    ("GET", "/uri/garbage/x", &[], "", Title),
    ("PUT", "/uri/garbage", &[], "", Title),
    ("POST", "/uri/garbage", &[], "", Title),
    ("GET", "/file/garbage/x", &[], "", Title),
    // /uri itself.
    ("GET", "/uri", &[], "", Wholly),
    ("HEAD", "/uri", &[], "", Wholly),
    ("GET", "/uri/", &[], "", Holding("click here")),
    ("GET", "/uri/?uri={quoted}", &[], "", Holding("click here")),
    ("GET", "/uri?uri={chk}", &[], "", Holding("click here")),
    ("GET", "/cap?uri={chk}", &[], "", Holding("click here")),
    (
        "GET",
        "/uri?uri={quoted}&filename=a.png&save=true&x=",
        &[],
        "",
        Holding("click here"),
    ),
    ("GET", "/uri?uri={verify}", &[], "", Holding("click here")),
    ("HEAD", "/uri?uri={chk}", &[], "", Wholly),
    ("GET", "/uri?uri=garbage", &[], "", Wholly),
    ("GET", "/uri?uri=", &[], "", Wholly),
    (
        "GET",
        "/uri?uri=http://127.0.0.1/uri/{quoted}",
        &[],
        "",
        Wholly,
    ),
    ("DELETE", "/uri", &[], "", Title),
    ("FROB", "/uri", &[], "", Title),
    ("OPTIONS", "/uri", &[], "", Title),
    ("PUT", "/uri", &[], "", Wholly),
    ("PUT", "/uri", &[], "x", Wholly),
    ("PUT", "/cap", &[], "x", Wholly),
    ("PUT", "/uri?format=chk&mutable=ON", &[], "x", Wholly),
    ("PUT", "/uri?format=", &[], "x", Wholly),
    ("PUT", "/uri?format=FOO", &[], "x", Wholly),
    ("PUT", "/uri?mutable=maybe", &[], "x", Wholly),
    ("PUT", "/uri?mutable=", &[], "x", Wholly),
    ("PUT", "/uri?t=bogus", &[], "x", Wholly),
    ("PUT", "/uri?t=mkdir&format=CHK", &[], "", Wholly),
    ("POST", "/uri?t=mkdir", &[], "zz", Wholly),
    ("POST", "/uri?t=mkdir&format=CHK", &[], "", Wholly),
    ("POST", "/uri?t=bogus", &[FORM], "{form file}", Wholly),
    ("POST", "/uri?t=upload", &[FORM], "{form file}", Title),
    (
        "POST",
        "/uri?t=upload",
        &[FORM],
        "{form file}",
        Holding("URI:LIT:nbswy3dp"),
    ),
    ("POST", "/uri", &[FORM], "{form file}", Title),
    ("POST", "/uri", &[FORM], "{form file t=upload}", Title),
    ("POST", "/uri", &[FORM], "{form format=chk file}", Title),
    (
        "POST",
        "/uri?t=upload&format=FOO",
        &[FORM],
        "{form file}",
        Wholly,
    ),
    (
        "POST",
        "/uri?t=upload&mutable=maybe",
        &[FORM],
        "{form file}",
        Wholly,
    ),
    (
        "POST",
        "/uri?t=upload",
        &[FORM],
        "{form nofile}",
        Not(500, 400),
    ),
    ("POST", "/uri?t=upload", &[], "zzz", Not(500, 400)),
    (
        "POST",
        "/uri?t=upload&when_done=/x%3Fu%3D%25(uri)s",
        &[FORM],
        "{form file}",
        Holding("click here"),
    ),
    (
        "POST",
        "/uri?when_done=foo",
        &[FORM],
        "{form file}",
        Holding("click here"),
    ),
    (
        "POST",
        "/uri?when_done=http://example.com/x",
        &[FORM],
        "{form file}",
        Holding("click here"),
    ),
    (
        "POST",
        "/uri?t=upload&when_done=javascript:x",
        &[FORM],
        "{form file}",
        Not(302, 400),
    ),
    // What can't be done to an immutable file.
    (
        "PUT",
        "/uri/{chk}",
        &[],
        "x",
        Holding("builtins.AssertionError"),
    ),
    (
        "PUT",
        "/uri/{chk}",
        &[PLAIN],
        "x",
        Holding("builtins.AssertionError: "),
    ),
    (
        "PUT",
        "/uri/{chk}?t=uri",
        &[],
        "x",
        Holding("builtins.AssertionError"),
    ),
    ("PUT", "/uri/{chk}?offset=3", &[], "x", Wholly),
    ("PUT", "/uri/{chk}?offset=-1", &[], "x", Wholly),
    (
        "PUT",
        "/uri/{chk}?offset=x",
        &[],
        "x",
        Holding("builtins.ValueError"),
    ),
    ("PUT", "/uri/{chk}?replace=false", &[], "x", Wholly),
    ("PUT", "/uri/{chk}?replace=frob", &[], "x", Wholly),
    ("PUT", "/uri/{chk}?t=frob", &[], "x", Wholly),
    ("POST", "/uri/{chk}", &[], "", Wholly),
    ("POST", "/uri/{chk}?t=frob", &[], "", Wholly),
    (
        "POST",
        "/uri/{chk}?t=upload",
        &[FORM],
        "{form file}",
        Holding("builtins.AssertionError"),
    ),
    (
        "POST",
        "/uri/{chk}?t=upload&replace=false",
        &[FORM],
        "{form file}",
        Wholly,
    ),
    (
        "POST",
        "/uri/{chk}?t=upload&replace=zz",
        &[FORM],
        "{form file}",
        Wholly,
    ),
    ("POST", "/uri/{chk}?t=check&verify=maybe", &[], "", Wholly),
    ("POST", "/uri/{chk}?t=check", &[], "", Title),
    ("POST", "/uri/{chk}?t=check&output=json", &[], "", Shape),
    (
        "POST",
        "/uri/{chk}?t=check&output=JSON&verify=1",
        &[],
        "",
        Shape,
    ),
    (
        "POST",
        "/uri/{chk}?t=check&output=json&repair=t",
        &[],
        "",
        Shape,
    ),
    ("POST", "/uri/{chk}?t=check&repair=on", &[], "", Title),
    (
        "POST",
        "/uri/{chk}?t=check&when_done=/x",
        &[],
        "",
        Holding("click here"),
    ),
    ("POST", "/uri/{chk}?t=check&repair=maybe", &[], "", Wholly),
    ("POST", "/uri/{lit}?t=check", &[], "", Title),
    ("POST", "/uri/{lit}?t=check&output=json", &[], "", Wholly),
    (
        "POST",
        "/uri/{lit}?t=check&output=json&repair=true",
        &[],
        "",
        Wholly,
    ),
    (
        "POST",
        "/uri/{lit}?t=check&output=json&add-lease=x",
        &[],
        "",
        Wholly,
    ),
    ("POST", "/uri/{gone}?t=check&output=json", &[], "", Shape),
    (
        "POST",
        "/uri/{gone}?t=check&output=json&verify=true",
        &[],
        "",
        Shape,
    ),
    ("POST", "/uri/{gone}?t=check&repair=true", &[], "", Wholly),
    (
        "DELETE",
        "/uri/{chk}",
        &[],
        "",
        Holding("builtins.AssertionError"),
    ),
    ("FROB", "/uri/{chk}", &[], "", Title),
    ("GET", "/uri/{chk}?save=maybe", &[], "", Wholly),
    ("GET", "/uri/{chk}?save=", &[], "", Wholly),
    ("HEAD", "/uri/{chk}?save=maybe", &[], "", Wholly),
    // Below a file.
    ("GET", "/uri/{chk}/x", &[], "", Title),
    ("GET", "/uri/{chk}/", &[], "", Title),
    ("GET", "/uri/{chk}//", &[], "", Title),
    ("GET", "/uri/{chk}/x/y", &[], "", Title),
    ("GET", "/uri/{chk}/it's", &[], "", Title),
    ("GET", "/uri/{chk}/%C3%A9%0A", &[], "", Title),
    ("GET", "/uri/{chk}/%ff", &[], "", Title),
    ("PUT", "/uri/{chk}/x", &[], "x", Title),
    ("POST", "/uri/{chk}/x?t=mkdir", &[], "", Title),
    ("POST", "/uri/{chk}/x?t=check", &[], "", Title),
    ("DELETE", "/uri/{chk}/x", &[], "", Title),
    // /file without what it needs.
    ("GET", "/file", &[], "", Wholly),
    ("HEAD", "/file", &[], "", Wholly),
    ("GET", "/named", &[], "", Wholly),
    ("GET", "/file/", &[], "", Title),
    ("PUT", "/file", &[], "", Title),
    ("POST", "/file", &[], "", Title),
    ("PUT", "/file/{chk}", &[], "", Title),
    ("POST", "/file/{chk}/a", &[], "", Title),
    // Shares that aren't there.
    ("GET", "/uri/{gone}", &[], "", Wholly),
    ("GET", "/uri/{gone}", &[("range", "bytes=0-1")], "", Wholly),
    (
        "GET",
        "/uri/{gone}?filename=x.png&save=true",
        &[],
        "",
        Wholly,
    ),
    ("GET", "/file/{gone}/x.png", &[], "", Wholly),
    // Pages.
    ("GET", "/", &[], "", Title),
    ("PUT", "/", &[], "", Title),
    ("FROB", "/", &[], "", Title),
    ("GET", "/?t=json", &[], "", ShapeOrMore),
    ("GET", "/?t=JSON", &[], "", ShapeOrMore),
    ("GET", "/?t=bogus", &[], "", Title),
    ("GET", "/?t=", &[], "", Title),
    (
        "GET",
        "/statistics",
        &[],
        "",
        Holding("Operational Statistics"),
    ),
    (
        "GET",
        "/statistics?t=json",
        &[],
        "",
        Holding("\"uploader.files_uploaded\": "),
    ),
    (
        "POST",
        "/statistics?t=json",
        &[],
        "",
        Holding("\"node.uptime\": "),
    ),
    (
        "GET",
        "/statistics?t=openmetrics",
        &[],
        "",
        Holding("\n# EOF\n"),
    ),
    (
        "GET",
        "/statistics?t=openmetrics",
        &[],
        "",
        Holding("\ntahoe_counters_uploader_bytes_uploaded "),
    ),
    ("GET", "/statistics?t=bogus", &[], "", Title),
    ("GET", "/statistics/x", &[], "", Title),
    ("GET", "/nosuch", &[], "", Title),
    ("GET", "/nosuch/x", &[], "", Title),
    ("GET", "/static/x", &[], "", Title),
];

/// Rows while no storage server is connected.
const ROWS_WITHOUT_SERVERS: &[Row] = &[
    ("PUT", "/uri", &[], "short", Wholly),
    (
        "PUT",
        "/uri",
        &[PLAIN],
        "{noise}",
        Holding("allmydata.interfaces.NoServersError: client gave us zero servers\n"),
    ),
    (
        "PUT",
        "/uri",
        &[],
        "{noise}",
        Holding("allmydata.interfaces.NoServersError"),
    ),
    (
        "GET",
        "/uri/{chk}",
        &[],
        "",
        Holding("NoSharesError: no shares could be found. "),
    ),
    ("GET", "/uri/{lit}", &[], "", Wholly),
    ("GET", "/", &[], "", Title),
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_reference() {
    let python = Program::python();
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 1,
    };
    let mut theirs = PythonGrid::create(&[&python], &[&python], encoding);
    theirs.start_servers();
    let gateway = theirs.gateway(0);
    gateway.set(
        "client",
        "shares._max_immutable_segment_size_for_testing",
        "131072",
    );
    // 32 bytes of 1, as in our grid.
    let secret = "aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq\n";
    gateway.write_file("private/convergence", secret);
    theirs.start_gateways();

    let ours = Arc::new(Grid::with(1, 1, 1, 1).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = serve(
        listener,
        ours.router.clone(),
        WebOptions::default(),
        std::future::pending(),
    );
    let server = tokio::spawn(served);

    let service = Arc::clone(&ours.services[0]);
    let client = Arc::clone(&ours.client);
    let compared = tokio::task::spawn_blocking(move || {
        let sides = Sides::new(&theirs, port);
        let mut failures = sides.compare(ROWS);
        failures.extend(sides.compare(MUTABLE_ROWS));
        theirs.servers[0].kill();
        service.add(Fault::Vanish.always());
        theirs.gateway(0).wait_for_servers(0);
        wait_until("ours is lost, too", || {
            client.broker().connected_count() == 0
        });
        failures.extend(sides.compare(ROWS_WITHOUT_SERVERS));
        failures
    });
    let failures = compared.await.unwrap();
    server.abort();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

/// The two gateways and what stands for the placeholders.
struct Sides {
    theirs: u16,
    ours: u16,
    placeholders: BTreeMap<&'static str, String>,
}

impl Sides {
    fn new(theirs: &PythonGrid, ours: u16) -> Self {
        let theirs = theirs.gateway(0).web_port();
        let put_to = |path: &str, content: &[u8]| {
            let both = [theirs, ours].map(|port| {
                let answer = Request::new("PUT", path).send(port, content).unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                answer.text()
            });
            assert_eq!(both[0], both[1], "the same capability");
            both[0].clone()
        };
        let put = |content: &[u8]| put_to("/uri", content);
        let mutable = |format: &str, content: &[u8]| {
            let path = format!("/uri?format={format}&private-key={}", private_key(format));
            let cap = put_to(&path, content);
            let path = format!("/uri/{cap}?t=readonly-uri");
            let read_only = Request::new("GET", &path).send(ours, b"").unwrap().text();
            (cap, read_only)
        };
        let (sdmf, sdmf_ro) = mutable("sdmf", "0123456789".repeat(10).as_bytes());
        let (mdmf, mdmf_ro) = mutable("mdmf", &noise(300_000));
        let chk = put("0123456789".repeat(10).as_bytes());
        let json = Request::new("GET", &format!("/uri/{chk}?t=json")).send(ours, b"");
        let verify = json.unwrap().json()[1]["verify_uri"]
            .as_str()
            .unwrap()
            .to_owned();
        let gone = format!("URI:CHK:{}:{}:1:1:100", "a".repeat(26), "a".repeat(52));
        let field = |extra: &[(&str, &str)]| form(extra);
        let file = ("file; filename=\"a.txt\"", "hello");
        let placeholders = BTreeMap::from([
            ("{quoted}", chk.replace(':', "%3A")),
            ("{chk}", chk),
            ("{lit}", put(b"hello")),
            ("{empty}", put(b"")),
            ("{large}", put(&noise(300_000))),
            ("{si}", verify.split(':').nth(2).unwrap().to_owned()),
            ("{verify}", verify),
            ("{gone}", gone),
            ("{sdmf}", sdmf),
            ("{sdmf-ro}", sdmf_ro),
            ("{mdmf}", mdmf),
            ("{mdmf-ro}", mdmf_ro),
            (
                "{lost}",
                format!("URI:SSK:{}:{}", "a".repeat(26), "a".repeat(52)),
            ),
            (
                "{form file format=mdmf}",
                field(&[file, ("format", "mdmf")]),
            ),
            ("{noise}", "noise".repeat(20)),
            ("{form file}", field(&[file])),
            ("{form file t=upload}", field(&[file, ("t", "upload")])),
            ("{form format=chk file}", field(&[("format", "chk"), file])),
            ("{form nofile}", field(&[("nofile", "hello")])),
        ]);
        Self {
            theirs,
            ours,
            placeholders,
        }
    }

    fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, value): (&&str, &String)| text.replace(name, value);
        self.placeholders.iter().fold(text.to_owned(), fill)
    }

    /// What isn't as the rows say.
    fn compare(&self, rows: &[Row]) -> Vec<String> {
        rows.iter()
            .filter_map(|row| self.compare_row(row).err())
            .collect()
    }

    fn compare_row(&self, (method, path, headers, body, alike): &Row) -> Result<(), String> {
        let (path, body) = (self.fill(path), self.fill(body));
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, v)| (*name, self.fill(v)))
            .collect();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, v)| (*name, v.as_str()))
            .collect();
        let request = Request {
            method,
            path: &path,
            headers: &headers,
        };
        let send = |port| {
            request
                .send(port, body.as_bytes())
                .map_err(|e| format!("{path}: {e}"))
        };
        let (theirs, ours) = (send(self.theirs)?, send(self.ours)?);
        differences(*alike, &theirs, &ours)
            .map_err(|what| format!("{method} {path} {headers:?} {body:.60}\n  {what}"))
    }
}

pub(crate) fn differences(alike: Alike, theirs: &Response, ours: &Response) -> Result<(), String> {
    let same = |what: &str, theirs: &str, ours: &str| {
        let message = || format!("{what}: theirs {theirs:?}, ours {ours:?}");
        (theirs == ours).then_some(()).ok_or_else(message)
    };
    if let Not(expected_theirs, expected_ours) = alike {
        let found = (theirs.status, ours.status);
        let expected = (expected_theirs, expected_ours);
        return same("statuses", &format!("{expected:?}"), &format!("{found:?}"));
    }
    same(
        "status",
        &theirs.status.to_string(),
        &ours.status.to_string(),
    )?;
    let of_success = if theirs.status < 400 { OF_SUCCESS } else { &[] };
    for name in SIGNIFICANT.iter().chain(of_success) {
        let value = |answer: &Response| path_of(answer.header(name).unwrap_or_default());
        same(name, &value(theirs), &value(ours))?;
    }
    let (their_text, our_text) = (theirs.text(), ours.text());
    match alike {
        Wholly => {
            if theirs.body != ours.body {
                return same("body", &their_text, &our_text);
            }
            if theirs.header("content-length").is_some() && theirs.status != 304 {
                let length = |answer: &Response| {
                    answer
                        .header("content-length")
                        .unwrap_or_default()
                        .to_owned()
                };
                same("content-length", &length(theirs), &length(ours))?;
            }
            Ok(())
        }
        Title => same("title", &title_of(&their_text), &title_of(&our_text)),
        Holding(part) => {
            let held = |text: &str| text.contains(part).to_string();
            same(part, "true", &held(&their_text))?;
            same(part, "true", &held(&our_text))
        }
        Shape => same("shape", &shape_of(&theirs.json()), &shape_of(&ours.json())),
        ShapeOrMore => {
            let (theirs, ours) = (theirs.json(), ours.json());
            let common = only_keys_of(&theirs, ours);
            same("shape", &shape_of(&theirs), &shape_of(&common))
        }
        Not(..) => Ok(()),
    }
}

/// A location without scheme and host of the gateways, which are on different ports.
pub(crate) fn path_of(location: &str) -> String {
    match location.strip_prefix("http://127.0.0.1:") {
        Some(rest) => rest
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .to_owned(),
        None => location.to_owned(),
    }
}

/// A page's title, in which the reference escapes nothing.
fn title_of(page: &str) -> String {
    let title = page
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));
    let title = title.map_or("", |(title, _)| title);
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(title.to_owned(), |title, (escaped, plain)| {
        title.replace(escaped, plain)
    })
}

/// JSON without what `pattern` hasn't got.
fn only_keys_of(pattern: &serde_json::Value, value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match (pattern, value) {
        (Value::Object(pattern), Value::Object(map)) => {
            let common = map.into_iter().filter_map(|(key, value)| {
                let part = pattern.get(&key)?;
                Some((key, only_keys_of(part, value)))
            });
            Value::Object(common.collect())
        }
        (Value::Array(patterns), Value::Array(values)) if patterns.len() == values.len() => {
            let pairs = patterns.iter().zip(values);
            Value::Array(
                pairs
                    .map(|(part, value)| only_keys_of(part, value))
                    .collect(),
            )
        }
        (_, value) => value,
    }
}

/// JSON with its scalars replaced by their kinds.
fn shape_of(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(values) => {
            let shapes: Vec<_> = values.iter().map(shape_of).collect();
            format!("[{}]", shapes.join(","))
        }
        Value::Object(map) => {
            let shapes: Vec<_> = map
                .iter()
                .map(|(k, v)| format!("{k}:{}", shape_of(v)))
                .collect();
            format!("{{{}}}", shapes.join(","))
        }
    }
}
