//! What an introducer last said, in a file: the grid goes on without its introducer.
//!
//! `private/introducer_PETNAME_cache.yaml` is a list of `{ann: {…}, key_s: v0-…}`, which either
//! program reads. Signatures are not in it: the file is as trustworthy as the node's own directory.

use crate::Announcement;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use tahoe_crypto::ServerId;

/// Most bytes of a cache: thousands of announcements.
pub const MAX_CACHE_SIZE: u64 = 16 << 20;

/// A file isn't a cache.
#[derive(Debug, thiserror::Error)]
#[error("not a list of announcements")]
pub struct BadCache(#[source] serde_yaml_ng::Error);

#[derive(Deserialize)]
struct Entry {
    ann: Map<String, Value>,
    key_s: String,
}

/// Writes a cache: a secret, since announcements hold addresses that open servers.
pub fn write_cache<'a>(
    announcements: impl IntoIterator<Item = (&'a ServerId, &'a Announcement)>,
) -> String {
    let mut text = String::new();
    for (server, announcement) in announcements {
        let ann = serde_json::to_string(announcement.fields()).expect("it is JSON");
        let key = Value::from(server.as_str()).to_string();
        // Writing to a String can't fail.
        let _ = write!(text, "- ann: {}\n  key_s: {}\n", yaml(&ann), yaml(&key));
    }
    if text.is_empty() {
        "[]\n".to_owned()
    } else {
        text
    }
}

/// JSON as Python's YAML reader takes it: what it calls unprintable is written as an escape.
fn yaml(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                // Writing to a String can't fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text
}

/// Reads a cache; entries that aren't announcements are left out.
pub fn read_cache(text: &str) -> Result<Vec<(ServerId, Announcement)>, BadCache> {
    let entries: Option<Vec<serde_yaml_ng::Value>> =
        serde_yaml_ng::from_str(text).map_err(BadCache)?;
    let read = |entry| {
        let entry: Entry = serde_yaml_ng::from_value(entry).ok()?;
        let announcement = Announcement::from_fields(entry.ann).ok()?;
        Some((ServerId::new(entry.key_s), announcement))
    };
    Ok(entries
        .unwrap_or_default()
        .into_iter()
        .filter_map(read)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(id: &str, nickname: &str) -> (ServerId, Announcement) {
        let fields = json!({"service-name": "storage", "nickname": nickname, "seqnum": 1,
            "nurls": ["a", "b"], "certificates": [{"x": null, "y": true}]});
        let fields = fields.as_object().unwrap().clone();
        (
            ServerId::new(id),
            Announcement::from_fields(fields).unwrap(),
        )
    }

    /// Nicknames that YAML would take for something else, or that can't stand for themselves.
    const NICKNAMES: &[&str] = &[
        "plain",
        "yes",
        "2001-01-01",
        "1e3",
        "~",
        "a: b # c",
        "- x",
        "\"quoted\" 'twice'",
        "Zoë ☃ 😀",
        "\u{0}\t\n\r\u{7f}\u{85}\u{9f}\u{a0}\u{2028}\u{feff}\u{fffd}\u{fffe}\u{ffff}",
        "%TAG",
        "",
    ];

    #[test]
    fn what_is_written_reads_back() {
        let entries: Vec<_> = NICKNAMES.iter().map(|name| entry("v0-a", name)).collect();
        let text = write_cache(entries.iter().map(|(id, ann)| (id, ann)));
        assert_eq!(read_cache(&text).unwrap(), entries);
        assert_eq!(read_cache(&write_cache([])).unwrap(), []);
        assert_eq!(read_cache("").unwrap(), []);
    }

    #[test]
    fn broken_entries_are_left_out_and_broken_files_refused() {
        let (id, ann) = entry("v0-a", "n");
        let good = write_cache([(&id, &ann)]);
        let text = format!("- 7\n- ann: {{}}\n  key_s: v0-b\n- key_s: v0-c\n{good}");
        assert_eq!(read_cache(&text).unwrap(), [(id, ann)]);
        for bad in ["{}", "a: [", "7"] {
            assert!(read_cache(bad).is_err(), "{bad}");
        }
    }
}
