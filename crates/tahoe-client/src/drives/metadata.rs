//! The metadata of a drive's entries in the form of those of a directory on the grid.
//!
//! A drive keeps both times by itself; what else there is, the user's, it keeps as a text of JSON.

use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tahoe_directory::Metadata;
use tahoe_vdrive::Entry;

/// Where a directory on the grid keeps its own.
const SYSTEM: &str = "tahoe";

/// An entry's metadata as a directory shows it.
pub(super) fn shown(entry: &Entry) -> Metadata {
    let kept = &entry.metadata;
    let mut object: Map<String, Value> = serde_json::from_str(&kept.notes).unwrap_or_default();
    let seconds = |milliseconds| std::time::Duration::from_millis(milliseconds).as_secs_f64();
    let times = json!({
        "linkcrtime": seconds(kept.created),
        "linkmotime": seconds(kept.modified),
    });
    object.insert(SYSTEM.to_owned(), times);
    Metadata::new(object)
}

/// The metadata of an entry that is made or changed `now`: without `new`, the old stays.
pub(super) fn kept(
    old: Option<&Entry>,
    new: Option<&Metadata>,
    now: SystemTime,
) -> tahoe_vdrive::Metadata {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let notes = match (new, old) {
        (Some(new), _) => notes(new),
        (None, Some(old)) => old.metadata.notes.clone(),
        (None, None) => String::new(),
    };
    tahoe_vdrive::Metadata {
        created: old.map_or(now, |old| old.metadata.created),
        modified: now,
        notes,
    }
}

fn notes(metadata: &Metadata) -> String {
    let mut object = metadata.as_object().clone();
    object.shift_remove(SYSTEM);
    match object.is_empty() {
        true => String::new(),
        false => Value::Object(object).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tahoe_vdrive::{CapText, Caps, EntryName, Target, Version};

    #[test]
    fn the_first_time_stays_and_the_users_keys_are_kept() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let user = json!({"a": 1, "tahoe": {"linkcrtime": 7.0}});
        let user = Metadata::new(user.as_object().unwrap().clone());
        let entry = |metadata| Entry {
            name: EntryName::new("x").unwrap(),
            target: Target::File(Caps::read_only(CapText::new("URI:LIT:").unwrap())),
            version: Version(1),
            metadata,
        };
        let first = entry(kept(None, Some(&user), at(10)));
        let second = entry(kept(Some(&first), None, at(20)));
        let expected = json!({"a": 1, "tahoe": {"linkcrtime": 10.0, "linkmotime": 20.0}});
        let seen = Value::Object(shown(&second).as_object().clone());
        assert_eq!(seen, expected);
        let third = entry(kept(Some(&second), Some(&Metadata::default()), at(30)));
        assert_eq!(third.metadata.notes, "");
    }
}
