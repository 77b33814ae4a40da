//! Events of the log as messages of Eliot, the original's structured log.
//!
//! ```json
//! {"timestamp": 1732580000.5, "task_uuid": "…", "task_level": [1],
//!  "message_type": "tahoe:tahoe_node::node", "log_level": "info", "message": "client running"}
//! ```
//!
//! What an event carries besides its message stands beside it under its own name. Each event is a task
//! of its own, as messages outside of any action are in Eliot.

use serde_json::{Map, Value};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The longest text of a field, in bytes; the rest is cut off.
const MAX_TEXT: usize = 16 * 1024;

/// An event as a line of JSON, without its end.
#[derive(Debug, Clone)]
pub(super) struct LogLine {
    /// How serious it is.
    pub(super) level: Level,
    /// When, in seconds since 1970.
    pub(super) time: f64,
    /// Which part of the program it comes from.
    pub(super) target: &'static str,
    /// What it says.
    pub(super) message: String,
    /// The JSON.
    pub(super) json: Arc<str>,
}

/// Takes lines; must not log and must not wait.
pub(super) trait Sink: Send + Sync + 'static {
    fn take(&self, line: &LogLine);
}

/// Makes lines of events and gives them to sinks.
pub(super) struct EliotLayer {
    sinks: Vec<Box<dyn Sink>>,
    tasks: TaskIds,
}

impl EliotLayer {
    /// `seed` makes the ids of this process differ from those of others.
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>, seed: [u8; 8]) -> Self {
        let tasks = TaskIds {
            seed: u64::from_be_bytes(seed),
            next: AtomicU64::new(0),
        };
        Self { sinks, tasks }
    }
}

impl<S: Subscriber> Layer<S> for EliotLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time = now.map_or(0.0, |time| time.as_secs_f64());
        let level = metadata.level().to_string().to_lowercase();
        let mut message = Map::new();
        message.insert("timestamp".to_owned(), time.into());
        message.insert("task_uuid".to_owned(), self.tasks.next().into());
        message.insert("task_level".to_owned(), vec![1].into());
        let kind = format!("tahoe:{}", metadata.target());
        message.insert("message_type".to_owned(), kind.into());
        message.insert("log_level".to_owned(), level.into());
        message.insert("message".to_owned(), fields.message.clone().into());
        for (name, value) in fields.others {
            // The names above are taken.
            let name = if message.contains_key(&name) {
                format!("{name}_")
            } else {
                name
            };
            message.insert(name, value);
        }
        let line = LogLine {
            level: *metadata.level(),
            time,
            target: metadata.target(),
            message: fields.message,
            json: Value::Object(message).to_string().into(),
        };
        for sink in &self.sinks {
            sink.take(&line);
        }
    }
}

/// Names tasks in the form of a UUID of version 4.
struct TaskIds {
    seed: u64,
    next: AtomicU64,
}

impl TaskIds {
    fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let [high, low] = [self.seed >> 32, self.seed & 0xffff_ffff];
        format!(
            "{high:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            low >> 16,
            low & 0xfff,
            number >> 48 & 0xfff,
            number & 0xffff_ffff_ffff
        )
    }
}

/// What an event carries.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(String, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.others.push((field.name().to_owned(), value));
    }

    fn add_text(&mut self, field: &Field, mut text: String) {
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        match field.name() {
            "message" => self.message = text,
            _ => self.add(field, text.into()),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add_text(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tracing_subscriber::prelude::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<LogLine>>);

    impl Sink for Arc<Kept> {
        fn take(&self, line: &LogLine) {
            self.0.lock().unwrap().push(line.clone());
        }
    }

    #[test]
    fn events_become_messages() {
        let kept = Arc::new(Kept::default());
        let layer = EliotLayer::new(vec![Box::new(Arc::clone(&kept))], [0xab; 8]);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(count = 3, name = "x", timestamp = true, "two {}", "words");
            tracing::info!("{}", "é".repeat(MAX_TEXT));
        });
        let lines = kept.0.lock().unwrap();
        let message: Value = serde_json::from_str(&lines[0].json).unwrap();
        assert_eq!(message["message"], "two words");
        assert_eq!(message["log_level"], "warn");
        assert_eq!(message["message_type"], format!("tahoe:{}", module_path!()));
        assert_eq!(
            (&message["count"], &message["name"]),
            (&3.into(), &"x".into())
        );
        assert_eq!(message["timestamp_"], true);
        assert_eq!(message["task_level"], serde_json::json!([1]));
        assert_eq!(message["task_uuid"], "abababab-abab-4bab-8000-000000000000");
        assert_eq!(lines[1].message.len(), MAX_TEXT);
    }
}
