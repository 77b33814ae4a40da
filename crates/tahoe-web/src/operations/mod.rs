//! `/operations/HANDLE`: operations that take long, and what they have found.
//!
//! A client starts one under a handle of its choice and asks for it until it has finished. What has
//! finished is kept for four days, after it was looked at for one day, or as long as `retain-for=`
//! says.
//!
//! **Invariants:** the number of handles and what each keeps are bounded. An operation ends with its
//! handle: when it is cancelled, replaced, expires, or the node stops.

mod deep_check;
mod deep_check_page;
mod results;
mod stream;

use crate::args::Args;
use crate::error::WebError;
use crate::request::Call;
use crate::upload::{self, FileField};
use crate::{failures, redirect, response};
use axum::body::Body;
use axum::response::Response;
use http::{Method, StatusCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tahoe_client::{
    ChildName, DeepCheckResults, DeepStats, Directory, DirectoryError, Node, StorageIndex, Visit,
    Walk,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use deep_check::stream_deep_check;
pub(crate) use stream::stream_manifest;

/// Handles that are kept at most.
const MOST_HANDLES: usize = 256;
/// Bytes of a handle.
const LONGEST_HANDLE: usize = 1024;
/// Objects that a manifest lists at most.
const MOST_LISTED: usize = 1_000_000;
/// How long results are kept that nobody has looked at.
const UNCOLLECTED: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// How long results are kept that somebody has looked at.
const COLLECTED: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest `retain-for=`.
const LONGEST_RETENTION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What an operation finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everything that can be reached.
    Manifest,
    /// How much it takes.
    DeepSize,
    /// How many of which there are.
    DeepStats,
}

/// All handles.
#[derive(Debug, Default)]
pub(crate) struct Operations(Mutex<HashMap<Vec<u8>, Operation>>);

#[derive(Debug)]
struct Operation {
    work: Work,
    started: Instant,
    /// Set by `retain-for=`, or once somebody has looked at the results.
    expires: Option<Instant>,
    _task: Task,
}

/// What an operation is busy with, and what it has found.
#[derive(Debug, Clone)]
enum Work {
    Walk(Kind, Arc<Mutex<Found>>),
    DeepCheck(Arc<DeepCheckResults>),
}

impl Work {
    fn finished_at(&self) -> Option<Instant> {
        match self {
            Self::Walk(_, found) => lock(found).finished.as_ref().map(|finished| finished.at),
            Self::DeepCheck(results) => results.finished_at(),
        }
    }
}

/// What a walk has found so far.
#[derive(Debug, Default, Clone)]
struct Found {
    origin: Option<StorageIndex>,
    stats: DeepStats,
    manifest: Vec<(Vec<ChildName>, Node)>,
    finished: Option<Finished>,
}

#[derive(Debug, Clone)]
struct Finished {
    at: Instant,
    result: Result<(), Failure>,
}

#[derive(Debug, Clone)]
enum Failure {
    Directory(DirectoryError),
    TooManyListed,
}

/// A running operation; dropping it ends it.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a walk under the handle that the arguments name, and leads to it.
pub(crate) fn start(
    call: &Call,
    args: &Args,
    kind: Kind,
    root: &Directory,
) -> Result<Response, WebError> {
    begin(call, args, || {
        let found = Arc::new(Mutex::new(Found {
            origin: root.storage_index(),
            ..Found::default()
        }));
        let walk = call.client().directories().walk(root);
        let task = tokio::spawn(run(walk, kind, Arc::clone(&found)));
        Ok((Work::Walk(kind, found), Task(task)))
    })
}

/// Starts a deep check under the handle that the arguments name, and leads to it.
pub(crate) fn start_deep_check(
    call: &Call,
    args: &Args,
    root: &Directory,
) -> Result<Response, WebError> {
    begin(call, args, || {
        let options = deep_check::options(args)?;
        let client = call.client();
        let results = DeepCheckResults::new(client, root, options);
        let running = Arc::clone(&results);
        let task = tokio::spawn(running.run(Arc::clone(client), root.clone(), options));
        Ok((Work::DeepCheck(results), Task(task)))
    })
}

fn begin(
    call: &Call,
    args: &Args,
    work: impl FnOnce() -> Result<(Work, Task), WebError>,
) -> Result<Response, WebError> {
    let bad = |text: &str| WebError::text(StatusCode::BAD_REQUEST, text);
    let handle = args.first("ophandle").filter(|handle| !handle.is_empty());
    let handle = handle.ok_or_else(|| bad("slow operation requires ophandle="))?;
    if handle.len() > LONGEST_HANDLE {
        return Err(bad("ophandle= is too long"));
    }
    let now = Instant::now();
    let expires = retention(args)?.map(|retention| now + retention);
    let mut table = call.site.operations.lock();
    table.retain(|_, operation| !operation.has_expired(now));
    if table.len() >= MOST_HANDLES && !table.contains_key(handle) {
        let text = format!("{MOST_HANDLES} operations are running or kept; cancel some");
        return Err(WebError::text(StatusCode::SERVICE_UNAVAILABLE, text));
    }
    let (work, task) = work()?;
    let operation = Operation {
        work,
        started: now,
        expires,
        _task: task,
    };
    table.insert(handle.to_vec(), operation);
    drop(table);
    let location = match args
        .first("when_done")
        .filter(|location| !location.is_empty())
    {
        Some(location) => redirect::after_change(location)?,
        None => {
            let path = [b"operations".to_vec(), handle.to_vec()];
            let output = args.first("output").filter(|output| !output.is_empty());
            let output = output.map(|output| (&b"output"[..], output));
            redirect::path_and_query(&path, output.into_iter())
        }
    };
    Ok(response::redirect(StatusCode::FOUND, &location))
}

async fn run(mut walk: Walk, kind: Kind, found: Arc<Mutex<Found>>) {
    let result = loop {
        let visit = match walk.next().await {
            Ok(Some(visit)) => visit,
            Ok(None) => break Ok(()),
            Err(error) => break Err(Failure::Directory(error)),
        };
        let mut found = lock(&found);
        match visit {
            Visit::Entered { size, children } => found.stats.enter_directory(size, children),
            Visit::Node { path, node } => {
                found.stats.add_node(&node);
                if kind == Kind::Manifest {
                    if found.manifest.len() >= MOST_LISTED {
                        break Err(Failure::TooManyListed);
                    }
                    found.manifest.push((path, node));
                }
            }
        }
    };
    let at = Instant::now();
    lock(&found).finished = Some(Finished { at, result });
}

/// `/operations/HANDLE`, and `/operations/HANDLE/STORAGE-INDEX` of a deep check.
pub(crate) async fn answer(call: &Call, body: Body) -> Result<Response, WebError> {
    let args = match call.method {
        Method::POST => upload::form(call, body, FileField::Skip).await?.args,
        _ => call.args.clone(),
    };
    let handle = call.path.get(1).map(Vec::as_slice).unwrap_or_default();
    let index = call.path.get(2).filter(|index| !index.is_empty());
    match (call.site.operations.look(call, &args, handle)?, index) {
        (Work::Walk(kind, found), None) => {
            let found = lock(&found).clone();
            if let Some(Finished {
                result: Err(failure),
                ..
            }) = &found.finished
            {
                return Err(failure.to_error().into_page());
            }
            results::answer(&args, handle, kind, &found)
        }
        (Work::Walk(..), Some(_)) => Err(WebError::not_found()),
        (Work::DeepCheck(results), index) => {
            if let Some((_, Err(error))) = results.state().finished {
                return Err(failures::directory(&error).into_page());
            }
            match index {
                Some(index) => deep_check::answer_for(call, &args, &results, index).await,
                None => deep_check::answer(&args, handle, &results).await,
            }
        }
    }
}

impl Operations {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Operation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds an operation; cancels it, or keeps it for longer, as the arguments say.
    fn look(&self, call: &Call, args: &Args, handle: &[u8]) -> Result<Work, WebError> {
        let retention = retention(args)?;
        let release = args.boolean("release-after-complete", false)?;
        let now = Instant::now();
        let mut table = self.lock();
        table.retain(|_, operation| !operation.has_expired(now));
        let Some(operation) = table.get_mut(handle) else {
            let name = String::from_utf8_lossy(handle);
            let text = format!("unknown/expired handle '{name}'");
            return Err(WebError::page(StatusCode::NOT_FOUND, "Error", text));
        };
        let work = operation.work.clone();
        let is_finished = work.finished_at().is_some();
        let is_cancelled = call.method == Method::POST && args.t()? == "cancel";
        if is_cancelled || (is_finished && release) {
            table.remove(handle);
        } else if let Some(retention) = retention {
            operation.expires = Some(now + retention);
        } else if is_finished {
            operation.expires = Some(now + COLLECTED);
        }
        Ok(work)
    }
}

impl Operation {
    fn has_expired(&self, now: Instant) -> bool {
        let finished = self.work.finished_at();
        let uncollected = || {
            let finished = finished?;
            let kept = UNCOLLECTED.max(finished - self.started);
            Some(finished + kept)
        };
        let expires = self.expires.or_else(uncollected);
        expires.is_some_and(|expires| expires <= now)
    }
}

impl Failure {
    fn to_error(&self) -> WebError {
        match self {
            Self::Directory(error) => failures::directory(error),
            Self::TooManyListed => {
                let text = format!(
                    "the manifest would list more than {MOST_LISTED} objects; \
                     use t=stream-manifest instead"
                );
                WebError::text(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `retain-for=`, in seconds.
fn retention(args: &Args) -> Result<Option<Duration>, WebError> {
    let Some(text) = args.first("retain-for") else {
        return Ok(None);
    };
    let seconds = std::str::from_utf8(text).ok();
    let seconds = seconds.and_then(|text| text.trim().parse::<u64>().ok());
    let seconds = seconds.ok_or_else(|| {
        let text = "retain-for= must be a number of seconds";
        WebError::text(StatusCode::BAD_REQUEST, text)
    })?;
    Ok(Some(Duration::from_secs(seconds).min(LONGEST_RETENTION)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn operation(started: Instant, finished: Option<Instant>) -> Operation {
        let result = Ok(());
        let finished = finished.map(|at| Finished { at, result });
        let found = Found {
            finished,
            ..Found::default()
        };
        Operation {
            work: Work::Walk(Kind::DeepSize, Arc::new(Mutex::new(found))),
            started,
            expires: None,
            _task: Task(tokio::spawn(async {})),
        }
    }

    #[tokio::test]
    async fn results_are_kept_for_a_time() {
        let start = Instant::now();
        let running = operation(start, None);
        assert!(!running.has_expired(start + 10_000 * HOUR));
        let finished = operation(start, Some(start + HOUR));
        assert!(!finished.has_expired(start + 96 * HOUR));
        assert!(finished.has_expired(start + 97 * HOUR));
        // What took longer is kept for longer.
        let long = operation(start, Some(start + 200 * HOUR));
        assert!(!long.has_expired(start + 399 * HOUR));
        assert!(long.has_expired(start + 400 * HOUR));
        let mut told = operation(start, Some(start + HOUR));
        told.expires = Some(start + 2 * HOUR);
        assert!(!told.has_expired(start + HOUR) && told.has_expired(start + 2 * HOUR));
    }

    #[test]
    fn retention_is_a_number_of_seconds() {
        let parse = |query: &[u8]| retention(&Args::parse(query)).map_err(drop);
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(b"retain-for=60"), Ok(Some(Duration::from_secs(60))));
        assert_eq!(
            parse(b"retain-for=99999999999"),
            Ok(Some(LONGEST_RETENTION))
        );
        for bad in [
            "retain-for=",
            "retain-for=-1",
            "retain-for=x",
            "retain-for=1.5",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(()), "{bad}");
        }
    }
}
