//! Promises about mutable slots.

use super::*;
use crate::{MAX_MUTABLE_SHARE_SIZE, MAX_READ_VECTORS, MAX_TEST_VECTORS};
use ShareKind::Mutable;

/// Asserts what a share of a slot holds.
async fn assert_holds(
    service: &dyn StorageService,
    index: &StorageIndex,
    share: u8,
    expected: impl AsRef<[u8]>,
) {
    let found = whole(service, Mutable, index, share).await.unwrap();
    assert_eq!(found, expected.as_ref(), "share {share}");
}

async fn assert_lists(
    service: &dyn StorageService,
    index: &StorageIndex,
    expected: impl IntoIterator<Item = u8>,
) {
    let listed = service.list_shares(Mutable, index).await.unwrap();
    assert_eq!(listed, numbers(expected));
}

/// The first change of a storage index makes its slot, with as many shares as it names.
pub async fn a_slot_is_made_by_the_first_change(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "slot");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().read(0, 10);
    let outcome = change.apply(service, &index, &slot).await;
    assert!(outcome.data.is_empty(), "nothing to read");
    assert_lists(service, &index, []).await;
    let change = Change::new().write(0, 0, b"zero").write(5, 0, b"five");
    let outcome = change.apply(service, &index, &slot).await;
    assert!(outcome.data.is_empty(), "nothing was there before");
    assert_lists(service, &index, [0, 5]).await;
    assert_holds(service, &index, 0, "zero").await;
    assert_holds(service, &index, 5, "five").await;
    for (asked, found) in [
        (range(1, 2), "er"),
        (range(2, 9), "ro"),
        (range(4, 1), ""),
        (range(1 << 40, 1), ""),
    ] {
        let read = service.read_share(Mutable, &index, ShareNumber(0), asked);
        assert_eq!(read.await.unwrap(), found, "{asked:?}");
    }
}

/// A test compares the bytes in its range; what lies past the end of the share is absent.
pub async fn tests_compare_what_is_there(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "tests");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"0123456789");
    change.apply(service, &index, &slot).await;
    for (offset, size, specimen, holds) in [
        (0, 10, "0123456789", true),
        (0, 100, "0123456789", true),
        (2, 3, "234", true),
        (8, 5, "89", true),
        (10, 5, "", true),
        (1 << 40, 5, "", true),
        (0, 0, "", true),
        (2, 3, "235", false),
        (2, 3, "23", false),
        (2, 3, "2345", false),
        (10, 1, "\0", false),
        (8, 5, "89\0\0\0", false),
    ] {
        let change = Change::new().test(0, offset, size, specimen.as_bytes());
        let outcome = change.ask(service, &index, &slot).await.unwrap();
        assert_eq!(outcome.success, holds, "{specimen:?} at {offset}+{size}");
    }
}

/// A share that doesn't exist has no bytes for a test to find.
pub async fn a_missing_share_tests_as_empty(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "missing");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().test(0, 0, 1, b"x").write(0, 0, b"data");
    let outcome = change.ask(service, &index, &slot).await.unwrap();
    assert!(!outcome.success);
    assert_lists(service, &index, []).await;
    let change = Change::new().test(0, 0, 1, b"").write(0, 0, b"data");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, "data").await;
    let change = Change::new().test(0, 0, 1, b"").write(0, 0, b"other");
    let outcome = change.ask(service, &index, &slot).await.unwrap();
    assert!(!outcome.success, "the share exists now");
    assert_holds(service, &index, 0, "data").await;
}

/// If one test fails, nothing is written, made or deleted, and the reads are answered.
pub async fn a_failed_test_changes_nothing(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "failed");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"zero").write(1, 0, b"one");
    change.apply(service, &index, &slot).await;
    let change = Change::new()
        .test(0, 0, 4, b"zero")
        .test(0, 0, 4, b"ZERO")
        .write(0, 0, b"other")
        .new_length(1, 0)
        .write(2, 0, b"two")
        .read(1, 2);
    let outcome = change.ask(service, &index, &slot).await.unwrap();
    assert!(!outcome.success);
    let data = |text: &'static str| vec![Bytes::from_static(text.as_bytes())];
    let found = BTreeMap::from([(ShareNumber(0), data("er")), (ShareNumber(1), data("ne"))]);
    assert_eq!(outcome.data, found);
    assert_lists(service, &index, [0, 1]).await;
    assert_holds(service, &index, 0, "zero").await;
    assert_holds(service, &index, 1, "one").await;
}

/// A failed test of one share keeps the others from being written.
pub async fn tests_of_all_shares_must_hold(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "all tests");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"zero").write(9, 0, b"nine");
    change.apply(service, &index, &slot).await;
    for failing in [0, 9] {
        let change = Change::new()
            .test(failing, 0, 4, b"nope")
            .write(0, 0, b"new!")
            .write(9, 0, b"new!");
        let outcome = change.ask(service, &index, &slot).await.unwrap();
        assert!(!outcome.success);
    }
    assert_holds(service, &index, 0, "zero").await;
    assert_holds(service, &index, 9, "nine").await;
}

/// The reads of a change return every share of the slot as it was before the change.
pub async fn reads_see_the_state_before_the_change(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "reads before");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"zero").write(1, 0, b"first");
    change.apply(service, &index, &slot).await;
    let change = Change::new()
        .write(0, 0, b"ZERO")
        .write(2, 0, b"two")
        .read(0, 5)
        .read(3, 5)
        .read(0, 0)
        .read(50, 5);
    let outcome = change.apply(service, &index, &slot).await;
    let data = |texts: [&'static str; 4]| texts.map(|t| Bytes::from_static(t.as_bytes())).to_vec();
    let found = BTreeMap::from([
        (ShareNumber(0), data(["zero", "o", "", ""])),
        (ShareNumber(1), data(["first", "st", "", ""])),
    ]);
    assert_eq!(outcome.data, found);
    assert_holds(service, &index, 0, "ZERO").await;
    assert_holds(service, &index, 2, "two").await;
}

/// Later writes of one change overwrite earlier ones.
pub async fn writes_happen_in_order(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "order");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new()
        .write(0, 4, b"bbbb")
        .write(0, 0, b"aaaaaa")
        .write(0, 2, b"c");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, "aacaaabb").await;
    let change = Change::new().write(0, 3, b"dd");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, "aacddabb").await;
}

/// A write past the end leaves zeros between.
pub async fn holes_are_filled_with_zeros(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "holes");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 3, b"x");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, b"\0\0\0x").await;
    let change = Change::new().write(0, 1000, b"y");
    change.apply(service, &index, &slot).await;
    let mut found = b"\0\0\0x".to_vec();
    found.resize(1000, 0);
    found.push(b'y');
    assert_holds(service, &index, 0, found).await;
}

/// A write of no bytes past the end makes the share that long.
pub async fn an_empty_write_extends_a_share(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "empty write");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"x").write(0, 3, b"");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, b"x\0\0").await;
    let change = Change::new().write(0, 1, b"");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, b"x\0\0").await;
}

/// A new length cuts the share after the writes; a greater one than the share's has no effect.
pub async fn a_new_length_only_shortens(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "new length");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"0123456789").new_length(0, 8);
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, "01234567").await;
    let change = Change::new().new_length(0, 100);
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, "01234567").await;
    let change = Change::new().new_length(0, 2);
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, "01").await;
}

/// Bytes that a new length cut off are zeros when the share grows again.
pub async fn what_was_cut_off_does_not_come_back(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "cut off");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"0123456789").new_length(0, 2);
    change.apply(service, &index, &slot).await;
    let change = Change::new().write(0, 6, b"x");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, b"01\0\0\0\0x").await;
}

/// A new length of zero deletes the share, whatever is written, and is harmless without a share.
pub async fn a_new_length_of_zero_deletes(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "delete");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().new_length(0, 0);
    change.apply(service, &index, &slot).await;
    assert_lists(service, &index, []).await;
    let change = Change::new().write(0, 0, b"zero").write(1, 0, b"one");
    change.apply(service, &index, &slot).await;
    let change = Change::new().write(0, 0, b"other").new_length(0, 0);
    let change = change.test(0, 0, 4, b"zero").read(0, 4);
    let outcome = change.apply(service, &index, &slot).await;
    assert_eq!(outcome.data[&ShareNumber(0)], ["zero"]);
    assert_lists(service, &index, [1]).await;
    let read = whole(service, Mutable, &index, 0).await;
    assert!(matches!(read, Err(StorageError::NoSuchShare)), "{read:?}");
    let change = Change::new().new_length(1, 0);
    change.apply(service, &index, &slot).await;
    assert_lists(service, &index, []).await;
    let change = Change::new().write(1, 2, b"x");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 1, b"\0\0x").await;
}

/// Naming a share without a write makes it, empty.
pub async fn a_named_share_is_made_without_writes(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "named");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().name(4).new_length(5, 10);
    change.apply(service, &index, &slot).await;
    assert_lists(service, &index, [4, 5]).await;
    assert_holds(service, &index, 4, "").await;
    assert_holds(service, &index, 5, "").await;
}

/// Every share of a slot must have the write enabler that is presented, also those not named.
pub async fn only_the_write_enabler_changes_a_slot(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "enabler");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, b"zero").write(1, 0, b"one");
    change.apply(service, &index, &slot).await;
    for change in [
        Change::new().write(0, 0, b"other"),
        Change::new().write(7, 0, b"other"),
        Change::new().new_length(0, 0),
        Change::new().test(0, 0, 4, b"nope").write(0, 0, b"other"),
        Change::new().read(0, 10),
    ] {
        let refused = change.ask(service, &index, &names.slot("other")).await;
        let Err(StorageError::BadWriteEnabler { recorded_by }) = refused else {
            panic!("{refused:?}");
        };
        let named = expected.bad_write_enabler_names_recorder;
        assert_eq!(recorded_by.is_some(), named);
    }
    assert_lists(service, &index, [0, 1]).await;
    assert_holds(service, &index, 0, "zero").await;
}

/// Once all shares are deleted, the next writer's enabler is recorded.
pub async fn a_deleted_slot_takes_another_write_enabler(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "another enabler");
    let (index, slot, other) = (names.index("a"), names.slot("me"), names.slot("other"));
    let change = Change::new().write(0, 0, b"mine");
    change.apply(service, &index, &slot).await;
    let change = Change::new().new_length(0, 0);
    change.apply(service, &index, &slot).await;
    let change = Change::new().write(0, 0, b"other");
    change.apply(service, &index, &other).await;
    assert_holds(service, &index, 0, "other").await;
    let change = Change::new().write(0, 0, b"mine");
    let refused = change.ask(service, &index, &slot).await;
    assert!(
        matches!(refused, Err(StorageError::BadWriteEnabler { .. })),
        "{refused:?}"
    );
}

/// 30 test vectors of a share and 30 read vectors are taken, one more isn't.
pub async fn too_many_vectors_are_refused(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "limits");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let tests = |count| (0..count).fold(Change::new(), |change, _| change.test(0, 0, 4, b""));
    let reads = |count| (0..count).fold(Change::new(), |change, _| change.read(0, 4));
    reads(MAX_READ_VECTORS).apply(service, &index, &slot).await;
    for change in [
        tests(MAX_TEST_VECTORS + 1).write(0, 0, b"data"),
        reads(MAX_READ_VECTORS + 1).write(0, 0, b"data"),
    ] {
        let refused = change.ask(service, &index, &slot).await;
        assert!(
            matches!(refused, Err(StorageError::InvalidRequest { .. })),
            "{refused:?}"
        );
    }
    assert_lists(service, &index, []).await;
    let change = tests(MAX_TEST_VECTORS).write(0, 0, b"data");
    change.apply(service, &index, &slot).await;
    assert_holds(service, &index, 0, "data").await;
}

/// A write past the largest share size is refused.
pub async fn no_share_grows_past_the_limit(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "oversize");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(1, 0, b"data");
    change.apply(service, &index, &slot).await;
    let change = Change::new()
        .write(1, 0, b"DATA")
        .write(1, MAX_MUTABLE_SHARE_SIZE, b"x");
    let refused = change.ask(service, &index, &slot).await;
    assert!(refused.is_err(), "{refused:?}");
    if expected.oversized_change_is_atomic {
        assert_holds(service, &index, 1, "data").await;
    }
}

/// Of concurrent changes that all test for the same state, one succeeds.
pub async fn concurrent_changes_are_serialised(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "serialised");
    let (index, slot) = (names.index("a"), names.slot("me"));
    let change = Change::new().write(0, 0, &[0]);
    change.apply(service, &index, &slot).await;
    for round in 0..8u8 {
        let advance = || {
            let change = Change::new().test(0, 0, 1, &[round]);
            change.write(0, 0, &[round + 1]).ask(service, &index, &slot)
        };
        let (a, b, c) = tokio::join!(advance(), advance(), advance());
        let successes = [a, b, c].map(|outcome| u8::from(outcome.unwrap().success));
        assert_eq!(successes.iter().sum::<u8>(), 1, "round {round}");
    }
    assert_holds(service, &index, 0, [8]).await;
}
