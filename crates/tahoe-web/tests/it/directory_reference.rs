//! Directories through our gateway and the Python reference side by side: the same requests one
//! after the other, the same answers.
//!
//! Keys of mutable directories are random, so before two answers are compared each capability to
//! something mutable is replaced by its kind, each storage index by a word, and each time by zero.
//! What a row names is kept for the requests that follow.

use crate::grid::{Grid, form};
use crate::reference::Alike::{self, Holding, Not, Shape, Title, Wholly};
use crate::reference::{FORM, Headers, differences};
use std::collections::BTreeMap;
use std::sync::Arc;
use tahoe_test_support::http::{Request, Response};
use tahoe_test_support::{Encoding, Grid as PythonGrid, Program};
use tahoe_web::{WebOptions, serve};
use tokio::net::TcpListener;

/// Method, path, headers, body, what must be alike, and under which name the body is kept.
type Step = (
    &'static str,
    &'static str,
    Headers,
    &'static str,
    Alike,
    &'static str,
);

const URLENCODED: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const PLAIN: (&str, &str) = ("accept", "text/plain");
/// A read capability of nothing that is there, and an unknown pair.
const CHK: &str = "URI:CHK:aaaaaaaaaaaaaaaaaaaaaaaaaa:\
                   aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1:1:1000";
const SSK: &str = "URI:SSK:fs6ul2fju2fvb2cfx7gt6ngycm:\
                   hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq";

const STEPS: &[Step] = &[
    // Making directories.
    ("PUT", "/uri?t=mkdir", &[], "", Wholly, "dir"),
    ("POST", "/uri?t=mkdir", &[], "", Wholly, "other"),
    ("POST", "/uri?t=mkdir&format=mdmf", &[], "", Wholly, "mdmf"),
    ("PUT", "/uri?t=mkdir&format=SDMF", &[], "", Wholly, ""),
    ("POST", "/uri", &[FORM], "{form t=mkdir}", Wholly, ""),
    (
        "POST",
        "/uri?t=mkdir&redirect_to_result=maybe",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri?t=mkdir-with-children",
        &[],
        "{children}",
        Wholly,
        "filled",
    ),
    ("POST", "/uri?t=mkdir-with-children", &[], "", Wholly, ""),
    (
        "POST",
        "/uri?t=mkdir-with-children",
        &[],
        "[",
        Not(500, 400),
        "",
    ),
    (
        "POST",
        "/uri?t=mkdir-with-children",
        &[],
        "{unknown writer}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri?t=mkdir-with-children",
        &[],
        "{writer in ro_uri}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri?t=mkdir-immutable",
        &[],
        "{immutable children}",
        Wholly,
        "frozen",
    ),
    ("POST", "/uri?t=mkdir-immutable", &[], "", Wholly, "literal"),
    (
        "POST",
        "/uri?t=mkdir-immutable",
        &[],
        "{children}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri?t=mkdir-immutable",
        &[],
        "{unknown writer}",
        Wholly,
        "",
    ),
    // Looking at them.
    (
        "GET",
        "/uri/{dir}",
        &[],
        "",
        Holding("This directory is empty."),
        "",
    ),
    ("HEAD", "/uri/{dir}", &[], "", Not(200, 200), ""),
    (
        "GET",
        "/uri/{dir}/",
        &[],
        "",
        Holding("name=\"when_done\""),
        "",
    ),
    ("GET", "/uri/{dir}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}?t=uri", &[], "", Wholly, ""),
    (
        "GET",
        "/uri/{dir}?t=readonly-uri",
        &[],
        "",
        Wholly,
        "reader",
    ),
    ("GET", "/uri/{mdmf}?t=readonly-uri", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}?t=info", &[], "", Title, ""),
    ("GET", "/uri/{dir}?t=rename-form&name=x", &[], "", Title, ""),
    (
        "GET",
        "/uri/{reader}?t=rename-form&name=x",
        &[],
        "",
        Title,
        "",
    ),
    ("GET", "/uri/{dir}?t=bogus", &[], "", Wholly, ""),
    ("GET", "/uri/{filled}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{filled}", &[], "", Title, ""),
    ("GET", "/uri/{frozen}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{frozen}?t=info", &[], "", Title, ""),
    ("GET", "/uri/{frozen}", &[], "", Title, ""),
    ("GET", "/uri/{literal}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{literal}", &[], "", Title, ""),
    (
        "GET",
        "/uri/{reader}",
        &[],
        "",
        Holding("No upload forms: directory is read-only"),
        "",
    ),
    ("GET", "/uri/{reader}?t=json", &[], "", Wholly, ""),
    (
        "GET",
        "/uri/{gone}",
        &[],
        "",
        Holding("UnrecoverableFileError"),
        "",
    ),
    ("GET", "/uri/{gone}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{gone}/x", &[], "", Title, ""),
    ("PUT", "/uri/{gone}/x", &[], "x", Title, ""),
    // Files in them.
    ("PUT", "/uri/{dir}/f", &[], "hello", Wholly, ""),
    ("PUT", "/uri/{dir}/f", &[], "hello again", Wholly, ""),
    ("PUT", "/uri/{dir}/f?replace=false", &[], "x", Wholly, ""),
    (
        "PUT",
        "/uri/{dir}/f?replace=only-files",
        &[],
        "third",
        Wholly,
        "",
    ),
    ("PUT", "/uri/{dir}/f?replace=frob", &[], "x", Wholly, ""),
    ("PUT", "/uri/{dir}/f?offset=3", &[], "x", Wholly, ""),
    (
        "PUT",
        "/uri/{dir}/new",
        &[("content-range", "bytes 0-1/2")],
        "x",
        Wholly,
        "",
    ),
    ("PUT", "/uri/{dir}/new?replace=frob", &[], "x", Wholly, ""),
    ("PUT", "/uri/{dir}/new?t=frob", &[], "x", Title, ""),
    ("PUT", "/uri/{dir}/new?format=frob", &[], "x", Wholly, ""),
    ("GET", "/uri/{dir}/f", &[], "", Wholly, ""),
    ("HEAD", "/uri/{dir}/f", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/f?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/f?t=uri", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/f?t=info", &[], "", Title, ""),
    ("GET", "/uri/{dir}/f?t=frob", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/f?save=true", &[], "", Wholly, ""),
    ("PUT", "/uri/{dir}/page.html", &[], "<p>", Wholly, ""),
    ("GET", "/uri/{dir}/page.html", &[], "", Wholly, ""),
    (
        "GET",
        "/uri/{dir}/page.html?filename=x.png",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "PUT",
        "/uri/{dir}/cafe%CC%81%20%E4%BD%A0",
        &[],
        "name",
        Wholly,
        "",
    ),
    (
        "GET",
        "/uri/{dir}/caf%C3%A9%20%E4%BD%A0",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "PUT",
        "/uri/{dir}/caf%C3%A9%20%E4%BD%A0",
        &[],
        "name again",
        Wholly,
        "",
    ),
    ("GET", "/uri/{dir}/missing", &[], "", Title, ""),
    ("GET", "/uri/{dir}/it's%0A", &[], "", Title, ""),
    ("GET", "/uri/{dir}/missing/deeper", &[], "", Title, ""),
    ("GET", "/uri/{dir}/f/x", &[], "", Title, ""),
    ("GET", "/uri/{dir}/f/", &[], "", Title, ""),
    ("PUT", "/uri/{dir}/f/x", &[], "x", Title, ""),
    ("PUT", "/uri/{dir}/f/x/y", &[], "x", Title, ""),
    ("POST", "/uri/{dir}/f/x?t=mkdir", &[], "", Title, ""),
    ("GET", "/uri/{dir}//", &[], "", Title, ""),
    ("GET", "/uri/{dir}//f", &[], "", Title, ""),
    ("PUT", "/uri/{dir}/a//b", &[], "x", Title, ""),
    // Directories on the way are made.
    ("PUT", "/uri/{dir}/a/b/c", &[], "deep", Wholly, ""),
    ("PUT", "/uri/{dir}/a/b/c", &[], "deeper", Wholly, ""),
    ("GET", "/uri/{dir}/a/b?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/a/b/?t=uri", &[], "", Wholly, ""),
    ("PUT", "/uri/{dir}/a?t=mkdir", &[], "", Wholly, ""),
    ("PUT", "/uri/{dir}/a/d/e?t=mkdir", &[], "", Wholly, ""),
    (
        "PUT",
        "/uri/{dir}/m?t=mkdir&format=mdmf",
        &[],
        "",
        Wholly,
        "",
    ),
    ("PUT", "/uri/{dir}/slash/?t=mkdir", &[], "", Wholly, ""),
    ("PUT", "/uri/{dir}/a", &[], "x", Wholly, ""),
    ("PUT", "/uri/{dir}?t=frob", &[], "x", Wholly, ""),
    ("PUT", "/uri/{dir}/f/?t=mkdir", &[], "", Title, ""),
    ("PUT", "/uri/{dir}/f?t=mkdir", &[], "", Wholly, ""),
    (
        "PUT",
        "/uri/{reader}/x",
        &[],
        "x",
        Holding("NotWriteableError"),
        "",
    ),
    (
        "DELETE",
        "/uri/{reader}/f",
        &[],
        "",
        Holding("NotWriteableError"),
        "",
    ),
    (
        "PUT",
        "/uri/{literal}/x",
        &[],
        "x",
        Holding("NotWriteableError"),
        "",
    ),
    // Links.
    ("PUT", "/uri/{dir}/link?t=uri", &[], "{chk}", Wholly, ""),
    ("PUT", "/uri/{dir}/link?t=uri", &[], "{ssk}", Wholly, ""),
    (
        "PUT",
        "/uri/{dir}/link?t=uri&replace=false",
        &[],
        "{chk}",
        Wholly,
        "",
    ),
    (
        "PUT",
        "/uri/{dir}/a?t=uri&replace=only-files",
        &[],
        "{chk}",
        Wholly,
        "",
    ),
    (
        "PUT",
        "/uri/{dir}/a?t=uri&replace=false",
        &[],
        "{chk}",
        Wholly,
        "",
    ),
    (
        "PUT",
        "/uri/{dir}/u?t=uri",
        &[],
        "x-tahoe-future:x",
        Wholly,
        "",
    ),
    (
        "PUT",
        "/uri/{dir}/u?t=uri",
        &[],
        "ro.x-tahoe-future:x",
        Wholly,
        "",
    ),
    (
        "PUT",
        "/uri/{dir}/i?t=uri",
        &[],
        "imm.x-tahoe-future:x",
        Wholly,
        "",
    ),
    ("PUT", "/uri/{dir}/u?t=uri", &[], "ro.{ssk}", Title, ""),
    ("PUT", "/uri/{dir}/v?t=uri", &[], "ro.{ssk}", Wholly, ""),
    ("PUT", "/uri/{dir}/v?t=uri", &[], "imm.{ssk}", Wholly, ""),
    ("GET", "/uri/{dir}/u?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/i?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/u?t=info", &[], "", Title, ""),
    ("GET", "/uri/{dir}/u", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/u/x", &[], "", Title, ""),
    ("GET", "/uri/{dir}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{reader}?t=json", &[], "", Wholly, ""),
    // POST.
    ("POST", "/uri/{dir}/?t=mkdir&name=p", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/?t=mkdir&name=p&replace=false",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=mkdir&name=p&replace=frob",
        &[],
        "",
        Wholly,
        "",
    ),
    ("POST", "/uri/{dir}/?t=mkdir", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/q/r?t=mkdir", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/q/r?t=mkdir", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/w?t=mkdir-with-children",
        &[],
        "{children}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=mkdir-with-children&name=w",
        &[],
        "{children}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=mkdir-with-children&name=w2",
        &[],
        "{children}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/z?t=mkdir-immutable",
        &[],
        "{immutable children}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=mkdir-immutable&name=z",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=mkdir-immutable&name=z2",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=mkdir-immutable&name=z3",
        &[],
        "{children}",
        Wholly,
        "",
    ),
    ("GET", "/uri/{dir}/w?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/z?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/z/lit", &[], "", Wholly, ""),
    (
        "PUT",
        "/uri/{dir}/z/x",
        &[],
        "x",
        Holding("NotWriteableError"),
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=upload&name=up",
        &[FORM],
        "{form file}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=upload",
        &[FORM],
        "{form file}",
        Wholly,
        "",
    ),
    ("POST", "/uri/{dir}/", &[FORM], "{form upload}", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/?t=upload",
        &[FORM],
        "{form unnamed}",
        Wholly,
        "",
    ),
    ("GET", "/uri/{dir}/unknown-filename", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/?t=upload&name=up&replace=false",
        &[FORM],
        "{form file}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=upload&name=a/b",
        &[FORM],
        "{form file}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=upload&name=%20",
        &[FORM],
        "{form file}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/up?t=upload",
        &[FORM],
        "{form file}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/up?t=frob",
        &[FORM],
        "{form file}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/nothing?t=upload",
        &[FORM],
        "{form file}",
        Title,
        "",
    ),
    ("GET", "/uri/{dir}/up", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}/from%20form.txt", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/?t=uri&name=l&uri={chk}",
        &[],
        "",
        Wholly,
        "",
    ),
    ("POST", "/uri/{dir}/?t=uri&name=l", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/?t=uri&uri={chk}", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/?t=uri&name=l&uri={chk}&replace=false",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=uri&name=l&uri=garbage",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/",
        &[URLENCODED],
        "t=uri&name=enc&uri={chk}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=l&to_name=k",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=l&to_name=k",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=k&to_name=a&replace=false",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=k&to_name=a&replace=only-files",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=k&to_name=k",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=no&to_name=no",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=k",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&to_name=k",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=k&to_name=x/y",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=x/k&to_name=y",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=k&to_name=y&to_dir={other}",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=rename&from_name=%20k%20&to_name=%20k2%20",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=relink&from_name=k2&to_dir={other}",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{other}/?t=relink&from_name=k2&to_dir={dir}/a/b&to_name=k3",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{other}/?t=relink&from_name=k2&to_dir={dir}",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=relink&from_name=f&to_dir={dir}/f",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=relink&from_name=f&to_dir={dir}/no",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=relink&from_name=f&to_dir={chk}",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=relink&from_name=f&to_dir={reader}",
        &[],
        "",
        Holding("NotWriteableError"),
        "",
    ),
    ("GET", "/uri/{dir}/a/b/k3?t=json", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/?t=unlink&name=enc", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/?t=delete&name=enc", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/?t=unlink", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/?t=unlink&name=p&when_done=.",
        &[],
        "",
        Holding("click here"),
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=mkdir&name=p&when_done=http://example.com/",
        &[],
        "",
        Holding("click here"),
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=set_children",
        &[],
        "{children}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=set-children&replace=false",
        &[],
        "{children}",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{dir}/?t=set-children",
        &[],
        "{unknown writer}",
        Wholly,
        "",
    ),
    ("POST", "/uri/{dir}/?t=frob", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/nothing?t=unlink&name=x",
        &[],
        "",
        Title,
        "",
    ),
    (
        "POST",
        "/uri/{reader}/?t=unlink&name=f",
        &[],
        "",
        Holding("NotWriteableError"),
        "",
    ),
    (
        "POST",
        "/uri/{reader}/?t=mkdir&name=x",
        &[PLAIN],
        "",
        Holding("NotWriteableError"),
        "",
    ),
    ("GET", "/uri/{dir}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{other}?t=json", &[], "", Wholly, ""),
    ("GET", "/uri/{dir}", &[], "", Holding("from form.txt"), ""),
    // Removing.
    ("DELETE", "/uri/{dir}/f", &[], "", Wholly, ""),
    ("DELETE", "/uri/{dir}/f", &[], "", Title, ""),
    ("DELETE", "/uri/{dir}/a/b/c", &[], "", Wholly, ""),
    ("DELETE", "/uri/{dir}/a/d", &[], "", Wholly, ""),
    (
        "DELETE",
        "/uri/{dir}",
        &[],
        "",
        Holding("builtins.AssertionError"),
        "",
    ),
    ("DELETE", "/uri/{dir}/u", &[], "", Not(501, 200), ""),
    ("FROB", "/uri/{dir}", &[], "", Title, ""),
    // Slow operations.
    ("POST", "/uri/{dir}/?t=start-manifest", &[], "", Wholly, ""),
    ("POST", "/uri/{dir}/?t=start-deep-size", &[], "", Wholly, ""),
    (
        "POST",
        "/uri/{dir}/?t=start-deep-stats",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{tree}/?t=start-manifest&ophandle=m",
        &[],
        "",
        Holding("click here"),
        "",
    ),
    (
        "POST",
        "/uri/{tree}/?t=start-deep-size&ophandle=s&output=json",
        &[],
        "",
        Holding("click here"),
        "",
    ),
    (
        "POST",
        "/uri/{tree}/?t=start-deep-stats&ophandle=d&retain-for=600",
        &[],
        "",
        Holding("click here"),
        "",
    ),
    ("GET", "/operations/m?output=json", &[], "", Wholly, "wait"),
    ("GET", "/operations/m?output=text", &[], "", Wholly, ""),
    ("GET", "/operations/m?output=TEXT", &[], "", Wholly, ""),
    ("GET", "/operations/m?output=html", &[], "", Title, ""),
    ("GET", "/operations/m", &[], "", Title, ""),
    ("GET", "/operations/m?output=frob", &[], "", Title, ""),
    ("GET", "/operations/m/x", &[], "", Not(500, 404), ""),
    ("GET", "/operations/s?output=json", &[], "", Shape, "wait"),
    (
        "GET",
        "/operations/s",
        &[],
        "",
        Holding("finished: yes\nsize: "),
        "",
    ),
    ("GET", "/operations/d", &[], "", Shape, "wait"),
    (
        "GET",
        "/operations/d?release-after-complete=true",
        &[],
        "",
        Shape,
        "",
    ),
    ("GET", "/operations/d", &[], "", Title, ""),
    (
        "POST",
        "/operations/s?t=cancel",
        &[],
        "",
        Holding("finished: yes"),
        "",
    ),
    ("GET", "/operations/s", &[], "", Title, ""),
    ("GET", "/operations/nosuch", &[], "", Title, ""),
    (
        "POST",
        "/uri/{tree}/?t=stream-manifest",
        &[],
        "",
        Wholly,
        "",
    ),
    (
        "POST",
        "/uri/{gone}/?t=stream-manifest",
        &[],
        "",
        Holding("ERROR: UnrecoverableFileError(no recoverable versions)"),
        "",
    ),
    ("POST", "/uri/{dir}/?t=check", &[], "", Not(200, 200), ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn directories_answer_as_those_of_the_reference() {
    let python = Program::python();
    let encoding = Encoding {
        needed: 1,
        happy: 1,
        total: 1,
    };
    let mut theirs = PythonGrid::create(&[&python], &[&python], encoding);
    theirs.start_servers();
    // 32 bytes of 1, as in our grid.
    let secret = "aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq\n";
    theirs.gateway(0).write_file("private/convergence", secret);
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
    let compared = tokio::task::spawn_blocking(move || {
        let mut sides = [Side::new(theirs.gateway(0).web_port()), Side::new(port)];
        let steps = STEPS.iter();
        let failures = steps.filter_map(|step| compare(&mut sides, step).err());
        failures.collect::<Vec<_>>()
    });
    let failures = compared.await.unwrap();
    server.abort();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

/// One gateway and what stands for the placeholders there.
struct Side {
    port: u16,
    placeholders: BTreeMap<String, String>,
}

impl Side {
    fn new(port: u16) -> Self {
        let file = ("file; filename=\"from form.txt\"", "content");
        let children = format!(
            "{{\"child\": [\"filenode\", {{\"ro_uri\": \"{CHK}\", \"metadata\": {{\"a\": [1.5, \
             null], \"tahoe\": {{\"x\": 1}}}}}}], \"caf\\u00e9\": [\"filenode\", {{\"rw_uri\": \
             \"{SSK}\"}}], \"cafe\\u0301\": [\"filenode\", {{\"rw_uri\": \"{SSK}\", \
             \"metadata\": {{\"no-write\": true}}}}], \"fut\": [\"unknown\", {{\"rw_uri\": \
             \"x-tahoe-future:w\", \"ro_uri\": \"x-tahoe-future:r\"}}]}}"
        );
        let immutable = format!(
            "{{\"chk\": [\"filenode\", {{\"ro_uri\": \"{CHK}\"}}], \"lit\": [\"filenode\", \
             {{\"ro_uri\": \"URI:LIT:nbswy3dp\", \"metadata\": {{\"m\": \"\\u00e9\"}}}}], \
             \"u\": [\"unknown\", {{\"ro_uri\": \"imm.x-tahoe-future:r\"}}]}}"
        );
        let one = |facts: &str| format!("{{\"x\": [\"filenode\", {{{facts}}}]}}");
        let known = [
            ("form t=mkdir", form(&[("t", "mkdir")])),
            ("form file", form(&[file])),
            (
                "form upload",
                form(&[("t", "upload"), ("name", "named"), file]),
            ),
            ("form unnamed", form(&[("file", "hello")])),
            ("children", children),
            ("immutable children", immutable),
            ("unknown writer", one("\"rw_uri\": \"x-tahoe-future:w\"")),
            (
                "writer in ro_uri",
                one(&format!("\"ro_uri\": \"ro.{SSK}\"")),
            ),
            ("chk", CHK.to_owned()),
            ("ssk", SSK.to_owned()),
            ("gone", SSK.replace("SSK", "DIR2")),
        ];
        let mut side = Self {
            port,
            placeholders: BTreeMap::new(),
        };
        for (name, value) in known {
            side.placeholders.insert(format!("{{{name}}}"), value);
        }
        side.make_tree();
        side
    }

    /// A tree whose walk succeeds: a cycle, a directory twice, literals, an immutable directory.
    fn make_tree(&mut self) {
        let root = self.ask("PUT", "/uri?t=mkdir", "");
        let frozen = one_child("lit", "URI:LIT:nbswy3dp");
        let frozen = self.ask("POST", "/uri?t=mkdir-immutable", &frozen);
        self.ask("PUT", &format!("/uri/{root}/a/f"), "hello");
        self.ask("PUT", &format!("/uri/{root}/a/g"), &"0123456789".repeat(10));
        self.ask("PUT", &format!("/uri/{root}/z"), "hello");
        for (at, cap) in [
            ("a/root", &*root),
            ("frozen", &frozen),
            ("k", SSK),
            ("n", CHK),
        ] {
            self.ask("PUT", &format!("/uri/{root}/{at}?t=uri"), cap);
        }
        self.ask(
            "PUT",
            &format!("/uri/{root}/u?t=uri"),
            "ro.x-tahoe-future:x",
        );
        self.placeholders.insert("{tree}".to_owned(), root);
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let answer = Request::new(method, path).send(self.port, body.as_bytes());
        let answer = answer.unwrap();
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.text()
    }

    fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, value): (&String, &String)| text.replace(&**name, value);
        self.placeholders.iter().fold(text.to_owned(), fill)
    }

    fn send(&self, step: &Step) -> Result<Response, String> {
        let (method, path, headers, body, _, name) = step;
        let (path, body) = (self.fill(path), self.fill(body));
        let request = Request {
            method,
            path: &path,
            headers,
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let answer = request.send(self.port, body.as_bytes());
            let answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
            let is_running = answer.text().contains("\"finished\": false");
            if *name != "wait" || !is_running || std::time::Instant::now() > deadline {
                return Ok(answer);
            }
        }
    }
}

fn one_child(name: &str, cap: &str) -> String {
    format!("{{\"{name}\": [\"filenode\", {{\"ro_uri\": \"{cap}\"}}]}}")
}

fn compare(sides: &mut [Side; 2], step: &Step) -> Result<(), String> {
    let (method, path, _, body, alike, name) = step;
    let mut answers = Vec::new();
    for side in sides.iter_mut() {
        let mut answer = side.send(step)?;
        if !name.is_empty() && *name != "wait" {
            side.placeholders
                .insert(format!("{{{name}}}"), answer.text());
        }
        neutralise(&mut answer);
        answers.push(answer);
    }
    differences(*alike, &answers[0], &answers[1])
        .map_err(|what| format!("{method} {path} {body:.60}\n  {what}"))
}

/// Replaces what is random or depends on the time, also in the lengths.
fn neutralise(answer: &mut Response) {
    let text = answer.text();
    let text = without_indexes(&without_times(&without_keys(&text)));
    let text = in_order(&text);
    let is_complete = answer.header("content-length").is_some();
    answer.body = text.into_bytes();
    let length = answer.body.len().to_string();
    for (name, value) in &mut answer.headers {
        match &**name {
            "content-length" if is_complete => value.clone_from(&length),
            "location" => *value = without_keys(value),
            _ => {}
        }
    }
}

/// Capabilities to mutable things become `URI:KIND:…`, whose rest is a word.
fn without_keys(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("URI:").or_else(|| rest.find("URI%3A")) {
        let (before, cap) = rest.split_at(at);
        out += before;
        let end = cap.find(|c: char| !(c.is_ascii_alphanumeric() || ":-%".contains(c)));
        let (cap, after) = cap.split_at(end.unwrap_or(cap.len()));
        let cap = cap.replace("%3A", ":");
        let kind = cap.split(':').nth(1).unwrap_or_default();
        let is_random = !kind.contains("CHK") && !kind.contains("LIT");
        out += &if is_random {
            format!("<{kind}>")
        } else {
            cap.replace("URI:", "<URI>:")
        };
        rest = after;
    }
    out + rest
}

/// Link times, and what depends on them, become zero.
fn without_times(text: &str) -> String {
    let mut text = text.to_owned();
    // The size of a directory depends on the digits of its times.
    for key in [
        "\"linkcrtime\": ",
        "\"linkmotime\": ",
        "\"size-directories\": ",
        "\"largest-directory\": ",
    ] {
        let mut parts = text.split(key);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            out += key;
            out += "0";
            out += rest;
        }
        text = out;
    }
    text
}

/// Storage indexes, whole or short, become a word.
fn without_indexes(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut after_si = false;
    let is_base32 = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    for c in text.chars().chain(['\n']) {
        if is_base32(c) {
            word.push(c);
            continue;
        }
        let is_index = word.len() == 26 || (after_si && (5..=6).contains(&word.len()));
        out += if is_index { "<index>" } else { &word };
        word.clear();
        out.push(c);
        after_si = out.ends_with("SI=");
    }
    out.pop();
    out
}

/// The lists that the reference makes of sets come in any order.
fn in_order(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(text) else {
        return text.to_owned();
    };
    for key in ["verifycaps", "storage-index"] {
        if let Some(list) = value.get_mut(key).and_then(|list| list.as_array_mut()) {
            list.sort_by_key(ToString::to_string);
        } else {
            return text.to_owned();
        }
    }
    serde_json::to_string_pretty(&value).unwrap_or_default()
}
