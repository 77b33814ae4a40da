//! Which share goes to which server, and what must be there before.
//!
//! As `Publish.update_goal` of Tahoe-LAFS 1.20: every share that is known is replaced where it lies;
//! shares that lie nowhere go, one after the other, to the servers with the fewest, in the permuted
//! order. There is no threshold of happiness.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tahoe_crypto::ServerId;
use tahoe_storage_api::{Server, ShareNumber};

use crate::servermap::Servermap;

/// What a share must look like to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// There must be none.
    Absent,
    /// It must begin with these bytes.
    Checkstring(Bytes),
}

/// The shares that one server is sent.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) server: Arc<Server>,
    pub(crate) shares: BTreeMap<ShareNumber, Expected>,
}

pub(crate) type Plan = BTreeMap<ServerId, Target>;

/// The shares of the map, where they are; those with numbers that the new version lacks are left.
pub(crate) fn in_place(map: &Servermap, shares_total: u16) -> Plan {
    let mut plan = Plan::new();
    let known = map.shares.values().map(|share| {
        let checkstring = share.header.header.checkstring().into();
        (&share.server, share.number, checkstring)
    });
    let bad = map.bad.iter().map(|((_, number), share)| {
        let checkstring = share.checkstring.clone();
        (&share.server, *number, checkstring)
    });
    for (server, number, checkstring) in known.chain(bad) {
        if u16::from(number.0) < shares_total {
            let expected = Expected::Checkstring(checkstring);
            target(&mut plan, server).shares.insert(number, expected);
        }
    }
    plan
}

/// Finds places for the shares that have none in `placed`; returns only the new places. None, if
/// no server is left.
pub(crate) fn place_homeless(
    placed: &Plan,
    servers: &[Arc<Server>],
    excluded: &BTreeSet<ServerId>,
    shares_total: u16,
) -> Option<Plan> {
    let homes = placed.iter().filter(|(id, _)| !excluded.contains(*id));
    let housed: BTreeSet<u8> = homes
        .flat_map(|(_, target)| target.shares.keys().map(|share| share.0))
        .collect();
    let homeless = (0..=u8::MAX).take(shares_total.into());
    let homeless: Vec<u8> = homeless.filter(|share| !housed.contains(share)).collect();
    let mut plan = Plan::new();
    if homeless.is_empty() {
        return Some(plan);
    }
    let usable = servers
        .iter()
        .filter(|server| server.upload_permitted && !excluded.contains(&server.id));
    let mut usable: Vec<&Arc<Server>> = usable.collect();
    usable.sort_by_key(|server| placed.get(&server.id).map_or(0, |t| t.shares.len()));
    if usable.is_empty() {
        return None;
    }
    for (share, server) in homeless.into_iter().zip(usable.into_iter().cycle()) {
        let target = target(&mut plan, server);
        target.shares.insert(ShareNumber(share), Expected::Absent);
    }
    Some(plan)
}

fn target<'a>(plan: &'a mut Plan, server: &Arc<Server>) -> &'a mut Target {
    plan.entry(server.id.clone()).or_insert_with(|| Target {
        server: Arc::clone(server),
        shares: BTreeMap::new(),
    })
}
