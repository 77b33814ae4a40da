//! `/storage`: the space, the crawlers and the leases of the node's storage server.

use crate::chart;
use crate::error::WebError;
use crate::format::{abbreviate_size, abbreviate_time, unix_seconds};
use crate::html::{self, Html};
use crate::request::Call;
use crate::{python_text, response};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// A storage server that the page is about.
pub trait StorageStatus: Send + Sync + std::fmt::Debug {
    /// How it is now.
    fn report(&self) -> StorageReport;
}

/// How a storage server is.
#[derive(Debug, Clone, Default)]
pub struct StorageReport {
    /// The id of its Foolscap certificate.
    pub node_id: String,
    /// Its figures, `storage_server.*`.
    pub stats: serde_json::Map<String, Value>,
    /// What the bucket counter found.
    pub bucket_counter: Value,
    /// How far it is.
    pub bucket_counter_progress: Value,
    /// What the lease checker found.
    pub lease_checker: Value,
    /// How far it is.
    pub lease_checker_progress: Value,
    /// Whether leases that have ended are removed.
    pub expiration_enabled: bool,
    /// Mode, override in seconds, cutoff in seconds since 1970, kinds of shares.
    pub expiration_mode: Value,
}

/// Answers any method, as the reference does.
pub(crate) fn answer(call: &Call) -> Result<Response, WebError> {
    let report = call.site.options.storage.as_ref().map(|s| s.report());
    match (call.page_format()?.as_deref(), report) {
        (None | Some("HTML"), Some(report)) => {
            let now = unix_seconds(call.client().now());
            let page = page(&call.client().config().nickname, &report, now);
            Ok(response::html(StatusCode::OK, "text/html", page))
        }
        (None | Some("HTML"), None) => {
            let mut body = Html::default();
            body.element("p", "No Storage Server Running");
            let page = html::page("Storage Server Status", &body);
            Ok(response::html(StatusCode::OK, "text/html", page))
        }
        (Some("JSON"), Some(report)) => Ok(response::plain(python_text::json(&json(report)))),
        // The reference fails here; a program can tell this from a server's figures.
        (Some("JSON"), None) => Ok(response::plain("{}\n".to_owned())),
        (Some(_), _) => Err(call.unknown_page_format()),
    }
}

fn json(report: StorageReport) -> Value {
    serde_json::json!({
        "stats": report.stats,
        "bucket-counter": report.bucket_counter,
        "lease-checker": report.lease_checker,
        "lease-checker-progress": report.lease_checker_progress,
    })
}

fn page(nickname: &str, report: &StorageReport, now: f64) -> String {
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Server Nickname", nickname);
    body.fact("Server Nodeid", &report.node_id);
    let accepting = report
        .stats
        .get("storage_server.accepting_immutable_shares");
    let yes_or_no = if accepting.and_then(Value::as_u64) == Some(1) {
        "Yes"
    } else {
        "No"
    };
    body.fact("Accepting new shares", yes_or_no);
    for (title, name) in [
        ("Total disk space", "disk_total"),
        ("Disk space used", "disk_used"),
        ("Disk space free (root)", "disk_free_for_root"),
        ("Disk space free (non-root)", "disk_free_for_nonroot"),
        ("Reserved space", "reserved_space"),
        ("Space available to Tahoe", "disk_avail"),
    ] {
        let bytes = report.stats.get(&format!("storage_server.{name}"));
        body.fact(title, &space(bytes.unwrap_or(&Value::Null)));
    }
    body.raw("</dl>\n");
    disk(&mut body, &report.stats);
    body.raw("</section>\n").element("h2", "Share Counter");
    body.raw("\n<section><dl class=\"facts\">\n");
    let count = report.bucket_counter["last-complete-bucket-count"].as_u64();
    let count = count.map_or_else(|| "Not computed yet".to_owned(), |count| count.to_string());
    body.fact("Total buckets", &count);
    body.fact("Progress", &progress(&report.bucket_counter_progress));
    body.raw("</dl></section>\n");
    body.element("h2", "Lease Expiration Crawler");
    body.raw("\n<section><dl class=\"facts\">\n");
    body.fact(
        "Expiration",
        match report.expiration_enabled {
            true => "Enabled: expired leases will be removed",
            false => "Disabled: scan-only mode, no leases will be removed",
        },
    );
    body.fact("Rule", &rule(&report.expiration_mode));
    body.fact("Progress", &progress(&report.lease_checker_progress));
    body.raw("</dl></section>\n");
    current_cycle(&mut body, &report.lease_checker);
    last_cycle(&mut body, &report.lease_checker["history"], now);
    body.raw("<p>Also as <a href=\"?t=json\">JSON</a>.</p>");
    html::page("Storage Server Status", &body)
}

/// How full the disk is.
fn disk(body: &mut Html, stats: &serde_json::Map<String, Value>) {
    let figure = |name: &str| stats.get(&format!("storage_server.{name}"))?.as_f64();
    let (Some(total), Some(used)) = (figure("disk_total"), figure("disk_used")) else {
        return;
    };
    let bar = chart::Bar {
        from: 0.0,
        to: used,
        kind: chart::Kind::Good,
    };
    let row = chart::Row {
        label: "The disk".to_owned(),
        bars: vec![bar],
        text: format!("{:.0}% used", 100.0 * used / total.max(1.0)),
    };
    chart::bars(body, total, &[row]);
}

fn space(bytes: &Value) -> String {
    match whole(bytes) {
        Some(bytes) => format!("{bytes} ({})", abbreviate_size(bytes)),
        None => "?".to_owned(),
    }
}

/// A figure or an estimate as a whole number.
fn whole(value: &Value) -> Option<u64> {
    let number = value.as_f64()?.max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it isn't negative, and casts saturate"
    )]
    Some(number as u64)
}

fn time(seconds: &Value) -> Option<String> {
    let seconds = Duration::try_from_secs_f64(seconds.as_f64()?.max(0.0)).ok()?;
    Some(abbreviate_time(seconds))
}

fn progress(progress: &Value) -> String {
    let per_cycle = time(&progress["estimated-time-per-cycle"]);
    let per_cycle = per_cycle.map(|time| format!(" (estimated cycle time {time})"));
    let per_cycle = per_cycle.unwrap_or_default();
    let next = |key: &str| time(&progress[key]).unwrap_or_else(|| "0us".to_owned());
    if progress["cycle-in-progress"] == true {
        let percent = progress["cycle-complete-percentage"].as_f64();
        let left = whole(&progress["estimated-cycle-complete-time-left"]);
        let left = left.map(|seconds| format!(" (ETA {seconds}s)"));
        return format!(
            "Current crawl {:.1}% complete{} (next work in {}){per_cycle}",
            percent.unwrap_or(0.0),
            left.unwrap_or_default(),
            next("remaining-sleep-time"),
        );
    }
    format!("Next crawl in {}{per_cycle}", next("remaining-wait-time"))
}

fn rule(mode: &Value) -> String {
    let kinds = mode[3].as_array().into_iter().flatten();
    let kinds: Vec<&str> = kinds.filter_map(Value::as_str).collect();
    let rule = match (mode[0].as_str(), time(&mode[1]), mode[2].as_i64()) {
        (Some("cutoff-date"), _, Some(seconds)) => {
            let date = time::OffsetDateTime::from_unix_timestamp(seconds);
            let date = date.map(|date| date.date().to_string()).unwrap_or_default();
            format!("Leases created or last renewed before {date} UTC will be considered expired.")
        }
        (_, Some(duration), _) => format!(
            "Leases created or last renewed more than {duration} ago will be considered expired."
        ),
        _ => "Leases will expire naturally, probably 31 days after creation or renewal.".to_owned(),
    };
    format!(
        "{rule} The following sharetypes will be expired: {}.",
        kinds.join(" ")
    )
}

/// `5 shares, 3 buckets (1 mutable / 2 immutable), 20.5kB (8.2kB / 12.3kB)`.
fn recovered(space: &Value, what: &str) -> String {
    let figure = |name: &str| whole(&space[format!("{what}-{name}")]);
    let count = |name: &str| figure(name).map_or_else(|| "?".to_owned(), |n| n.to_string());
    let size = |name: &str| figure(name).map_or_else(|| "?".to_owned(), abbreviate_size);
    format!(
        "{} shares, {} buckets ({} mutable / {} immutable), {} ({} / {})",
        count("shares"),
        count("buckets"),
        count("buckets-mutable"),
        count("buckets-immutable"),
        size("diskbytes"),
        size("diskbytes-mutable"),
        size("diskbytes-immutable"),
    )
}

fn current_cycle(body: &mut Html, state: &Value) {
    let so_far = &state["cycle-to-date"];
    if so_far.is_null() {
        return;
    }
    let found = &so_far["space-recovered"];
    let rest = &state["estimated-remaining-cycle"]["space-recovered"];
    let whole_cycle = &state["estimated-current-cycle"]["space-recovered"];
    body.element("h3", "Current cycle").raw("\n<ul>\n");
    let mut item = |text: String| {
        body.element("li", &text).raw("\n");
    };
    item(format!("Examined so far: {}", recovered(found, "examined")));
    item(format!("Recovered so far: {}", recovered(found, "actual")));
    let what = match so_far["expiration-enabled"] == true {
        true => "actual",
        false => {
            let by_now = recovered(found, "configured");
            item(format!(
                "If expiration were enabled, we would have recovered: {by_now}"
            ));
            "configured"
        }
    };
    item(format!("Expected of the rest: {}", recovered(rest, what)));
    item(format!(
        "Expected of the whole cycle: {}",
        recovered(whole_cycle, what)
    ));
    item(format!(
        "By each lease's own 31 days, the whole cycle would recover: {}",
        recovered(whole_cycle, "original")
    ));
    corrupt_shares(body, &so_far["corrupt-shares"]);
    body.raw("</ul>\n");
}

fn last_cycle(body: &mut Html, history: &Value, now: f64) {
    let rounds = history.as_object().into_iter().flatten();
    let last = rounds.max_by_key(|(number, _)| number.parse::<u64>().unwrap_or(0));
    let Some((_, last)) = last else { return };
    let times = &last["cycle-start-finish-times"];
    let [started, ended] = [&times[0], &times[1]].map(|time| time.as_f64().unwrap_or(0.0));
    let took = time(&(ended - started).into()).unwrap_or_default();
    let ago = time(&(now - ended).into()).unwrap_or_default();
    let found = &last["space-recovered"];
    body.element("h3", "Last complete cycle").raw("\n<ul>\n");
    let mut item = |text: String| {
        body.element("li", &text).raw("\n");
    };
    item(format!("It took {took} and finished {ago} ago."));
    item(format!("Recovered: {}", recovered(found, "actual")));
    item(format!("Saw a total of: {}", recovered(found, "examined")));
    if last["expiration-enabled"] != true {
        item(format!(
            "Expiration was not enabled. If it had been, it would have recovered: {}",
            recovered(found, "configured")
        ));
    }
    corrupt_shares(body, &last["corrupt-shares"]);
    body.raw("</ul>\n");
}

fn corrupt_shares(body: &mut Html, shares: &Value) {
    for share in shares.as_array().into_iter().flatten() {
        let index = share[0].as_str().unwrap_or_default();
        body.element(
            "li",
            &format!("Corrupt share: SI {index} shnum {}", share[1]),
        );
        body.raw("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_and_progress_in_words() {
        let natural = rule(&json!(["age", null, null, ["immutable", "mutable"]]));
        assert!(natural.contains("31 days") && natural.ends_with("immutable mutable."));
        assert!(rule(&json!(["age", 60, null, []])).contains("more than 60s ago"));
        let cutoff = rule(&json!(["cutoff-date", null, 1_237_161_600, ["mutable"]]));
        assert!(cutoff.contains("before 2009-03-16 UTC"), "{cutoff}");
        let waiting = json!({"cycle-in-progress": false, "remaining-wait-time": 12.0,
            "estimated-time-per-cycle": null});
        assert_eq!(progress(&waiting), "Next crawl in 12s");
        let working = json!({"cycle-in-progress": true, "cycle-complete-percentage": 12.5,
            "estimated-cycle-complete-time-left": 7.9, "remaining-sleep-time": 1.5,
            "estimated-time-per-cycle": 60.0});
        assert_eq!(
            progress(&working),
            "Current crawl 12.5% complete (ETA 7s) (next work in 1.50s) (estimated cycle time 60s)"
        );
    }

    #[test]
    fn what_is_not_known_is_a_question_mark() {
        assert_eq!(
            recovered(
                &json!({"actual-shares": 2.7, "actual-buckets": null}),
                "actual"
            ),
            "2 shares, ? buckets (? mutable / ? immutable), ? (? / ?)"
        );
    }
}
