//! Placement and happiness against Tahoe-LAFS itself, on random inputs.

use crate::oracle::Oracle;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tahoe_crypto::ServerId;
use tahoe_immutable::{Candidates, ShareMap, Shortfall, place_shares, servers_of_happiness};
use tahoe_storage_api::ShareNumber;

fn random_candidates(random: &mut StdRng, shares_total: u8, fresh: bool) -> Candidates {
    let count = random.random_range(1..=12);
    let mut servers: Vec<ServerId> = (0..count)
        .map(|n| ServerId::new(format!("v0-{n:02}")))
        .collect();
    servers.shuffle(random);
    let mut found = Candidates::default();
    let crowded = random.random_bool(0.5);
    for server in servers {
        if !fresh && random.random_bool(if crowded { 0.7 } else { 0.2 }) {
            let many = random.random_range(1..=4);
            let shares: BTreeSet<ShareNumber> = (0..many)
                .map(|_| ShareNumber(random.random_range(0..shares_total)))
                .collect();
            found.existing.push((server.clone(), shares));
        }
        match random.random_range(0..10) {
            0..2 if !fresh => found.read_only.push(server),
            // It answered once and failed later: it has shares but is no candidate any more.
            2 if !fresh => {}
            _ => found.writable.push(server),
        }
    }
    found
}

fn question(found: &Candidates, shares_total: u8, real_sets: bool) -> Value {
    let names = |servers: &[ServerId]| -> Vec<String> {
        servers.iter().map(|id| id.as_str().to_owned()).collect()
    };
    let existing: Vec<_> = found
        .existing
        .iter()
        .map(|(id, shares)| (id.as_str(), shares.iter().map(|s| s.0).collect::<Vec<_>>()))
        .collect();
    json!({
        "writable": names(&found.writable),
        "read_only": names(&found.read_only),
        "existing": existing,
        "shares_total": shares_total,
        "real_sets": real_sets,
    })
}

fn answered_plan(answer: &Value) -> BTreeMap<ShareNumber, ServerId> {
    let entries = answer.as_object().unwrap().iter();
    entries
        .map(|(share, server)| {
            (
                share.parse().unwrap(),
                ServerId::new(server.as_str().unwrap()),
            )
        })
        .collect()
}

#[test]
fn each_share_is_placed_where_the_original_places_it() {
    let mut oracle = Oracle::start("placement.py");
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let shares_total = *[1, 2, 3, 5, 10, 16, 30].choose(&mut random).unwrap();
        let found = random_candidates(&mut random, shares_total, false);
        let expected = answered_plan(&oracle.ask(&question(&found, shares_total, false)));
        let placed = place_shares(&found, shares_total.into());
        assert_eq!(placed, expected, "seed {seed}: {found:?}");
    }
}

/// Groups shares by server and forgets which server it is.
fn groups(plan: &BTreeMap<ShareNumber, ServerId>) -> BTreeSet<BTreeSet<ShareNumber>> {
    let mut groups = BTreeMap::<&ServerId, BTreeSet<ShareNumber>>::new();
    for (share, server) in plan {
        groups.entry(server).or_default().insert(*share);
    }
    groups.into_values().collect()
}

#[test]
fn new_files_are_grouped_as_the_unchanged_original_groups_them() {
    let mut oracle = Oracle::start("placement.py");
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let shares_total = random.random_range(1..=100);
        let found = random_candidates(&mut random, shares_total, true);
        let expected = answered_plan(&oracle.ask(&question(&found, shares_total, true)));
        let placed = place_shares(&found, shares_total.into());
        assert_eq!(groups(&placed), groups(&expected), "seed {seed}: {found:?}");
    }
}

#[test]
fn happiness_and_its_sentence_are_the_originals() {
    let mut oracle = Oracle::start("placement.py");
    for seed in 0..500 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut shares = ShareMap::new();
        for _ in 0..random.random_range(0..25) {
            let server = ServerId::new(format!("v0-{}", random.random_range(0..8)));
            let share = ShareNumber(random.random_range(0..12));
            shares.entry(share).or_default().insert(server);
        }
        let holders = |on: &BTreeSet<ServerId>| {
            on.iter()
                .map(ServerId::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let by_number: BTreeMap<String, Vec<String>> = shares
            .iter()
            .map(|(n, on)| {
                (
                    n.to_string(),
                    holders(on).split(' ').map(str::to_owned).collect(),
                )
            })
            .collect();
        let (k, happy) = (random.random_range(1..5), random.random_range(1..8));
        let asked = json!({"shares": by_number, "shares_needed": k, "shares_happy": happy});
        let shortfall = Shortfall {
            servers_with_shares: shares.values().flatten().collect::<BTreeSet<_>>().len(),
            happiness: servers_of_happiness(&shares),
            shares_needed: k,
            shares_happy: happy,
        };
        let answer = oracle.ask(&asked);
        assert_eq!(answer["happiness"], shortfall.happiness, "seed {seed}");
        assert_eq!(answer["sentence"], shortfall.to_string(), "seed {seed}");
    }
}
