//! `t=start-deep-check` and `t=stream-deep-check`: checks and repairs of a whole tree.

use super::deep_check_page;
use super::stream::{failure, line, object};
use crate::args::Args;
use crate::check::{self, Output, Wish};
use crate::error::WebError;
use crate::python_text;
use crate::request::Call;
use crate::response;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{Stream, StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tahoe_client::{
    CheckedObject, Client, DeepCheckOptions, DeepCheckResults, DeepCheckState, DeepStats, DeepStep,
    Directory, Outcome, SpooledReport, StorageIndex,
};

/// Objects that weren't healthy and are listed at most.
const MOST_UNHEALTHY: usize = 100_000;

/// What a request asks of a deep check.
pub(crate) fn options(args: &Args) -> Result<DeepCheckOptions, WebError> {
    let Wish { options, repair } = Wish::of(args)?;
    Ok(DeepCheckOptions {
        check: options,
        repair,
    })
}

/// Streams a line of JSON for each object as it is checked, in the order of the walk, then the
/// statistics. The walk goes as fast as the client reads, and ends with the connection.
pub(crate) fn stream_deep_check(
    call: &Call,
    args: &Args,
    root: &Directory,
) -> Result<Response, WebError> {
    let lines = lines(call.client(), root, options(args)?);
    let mut response = Response::new(Body::from_stream(lines));
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(CONTENT_TYPE, html);
    Ok(response)
}

fn lines(
    client: &Arc<Client>,
    root: &Directory,
    options: DeepCheckOptions,
) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let steps = Box::pin(client.deep_check(root, options));
    let begun = Some((steps, DeepStats::default()));
    stream::unfold(begun, move |state| async move {
        let (mut steps, mut stats) = state?;
        loop {
            match steps.next().await {
                Some(Ok(DeepStep::Entered { size, children })) => {
                    stats.enter_directory(size, children);
                }
                Some(Ok(DeepStep::Object(checked))) => {
                    stats.add_node(&checked.node);
                    let line = line(&checked_object(&checked, options));
                    return Some((Ok(line), Some((steps, stats))));
                }
                Some(Err(error)) => return Some((Ok(failure(&error)), None)),
                None => {
                    let stats = Value::Object(stats.to_json());
                    let last = line(&json!({"type": "stats", "stats": stats}));
                    return Some((Ok(last), None));
                }
            }
        }
    })
}

fn checked_object(checked: &CheckedObject, options: DeepCheckOptions) -> Value {
    let mut value = object(&checked.path, &checked.node);
    let (key, results) = match &checked.outcome {
        Outcome::Checked(report) => ("check-results", check::check_json(report)),
        Outcome::Repaired(report) => ("check-and-repair-results", check::repair_json(report)),
        Outcome::NoShares if options.repair => (
            "check-and-repair-results",
            json!({"storage-index": "", "repair-attempted": false}),
        ),
        Outcome::NoShares => ("check-results", check::literal_json()),
    };
    value[key] = results;
    value
}

/// Shows what a deep check has found so far.
pub(super) async fn answer(
    args: &Args,
    handle: &[u8],
    results: &DeepCheckResults,
) -> Result<Response, WebError> {
    let state = results.state();
    match Output::of(args)? {
        Output::Json => {
            let unhealthy = results.reports(MOST_UNHEALTHY, true).await;
            let json = json_of(&state, &unhealthy.map_err(|error| lost(&error))?);
            Ok(response::plain(python_text::json(&json)))
        }
        Output::Html => deep_check_page::answer(args, handle, &state, results).await,
    }
}

/// Shows what a deep check has found of one object.
pub(super) async fn answer_for(
    call: &Call,
    args: &Args,
    results: &DeepCheckResults,
    index: &[u8],
) -> Result<Response, WebError> {
    let text = String::from_utf8_lossy(index);
    let unknown = || {
        let text = format!("No detailed results for SI {text}");
        WebError::page(StatusCode::NOT_FOUND, "Error", text)
    };
    let index: StorageIndex = text.parse().map_err(|_| unknown())?;
    let found = results.report_of(&index).await;
    let found = found.map_err(|error| lost(&error))?.ok_or_else(unknown)?;
    match found.repair {
        Some(report) => check::repaired_answer(call, args, &report),
        None => check::checked_answer(call, args, &found.check),
    }
}

/// The temporary file with the reports failed.
pub(super) fn lost(error: &std::io::Error) -> WebError {
    WebError::failure(
        "builtins.OSError",
        format!("the reports can't be read: {error}"),
    )
}

fn json_of(state: &DeepCheckState, unhealthy: &[SpooledReport]) -> Value {
    let counts = &state.counts;
    let root = state.root.map(|index| index.to_string());
    let mut json = Map::new();
    let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
    put("finished", state.finished.is_some().into());
    put(
        "root-storage-index",
        root.unwrap_or_else(|| "<none>".to_owned()).into(),
    );
    put("count-objects-checked", counts.checked.into());
    if state.repairs {
        for (key, count) in [
            ("count-objects-healthy-pre-repair", counts.healthy),
            ("count-objects-unhealthy-pre-repair", counts.unhealthy),
            ("count-objects-healthy-post-repair", counts.healthy_after),
            (
                "count-objects-unhealthy-post-repair",
                counts.unhealthy_after,
            ),
            ("count-repairs-attempted", counts.repairs_attempted),
            ("count-repairs-successful", counts.repairs_successful),
            ("count-repairs-unsuccessful", counts.repairs_unsuccessful),
            ("count-corrupt-shares-pre-repair", counts.corrupt_shares),
            // The reference repeats the number, and programs may expect it.
            ("count-corrupt-shares-post-repair", counts.corrupt_shares),
        ] {
            put(key, count.into());
        }
    } else {
        put("count-objects-healthy", counts.healthy.into());
        put("count-objects-unhealthy", counts.unhealthy.into());
        put("count-corrupt-shares", counts.corrupt_shares.into());
    }
    put(
        "list-corrupt-shares",
        check::corrupt_json(&state.corrupt_shares),
    );
    if state.repairs {
        let remaining = check::corrupt_json(&state.corrupt_shares_after);
        put("list-remaining-corrupt-shares", remaining);
    }
    let unhealthy = unhealthy.iter();
    let unhealthy = unhealthy.map(|object| json!([object.path, check::check_json(&object.check)]));
    put("list-unhealthy-files", unhealthy.collect());
    // The reference has them only once it has finished.
    let stats = match &state.finished {
        Some((_, Ok(()))) => state.stats.to_json(),
        Some((_, Err(_))) | None => Map::new(),
    };
    put("stats", Value::Object(stats));
    Value::Object(json)
}
