//! Where the log of a node goes.
//!
//! Events go, as lines for people, to standard error and to a file that rotates; as messages of Eliot
//! to files and to whoever listens at `/private/logs/v1`; and the latest are kept for incidents. One
//! filter, `TAHOE_LOG`, says how much. Writing is done by threads of its own behind bounded queues: a
//! slow disk loses lines, which are counted, and never holds up a node.

mod destination;
mod eliot;
mod incident;
mod rotate;

pub use destination::{DestinationError, EliotDestination};
pub use rotate::{RotatingFile, Rotation};

use crate::directory::random_seed;
use eliot::{EliotLayer, LogLine, Sink};
use incident::Incidents;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use tahoe_web::NodeLogs;
use tokio::sync::broadcast;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// Most lines that wait to be written to one place.
const QUEUE_LENGTH: usize = 20_000;
/// Most lines that wait for one listener.
const LISTENER_QUEUE_LENGTH: usize = 1000;

/// Where the log goes, besides standard error.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// A file for people; none for standard error only.
    pub file: Option<PathBuf>,
    /// When that file begins anew.
    pub rotation: Rotation,
    /// Places for Eliot's JSON.
    pub eliot: Vec<EliotDestination>,
    /// How much is logged if `TAHOE_LOG` doesn't say so.
    pub default_filter: String,
}

/// A place for the log can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// It can't be opened.
    #[error("cannot write the log to {place}")]
    Open {
        /// The place.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// `TAHOE_LOG` isn't a filter.
    #[error("TAHOE_LOG must be error, warn, info, debug or trace, or such as tahoe_web=debug,info")]
    BadFilter(#[source] tracing_subscriber::filter::ParseError),
}

/// The log of this process. What waits to be written is written when it is dropped.
#[derive(Debug)]
pub struct Logs {
    incidents: Arc<Incidents>,
    lines: broadcast::Sender<Arc<str>>,
    _writers: Vec<WorkerGuard>,
}

impl Logs {
    /// Begins to log; of several calls in one process the first counts.
    pub fn start(options: &LogOptions) -> Result<Self, LogError> {
        let filter = match std::env::var("TAHOE_LOG") {
            Ok(text) if !text.is_empty() => EnvFilter::try_new(text),
            _ => EnvFilter::try_new(&options.default_filter),
        };
        let filter = filter.map_err(LogError::BadFilter)?;
        let mut writers = Vec::new();
        let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
        let to_standard_error = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        layers.push(to_standard_error.boxed());
        if let Some(path) = &options.file {
            let file = RotatingFile::open(path, options.rotation);
            let file = file.map_err(|source| LogError::Open {
                place: path.display().to_string(),
                source,
            })?;
            let writer = in_background(file, &mut writers);
            layers.push(fmt::layer().with_writer(writer).with_ansi(false).boxed());
        }
        let incidents = Arc::new(Incidents::default());
        let (lines, _) = broadcast::channel(LISTENER_QUEUE_LENGTH);
        let mut sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(Arc::clone(&incidents)),
            Box::new(Listeners(lines.clone())),
        ];
        for destination in &options.eliot {
            let place = destination.open().map_err(|source| LogError::Open {
                place: format!("{destination:?}"),
                source,
            })?;
            sinks.push(Box::new(Lines(in_background(place, &mut writers))));
        }
        layers.push(EliotLayer::new(sinks, random_seed()).boxed());
        let subscriber = tracing_subscriber::registry().with(layers).with(filter);
        // Only a test that runs two nodes in one process has a log already.
        subscriber.try_init().ok();
        Ok(Self {
            incidents,
            lines,
            _writers: writers,
        })
    }

    /// Writes incidents into the directory of a node from now on.
    pub(crate) fn belong_to(&self, directory: &crate::NodeDirectory, tub_id: String) {
        let incidents = directory.file("logs").join("incidents");
        self.incidents.write_into(incidents, tub_id);
    }

    /// What the web server shows of the log to those who have the token.
    pub(crate) fn for_web(&self, token: &str) -> NodeLogs {
        let incidents = Arc::clone(&self.incidents);
        let report = move |details: &str| incidents.report(details).map(drop);
        NodeLogs::new(token, self.lines.clone(), Arc::new(report))
    }
}

/// Writes in a thread of its own.
fn in_background(
    place: impl io::Write + Send + 'static,
    writers: &mut Vec<WorkerGuard>,
) -> NonBlocking {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(QUEUE_LENGTH);
    let (writer, guard) = builder.lossy(true).finish(place);
    writers.push(guard);
    writer
}

/// Lines of JSON for a file.
struct Lines(NonBlocking);

impl Sink for Lines {
    fn take(&self, line: &LogLine) {
        // It only queues; what finds no place is counted there.
        self.0
            .clone()
            .write_all(format!("{}\n", line.json).as_bytes())
            .ok();
    }
}

/// Lines of JSON for whoever listens.
struct Listeners(broadcast::Sender<Arc<str>>);

impl Sink for Listeners {
    fn take(&self, line: &LogLine) {
        // There may be nobody.
        self.0.send(Arc::clone(&line.json)).ok();
    }
}
