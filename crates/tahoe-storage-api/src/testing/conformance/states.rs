//! Promises of services in a special state; the caller brings the service into it.

use super::*;
use ShareKind::{Immutable, Mutable};

/// A read-only server takes no immutable share, says so, and goes on changing slots.
pub async fn a_read_only_server_changes_only_slots(
    service: &dyn StorageService,
    expected: &Expectations,
) {
    let names = Names::new(expected, "read only");
    let index = names.index("a");
    let version = service.version().await.unwrap();
    assert_eq!(version.available_space, 0);
    assert_eq!(version.maximum_immutable_share_size, 0);
    let answer = ask_for(service, &names, "me", &index, [0, 1], 4).await;
    assert_allocation(&answer.unwrap(), [], []);
    let listed = service.list_shares(Immutable, &index).await.unwrap();
    assert_eq!(listed, numbers([]));
    let (mutable, slot) = (names.index("mutable"), names.slot("writer"));
    let change = Change::new().write(0, 0, b"data");
    change.apply(service, &mutable, &slot).await;
    let read = whole(service, Mutable, &mutable, 0).await.unwrap();
    assert_eq!(read, "data");
}

/// A server takes the shares for which it has room, counting uploads in progress.
///
/// `space` is what the server says is free; it may change by a tenth while this runs.
pub async fn a_full_server_takes_what_fits(
    service: &dyn StorageService,
    expected: &Expectations,
    space: u64,
) {
    let names = Names::new(expected, "full");
    let allocate = async |index: &str, shares: std::ops::Range<u8>, size: u64| {
        let index = names.index(index);
        let answer = ask_for(service, &names, "me", &index, shares, size).await;
        answer.unwrap().allocated.len()
    };
    // Three parts fit, a fourth doesn't.
    let part = space / 10 * 3;
    assert_eq!(allocate("a", 0..1, space * 2).await, 0);
    assert_eq!(allocate("a", 0..4, part).await, 3);
    assert_eq!(allocate("b", 0..1, part).await, 0, "all reserved");
    service
        .abort_share(&names.index("a"), ShareNumber(0), &names.upload("me"))
        .await
        .unwrap();
    assert_eq!(allocate("b", 0..2, part).await, 1, "one aborted");
}
