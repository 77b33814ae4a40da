use super::*;
use crate::happiness::servers_of_happiness;
use proptest::prelude::*;

fn id(name: &str) -> ServerId {
    ServerId::new(name)
}

fn candidates(writable: &[&str], read_only: &[&str], existing: &[(&str, &[u8])]) -> Candidates {
    Candidates {
        writable: writable.iter().map(|name| id(name)).collect(),
        read_only: read_only.iter().map(|name| id(name)).collect(),
        existing: existing
            .iter()
            .map(|(name, shares)| (id(name), shares.iter().map(|n| ShareNumber(*n)).collect()))
            .collect(),
    }
}

/// Writes the server of each share in order of the share numbers.
fn check(candidates: &Candidates, shares_total: u16, expected: &str) {
    let plan = place_shares(candidates, shares_total);
    let servers: Vec<&str> = plan.values().map(ServerId::as_str).collect();
    assert_eq!(servers.join(" "), expected, "{candidates:?}");
    let numbers = plan.keys().map(|share| u16::from(share.0));
    assert!(expected.is_empty() || numbers.eq(0..shares_total));
}

#[test]
fn a_new_file_goes_round_the_servers() {
    check(&candidates(&["c", "a", "b"], &[], &[]), 3, "c a b");
    check(&candidates(&["c", "a", "b"], &[], &[]), 2, "c a");
    check(&candidates(&["c", "a"], &[], &[]), 5, "c a c a c");
    check(&candidates(&["a"], &[], &[]), 1, "a");
}

#[test]
fn nothing_is_placed_when_nobody_accepts_shares() {
    check(&candidates(&[], &["a"], &[("a", &[0])]), 3, "");
}

#[test]
fn existing_shares_stay_and_the_others_get_servers_of_their_own() {
    let found = candidates(&["a", "b", "c"], &[], &[("b", &[2])]);
    // The first server is asked for the share that the second one has: the original's habit.
    check(&found, 3, "b c a");
    let found = candidates(
        &["a", "b", "c"],
        &[],
        &[("a", &[2]), ("b", &[0]), ("c", &[1])],
    );
    check(&found, 3, "b c a");
}

#[test]
fn shares_on_read_only_servers_count_first() {
    let found = candidates(&["a", "b"], &["r"], &[("r", &[1])]);
    check(&found, 3, "a r b");
}

#[test]
fn refused_shares_go_where_they_add_to_the_happiness() {
    let mut placed = ShareMap::new();
    for (share, server) in [(0, "a"), (2, "c"), (3, "a"), (4, "d")] {
        placed
            .entry(ShareNumber(share))
            .or_default()
            .insert(id(server));
    }
    let writable = [id("a"), id("c"), id("d"), id("e")];
    let plan = rehome(&writable, &placed, &[ShareNumber(1), ShareNumber(5)].into());
    assert_eq!(plan[&ShareNumber(1)], id("e"));
    assert_eq!(plan[&ShareNumber(5)], id("c"));
    assert!(rehome(&[], &placed, &[ShareNumber(1)].into()).is_empty());
}

proptest! {
    #[test]
    fn every_share_gets_a_server_and_new_files_are_spread_as_far_as_possible(
        servers in 1usize..30,
        shares_total in 1u16..=256,
    ) {
        let writable: Vec<ServerId> = (0..servers).map(|n| id(&format!("s{n}"))).collect();
        let found = Candidates { writable, ..Candidates::default() };
        let plan = place_shares(&found, shares_total);
        prop_assert_eq!(plan.len(), usize::from(shares_total));
        let map: ShareMap = plan.into_iter().map(|(share, on)| (share, [on].into())).collect();
        let expected = servers.min(usize::from(shares_total));
        prop_assert_eq!(servers_of_happiness(&map), expected);
    }
}
