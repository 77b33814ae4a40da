//! Promises about both kinds of shares, and about the service itself.

use super::*;
use crate::MAX_MUTABLE_SHARE_SIZE;
use ShareKind::{Immutable, Mutable};

/// What isn't there lists as nothing and reads as [`StorageError::NoSuchShare`].
pub async fn unknown_shares_are_not_found(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "unknown");
    let index = names.index("a");
    for kind in [Immutable, Mutable] {
        let listed = service.list_shares(kind, &index).await.unwrap();
        assert_eq!(listed, numbers([]));
        let read = service.read_share(kind, &index, ShareNumber(0), range(0, 1));
        let read = read.await;
        assert!(matches!(read, Err(StorageError::NoSuchShare)), "{read:?}");
    }
    put(service, &names, &index, 0, b"zero").await;
    let read = whole(service, Immutable, &index, 1).await;
    assert!(matches!(read, Err(StorageError::NoSuchShare)), "{read:?}");
}

/// The size of a share of either kind is known.
pub async fn the_size_of_a_share_is_known(service: &dyn StorageService, expected: &Expectations) {
    const DATA: &[u8] = b"0123456789abcdefghijklmnopqrstuv";
    let names = Names::new(expected, "size");
    let (immutable, mutable) = (names.index("immutable"), names.index("mutable"));
    for (kind, index) in [(Immutable, &immutable), (Mutable, &mutable)] {
        let unknown = service.share_size(kind, index, ShareNumber(0)).await;
        assert!(
            matches!(unknown, Err(StorageError::NoSuchShare)),
            "{unknown:?}"
        );
    }
    for (share, size) in [(0, 1), (1, 2), (2, 3), (3, 31), (4, 32)] {
        put(service, &names, &immutable, share, &DATA[..size]).await;
        let change = Change::new().write(share, 0, &DATA[..size]);
        change.apply(service, &mutable, &names.slot("me")).await;
        for (kind, index) in [(Immutable, &immutable), (Mutable, &mutable)] {
            let found = service.share_size(kind, index, ShareNumber(share)).await;
            assert_eq!(found.unwrap(), size as u64);
        }
    }
    let change = Change::new().name(5).new_length(4, 7);
    change.apply(service, &mutable, &names.slot("me")).await;
    for (share, size) in [(4, 7), (5, 0)] {
        let found = service
            .share_size(Mutable, &mutable, ShareNumber(share))
            .await;
        assert_eq!(found.unwrap(), size);
    }
}

/// The same share number under another storage index is another share.
pub async fn storage_indexes_are_independent(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "independent");
    let (a, b) = (names.index("a"), names.index("b"));
    put(service, &names, &a, 0, b"one").await;
    put(service, &names, &b, 0, b"other").await;
    assert_eq!(whole(service, Immutable, &a, 0).await.unwrap(), "one");
    assert_eq!(whole(service, Immutable, &b, 0).await.unwrap(), "other");
}

/// A lease can be added to what is there, of either kind, any number of times.
pub async fn a_lease_needs_a_share(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "lease");
    let (immutable, mutable) = (names.index("immutable"), names.index("mutable"));
    let missing = service.add_lease(&immutable, &names.lease("me")).await;
    assert!(
        matches!(missing, Err(StorageError::NoSuchShare)),
        "{missing:?}"
    );
    put(service, &names, &immutable, 0, b"data").await;
    let slot = names.slot("writer");
    let change = Change::new().write(1, 0, b"data");
    change.apply(service, &mutable, &slot).await;
    for who in ["a", "b", "a", "c", "d", "e", "f"] {
        let lease = names.lease(who);
        service.add_lease(&immutable, &lease).await.unwrap();
        service.add_lease(&mutable, &lease).await.unwrap();
    }
    let read = whole(service, Immutable, &immutable, 0).await.unwrap();
    assert_eq!(read, "data", "leases aren't data");
    let read = whole(service, Mutable, &mutable, 1).await.unwrap();
    assert_eq!(read, "data", "leases aren't data");
    let change = Change::new().write(1, 4, b" and more of it, past the old leases");
    change.apply(service, &mutable, &slot).await;
    let read = whole(service, Mutable, &mutable, 1).await.unwrap();
    assert_eq!(read, "data and more of it, past the old leases");
}

/// Corruption is reported of shares that exist, with a reason of reasonable length.
pub async fn advice_needs_a_share(service: &dyn StorageService, expected: &Expectations) {
    let names = Names::new(expected, "advice");
    let (immutable, mutable) = (names.index("immutable"), names.index("mutable"));
    let advise = async |kind, index, share, reason: &str| {
        let share = ShareNumber(share);
        service
            .advise_corrupt_share(kind, index, share, reason)
            .await
    };
    for (kind, index) in [(Immutable, &immutable), (Mutable, &mutable)] {
        let missing = advise(kind, index, 0, "bad block").await;
        assert!(
            matches!(missing, Err(StorageError::NoSuchShare)),
            "{missing:?}"
        );
    }
    put(service, &names, &immutable, 0, b"data").await;
    let change = Change::new().write(0, 0, b"data");
    change.apply(service, &mutable, &names.slot("writer")).await;
    let longest = "x".repeat(expected.longest_advice);
    let too_long = "x".repeat(crate::MAX_ADVICE_LENGTH + 1);
    for (kind, index) in [(Immutable, &immutable), (Mutable, &mutable)] {
        for reason in ["x", "bad block 7: ö and \n newline", longest.as_str()] {
            advise(kind, index, 0, reason).await.unwrap();
        }
        for reason in ["", too_long.as_str()] {
            let refused = advise(kind, index, 0, reason).await;
            assert!(
                matches!(refused, Err(StorageError::InvalidRequest { .. })),
                "{refused:?}"
            );
        }
        let missing = advise(kind, index, 1, "bad block").await;
        assert!(
            matches!(missing, Err(StorageError::NoSuchShare)),
            "{missing:?}"
        );
    }
}

/// A storage index that holds one kind of shares has none of the other.
pub async fn kinds_do_not_mix(service: &dyn StorageService, expected: &Expectations) {
    if !expected.kinds_are_separate {
        return;
    }
    let names = Names::new(expected, "kinds");
    let (immutable, mutable) = (names.index("immutable"), names.index("mutable"));
    let slot = names.slot("writer");
    put(service, &names, &immutable, 0, b"data").await;
    let change = Change::new().write(0, 0, b"data");
    change.apply(service, &mutable, &slot).await;
    for (kind, index) in [(Mutable, &immutable), (Immutable, &mutable)] {
        let listed = service.list_shares(kind, index).await.unwrap();
        assert_eq!(listed, numbers([]), "no {kind:?}");
        let read = whole(service, kind, index, 0).await;
        assert!(matches!(read, Err(StorageError::NoSuchShare)), "{read:?}");
    }
    let change = Change::new().write(0, 0, b"other").write(1, 0, b"other");
    let refused = change.ask(service, &immutable, &slot).await;
    assert!(refused.is_err(), "{refused:?}");
    let refused = ask_for(service, &names, "me", &mutable, [0, 1], 4).await;
    assert!(refused.is_err(), "{refused:?}");
    let read = whole(service, Immutable, &immutable, 0).await.unwrap();
    assert_eq!(read, "data");
    let read = whole(service, Mutable, &mutable, 0).await.unwrap();
    assert_eq!(read, "data");
}

/// The server names itself and its limits.
pub async fn the_version_is_plausible(service: &dyn StorageService, _: &Expectations) {
    let version = service.version().await.unwrap();
    assert!(!version.application_version.is_empty());
    assert_eq!(version.maximum_mutable_share_size, MAX_MUTABLE_SHARE_SIZE);
    assert!(version.available_space > 0, "a test server has room");
    assert_eq!(
        version.maximum_immutable_share_size,
        version.available_space
    );
}
