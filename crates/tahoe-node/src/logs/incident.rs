//! Incidents: what the log said before something went wrong, in a file of its own.
//!
//! A file of Foolscap's format (`flogtool dump` shows it) in `logs/incidents`: a line of magic, a
//! header with the event that triggered it, then the latest events. An event of level `error` triggers
//! one, at most one a minute; so does `/report_incident`.

use super::eliot::{LogLine, Sink};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tracing::Level;

/// How many of the latest events are kept for an incident.
const MOST_EVENTS: usize = 1000;
/// Incidents that are triggered by events come at most so often.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many files are kept.
const MOST_FILES: usize = 100;
const MAGIC: &str = "# foolscap flogfile v1\n";

/// Keeps the latest events and writes them down.
#[derive(Debug, Default)]
pub(super) struct Incidents(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Where files go, and who they are from; none before the node's directory is known.
    place: Option<(PathBuf, String)>,
    events: VecDeque<Value>,
    next_number: u64,
    last: Option<Instant>,
}

impl Incidents {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on incidents are written into this directory, as from this tub.
    pub(super) fn write_into(&self, directory: PathBuf, tub_id: String) {
        self.lock().place = Some((directory, tub_id));
    }

    /// Writes an incident that somebody reports. No file can be named before there is a directory.
    pub(super) fn report(&self, details: &str) -> io::Result<Option<PathBuf>> {
        let mut state = self.lock();
        let text = format!("User reports incident through web page: {details}");
        let trigger = state.add(now(), 30, "tahoe.web", &text);
        state.write(&trigger)
    }
}

impl Sink for std::sync::Arc<Incidents> {
    fn take(&self, line: &LogLine) {
        let mut state = self.lock();
        let event = state.add(line.time, number_of(line.level), line.target, &line.message);
        let is_due = state.last.is_none_or(|last| last.elapsed() >= INTERVAL);
        if line.level == Level::ERROR && is_due && state.place.is_some() {
            state.last = Some(Instant::now());
            // The log can't tell of its own failure.
            state.write(&event).ok();
        }
    }
}

/// Foolscap's number for a level.
fn number_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 30,
        Level::WARN => 25,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0.0, |time| time.as_secs_f64())
}

impl State {
    fn add(&mut self, time: f64, level: u8, facility: &str, message: &str) -> Value {
        let event = json!({
            "num": self.next_number,
            "time": time,
            "level": level,
            "facility": facility,
            "message": message,
            "incarnation": [std::process::id().to_string(), Value::Null],
        });
        self.next_number += 1;
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
        event
    }

    fn write(&self, trigger: &Value) -> io::Result<Option<PathBuf>> {
        let Some((directory, tub_id)) = &self.place else {
            return Ok(None);
        };
        std::fs::create_dir_all(directory)?;
        remove_oldest(directory)?;
        let path = directory.join(file_name(trigger));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let header = json!({"header": {
            "type": "incident",
            "trigger": trigger,
            "versions": {"tahoe-rust": env!("CARGO_PKG_VERSION")},
            "pid": std::process::id(),
        }});
        let mut text = format!("{MAGIC}{header}\n");
        let received = now();
        for event in &self.events {
            let line = json!({"from": tub_id, "rx_time": received, "d": event});
            text += &format!("{line}\n");
        }
        file.write_all(text.as_bytes())?;
        Ok(Some(path))
    }
}

/// `incident-2024-01-31--23-59-59Z-` and four bytes that make it unique.
fn file_name(trigger: &Value) -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day]--[hour]-[minute]-[second]Z");
    let at = time::OffsetDateTime::now_utc();
    let at = at.format(&format).unwrap_or_default();
    let number = trigger["num"].as_u64().unwrap_or(0);
    let unique = u64::from(std::process::id()) << 16 ^ number;
    let unique = tahoe_encoding::base32::encode(&unique.to_be_bytes()[4..]);
    format!("incident-{at}-{unique}.flog")
}

/// Makes room for one more file.
fn remove_oldest(directory: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with("incident-") {
            names.push(name);
        }
    }
    names.sort();
    let surplus = (names.len() + 1).saturating_sub(MOST_FILES);
    for name in names.into_iter().take(surplus) {
        std::fs::remove_file(directory.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn line(level: Level, message: &str) -> LogLine {
        LogLine {
            level,
            time: 1.5,
            target: "test",
            message: message.to_owned(),
            json: "{}".into(),
        }
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(directory) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn an_error_is_an_incident_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("logs/incidents");
        let incidents = Arc::new(Incidents::default());
        incidents.take(&line(Level::ERROR, "nowhere to write yet"));
        assert!(incidents.report("x").unwrap().is_none());
        incidents.write_into(directory.clone(), "tub".to_owned());
        incidents.take(&line(Level::WARN, "before"));
        assert!(files(&directory).is_empty());
        incidents.take(&line(Level::ERROR, "it"));
        incidents.take(&line(Level::ERROR, "again"));
        let [file] = &files(&directory)[..] else {
            panic!("one incident");
        };
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("# foolscap flogfile v1"));
        let header: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(header["header"]["trigger"]["message"], "it");
        let last: Value = serde_json::from_str(lines.next_back().unwrap()).unwrap();
        assert_eq!(
            (&last["from"], &last["d"]["level"]),
            (&"tub".into(), &30.into())
        );
        // Somebody's report doesn't wait.
        let reported = incidents.report("it hangs").unwrap().unwrap();
        let text = std::fs::read_to_string(reported).unwrap();
        assert!(text.contains("User reports incident through web page: it hangs"));
        assert!(text.contains("again"));
    }

    #[test]
    fn only_so_many_events_and_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let incidents = Arc::new(Incidents::default());
        incidents.write_into(folder.path().to_owned(), "tub".to_owned());
        for number in 0..MOST_EVENTS + 5 {
            incidents.take(&line(Level::INFO, &number.to_string()));
        }
        for _ in 0..MOST_FILES + 5 {
            incidents.report("x").unwrap();
        }
        assert_eq!(files(folder.path()).len(), MOST_FILES);
        assert_eq!(incidents.lock().events.len(), MOST_EVENTS);
    }
}
