//! What a directory notes of a child besides its capabilities.
//!
//! A JSON object. Under `tahoe` the directory itself keeps two times, in seconds since 1970:
//! `linkcrtime`, when the name was first linked, and `linkmotime`, when the entry last changed.
//! The rest is the user's; `no-write` in it makes the child read-only. Versions before 1.4.0 wrote
//! the time of linking as `ctime` beside the user's keys.

use serde_json::{Map, Value};
use std::time::SystemTime;
use tahoe_encoding::python_json;

const SYSTEM: &str = "tahoe";
const CREATED: &str = "linkcrtime";
const MODIFIED: &str = "linkmotime";
const OLD_CREATED: &str = "ctime";
const OLD_MODIFIED: &str = "mtime";
const NO_WRITE: &str = "no-write";

/// A child's metadata.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Takes an object as it is.
    pub fn new(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// Reads the text of a JSON object; nothing if it isn't one.
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }

    /// The bytes that a table holds.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        python_json::one_line(&self.0).into_bytes()
    }

    /// The object.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether the child may only be linked read-only: `no-write` is there and not false, 0 or
    /// empty.
    pub fn is_no_write(&self) -> bool {
        self.0.get(NO_WRITE).is_some_and(|value| match value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(values) => !values.is_empty(),
            Value::Object(object) => !object.is_empty(),
        })
    }

    /// When the name was linked, in seconds since 1970.
    pub fn link_created(&self) -> Option<f64> {
        let system = self.0.get(SYSTEM).and_then(|system| system.get(CREATED));
        system.or_else(|| self.0.get(OLD_CREATED))?.as_f64()
    }

    /// When the entry last changed, in seconds since 1970.
    pub fn link_modified(&self) -> Option<f64> {
        let system = self.0.get(SYSTEM).and_then(|system| system.get(MODIFIED));
        system.or_else(|| self.0.get(OLD_MODIFIED))?.as_f64()
    }

    /// The metadata of a link that is made or changed `now`.
    ///
    /// `old` is that of the entry so far, `new` what the user wants; without it the old stays. Of
    /// the user's, `tahoe` is left out. The time of the first link is kept; failing that, an old
    /// `ctime`.
    #[must_use]
    pub fn of_link(old: Option<&Self>, new: Option<&Self>, now: SystemTime) -> Self {
        let old_created = old.and_then(|old| old.0.get(OLD_CREATED));
        let old_system = old.and_then(|old| old.0.get(SYSTEM));
        let mut object = match (old, new) {
            (_, Some(new)) => {
                let mut object = new.0.clone();
                object.shift_remove(SYSTEM);
                object
            }
            (Some(old), None) => old.0.clone(),
            (None, None) => Map::new(),
        };
        let mut system = match old_system {
            Some(Value::Object(system)) => system.clone(),
            _ => Map::new(),
        };
        let now = seconds(now);
        if !system.contains_key(CREATED) {
            let created = old_created.cloned().unwrap_or_else(|| now.clone());
            system.insert(CREATED.to_owned(), created);
        }
        system.insert(MODIFIED.to_owned(), now);
        object.insert(SYSTEM.to_owned(), Value::Object(system));
        Self(object)
    }
}

/// Seconds since 1970, to the microsecond.
fn seconds(time: SystemTime) -> Value {
    let passed = time.duration_since(SystemTime::UNIX_EPOCH);
    let microseconds = passed.map_or(0, |passed| passed.as_micros());
    // Exact until the year 2255.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a time needs no more than 53 bits"
    )]
    Value::from(microseconds as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn metadata(value: Value) -> Metadata {
        match value {
            Value::Object(object) => Metadata::new(object),
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn no_write_is_what_python_takes_for_true() {
        for (value, expected) in [
            (json!({}), false),
            (json!({"no-write": true}), true),
            (json!({"no-write": false}), false),
            (json!({"no-write": null}), false),
            (json!({"no-write": 0}), false),
            (json!({"no-write": 0.0}), false),
            (json!({"no-write": 2}), true),
            (json!({"no-write": ""}), false),
            (json!({"no-write": "false"}), true),
            (json!({"no-write": []}), false),
            (json!({"no-write": [0]}), true),
            (json!({"no-write": {}}), false),
        ] {
            assert_eq!(metadata(value.clone()).is_no_write(), expected, "{value}");
        }
    }

    #[test]
    fn times_of_links() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(5_500);
        let times = |old: Option<Value>, new: Option<Value>| {
            let (old, new) = (old.map(metadata), new.map(metadata));
            let made = Metadata::of_link(old.as_ref(), new.as_ref(), now);
            Value::Object(made.as_object().clone())
        };
        let fresh = json!({"linkcrtime": 5.5, "linkmotime": 5.5});
        let kept = json!({"linkcrtime": 1.0, "linkmotime": 5.5});
        let before = json!({"linkcrtime": 1.0, "linkmotime": 2.0, "x": 3});
        assert_eq!(times(None, None), json!({"tahoe": fresh}));
        assert_eq!(
            times(None, Some(json!({"a": 1, "tahoe": {"linkcrtime": 0}}))),
            json!({"a": 1, "tahoe": fresh})
        );
        assert_eq!(
            times(Some(json!({"tahoe": before, "b": 2})), None),
            json!({"tahoe": {"linkcrtime": 1.0, "linkmotime": 5.5, "x": 3}, "b": 2})
        );
        assert_eq!(
            times(Some(json!({"ctime": 1.0, "mtime": 2.0})), Some(json!({}))),
            json!({"tahoe": kept})
        );
        assert_eq!(
            times(
                Some(json!({"ctime": 9, "tahoe": {"linkcrtime": 1.0}})),
                None
            ),
            json!({"ctime": 9, "tahoe": kept})
        );
        assert_eq!(
            times(Some(json!({"tahoe": 3})), None),
            json!({"tahoe": fresh})
        );
    }

    #[test]
    fn numbers_keep_their_digits() {
        let written =
            b"{\"tahoe\": {\"linkcrtime\": 1795660330.3263023, \"x\": 1795660332.0894222}}";
        let read = Metadata::parse(written).unwrap();
        assert_eq!(read.to_bytes(), written);
    }

    #[test]
    fn times_to_show() {
        let new = metadata(json!({"ctime": 1, "mtime": 2, "tahoe": {"linkcrtime": 3.0}}));
        assert_eq!(
            (new.link_created(), new.link_modified()),
            (Some(3.0), Some(2.0))
        );
        assert_eq!(Metadata::default().link_created(), None);
    }
}
