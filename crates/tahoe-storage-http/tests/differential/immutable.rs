//! Shares that are written once, leases and advice.

use super::pair::{Pair, meaning};
use super::requests::{A, B, advice, allocate, allocation, cbor, get, patch, with_lease};
use super::support::raw::Raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allocations() {
    let mut pair = Pair::start().await;
    let good = allocation(&[1, 2], 100);
    let bare = || Raw::new("POST", A).body(good.clone());
    pair.same("no secrets", 400, bare()).await;
    pair.same("no upload secret", 400, with_lease(bare())).await;
    let all = || allocate(A, good.clone());
    let enabler = all().secret("write-enabler", &[4; 32]);
    pair.same("one secret too many", 400, enabler).await;
    pair.same("unknown secret", 400, all().secret("foo", b"x"))
        .await;
    for header in [
        "upload-secret ",
        "upload-secret =",
        "upload-secret !!!",
        "upload-secret abc",
        "upload-secret YWI",
        "upload-secret",
        "lease-renew-secret YWJj",
    ] {
        let request = with_lease(bare()).header("X-Tahoe-Authorization", header);
        pair.same(header, 400, request).await;
    }
    let short = bare()
        .secret("lease-renew-secret", &[1; 31])
        .secret("lease-cancel-secret", &[2; 32])
        .secret("upload-secret", &[3; 20]);
    pair.same("31 bytes", 400, short).await;
    let odd = with_lease(Raw::new("POST", B).body(good.clone())).secret("upload-secret", b"any");
    pair.same("upload secret of 3 bytes", 200, odd).await;
    for (media_type, status) in [
        ("text/plain", 415),
        ("Application/CBOR", 415),
        ("application/cbor2", 415),
        ("application/cbor; charset=x", 200),
        ("", 200),
    ] {
        let request = all().header("Content-Type", media_type);
        let request = if status == 200 {
            allocate(B, good.clone()).header("Content-Type", media_type)
        } else {
            request
        };
        pair.same(&format!("type {media_type:?}"), status, request)
            .await;
    }
    pair.same("8193 bytes", 413, allocate(A, vec![0; 8193]))
        .await;
    pair.same("8192 bytes", 400, allocate(A, vec![0; 8192]))
        .await;
    pair.same("no bytes", 400, allocate(A, vec![])).await;
    let shares = b"\x6dshare-numbers\xd9\x01\x02\x81\x01".to_vec();
    let size = b"\x6eallocated-size\x18\x64".to_vec();
    let joined = |parts: &[&[u8]]| parts.concat();
    for (what, body) in [
        ("no map", joined(&[b"\x80"])),
        ("a key too few", joined(&[b"\xa1", &size])),
        (
            "a key too many",
            joined(&[b"\xa3", &shares, &size, b"\x61x\x01"]),
        ),
        (
            "key of bytes",
            joined(&[b"\xa2\x4dshare-numbers\xd9\x01\x02\x80", &size]),
        ),
        ("array", joined(&[b"\xa2\x6dshare-numbers\x80", &size])),
        (
            "negative",
            joined(&[b"\xa2", &shares, b"\x6eallocated-size\x20"]),
        ),
        (
            "float",
            joined(&[b"\xa2", &shares, b"\x6eallocated-size\xf9\x40\x00"]),
        ),
        (
            "cut off",
            joined(&[b"\xa2", &shares, b"\x6eallocated-size"]),
        ),
        ("257 shares", allocation(&(0..257).collect::<Vec<_>>(), 1)),
        ("tagged", joined(&[b"\xd9\xd9\xf7\xa2", &shares, &size])),
    ] {
        pair.same(what, 400, allocate(A, body)).await;
    }
    let refused = all().header("Accept", "text/html");
    pair.same("refused answer", 406, refused).await;
    pair.differ("share 300", (200, 400), allocate(A, allocation(&[300], 10)))
        .await;
    let more = joined(&[&allocation(&[1], 100), b"\0"]);
    pair.differ("more bytes", (200, 400), allocate(&index("d"), more))
        .await;
    let twice = joined(&[b"\xa3", &shares, &size, &size]);
    pair.differ("duplicate key", (200, 400), allocate(&index("e"), twice))
        .await;
    let huge = joined(&[
        b"\xa2",
        &shares,
        b"\x6eallocated-size\xc2\x49\x01\0\0\0\0\0\0\0\0",
    ]);
    pair.differ("size of 2^64", (500, 400), allocate(A, huge))
        .await;
    for (letter, what, body) in [
        ("f", "both shares", allocation(&[1, 2], 100)),
        (
            "g",
            "endless map",
            joined(&[b"\xbf", &shares, &size, b"\xff"]),
        ),
        (
            "h",
            "endless set",
            joined(&[b"\xa2\x6dshare-numbers\xd9\x01\x02\x9f\x01\xff", &size]),
        ),
        (
            "i",
            "endless key",
            joined(&[b"\xa2\x7f\x6dshare-numbers\xff\xd9\x01\x02\x81\x01", &size]),
        ),
        (
            "j",
            "wide numbers",
            joined(&[b"\xa2", &shares, b"\x6eallocated-size\x1a\0\0\0\x64"]),
        ),
        (
            "k",
            "member twice",
            joined(&[b"\xa2\x6dshare-numbers\xd9\x01\x02\x82\x01\x01", &size]),
        ),
        ("l", "too large", allocation(&[1], u64::MAX)),
        ("m", "no shares", allocation(&[], 10)),
    ] {
        pair.same(what, 200, allocate(&index(letter), body)).await;
    }
    pair.finish();
}

fn index(letter: &str) -> String {
    format!("/storage/v1/immutable/{}a", letter.repeat(25))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_and_aborts() {
    let mut pair = Pair::start().await;
    let (one, two) = (format!("{A}/1"), format!("{A}/2"));
    let data = [b'x'; 100];
    pair.same("allocate", 200, allocate(A, allocation(&[1, 2], 100)))
        .await;
    let bare = Raw::new("PATCH", &one).secret("upload-secret", &[3; 20]);
    pair.same("no Content-Range", 416, bare.body(data)).await;
    for range in [
        "Bytes 0-9/100",
        "bytes 9-0/100",
        "bytes 100-109/100",
        "bytes -1-9/100",
        "bytes a-b/100",
        "bytes 0-9",
        "bytes=0-9/100",
        "",
        "items 0-9/100",
        "bytes 0-9/x",
    ] {
        pair.same(range, 416, patch(&one, range, &data[..10])).await;
    }
    let no_secret = Raw::new("PATCH", &one).header("Content-Range", "bytes 0-9/100");
    pair.same("no secret", 400, no_secret.body(&data[..10]))
        .await;
    for (range, length) in [
        ("bytes 0-9/100", 10),
        ("bytes 0-9/100", 20),
        ("bytes 10-19/*", 10),
        ("  bytes 20-29/100  ", 10),
        (" bytes 30 - 39 / 100", 10),
        ("bytes 30-39/35", 10),
        ("bytes 90-94/100", 5),
        ("bytes 60-69/100", 10),
    ] {
        pair.same(range, 200, patch(&one, range, &data[..length]))
            .await;
    }
    let wrong = |path: &str, range: &str| {
        Raw::new("PATCH", path)
            .secret("upload-secret", &[9; 20])
            .header("Content-Range", range)
            .body(&data[..10])
    };
    pair.same("wrong secret", 401, wrong(&one, "bytes 0-9/100"))
        .await;
    pair.same("wrong secret and range", 416, wrong(&one, "bytes a-9/100"))
        .await;
    let unknown = |share: &str| patch(&format!("{A}/{share}"), "bytes 0-9/100", &data[..10]);
    pair.same("unknown share", 404, unknown("9")).await;
    pair.same("share 300", 404, unknown("300")).await;
    pair.same("share 001", 200, unknown("001")).await;
    let conflict = patch(&one, "bytes 0-9/100", b"xxxxxxxxxz");
    pair.same("conflict", 409, conflict).await;
    let (range, part) = ("bytes 40-49/100", &data[..10]);
    let refused = patch(&one, range, part).header("Accept", "text/html");
    pair.same("refused answer", 406, refused).await;
    pair.differ("star", (500, 416), patch(&one, "bytes */100", b""))
        .await;
    let beyond = patch(&one, "bytes 90-109/200", &data[..20]);
    pair.differ("beyond the end", (500, 416), beyond).await;
    pair.differ("short body", (500, 400), patch(&one, range, &data[..5]))
        .await;
    pair.differ("no body", (500, 400), patch(&one, range, b""))
        .await;
    pair.same("read before the end", 404, get(&one)).await;
    let abort = |path: &str, secret: u8| {
        let path = format!("{path}/abort");
        Raw::new("PUT", path).secret("upload-secret", &[secret; 20])
    };
    pair.same("abort, wrong secret", 401, abort(&two, 9)).await;
    pair.same("abort", 200, abort(&two, 3)).await;
    pair.same("abort again", 404, abort(&two, 3)).await;
    pair.same("complete", 201, patch(&one, "bytes 0-99/100", &data))
        .await;
    pair.same("late write", 404, patch(&one, "bytes 0-99/100", &data))
        .await;
    pair.same("late abort", 405, abort(&one, 3)).await;
    pair.same("abort of share 300", 404, abort(&format!("{A}/300"), 3))
        .await;
    pair.same(
        "abort without secret",
        400,
        Raw::new("PUT", format!("{one}/abort")),
    )
    .await;
    pair.same("list", 200, get(format!("{A}/shares"))).await;
    pair.same("allocate again", 200, allocate(A, allocation(&[1, 2], 100)))
        .await;
    pair.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_leases_and_advice() {
    let mut pair = Pair::start().await;
    let one = format!("{A}/1");
    let data: Vec<u8> = (0..100).collect();
    pair.same("list nothing", 200, get(format!("{A}/shares")))
        .await;
    pair.same("allocate", 200, allocate(A, allocation(&[1], 100)))
        .await;
    pair.same("write", 201, patch(&one, "bytes 0-99/100", &data))
        .await;
    pair.same("whole", 200, get(&one)).await;
    pair.same("whole as 01", 200, get(format!("{A}/01"))).await;
    pair.same("HEAD", 200, Raw::new("HEAD", &one)).await;
    for (range, status) in [
        ("bytes=0-9", 206),
        ("bytes=0-0", 206),
        ("bytes=99-99", 206),
        ("bytes=90-200", 206),
        ("BYTES=0-4", 206),
        ("bytes = 0-4", 206),
        ("bytes= 0 - 4 ", 206),
        ("bytes=0-99999999999999999999999999", 206),
        ("bytes=0-18446744073709551615", 206),
        ("bytes=100-200", 204),
        ("bytes=100-100000000", 204),
        (
            "bytes=99999999999999999999999999-999999999999999999999999990",
            204,
        ),
        ("bytes=10-", 416),
        ("bytes=-5", 416),
        ("bytes=0-1,3-4", 416),
        ("bytes=5-4", 416),
        ("", 416),
        ("bytes", 416),
        ("items=0-4", 416),
        ("bytes=0-4,", 416),
        ("bytes=a-b", 416),
    ] {
        let request = get(&one).header("Range", range);
        pair.same(&format!("Range {range:?}"), status, request)
            .await;
    }
    let other = get(&one).header("Range", "bytes=0-4");
    let other = other.header("Accept", "text/html");
    pair.same("Accept doesn't matter", 206, other).await;
    for share in ["5", "300", "99999999999999999999999"] {
        pair.same(share, 404, get(format!("{A}/{share}"))).await;
        let bad = get(format!("{A}/{share}")).header("Range", "bytes=x");
        pair.same(share, 404, bad).await;
    }
    let corrupt =
        |share: &str, body: Vec<u8>| Raw::new("POST", format!("{A}/{share}/corrupt")).body(body);
    pair.same("advice", 200, corrupt("1", advice("bad"))).await;
    pair.same("empty advice", 400, corrupt("1", advice("")))
        .await;
    pair.same(
        "longest advice",
        200,
        corrupt("1", advice(&"x".repeat(32_757))),
    )
    .await;
    pair.same(
        "longer advice",
        413,
        corrupt("1", advice(&"x".repeat(32_758))),
    )
    .await;
    pair.same(
        "advice in euros",
        200,
        corrupt("1", advice(&"€".repeat(10_919))),
    )
    .await;
    pair.same("advice on nothing", 404, corrupt("5", advice("bad")))
        .await;
    pair.same("bad advice on nothing", 404, corrupt("5", vec![0]))
        .await;
    pair.same("advice on share 300", 404, corrupt("300", advice("bad")))
        .await;
    let other = corrupt("1", advice("bad")).header("Accept", "text/html");
    pair.same("advice has no answer", 200, other).await;
    let other = corrupt("1", advice("bad")).header("Content-Type", "text/html");
    pair.same("advice in HTML", 415, other).await;
    let bytes = cbor(|e| e.map(1)?.str("reason")?.bytes(b"x")?.ok());
    pair.differ("advice in bytes", (500, 400), corrupt("1", bytes))
        .await;
    let lease = |letter: &str| {
        let path = format!("/storage/v1/lease/{}a", letter.repeat(25));
        with_lease(Raw::new("PUT", path))
    };
    pair.same("lease", 204, lease("a")).await;
    pair.same("lease with a body", 204, lease("a").body(b"foo"))
        .await;
    pair.same("lease of nothing", 404, lease("z")).await;
    let half = Raw::new("PUT", "/storage/v1/lease/aaaaaaaaaaaaaaaaaaaaaaaaaa");
    let half = half.secret("lease-renew-secret", &[1; 32]);
    pair.same("lease with one secret", 400, half).await;
    pair.differ("as a slot", (500, 404), get(one.replace("imm", "m")))
        .await;
    let list = get(format!("{A}/shares").replace("imm", "m"));
    let (theirs, ours) = pair.ask(&list).await;
    assert_eq!(meaning(&theirs.body), "tag 258 [1]", "kinds mix there");
    assert_eq!(meaning(&ours.body), "tag 258 []");
    pair.finish();
}
