//! `POST …?t=check`: checks and repairs of one object, and their JSON.

use crate::args::Args;
use crate::error::WebError;
use crate::python_text::{self, text_repr};
use crate::request::Call;
use crate::{check_page, failures, response};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tahoe_client::{CheckOptions, CheckReport, Checkable, CorruptShareReport, RepairReport};

/// What a request asks of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) options: CheckOptions,
    pub(crate) repair: bool,
}

impl Wish {
    pub(crate) fn of(args: &Args) -> Result<Self, WebError> {
        let verify = args.boolean("verify", false)?;
        let repair = args.boolean("repair", false)?;
        let add_lease = args.boolean("add-lease", false)?;
        Ok(Self {
            options: CheckOptions { verify, add_lease },
            repair,
        })
    }
}

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Html,
    Json,
}

impl Output {
    /// What `output=` says.
    pub(crate) fn of(args: &Args) -> Result<Self, WebError> {
        let Some(output) = args.first("output") else {
            return Ok(Self::Html);
        };
        match output.to_ascii_uppercase().as_slice() {
            b"HTML" => Ok(Self::Html),
            b"JSON" => Ok(Self::Json),
            _ => {
                let shown = text_repr(&String::from_utf8_lossy(output));
                let text = format!("Unknown output value: {shown}");
                Err(WebError::page(StatusCode::BAD_REQUEST, "Bad Format", text))
            }
        }
    }
}

/// Checks an object and answers with what was found; one that is in its capability has no shares to
/// be checked.
pub(crate) async fn answer(
    call: &Call,
    args: &Args,
    object: Option<&Checkable>,
) -> Result<Response, WebError> {
    let Wish { options, repair } = Wish::of(args)?;
    let Some(object) = object else {
        return literal(args);
    };
    let failed = |error| failures::check(&error);
    if repair {
        let repaired = call.client().check_and_repair(object, options).await;
        repaired_answer(call, args, &repaired.map_err(failed)?)
    } else {
        let checked = call.client().check(object, options).await;
        checked_answer(call, args, &checked.map_err(failed)?)
    }
}

/// An object that is in its capability is always healthy.
fn literal(args: &Args) -> Result<Response, WebError> {
    Ok(match Output::of(args)? {
        Output::Json => response::plain(python_text::json(&literal_json())),
        Output::Html => check_page::literal(args),
    })
}

/// The JSON of an object that is in its capability.
pub(crate) fn literal_json() -> Value {
    json!({"storage-index": "", "results": {"healthy": true}})
}

/// Shows what a check found.
pub(crate) fn checked_answer(
    call: &Call,
    args: &Args,
    report: &CheckReport,
) -> Result<Response, WebError> {
    Ok(match Output::of(args)? {
        Output::Json => response::plain(python_text::json(&check_json(report))),
        Output::Html => check_page::checked(call.client(), args, report),
    })
}

/// Shows what a repair came to.
pub(crate) fn repaired_answer(
    call: &Call,
    args: &Args,
    report: &RepairReport,
) -> Result<Response, WebError> {
    Ok(match Output::of(args)? {
        Output::Json => response::plain(python_text::json(&repair_json(report))),
        Output::Html => check_page::repaired(call.client(), args, report),
    })
}

/// The JSON of a check.
pub(crate) fn check_json(report: &CheckReport) -> Value {
    let responding = report.servers_responding.iter();
    let share_map = report.share_map.iter().map(|(share, servers)| {
        let servers: Vec<Value> = servers.iter().map(|s| s.id.clone().into()).collect();
        (share.to_string(), servers.into())
    });
    json!({
        "storage-index": report.storage_index.to_string(),
        "summary": report.summary,
        "results": {
            "count-happiness": report.happiness,
            "count-shares-good": report.shares_good,
            "count-shares-needed": report.shares_needed,
            "count-shares-expected": report.shares_expected,
            "count-good-share-hosts": report.good_share_hosts,
            "count-corrupt-shares": report.corrupt_shares.len(),
            "list-corrupt-shares": corrupt_json(&report.corrupt_shares),
            "servers-responding": responding.map(|s| s.id.as_str()).collect::<Vec<_>>(),
            "sharemap": share_map.collect::<Map<_, _>>(),
            "count-wrong-shares": report.shares_wrong,
            "count-recoverable-versions": report.versions_recoverable,
            "count-unrecoverable-versions": report.versions_unrecoverable,
            "healthy": report.healthy,
            "recoverable": report.recoverable,
        },
    })
}

/// The JSON of corrupt shares.
pub(crate) fn corrupt_json(shares: &[CorruptShareReport]) -> Value {
    let shares = shares.iter().map(|corrupt| {
        json!([
            corrupt.server.id,
            corrupt.storage_index.to_string(),
            corrupt.share
        ])
    });
    shares.collect()
}

/// The JSON of a check and repair.
pub(crate) fn repair_json(report: &RepairReport) -> Value {
    json!({
        "storage-index": report.before.storage_index.to_string(),
        "repair-attempted": report.attempted(),
        "repair-successful": report.successful,
        "pre-repair-results": check_json(&report.before),
        "post-repair-results": check_json(report.latest()),
    })
}
