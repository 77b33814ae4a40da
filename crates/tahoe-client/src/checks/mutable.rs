//! Reports of mutable files, in the reference's words.

use super::{CheckReport, CorruptShareReport, Names, ShareId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tahoe_crypto::ServerId;
use tahoe_immutable::servers_of_happiness;
use tahoe_mutable::{MutableCheck, Version};
use tahoe_storage_api::Server;

/// What the reference says of a file that has no share at all.
const UNKNOWN_ENCODING: (usize, usize) = (3, 10);

/// What is said line by line, and in short.
#[derive(Debug, Default)]
struct Texts {
    healthy: bool,
    report: Vec<String>,
    summary: Vec<String>,
}

impl CheckReport {
    /// After a check of a mutable file.
    pub(super) fn of_mutable(check: &MutableCheck) -> Self {
        let counted = counted_version(check);
        let (needed, expected) = counted.map_or(UNKNOWN_ENCODING, |version| {
            (version.shares_needed.into(), version.shares_total.into())
        });
        let texts = Texts::of(check, counted.as_ref());
        let mut names = Names::default();
        let name = |names: &mut Names, id: &ServerId| {
            let mut servers = check.servers.iter();
            let server: Option<&Arc<Server>> = servers.find(|server| server.id == *id);
            match server {
                Some(server) => names.of(server),
                None => names.of_id(id),
            }
        };
        let corrupt_shares = check
            .corrupt_shares
            .iter()
            .map(|corrupt| CorruptShareReport {
                server: names.of(&corrupt.server),
                storage_index: check.storage_index,
                share: corrupt.share.0,
            });
        let corrupt_shares = corrupt_shares.collect();
        let places = share_places(check);
        let responding = check.map.reachable_servers().iter();
        let servers_responding = responding.map(|id| name(&mut names, id)).collect();
        let share_map = places.iter().map(|(share, servers)| {
            let servers = servers.iter().map(|id| name(&mut names, id));
            (ShareId::OfVersion(share.clone()), servers.collect())
        });
        Self {
            storage_index: check.storage_index,
            healthy: texts.healthy,
            recoverable: check.map.best_recoverable_version().is_some(),
            summary: match texts.healthy {
                true => "Healthy".to_owned(),
                false => format!("Unhealthy: {}", texts.summary.join(" ")),
            },
            report: texts.report,
            happiness: servers_of_happiness(&places),
            shares_good: counted.map_or(0, |version| check.map.distinct_shares(&version)),
            shares_needed: needed,
            shares_expected: expected,
            good_share_hosts: counted.map_or(0, |version| hosts(check, &version)),
            shares_wrong: counted.map_or(0, |version| wrong_shares(check, &version)),
            versions_recoverable: check.map.recoverable_versions().len(),
            versions_unrecoverable: check.map.unrecoverable_versions().len(),
            share_map: share_map.collect(),
            corrupt_shares,
            servers_responding,
        }
    }
}

/// The version whose shares are counted: the best, or any if none can be read.
fn counted_version(check: &MutableCheck) -> Option<Version> {
    let best = check.map.best_recoverable_version();
    best.or_else(|| check.map.unrecoverable_versions().pop_last())
}

/// Who has which share, by the shares' long names.
fn share_places(check: &MutableCheck) -> BTreeMap<String, BTreeSet<ServerId>> {
    let mut places = BTreeMap::<String, BTreeSet<ServerId>>::new();
    for (version, shares) in check.map.versions() {
        for place in shares {
            let share = format!("{}-sh{}", version.label(), place.share);
            places.entry(share).or_default().insert(place.server);
        }
    }
    places
}

fn hosts(check: &MutableCheck, version: &Version) -> usize {
    let places = check.map.versions().remove(version).unwrap_or_default();
    let servers = places.into_iter().map(|place| place.server);
    servers.collect::<BTreeSet<_>>().len()
}

fn wrong_shares(check: &MutableCheck, version: &Version) -> usize {
    let versions = check.map.versions();
    let others = versions.iter().filter(|(other, _)| *other != version);
    others.map(|(_, places)| places.len()).sum()
}

impl Texts {
    fn of(check: &MutableCheck, counted: Option<&Version>) -> Self {
        let recoverable = check.map.recoverable_versions();
        let unrecoverable = check.map.unrecoverable_versions();
        let mut texts = Self {
            healthy: true,
            ..Self::default()
        };
        for (name, versions) in [
            ("Recoverable Versions: ", &recoverable),
            ("Unrecoverable Versions: ", &unrecoverable),
        ] {
            if !versions.is_empty() {
                texts
                    .report
                    .push(format!("{name}{}", counts(check, versions)));
            }
        }
        if !unrecoverable.is_empty() {
            texts.bad(
                "some versions are unrecoverable",
                "some versions are unrecoverable",
            );
        }
        match recoverable.len() {
            0 => texts.bad("no versions are recoverable", "no versions are recoverable"),
            1 => {}
            _ => texts.bad(
                "there are multiple recoverable versions",
                "multiple versions are recoverable",
            ),
        }
        if let Some(best) = counted.filter(|_| !recoverable.is_empty()) {
            texts.of_best(check, best);
        }
        texts.of_corruption(check);
        texts
    }

    fn bad(&mut self, report: &str, summary: &str) {
        self.healthy = false;
        self.report.push(format!("Unhealthy: {report}"));
        self.summary.push(summary.to_owned());
    }

    fn of_best(&mut self, check: &MutableCheck, best: &Version) {
        self.report
            .push(format!("Best Recoverable Version: {}", best.label()));
        let found = check.map.distinct_shares(best);
        let (needed, total) = (best.shares_needed, best.shares_total);
        if found < usize::from(total) {
            self.bad(
                &format!("best version has only {found} shares (encoding is {needed}-of-{total})"),
                &format!("{found} shares (enc {needed}-of-{total})"),
            );
        }
    }

    fn of_corruption(&mut self, check: &MutableCheck) {
        if check.corrupt_shares.is_empty() {
            return;
        }
        for texts in [&mut self.report, &mut self.summary] {
            texts.push("Corrupt Shares:".to_owned());
        }
        for corrupt in &check.corrupt_shares {
            let share = format!("{}-sh{}", corrupt.server.id.short(), corrupt.share);
            self.report.push(format!(" {share}: {}", corrupt.reason));
            self.summary.push(share);
        }
    }
}

/// How many shares there are of each version.
fn counts(check: &MutableCheck, versions: &BTreeSet<Version>) -> String {
    let places = check.map.versions();
    let counts = versions.iter().map(|version| {
        let count = places.get(version).map_or(0, BTreeSet::len);
        format!("{count}*{}", version.label())
    });
    counts.collect::<Vec<_>>().join("/")
}
