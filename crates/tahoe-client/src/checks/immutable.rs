//! Reports of immutable files, in the reference's words.

use super::{CheckReport, CorruptShareReport, Names, ShareId};
use tahoe_immutable::CheckResults;

impl CheckReport {
    /// After a check.
    pub(super) fn of_file(results: &CheckResults) -> Self {
        let (good, encoding) = (results.good_shares(), results.encoding);
        let (needed, total) = (encoding.shares_needed(), encoding.shares_total());
        let summary = if results.is_healthy() {
            "Healthy".to_owned()
        } else {
            format!("Not Healthy: {good} shares (enc {needed}-of-{total})")
        };
        let mut names = Names::default();
        let corrupt_shares = results
            .corrupt_shares
            .iter()
            .map(|corrupt| CorruptShareReport {
                server: names.of(&corrupt.server),
                storage_index: results.storage_index,
                share: corrupt.share.0,
            });
        let corrupt_shares = corrupt_shares.collect();
        let responding = results.servers_responding.iter();
        let servers_responding = responding.map(|server| names.of(server)).collect();
        let share_map = results.share_map.iter().map(|(share, servers)| {
            let mut servers: Vec<_> = servers.iter().map(|server| names.of(server)).collect();
            servers.sort();
            (ShareId::Number(share.0), servers)
        });
        Self {
            storage_index: results.storage_index,
            summary,
            report: Vec::new(),
            healthy: results.is_healthy(),
            recoverable: results.is_recoverable(),
            happiness: results.happiness(),
            shares_good: good,
            shares_needed: needed.into(),
            shares_expected: total.into(),
            good_share_hosts: results.good_share_hosts(),
            shares_wrong: 0,
            versions_recoverable: results.is_recoverable().into(),
            versions_unrecoverable: (!results.is_recoverable()).into(),
            corrupt_shares,
            servers_responding,
            share_map: share_map.collect(),
        }
    }

    /// After a repair, of which the reference says no more than this.
    pub(super) fn of_repaired_file(results: &CheckResults) -> Self {
        let summary = if results.is_healthy() {
            "healthy"
        } else {
            "not healthy"
        };
        Self {
            summary: summary.to_owned(),
            ..Self::of_file(results)
        }
    }
}
