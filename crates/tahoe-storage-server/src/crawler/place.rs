//! Where a crawler is, and the file in which it keeps that.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// How many directories a round has.
pub(super) const PREFIXES: usize = 1024;

/// The characters of base32, in the order of their bytes.
const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The names of the directories, in the order of a round.
pub(super) fn prefix(index: usize) -> String {
    let [first, second] = [index / 32, index % 32].map(|digit| ALPHABET[digit % 32]);
    [first, second].map(char::from).iter().collect()
}

/// Where a crawler is; survives a restart.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Place {
    /// The last round that was completed.
    pub(super) last_cycle_finished: Option<u64>,
    /// The round that is under way.
    pub(super) current_cycle: Option<u64>,
    /// When that round began, in seconds since 1970; between rounds, when the last one did.
    pub(super) cycle_started: f64,
    /// How many directories of the round are done.
    pub(super) prefixes_done: usize,
    /// The last storage index that was visited.
    pub(super) last_complete_bucket: Option<String>,
}

impl Place {
    /// The part of the round that is done, 0 to 1; none between rounds.
    ///
    /// As in the original, -1/1024 while the first directory is being visited.
    #[expect(clippy::cast_precision_loss, reason = "at most 1024")]
    pub(super) fn done(&self) -> Option<f64> {
        self.current_cycle?;
        Some((self.prefixes_done as f64 - 1.0) / PREFIXES as f64)
    }

    /// Reads a state; none if it isn't one.
    pub(super) fn from_state(state: &Map<String, Value>, now: f64) -> Option<Self> {
        let number = |key: &str| match state.get(key) {
            Some(Value::Null) => Some(None),
            Some(value) => value.as_u64().map(Some),
            None => None,
        };
        let prefixes_done = match state.get("last-complete-prefix")? {
            Value::Null => 0,
            Value::String(last) => (0..PREFIXES).position(|index| prefix(index) == *last)? + 1,
            _ => return None,
        };
        Some(Self {
            last_cycle_finished: number("last-cycle-finished")?,
            current_cycle: number("current-cycle")?,
            cycle_started: match state.get("current-cycle-start-time") {
                Some(time) => time.as_f64()?,
                None => now,
            },
            prefixes_done,
            last_complete_bucket: match state.get("last-complete-bucket")? {
                Value::Null => None,
                Value::String(name) => Some(name.clone()),
                _ => return None,
            },
        })
    }

    /// Spells the state as the original does.
    pub(super) fn to_state(&self) -> Map<String, Value> {
        let last = self.prefixes_done.checked_sub(1).map(prefix);
        let fields = [
            ("version", json!(1)),
            ("last-cycle-finished", json!(self.last_cycle_finished)),
            ("current-cycle", json!(self.current_cycle)),
            ("last-complete-prefix", json!(last)),
            ("last-complete-bucket", json!(self.last_complete_bucket)),
            ("current-cycle-start-time", json!(self.cycle_started)),
        ];
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }
}

/// Reads a state file. One that is missing or unusable is none: the crawler begins anew.
pub(super) fn read_state(path: &Path) -> Option<Map<String, Value>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "a crawler's state can't be read");
            return None;
        }
    };
    match serde_json::from_slice(&text) {
        Ok(state) => Some(state),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "a crawler's state is damaged");
            None
        }
    }
}

/// The files in which crawlers of releases before 1.18 kept their state, in the order in which they
/// are looked for.
pub(super) const PICKLED: [&str; 3] = [
    "bucket_counter.state",
    "lease_checker.history",
    "lease_checker.state",
];

/// A storage directory holds state of crawlers in Python's pickle format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("At least one 'pickle' format file exists.\nThe file is {path}", path = path.display())]
pub struct PickledState {
    /// The file.
    pub path: PathBuf,
}

/// Makes sure that a storage directory holds no state of crawlers in Python's pickle format, which
/// [`migrate_crawler_state`](super::migrate_crawler_state) converts.
pub fn refuse_pickled_state(directory: &Path) -> Result<(), PickledState> {
    let mut paths = PICKLED.iter().map(|name| directory.join(name));
    match paths.find(|path| path.exists()) {
        Some(path) => Err(PickledState { path }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_in_order_and_complete() {
        let names: Vec<String> = (0..PREFIXES).map(prefix).collect();
        assert_eq!((&*names[0], &*names[1], &*names[1023]), ("22", "23", "zz"));
        assert!(names.is_sorted());
    }

    #[test]
    fn places_survive_their_file() {
        let between = || Place {
            last_cycle_finished: Some(3),
            cycle_started: 1.5,
            ..Place::default()
        };
        let within = Place {
            current_cycle: Some(4),
            prefixes_done: 34,
            last_complete_bucket: Some("3b".to_owned()),
            ..between()
        };
        for place in [Place::default(), between(), within.clone()] {
            let state = place.to_state();
            assert_eq!(Place::from_state(&state, 9.0), Some(place));
        }
        assert_eq!(within.to_state()["last-complete-prefix"], "33");
        assert_eq!(within.done(), Some(33.0 / 1024.0));
        let mut broken = within.to_state();
        broken.insert("last-complete-prefix".to_owned(), json!("01"));
        assert_eq!(Place::from_state(&broken, 9.0), None);
    }
}
