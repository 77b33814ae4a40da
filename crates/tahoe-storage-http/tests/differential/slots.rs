//! Slots.

use super::pair::Pair;
use super::requests::{SLOT, advice, allocate, allocation, cbor, get, with_lease};
use super::support::raw::Raw;

/// One share of a change: tests, writes, new length.
type Vectors<'a> = (
    u64,
    &'a [(u64, u64, &'a [u8])],
    &'a [(u64, &'a [u8])],
    Option<u64>,
);

fn change(vectors: &[Vectors<'_>], reads: &[(u64, u64)]) -> Vec<u8> {
    cbor(|e| {
        e.map(2)?
            .str("test-write-vectors")?
            .map(vectors.len() as u64)?;
        for (share, tests, writes, new_length) in vectors {
            e.u64(*share)?
                .map(3)?
                .str("test")?
                .array(tests.len() as u64)?;
            for (offset, size, specimen) in *tests {
                e.map(3)?
                    .str("offset")?
                    .u64(*offset)?
                    .str("size")?
                    .u64(*size)?;
                e.str("specimen")?.bytes(specimen)?;
            }
            e.str("write")?.array(writes.len() as u64)?;
            for (offset, data) in *writes {
                e.map(2)?
                    .str("offset")?
                    .u64(*offset)?
                    .str("data")?
                    .bytes(data)?;
            }
            e.str("new-length")?;
            match new_length {
                Some(length) => e.u64(*length)?,
                None => e.null()?,
            };
        }
        e.str("read-vector")?.array(reads.len() as u64)?;
        for (offset, size) in reads {
            e.map(2)?
                .str("offset")?
                .u64(*offset)?
                .str("size")?
                .u64(*size)?;
        }
        Ok(())
    })
}

fn write_slot(body: Vec<u8>) -> Raw {
    write_slot_with(&[4; 32], body)
}

fn write_slot_with(enabler: &[u8], body: Vec<u8>) -> Raw {
    with_lease(Raw::new("POST", format!("{SLOT}/read-test-write")))
        .secret("write-enabler", enabler)
        .body(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots() {
    let mut pair = Pair::start().await;
    let list = || get(format!("{SLOT}/shares"));
    let read = |share: u8| get(format!("{SLOT}/{share}"));
    pair.same("list nothing", 200, list()).await;
    pair.same("read nothing", 404, read(0)).await;
    pair.same("ask nothing", 200, write_slot(change(&[], &[(0, 10)])))
        .await;
    let create = change(
        &[
            (0, &[], &[(0, b"hello")], None),
            (3, &[], &[(0, b"three")], None),
        ],
        &[],
    );
    pair.same("create", 200, write_slot(create)).await;
    pair.same("list", 200, list()).await;
    pair.same("read", 200, read(3)).await;
    for (range, status) in [
        ("bytes=1-2", 206),
        ("bytes=1-20", 206),
        ("bytes=5-20", 204),
        ("bytes=5-", 416),
    ] {
        pair.same(range, status, read(3).header("Range", range))
            .await;
    }
    let reads = change(&[], &[(1, 3), (4, 100), (100, 1), (1 << 63, u64::MAX)]);
    pair.same("reads", 200, write_slot(reads)).await;
    let tests: &[_] = &[(0, 5, &b"hello"[..])];
    let good = change(&[(0, tests, &[(0, b"J")], None)], &[(0, 5)]);
    pair.same("test holds", 200, write_slot(good.clone())).await;
    pair.same("test fails", 200, write_slot(good.clone())).await;
    pair.same(
        "wrong enabler",
        401,
        write_slot_with(&[5; 32], good.clone()),
    )
    .await;
    pair.same(
        "wrong enabler reads",
        401,
        write_slot_with(&[5; 32], change(&[], &[])),
    )
    .await;
    let no_enabler = with_lease(Raw::new("POST", format!("{SLOT}/read-test-write")));
    pair.same("no enabler", 400, no_enabler.body(good.clone()))
        .await;
    let short = write_slot_with(&[4; 31], good.clone());
    pair.differ("enabler of 31 bytes", (401, 400), short).await;
    let many_tests = [(0, 0, &b""[..]); 31];
    for (what, status, body) in [
        ("31 tests", 400, change(&[(0, &many_tests, &[], None)], &[])),
        (
            "30 tests",
            200,
            change(&[(0, &many_tests[1..], &[], None)], &[]),
        ),
        ("31 reads", 400, change(&[], &[(0, 0); 31])),
        ("30 reads", 200, change(&[], &[(0, 0); 30])),
        (
            "100 writes",
            200,
            change(&[(0, &[], &[(0, &b""[..]); 100], None)], &[]),
        ),
        ("hole", 200, change(&[(0, &[], &[(10, b"Q")], None)], &[])),
        ("cut", 200, change(&[(0, &[], &[], Some(12))], &[])),
        (
            "longer",
            200,
            change(&[(0, &[], &[], Some(30))], &[(0, 100)]),
        ),
        (
            "write and cut",
            200,
            change(&[(0, &[], &[(0, b"0123456789abc")], Some(4))], &[]),
        ),
        (
            "new share without writes",
            200,
            change(&[(6, &[], &[], None)], &[]),
        ),
        (
            "several writes",
            200,
            change(
                &[(6, &[], &[(0, b"aaaa"), (2, b"bb"), (1, b"c")], None)],
                &[],
            ),
        ),
        (
            "delete",
            200,
            change(&[(0, &[], &[], Some(0))], &[(0, 100)]),
        ),
        (
            "delete nothing",
            200,
            change(&[(7, &[], &[(0, b"x")], Some(0))], &[(0, 100)]),
        ),
        (
            "test nothing",
            200,
            change(&[(7, &[(0, 1, b"")], &[(0, b"x")], None)], &[]),
        ),
    ] {
        pair.same(what, status, write_slot(body)).await;
        pair.same(
            &format!("{what}: read"),
            if matches!(what, "delete" | "delete nothing" | "test nothing") {
                404
            } else {
                200
            },
            read(0),
        )
        .await;
    }
    pair.same("read 6", 200, read(6)).await;
    pair.same("read 7", 200, read(7)).await;
    for (what, status, body) in [
        ("nothing", 400, vec![]),
        ("a key too few", 400, b"\xa1\x72test-write-vectors\xa0".to_vec()),
        ("no new-length", 400, b"\xa2\x72test-write-vectors\xa1\x00\xa2\x64test\x80\x65write\x80\x6bread-vector\x80".to_vec()),
        ("text specimen", 400, b"\xa2\x72test-write-vectors\xa1\x00\xa3\x64test\x81\xa3\x66offset\x00\x64size\x00\x68specimen\x60\x65write\x80\x6anew-length\xf6\x6bread-vector\x80".to_vec()),
        ("text reads", 400, b"\xa2\x72test-write-vectors\xa0\x6bread-vector\x60".to_vec()),
        ("data in parts", 200, b"\xa2\x72test-write-vectors\xa1\x06\xa3\x64test\x80\x65write\x81\xa2\x66offset\x00\x64data\x5f\x42ab\x41c\xff\x6anew-length\xf6\x6bread-vector\x80".to_vec()),
        ("undefined length", 200, b"\xa2\x72test-write-vectors\xa1\x06\xa3\x64test\x80\x65write\x80\x6anew-length\xf7\x6bread-vector\x80".to_vec()),
    ] {
        pair.same(what, status, write_slot(body)).await;
    }
    pair.same("read 6 again", 200, read(6)).await;
    let html = write_slot(good.clone()).header("Content-Type", "text/html");
    pair.same("HTML", 415, html).await;
    let share_300 = change(&[(300, &[], &[(0, b"x")], None)], &[]);
    let elsewhere = SLOT.replace("cc", "dd");
    let elsewhere = with_lease(Raw::new("POST", format!("{elsewhere}/read-test-write")));
    let elsewhere = elsewhere.secret("write-enabler", &[4; 32]).body(share_300);
    pair.differ("share 300", (200, 400), elsewhere).await;
    let beyond = change(&[(6, &[], &[(1 << 60, b"x")], None)], &[]);
    pair.differ("too far", (500, 400), write_slot(beyond)).await;
    let twice = b"\xa2\x72test-write-vectors\xa2\x06\xa3\x64test\x80\x65write\x80\x6anew-length\xf6\x06\xa3\x64test\x80\x65write\x80\x6anew-length\xf6\x6bread-vector\x80";
    pair.differ("share twice", (200, 400), write_slot(twice.to_vec()))
        .await;
    let corrupt = |share: u8, reason: &str| {
        Raw::new("POST", format!("{SLOT}/{share}/corrupt")).body(advice(reason))
    };
    pair.same("advice", 200, corrupt(3, "bad")).await;
    pair.same("empty advice", 400, corrupt(3, "")).await;
    pair.same("advice on nothing", 404, corrupt(9, "bad")).await;
    let lease = with_lease(Raw::new("PUT", SLOT.replace("mutable", "lease")));
    pair.same("lease", 204, lease).await;
    let as_immutable = SLOT.replace("mutable", "immutable");
    pair.differ(
        "list as immutable",
        (500, 200),
        get(format!("{as_immutable}/shares")),
    )
    .await;
    pair.differ(
        "read as immutable",
        (500, 404),
        get(format!("{as_immutable}/3")),
    )
    .await;
    let body = allocation(&[1], 10);
    pair.differ(
        "allocate on a slot",
        (500, 400),
        allocate(&as_immutable, body),
    )
    .await;
    let refused = write_slot(change(&[(3, &[], &[(0, b"zzz")], None)], &[]));
    pair.same("refused answer", 406, refused.header("Accept", "text/html"))
        .await;
    let (theirs, ours) = pair.ask(&read(3)).await;
    assert_eq!(theirs.body, b"zzzee", "406 comes too late there");
    assert_eq!(ours.body, b"three");
    pair.finish();
}
