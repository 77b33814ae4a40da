//! How well shares are spread: the largest matching between servers and the shares they hold.
//!
//! *Servers of happiness* is the largest number of servers each of which can be made to stand for a
//! different share. Any k of those servers hold k distinct shares, so the file survives the loss of
//! all but k of them. The specification is `servers-of-happiness.rst` of Tahoe-LAFS.

use std::collections::{BTreeMap, BTreeSet};
use tahoe_crypto::ServerId;
use tahoe_storage_api::ShareNumber;

/// Which servers hold, or will hold, each share.
pub type ShareMap = BTreeMap<ShareNumber, BTreeSet<ServerId>>;

/// Counts the servers of a largest matching of servers and shares.
pub fn servers_of_happiness<S: Ord + Clone>(shares: &BTreeMap<S, BTreeSet<ServerId>>) -> usize {
    matched_servers(shares).len()
}

/// Counts the servers that hold any share.
pub(crate) fn servers_with_shares(shares: &ShareMap) -> usize {
    shares.values().flatten().collect::<BTreeSet<_>>().len()
}

/// Finds a largest matching: each server of the answer stands for a different share.
pub(crate) fn matched_servers<S: Ord + Clone>(
    shares: &BTreeMap<S, BTreeSet<ServerId>>,
) -> BTreeMap<&ServerId, S> {
    let mut matching = BTreeMap::new();
    for share in shares.keys() {
        augment(shares, share, &mut BTreeSet::new(), &mut matching);
    }
    matching
}

/// Finds a server for `share`, moving the shares of other servers if that frees one.
fn augment<'a, S: Ord + Clone>(
    shares: &'a BTreeMap<S, BTreeSet<ServerId>>,
    share: &S,
    tried: &mut BTreeSet<&'a ServerId>,
    matching: &mut BTreeMap<&'a ServerId, S>,
) -> bool {
    for server in shares.get(share).into_iter().flatten() {
        if !tried.insert(server) {
            continue;
        }
        let free = match matching.get(server).cloned() {
            None => true,
            Some(other) => augment(shares, &other, tried, matching),
        };
        if free {
            matching.insert(server, share.clone());
            return true;
        }
    }
    false
}

/// Shares are, or would be, on too few servers, or too unevenly spread over them.
///
/// It prints the sentence that users of Tahoe know, in one of three variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// How many servers hold any share.
    pub servers_with_shares: usize,
    /// The happiness that was reached.
    pub happiness: usize,
    /// Shares that suffice to read the file.
    pub shares_needed: u16,
    /// The happiness that was wanted.
    pub shares_happy: u16,
}

impl std::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            servers_with_shares: servers,
            happiness,
            shares_needed: k,
            shares_happy: happy,
        } = self;
        if *servers < usize::from(*k) {
            write!(
                f,
                "shares could be placed or found on only {servers} server(s). We were asked to \
                 place shares on at least {happy} server(s) such that any {k} of them have enough \
                 shares to recover the file."
            )
        } else if *happiness < usize::from(*k) {
            write!(
                f,
                "shares could be placed or found on {servers} server(s), but they are not spread \
                 out evenly enough to ensure that any {k} of these servers would have enough \
                 shares to recover the file. We were asked to place shares on at least {happy} \
                 servers such that any {k} of them have enough shares to recover the file."
            )
        } else {
            write!(
                f,
                "shares could be placed on only {happiness} server(s) such that any {k} of them \
                 have enough shares to recover the file, but we were asked to place shares on at \
                 least {happy} such servers."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share_map(edges: &[(u8, u8)]) -> ShareMap {
        let mut shares = ShareMap::new();
        for (share, server) in edges {
            let server = ServerId::new(format!("server-{server}"));
            shares
                .entry(ShareNumber(*share))
                .or_default()
                .insert(server);
        }
        shares
    }

    /// Tries every assignment of servers to shares.
    fn brute_force(shares: &[Vec<&ServerId>], used: &mut BTreeSet<ServerId>) -> usize {
        let Some((holders, rest)) = shares.split_first() else {
            return 0;
        };
        let mut best = brute_force(rest, used);
        for server in holders {
            if used.insert((*server).clone()) {
                best = best.max(1 + brute_force(rest, used));
                used.remove(server);
            }
        }
        best
    }

    #[test]
    fn five_servers_can_be_happy_with_shared_shares() {
        // The layout that the reference's documentation discusses.
        let edges = [
            (1, 1),
            (2, 1),
            (3, 1),
            (4, 1),
            (6, 2),
            (3, 3),
            (4, 4),
            (2, 5),
        ];
        assert_eq!(servers_of_happiness(&share_map(&edges)), 5);
        assert_eq!(servers_of_happiness(&ShareMap::new()), 0);
    }

    #[test]
    fn the_sentence_depends_on_what_is_missing() {
        let check = |servers_with_shares, happiness, expected: &str| {
            let shortfall = Shortfall {
                servers_with_shares,
                happiness,
                shares_needed: 3,
                shares_happy: 7,
            };
            assert_eq!(shortfall.to_string(), expected);
        };
        check(
            2,
            2,
            "shares could be placed or found on only 2 server(s). We were asked to place shares \
             on at least 7 server(s) such that any 3 of them have enough shares to recover the \
             file.",
        );
        check(
            4,
            1,
            "shares could be placed or found on 4 server(s), but they are not spread out evenly \
             enough to ensure that any 3 of these servers would have enough shares to recover \
             the file. We were asked to place shares on at least 7 servers such that any 3 of \
             them have enough shares to recover the file.",
        );
        check(
            6,
            5,
            "shares could be placed on only 5 server(s) such that any 3 of them have enough \
             shares to recover the file, but we were asked to place shares on at least 7 such \
             servers.",
        );
    }

    proptest! {
        #[test]
        fn no_assignment_is_larger_than_the_matching(
            edges in proptest::collection::vec((0u8..7, 0u8..7), 0..20),
        ) {
            let shares = share_map(&edges);
            let holders: Vec<Vec<_>> = shares.values().map(|s| s.iter().collect()).collect();
            let expected = brute_force(&holders, &mut BTreeSet::new());
            prop_assert_eq!(servers_of_happiness(&shares), expected);
            for (server, share) in matched_servers(&shares) {
                prop_assert!(shares[&share].contains(server));
            }
        }
    }
}
