//! `exit_trigger`: a file that whoever started the node keeps touching.

use crate::directory::NodeDirectory;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// A file that wasn't touched for so long stops the node.
const MAX_AGE: Duration = Duration::from_secs(120);

/// A file whose disappearance or age stops the node.
#[derive(Debug)]
pub(super) struct ExitTrigger {
    path: PathBuf,
}

impl ExitTrigger {
    /// The file of a directory; none if it isn't there now.
    pub(super) fn of(directory: &NodeDirectory) -> Option<Self> {
        let path = directory.file("exit_trigger");
        path.exists().then_some(Self { path })
    }

    /// Returns once the file is gone or old.
    pub(super) async fn triggered(&self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            let path = self.path.clone();
            let looked = tokio::task::spawn_blocking(move || reason_to_stop(&path)).await;
            if let Ok(Some(reason)) = looked {
                tracing::info!("exit_trigger {reason}: stopping");
                return;
            }
        }
    }
}

fn reason_to_stop(path: &Path) -> Option<&'static str> {
    let Ok(modified) = std::fs::metadata(path).and_then(|metadata| metadata.modified()) else {
        return Some("is missing");
    };
    let age = SystemTime::now()
        .duration_since(modified)
        .unwrap_or_default();
    (age >= MAX_AGE).then_some("is too old")
}
