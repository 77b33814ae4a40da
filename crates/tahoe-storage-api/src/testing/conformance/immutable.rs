//! Promises about shares that are written once.

use super::*;
use ShareKind::Immutable;

const DATA: &[u8] = b"0123456789abcdefghijklmnopqrstuv";

/// Allocates share 3 for [`DATA`] in the name of `who`.
async fn allocate(
    service: &dyn StorageService,
    names: &Names<'_>,
    index: &StorageIndex,
    who: &str,
) -> Allocation {
    let answer = ask_for(service, names, who, index, [3], 32).await;
    answer.expect("allocate")
}

/// Writes a piece of [`DATA`] to share 3 in the name of `who`.
async fn write(
    service: &dyn StorageService,
    names: &Names<'_>,
    index: &StorageIndex,
    who: &str,
    piece: std::ops::Range<usize>,
) -> Result<WriteProgress, StorageError> {
    let offset = u64::try_from(piece.start).expect("small");
    let data = Bytes::from_static(&DATA[piece]);
    let secret = names.upload(who);
    service
        .write_share(index, ShareNumber(3), &secret, offset, data)
        .await
}

/// A share is neither listed nor read before its last byte is written.
pub async fn a_share_exists_once_it_is_complete(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "complete");
    let index = names.index("a");
    let allocation = allocate(service, &names, &index, "me").await;
    assert_allocation(&allocation, [], [3]);
    write(service, &names, &index, "me", 0..31).await.unwrap();
    let listed = service.list_shares(Immutable, &index).await.unwrap();
    assert_eq!(listed, numbers([]), "an incomplete share isn't listed");
    let read = whole(service, Immutable, &index, 3).await;
    assert!(matches!(read, Err(StorageError::NoSuchShare)), "{read:?}");
    let progress = write(service, &names, &index, "me", 31..32).await.unwrap();
    assert_eq!(progress, WriteProgress::Complete);
    let listed = service.list_shares(Immutable, &index).await.unwrap();
    assert_eq!(listed, numbers([3]));
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA);
}

/// Each write answers with the gaps that are left, in order and merged.
pub async fn progress_names_what_is_missing(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "progress");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    for (piece, missing) in [
        (10..12, vec![0..10, 12..32]),
        (20..32, vec![0..10, 12..20]),
        (12..15, vec![0..10, 15..20]),
        (0..10, vec![15..20]),
    ] {
        let progress = write(service, &names, &index, "me", piece).await.unwrap();
        assert_eq!(progress, WriteProgress::Partial { missing });
    }
    let progress = write(service, &names, &index, "me", 14..21).await.unwrap();
    assert_eq!(progress, WriteProgress::Complete);
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA);
}

/// A write that repeats bytes, wholly or in part, is taken.
pub async fn writing_the_same_bytes_again_is_harmless(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "same bytes");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    for piece in [4..8, 4..8, 2..6, 6..30] {
        write(service, &names, &index, "me", piece).await.unwrap();
    }
    let progress = write(service, &names, &index, "me", 0..32).await.unwrap();
    assert_eq!(progress, WriteProgress::Complete);
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA);
}

/// A write that disagrees with an earlier one in any byte is refused and has no effect.
pub async fn other_bytes_are_a_conflict(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "conflict");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    write(service, &names, &index, "me", 8..16).await.unwrap();
    let other = Bytes::from_static(b"01234567X");
    let conflict = service
        .write_share(&index, ShareNumber(3), &names.upload("me"), 0, other)
        .await;
    assert!(
        matches!(conflict, Err(StorageError::ConflictingWrite)),
        "{conflict:?}"
    );
    let progress = write(service, &names, &index, "me", 16..32).await.unwrap();
    let missing = vec![0..8];
    assert_eq!(progress, WriteProgress::Partial { missing }, "no effect");
    write(service, &names, &index, "me", 0..8).await.unwrap();
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA);
}

/// A write past the allocated size is refused and has no effect.
pub async fn writes_stay_inside_the_share(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "inside");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    for offset in [28, 32, 1 << 40] {
        let data = Bytes::from_static(b"beyond");
        let secret = names.upload("me");
        let answer = service
            .write_share(&index, ShareNumber(3), &secret, offset, data)
            .await;
        assert!(answer.is_err(), "at {offset}: {answer:?}");
    }
    let progress = write(service, &names, &index, "me", 0..32).await.unwrap();
    assert_eq!(progress, WriteProgress::Complete);
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA);
}

/// Writing needs the upload's secret and an upload in progress.
pub async fn an_upload_obeys_only_its_secret(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "secret");
    let index = names.index("a");
    let before = write(service, &names, &index, "me", 0..4).await;
    assert!(
        matches!(before, Err(StorageError::NoSuchShare)),
        "{before:?}"
    );
    allocate(service, &names, &index, "me").await;
    let other = write(service, &names, &index, "other", 0..4).await;
    assert!(
        matches!(other, Err(StorageError::BadUploadSecret)),
        "{other:?}"
    );
    write(service, &names, &index, "me", 0..32).await.unwrap();
    let late = write(service, &names, &index, "me", 0..4).await;
    assert!(matches!(late, Err(StorageError::NoSuchShare)), "{late:?}");
}

/// An allocation reports all complete shares, also ones it didn't ask for, and allocates the rest.
pub async fn shares_that_are_there_are_reported(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "reported");
    let index = names.index("a");
    put(service, &names, &index, 1, b"one!").await;
    put(service, &names, &index, 7, b"seven").await;
    let answer = ask_for(service, &names, "other", &index, [0, 1], 4).await;
    assert_allocation(&answer.unwrap(), [1, 7], [0]);
    let answer = ask_for(service, &names, "other", &index, [], 4).await;
    assert_allocation(&answer.unwrap(), [1, 7], []);
    let read = whole(service, Immutable, &index, 1).await.unwrap();
    assert_eq!(read, &b"one!"[..], "what is complete doesn't change");
}

/// While one upload writes a share, another gets it in neither set.
pub async fn an_upload_in_progress_is_not_given_to_another(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "in progress");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    let answer = ask_for(service, &names, "other", &index, [3, 4], 32).await;
    assert_allocation(&answer.unwrap(), [], [4]);
    let progress = write(service, &names, &index, "me", 0..32).await.unwrap();
    assert_eq!(progress, WriteProgress::Complete);
    let answer = ask_for(service, &names, "other", &index, [3], 32).await;
    assert_allocation(&answer.unwrap(), [3], []);
}

/// Who lost the answer to an allocation asks again and goes on where the writes stopped.
pub async fn a_repeated_allocation_names_the_same_shares(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "repeated");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    write(service, &names, &index, "me", 0..16).await.unwrap();
    let again = allocate(service, &names, &index, "me").await;
    let named = expected.allocation_repeats.then_some(3);
    assert_allocation(&again, [], named);
    let progress = write(service, &names, &index, "me", 16..32).await.unwrap();
    assert_eq!(progress, WriteProgress::Complete, "earlier writes count");
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA);
}

/// Of several uploads that ask at once for the same shares, each share goes to one.
pub async fn concurrent_allocations_give_a_share_once(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "race");
    let index = names.index("a");
    let ask = async |who: &str| {
        let answer = ask_for(service, &names, who, &index, 0..10, 32).await;
        answer.unwrap().allocated
    };
    let (a, b, c) = tokio::join!(ask("a"), ask("b"), ask("c"));
    let mut given: Vec<_> = a.iter().chain(&b).chain(&c).copied().collect();
    given.sort_unstable();
    assert_eq!(
        given,
        Vec::from_iter(numbers(0..10)),
        "each share exactly once"
    );
}

/// Aborting removes what was written and makes room for another upload.
pub async fn an_aborted_share_may_be_uploaded_again(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "abort");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    write(service, &names, &index, "me", 0..16).await.unwrap();
    service
        .abort_share(&index, ShareNumber(3), &names.upload("me"))
        .await
        .unwrap();
    let late = write(service, &names, &index, "me", 16..32).await;
    assert!(matches!(late, Err(StorageError::NoSuchShare)), "{late:?}");
    let other = allocate(service, &names, &index, "other").await;
    assert_allocation(&other, [], [3]);
    let progress = write(service, &names, &index, "other", 16..32).await;
    let missing = vec![0..16];
    assert_eq!(progress.unwrap(), WriteProgress::Partial { missing });
}

/// Aborting refuses unknown uploads, wrong secrets and complete shares.
pub async fn aborting_needs_an_upload_in_progress(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "abort errors");
    let index = names.index("a");
    let abort = async |who: &str| {
        let secret = names.upload(who);
        service.abort_share(&index, ShareNumber(3), &secret).await
    };
    let unknown = abort("me").await;
    assert!(
        matches!(unknown, Err(StorageError::NoSuchShare)),
        "{unknown:?}"
    );
    allocate(service, &names, &index, "me").await;
    let other = abort("other").await;
    assert!(
        matches!(other, Err(StorageError::BadUploadSecret)),
        "{other:?}"
    );
    write(service, &names, &index, "me", 0..32).await.unwrap();
    let complete = abort("me").await;
    assert!(
        matches!(complete, Err(StorageError::AlreadyComplete)),
        "{complete:?}"
    );
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA, "a refused abort has no effect");
}

/// Reads past the end are short or empty, never an error.
pub async fn reads_end_where_the_share_ends(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "read ends");
    let index = names.index("a");
    put(service, &names, &index, 0, DATA).await;
    for (asked, found) in [
        (range(0, 32), 0..32),
        (range(0, 33), 0..32),
        (range(0, 1), 0..1),
        (range(31, 1), 31..32),
        (range(30, 1000), 30..32),
        (range(5, 7), 5..12),
        (range(32, 5), 32..32),
        (range(1000, 5), 32..32),
    ] {
        let read = service.read_share(Immutable, &index, ShareNumber(0), asked);
        assert_eq!(read.await.unwrap(), &DATA[found], "{asked:?}");
    }
}

/// A storage index has room for every share number.
pub async fn all_256_shares_fit_one_storage_index(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "256");
    let index = names.index("a");
    let answer = ask_for(service, &names, "me", &index, 0..=255, 1).await;
    assert_allocation(&answer.unwrap(), [], 0..=255);
    let secret = names.upload("me");
    for number in 0..=255 {
        let data = Bytes::from(vec![number]);
        let progress = service
            .write_share(&index, ShareNumber(number), &secret, 0, data)
            .await;
        assert_eq!(progress.unwrap(), WriteProgress::Complete);
    }
    let listed = service.list_shares(Immutable, &index).await.unwrap();
    assert_eq!(listed, numbers(0..=255));
    let read = whole(service, Immutable, &index, 255).await.unwrap();
    assert_eq!(read, &[255][..]);
}

/// A share of three megabytes is written in pieces and read in other pieces.
pub async fn a_large_share_comes_back_whole(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "large");
    let index = names.index("a");
    let data: Bytes = (0..3_000_000u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let answer = ask_for(service, &names, "me", &index, [9], 3_000_000).await;
    assert_allocation(&answer.unwrap(), [], [9]);
    let secret = names.upload("me");
    let mut progress = None;
    for start in (0..data.len()).step_by(500_001) {
        let piece = data.slice(start..data.len().min(start + 500_001));
        let offset = u64::try_from(start).expect("small");
        let write = service.write_share(&index, ShareNumber(9), &secret, offset, piece);
        progress = Some(write.await.unwrap());
    }
    assert_eq!(progress, Some(WriteProgress::Complete));
    let mut found = Vec::new();
    while found.len() < data.len() {
        let asked = range(u64::try_from(found.len()).expect("small"), 700_000);
        let read = service.read_share(Immutable, &index, ShareNumber(9), asked);
        let read = read.await.unwrap();
        assert!(!read.is_empty(), "no end before the end");
        found.extend_from_slice(&read);
    }
    assert!(found == data, "the bytes are the same");
}

/// Concurrent writes of different pieces all count, and exactly one completes the share.
pub async fn pieces_of_a_share_may_be_written_concurrently(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "pieces");
    let index = names.index("a");
    allocate(service, &names, &index, "me").await;
    let piece = |range| write(service, &names, &index, "me", range);
    let (a, b, c, d) = tokio::join!(piece(24..32), piece(0..8), piece(16..24), piece(8..16));
    let answers = [a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()];
    let complete = |progress: &&WriteProgress| **progress == WriteProgress::Complete;
    assert_eq!(answers.iter().filter(complete).count(), 1, "{answers:?}");
    let read = whole(service, Immutable, &index, 3).await.unwrap();
    assert_eq!(read, DATA);
}
