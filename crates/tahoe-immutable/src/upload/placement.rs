//! Which share goes to which server.
//!
//! [`place_shares`] gives the first plan of an upload, exactly as Tahoe-LAFS 1.20 computes it when
//! its sets are iterated in our order: servers in the permuted order, shares by number. (In the
//! original the order of servers is that of a Python set of byte strings, which changes from one
//! process to the next; ours is one of its possible outcomes, and always the same one.)
//!
//! Three rounds of matching follow one another: existing shares on read-only servers, existing
//! shares on writable ones, then what is left. The specification asks for maximum matchings along
//! the edges "server holds share". What the original computes differs, and so does what we do:
//! every server of a round is taken to hold every share that any of them holds, so that a maximum
//! matching is simply the first server with the first share, the second with the second. A server
//! may therefore be asked for a share that another one has already. Where everything fits this
//! costs a copy of a share now and then and never a reader's success.
//!
//! [`rehome`] mends a plan after servers refused: what was accepted stays where it is.

use crate::happiness::{ShareMap, matched_servers};
use std::collections::{BTreeMap, BTreeSet};
use tahoe_crypto::ServerId;
use tahoe_storage_api::ShareNumber;

/// What is known of the servers before shares are placed; all lists in the permuted order.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// Servers that accept shares of the wanted size.
    pub writable: Vec<ServerId>,
    /// Servers that don't, but answered which shares they hold.
    pub read_only: Vec<ServerId>,
    /// The shares found on servers that have any.
    pub existing: Vec<(ServerId, BTreeSet<ShareNumber>)>,
}

impl Candidates {
    fn existing_on(&self, server: &ServerId) -> Option<&BTreeSet<ShareNumber>> {
        let mut entries = self.existing.iter();
        entries.find_map(|(holder, shares)| (holder == server).then_some(shares))
    }
}

/// Assigns each of the shares 0 to `shares_total` − 1 a server.
///
/// Shares that exist are assigned too: asking for them renews their leases. The plan is empty if no
/// server is writable.
pub fn place_shares(candidates: &Candidates, shares_total: u16) -> BTreeMap<ShareNumber, ServerId> {
    if candidates.writable.is_empty() {
        return BTreeMap::new();
    }
    let mut plan = match_read_only(candidates);
    let used: BTreeSet<ServerId> = plan.values().cloned().collect();
    let all = (0..shares_total).filter_map(|number| u8::try_from(number).ok().map(ShareNumber));
    let unplaced: BTreeSet<ShareNumber> = all.filter(|share| !plan.contains_key(share)).collect();

    let mut servers: Vec<&ServerId> = candidates.writable.iter().collect();
    servers.retain(|server| !used.contains(server));
    let mut held = BTreeMap::new();
    for (server, shares) in &candidates.existing {
        if used.contains(server) {
            continue;
        }
        let rest: BTreeSet<ShareNumber> = shares
            .iter()
            .filter(|share| !plan.contains_key(share))
            .copied()
            .collect();
        if rest.is_empty() {
            servers.retain(|other| *other != server);
        } else {
            held.insert(server, rest);
        }
    }
    let preferred: Vec<ShareNumber> = if held.is_empty() {
        unplaced.iter().copied().collect()
    } else {
        let lists = servers.iter().filter_map(|server| held.get(server));
        let wanted = lists.flatten().filter(|share| unplaced.contains(share));
        distinct(wanted.copied())
    };
    let matched = preferred.len().min(servers.len());
    assign(&mut plan, &servers, preferred);
    servers.drain(..matched);
    let rest: Vec<ShareNumber> = unplaced
        .iter()
        .filter(|share| !plan.contains_key(share))
        .copied()
        .collect();
    assign(&mut plan, &servers, rest);

    place_on_holders(candidates, &unplaced, &mut plan);
    let mut round_robin = candidates.writable.iter().cycle();
    for share in read_only_first(candidates, &unplaced) {
        plan.entry(share).or_insert_with(|| {
            let server = round_robin.next();
            server.expect("there is a writable server").clone()
        });
    }
    plan
}

/// Matches read-only servers with the shares that any of them holds.
fn match_read_only(candidates: &Candidates) -> BTreeMap<ShareNumber, ServerId> {
    let servers: Vec<&ServerId> = candidates.read_only.iter().collect();
    let lists = servers.iter().filter_map(|s| candidates.existing_on(s));
    let shares = distinct(lists.flatten().copied());
    let mut plan = BTreeMap::new();
    assign(&mut plan, &servers, shares);
    plan
}

/// Gives the first share to the first server, the second to the second, until either run out.
fn assign(
    plan: &mut BTreeMap<ShareNumber, ServerId>,
    servers: &[&ServerId],
    shares: Vec<ShareNumber>,
) {
    for (server, share) in servers.iter().zip(shares) {
        plan.insert(share, (*server).clone());
    }
}

fn distinct(shares: impl Iterator<Item = ShareNumber>) -> Vec<ShareNumber> {
    let mut seen = BTreeSet::new();
    shares.filter(|share| seen.insert(*share)).collect()
}

/// Places what no matching covered: on a server that has the share, else on the writable servers
/// that hold any share, the least laden first and equals by their id.
fn place_on_holders(
    candidates: &Candidates,
    unplaced: &BTreeSet<ShareNumber>,
    plan: &mut BTreeMap<ShareNumber, ServerId>,
) {
    let holders: Vec<&(ServerId, BTreeSet<ShareNumber>)> = candidates
        .existing
        .iter()
        .filter(|(server, _)| !candidates.read_only.contains(server))
        .collect();
    let mut homeless = Vec::new();
    for share in unplaced {
        if plan.contains_key(share) {
            continue;
        }
        match holders.iter().find(|(_, shares)| shares.contains(share)) {
            Some((server, _)) => {
                plan.insert(*share, server.clone());
            }
            None => homeless.push(*share),
        }
    }
    let load = |server: &ServerId| plan.values().filter(|other| *other == server).count();
    let mut queue: BTreeSet<(usize, &ServerId)> = holders
        .iter()
        .map(|(server, _)| (load(server), server))
        .collect();
    for share in homeless {
        let Some((load, server)) = queue.pop_first() else {
            return;
        };
        plan.insert(share, server.clone());
        queue.insert((load + 1, server));
    }
}

/// Orders shares as the last round takes them: those that a read-only server holds come first.
fn read_only_first(
    candidates: &Candidates,
    shares: &BTreeSet<ShareNumber>,
) -> impl Iterator<Item = ShareNumber> {
    let mut lists = candidates.read_only.iter();
    let held: BTreeSet<ShareNumber> = lists
        .by_ref()
        .filter_map(|server| candidates.existing_on(server))
        .flatten()
        .copied()
        .collect();
    let (first, rest): (Vec<_>, Vec<_>) = shares.iter().partition(|share| held.contains(share));
    first.into_iter().chain(rest)
}

/// Finds new servers for `homeless` shares, given where shares are or were accepted.
///
/// Writable servers that don't add to the happiness yet come first, in the permuted order; then the
/// least laden.
pub(super) fn rehome(
    writable: &[ServerId],
    placed: &ShareMap,
    homeless: &BTreeSet<ShareNumber>,
) -> BTreeMap<ShareNumber, ServerId> {
    let matched = matched_servers(placed);
    let load = |server: &ServerId| placed.values().filter(|on| on.contains(server)).count();
    let mut queue: BTreeSet<(bool, usize, usize)> = writable
        .iter()
        .enumerate()
        .map(|(order, server)| (matched.contains_key(server), load(server), order))
        .collect();
    let mut plan = BTreeMap::new();
    for share in homeless {
        let Some((_, load, order)) = queue.pop_first() else {
            break;
        };
        plan.insert(*share, writable[order].clone());
        queue.insert((true, load + 1, order));
    }
    plan
}

#[cfg(test)]
mod tests;
