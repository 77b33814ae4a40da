//! Looks at the leases of all shares, removes what has ended, and keeps the figures of ten rounds.

use super::place::read_state;
use super::{Inspector, seconds};
use crate::expire::{BucketFound, ExpirationMode, ExpirationPolicy, LeasesFound, ShareFound};
use crate::store::Store;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareKind, StorageError};

/// How many rounds the history keeps.
const MAX_HISTORY: usize = 10;
/// Most corrupt shares that one round lists.
const MAX_CORRUPT_LISTED: usize = 10_000;
/// Ages of leases are counted by the day.
const AGE_INTERVAL: i64 = 24 * 60 * 60;
/// Where the state file keeps the ages of a round that is under way. The original's own form of
/// them stops the original when it goes on with the round, so we leave that empty.
const AGES_SO_FAR: &str = "lease-age-histogram-so-far";

/// Checks leases by a policy.
#[derive(Debug)]
pub(super) struct LeaseChecker {
    policy: ExpirationPolicy,
    so_far: SoFar,
    history: Map<String, Value>,
    history_file: PathBuf,
}

/// What the round under way has found.
#[derive(Debug, Clone, Default, PartialEq)]
struct SoFar {
    /// Storage index and number of shares that aren't containers.
    corrupt: Vec<(String, u64)>,
    space: Space,
    /// By whole days, how many leases are that old.
    ages: BTreeMap<i64, u64>,
    /// By number of leases, how many shares have so many.
    leases_per_share: BTreeMap<u64, u64>,
}

/// Figures such as `actual-shares-mutable`: what was examined, what was removed, what would have
/// been by the leases' own ends and by the policy.
#[derive(Debug, Clone, PartialEq)]
struct Space(BTreeMap<String, u64>);

impl Default for Space {
    fn default() -> Self {
        Self(Self::names().map(|name| (name, 0)).collect())
    }
}

impl Space {
    fn names() -> impl Iterator<Item = String> {
        let whats = ["actual", "original", "configured", "examined"];
        let units = ["buckets", "shares", "sharebytes", "diskbytes"];
        let kinds = ["", "-mutable", "-immutable"];
        let of_what = move |what| {
            let of_unit = move |unit| {
                kinds
                    .into_iter()
                    .map(move |kind| format!("{what}-{unit}{kind}"))
            };
            units.into_iter().flat_map(of_unit)
        };
        whats.into_iter().flat_map(of_what)
    }

    /// Adds to a figure for all kinds, and to that of one.
    fn add(&mut self, what: &str, unit: &str, kind: Option<&str>, by: u64) {
        let mut add = |name: String| {
            let figure = self.0.entry(name).or_default();
            *figure = figure.saturating_add(by);
        };
        add(format!("{what}-{unit}"));
        if let Some(kind) = kind {
            add(format!("{what}-{unit}-{kind}"));
        }
    }

    fn add_share(&mut self, what: &str, share: &LeasesFound) {
        let kind = Some(name_of(share.kind));
        self.add(what, "shares", kind, 1);
        self.add(what, "sharebytes", kind, share.size_bytes);
        self.add(what, "diskbytes", kind, share.disk_bytes);
    }

    fn add_bucket(&mut self, what: &str, kind: Option<&str>, disk_bytes: u64) {
        self.add(what, "diskbytes", kind, disk_bytes);
        self.add(what, "buckets", kind, 1);
    }

    /// Every figure times a factor; none without one.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn scaled(&self, factor: Option<f64>) -> Value {
        let scale = |name: String| {
            let figure = self.0.get(&name).copied().unwrap_or(0);
            let scaled = factor.map(|factor| factor * figure as f64);
            (name, json!(scaled))
        };
        let figures: Map<String, Value> = Self::names().map(scale).collect();
        json!({ "space-recovered": figures })
    }
}

fn name_of(kind: ShareKind) -> &'static str {
    match kind {
        ShareKind::Immutable => "immutable",
        ShareKind::Mutable => "mutable",
    }
}

impl ExpirationPolicy {
    /// Mode, override, cutoff, kinds of shares: as the original lists them.
    pub fn to_json(&self) -> Value {
        let (mode, duration, cutoff) = match self.mode {
            ExpirationMode::Age {
                override_lease_duration,
            } => ("age", override_lease_duration, None),
            ExpirationMode::CutoffDate { seconds } => ("cutoff-date", None, Some(seconds)),
        };
        let kinds = [ShareKind::Immutable, ShareKind::Mutable];
        let kinds = kinds.into_iter().filter(|kind| self.concerns(*kind));
        let kinds: Vec<_> = kinds.map(name_of).collect();
        json!([mode, duration, cutoff, kinds])
    }
}

impl SoFar {
    fn add(&mut self, storage_index: &str, found: &BucketFound) {
        // The kind of the last share counts as that of all.
        let kind = found.shares.last().map(|(_, share)| match share {
            ShareFound::Corrupt => "unknown",
            ShareFound::Readable(share) => name_of(share.kind),
        });
        for (number, share) in &found.shares {
            match share {
                ShareFound::Readable(share) => self.add_share(share),
                ShareFound::Corrupt if self.corrupt.len() < MAX_CORRUPT_LISTED => {
                    let number = u64::from(number.0);
                    self.corrupt.push((storage_index.to_owned(), number));
                }
                ShareFound::Corrupt => {}
            }
        }
        self.space.add("examined", "buckets", kind, 1);
        let all = |ended: fn(&LeasesFound) -> bool| {
            found.shares.iter().all(|(_, share)| match share {
                ShareFound::Corrupt => false,
                ShareFound::Readable(share) => ended(share),
            })
        };
        for (what, ended) in [
            ("original", all(|share| share.original_ended)),
            ("configured", all(|share| share.configured_ended)),
            ("actual", all(|share| share.removed)),
        ] {
            if ended {
                self.space.add_bucket(what, kind, found.disk_bytes);
            }
        }
    }

    fn add_share(&mut self, share: &LeasesFound) {
        for age in &share.ages {
            #[expect(clippy::cast_possible_truncation, reason = "ages fit 53 bits")]
            let days = (age.trunc() as i64) / AGE_INTERVAL;
            *self.ages.entry(days).or_default() += 1;
        }
        let count = share.ages.len() as u64;
        *self.leases_per_share.entry(count).or_default() += 1;
        self.space.add_share("examined", share);
        for (what, ended) in [
            ("original", share.original_ended),
            ("configured", share.configured_ended),
            ("actual", share.removed),
        ] {
            if ended {
                self.space.add_share(what, share);
            }
        }
    }

    /// Triples: from this age, to that age, so many leases.
    fn ages_to_json(&self) -> Value {
        let ages = self.ages.iter();
        ages.map(|(days, count)| {
            let start = days.saturating_mul(AGE_INTERVAL);
            json!([start, start.saturating_add(AGE_INTERVAL), count])
        })
        .collect()
    }

    fn to_json(&self) -> Map<String, Value> {
        let per_share = self.leases_per_share.iter();
        let per_share: Map<String, Value> = per_share
            .map(|(leases, shares)| (leases.to_string(), json!(shares)))
            .collect();
        let fields = [
            ("corrupt-shares", json!(self.corrupt)),
            ("space-recovered", json!(self.space.0)),
            ("lease-age-histogram", self.ages_to_json()),
            ("leases-per-share-histogram", per_share.into()),
        ];
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }

    /// Reads what `to_json` or the original wrote; what isn't there is empty.
    fn from_json(fields: &Value) -> Self {
        let mut so_far = Self::default();
        let corrupt = fields.get("corrupt-shares").and_then(Value::as_array);
        so_far.corrupt = corrupt
            .into_iter()
            .flatten()
            .filter_map(|share| Some((share.get(0)?.as_str()?.to_owned(), share.get(1)?.as_u64()?)))
            .take(MAX_CORRUPT_LISTED)
            .collect();
        let space = fields.get("space-recovered").and_then(Value::as_object);
        for (name, figure) in space.into_iter().flatten() {
            if let Some(figure) = figure.as_u64() {
                so_far.space.0.insert(name.clone(), figure);
            }
        }
        for key in ["lease-age-histogram", AGES_SO_FAR] {
            let ages = fields.get(key).and_then(Value::as_array);
            for age in ages.into_iter().flatten() {
                let start = age.get(0).and_then(Value::as_i64);
                let count = age.get(2).and_then(Value::as_u64);
                if let (Some(start), Some(count)) = (start, count) {
                    *so_far.ages.entry(start / AGE_INTERVAL).or_default() += count;
                }
            }
        }
        let per_share = fields.get("leases-per-share-histogram");
        let per_share = per_share.and_then(Value::as_object).into_iter().flatten();
        so_far.leases_per_share = per_share
            .filter_map(|(leases, shares)| Some((leases.parse().ok()?, shares.as_u64()?)))
            .collect();
        so_far
    }
}

impl LeaseChecker {
    /// Takes over the history of a storage directory.
    pub(super) fn new(directory: &Path, policy: ExpirationPolicy) -> Self {
        let history_file = directory.join("lease_checker.history.json");
        Self {
            policy,
            so_far: SoFar::default(),
            history: read_state(&history_file).unwrap_or_default(),
            history_file,
        }
    }

    fn add_policy(&self, fields: &mut Map<String, Value>) {
        fields.insert("expiration-enabled".to_owned(), self.policy.enabled.into());
        let mode = self.policy.to_json();
        fields.insert("configured-expiration-mode".to_owned(), mode);
    }

    /// Writes the history.
    pub(super) fn save_history(&self, store: &Store) -> Result<(), StorageError> {
        let text = Value::Object(self.history.clone()).to_string();
        store.disk.replace_file(&self.history_file, text.as_bytes())
    }

    /// Whether there is a history yet.
    pub(super) fn has_history_file(&self) -> bool {
        self.history_file.exists()
    }
}

impl Inspector for LeaseChecker {
    const STATE_FILE: &'static str = "lease_checker.state";
    const NAME: &'static str = "lease checker";
    const SLOW_START: Duration = Duration::from_secs(6 * 60);
    const MINIMUM_CYCLE_TIME: Duration = Duration::from_secs(12 * 60 * 60);
    const VISITS_BUCKETS: bool = true;

    fn restore(&mut self, state: &Map<String, Value>) {
        let so_far = state.get("cycle-to-date");
        self.so_far = so_far.map_or_else(SoFar::default, SoFar::from_json);
    }

    fn start_cycle(&mut self) {
        self.so_far = SoFar::default();
    }

    fn visit_bucket(&mut self, store: &Store, name: &str) -> Result<(), StorageError> {
        // Anything else isn't ours, and nobody could ask for it.
        let Ok(storage_index) = name.parse::<StorageIndex>() else {
            return Ok(());
        };
        let found = store.check_leases(&storage_index, &self.policy, seconds(store))?;
        self.so_far.add(name, &found);
        Ok(())
    }

    fn finish_cycle(
        &mut self,
        store: &Store,
        cycle: u64,
        started: f64,
    ) -> Result<(), StorageError> {
        let mut entry = self.so_far.to_json();
        self.add_policy(&mut entry);
        let times = json!([started, seconds(store)]);
        entry.insert("cycle-start-finish-times".to_owned(), times);
        self.history.insert(cycle.to_string(), entry.into());
        while self.history.len() > MAX_HISTORY {
            let number = |key: &&String| key.parse::<u64>().unwrap_or(0);
            let Some(oldest) = self.history.keys().min_by_key(number).cloned() else {
                break;
            };
            self.history.remove(&oldest);
        }
        let removed = self.so_far.space.0.get("actual-shares").copied();
        if let Some(shares) = removed.filter(|shares| *shares > 0) {
            tracing::info!(shares, "shares without a valid lease were removed");
        }
        self.save_history(store)
    }

    fn describe(&self, state: &mut Map<String, Value>, done: Option<f64>) {
        state.insert("history".to_owned(), self.history.clone().into());
        let Some(done) = done else { return };
        let mut so_far = self.so_far.to_json();
        self.add_policy(&mut so_far);
        state.insert("cycle-to-date".to_owned(), so_far.into());
        let done = Some(done).filter(|done| *done > 0.0);
        let remaining = done.map(|done| (1.0 - done) / done);
        let estimates = [
            ("estimated-remaining-cycle", remaining),
            ("estimated-current-cycle", remaining.map(|rest| 1.0 + rest)),
        ];
        for (name, factor) in estimates {
            state.insert(name.to_owned(), self.so_far.space.scaled(factor));
        }
    }

    fn describe_for_file(&self, state: &mut Map<String, Value>, done: Option<f64>) {
        self.describe(state, done);
        let so_far = state
            .get_mut("cycle-to-date")
            .and_then(Value::as_object_mut);
        if let Some(so_far) = so_far {
            so_far.insert("lease-age-histogram".to_owned(), json!({}));
            so_far.insert(AGES_SO_FAR.to_owned(), self.so_far.ages_to_json());
        }
    }
}
