//! State of crawlers in Python's pickle format, as releases before 1.18 kept it, made JSON.
//!
//! Nothing in a pickle is carried out here: one that wants more than plain data is refused.

use super::pickle;
use super::place::PICKLED;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The largest state file that is read.
const MAX_SIZE: u64 = 64 << 20;

/// What became of one state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Migration {
    /// It was converted, and the pickle removed.
    Converted {
        /// The pickle.
        from: PathBuf,
        /// The JSON.
        to: PathBuf,
    },
    /// There was only this file of JSON.
    AlreadyConverted(PathBuf),
    /// There was neither; this would have been the pickle.
    NotFound(PathBuf),
}

/// A state file can't be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// It can't be read or written.
    #[error("could not {step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It isn't a pickle of plain data.
    #[error("{} is not the state of a crawler: {reason}", path.display())]
    NotAState {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Whether JSON is what a file holds.
type Expectation = fn(&Value) -> bool;

/// Converts all state of crawlers in a storage directory that is in pickle format.
///
/// The JSON is complete before a pickle is removed.
pub fn migrate_crawler_state(directory: &Path) -> Result<Vec<Migration>, MigrateError> {
    let [counter, history, checker] = PICKLED;
    let expected: [(&str, Expectation); 3] = [
        (checker, is_state),
        (counter, is_state),
        (history, is_history),
    ];
    let migrated = expected.iter().map(|(name, is_expected)| {
        let from = directory.join(name);
        let to = directory.join(format!("{name}.json"));
        match from.exists() {
            true => migrate(&from, &to, *is_expected).map(|()| Migration::Converted { from, to }),
            false if to.exists() => Ok(Migration::AlreadyConverted(to)),
            false => Ok(Migration::NotFound(from)),
        }
    });
    migrated.collect()
}

fn migrate(from: &Path, to: &Path, is_expected: Expectation) -> Result<(), MigrateError> {
    let io = |step, path: &Path| {
        let path = path.to_owned();
        move |source| MigrateError::Io { step, path, source }
    };
    let not_a_state = |reason: &dyn ToString| MigrateError::NotAState {
        path: from.to_owned(),
        reason: reason.to_string(),
    };
    let size = std::fs::metadata(from).map_err(io("read", from))?.len();
    if size > MAX_SIZE {
        return Err(not_a_state(&"it is too large"));
    }
    let bytes = std::fs::read(from).map_err(io("read", from))?;
    let json = pickle::read(&bytes).map_err(|error| not_a_state(&error))?;
    if !is_expected(&json) {
        return Err(not_a_state(&"it has another shape"));
    }
    std::fs::write(to, json.to_string()).map_err(io("write", to))?;
    std::fs::remove_file(from).map_err(io("remove", from))
}

/// The state of a crawler says that it is of version 1.
fn is_state(json: &Value) -> bool {
    json.get("version") == Some(&json!(1))
}

/// The history: numbers of rounds, and what each found.
fn is_history(json: &Value) -> bool {
    let is_entry =
        |(key, entry): (&String, &Value)| key.parse::<u64>().is_ok() && entry.is_object();
    json.as_object()
        .is_some_and(|entries| entries.iter().all(is_entry))
}
