//! `/statistics`: what the node counts, as a page, as JSON and as OpenMetrics.

use crate::chart;
use crate::error::WebError;
use crate::format::{abbreviate_size, abbreviate_time};
use crate::html::{self, Html};
use crate::python_text;
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use tahoe_client::statistics::{Snapshot, Value};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers any method, as the reference does.
pub(crate) fn answer(call: &Call) -> Result<Response, WebError> {
    let snapshot = call.client().statistics().snapshot();
    match call.page_format()?.as_deref() {
        None | Some("HTML") => Ok(response::html(StatusCode::OK, "text/html", page(&snapshot))),
        Some("JSON") => Ok(response::plain(python_text::json(&json(&snapshot)))),
        Some("OPENMETRICS") => {
            let text = openmetrics(&snapshot);
            Ok(response::with_type(StatusCode::OK, OPENMETRICS, text))
        }
        Some(_) => Err(call.unknown_page_format()),
    }
}

fn json(snapshot: &Snapshot) -> serde_json::Value {
    let stats: BTreeMap<_, _> = snapshot
        .stats
        .iter()
        .map(|(name, value)| (name, value.to_json()))
        .collect();
    serde_json::json!({ "counters": snapshot.counters, "stats": stats })
}

/// One line per value, sorted, and the closing `# EOF`.
fn openmetrics(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let mut line = |prefix: &str, name: &str, value: String| {
        writeln!(text, "tahoe_{prefix}_{} {value}", metric_name(name))
            .expect("a String takes everything");
    };
    for (name, count) in &snapshot.counters {
        line("counters", name, count.to_string());
    }
    for (name, value) in &snapshot.stats {
        let value = match value {
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => format!("{number:?}"),
            Value::Unknown => "NaN".to_owned(),
        };
        line("stats", name, value);
    }
    text + "# EOF\n"
}

/// A metric's name: dots become underscores, `_99_9_percentile` becomes `{quantile="0.999"}`.
fn metric_name(name: &str) -> String {
    let name = name.replace('.', "_");
    let Some(start) = name.strip_suffix("_percentile") else {
        return name;
    };
    match start.as_bytes() {
        [stem @ .., b'_', a, b, b'_', c]
            if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) =>
        {
            let stem = String::from_utf8_lossy(stem);
            let digits: String = [a, b, c]
                .into_iter()
                .map(|digit| char::from(*digit))
                .collect();
            format!("{stem}{{quantile=\"0.{digits}\"}}")
        }
        _ => name,
    }
}

fn page(snapshot: &Snapshot) -> String {
    let count = |name: &str| snapshot.counters.get(name).copied().unwrap_or(0);
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    for (title, files, bytes) in [
        (
            "Files Uploaded (immutable)",
            count("uploader.files_uploaded"),
            count("uploader.bytes_uploaded"),
        ),
        (
            "Files Downloaded (immutable)",
            count("downloader.files_downloaded"),
            count("downloader.bytes_downloaded"),
        ),
        (
            "Files Published (mutable)",
            count("mutable.files_published"),
            count("mutable.bytes_published"),
        ),
        (
            "Files Retrieved (mutable)",
            count("mutable.files_retrieved"),
            count("mutable.bytes_retrieved"),
        ),
    ] {
        let size = abbreviate_size(bytes);
        let text = format!("{files} files / {bytes} bytes ({size})");
        body.fact(title, &text);
    }
    body.raw("</dl></section>\n");
    traffic(&mut body, snapshot);
    latencies(&mut body, snapshot);
    body.element("h2", "Raw Stats").raw("\n<pre>");
    body.text(&python_text::json(&json(snapshot)))
        .raw("</pre>\n");
    body.raw(
        "<p>Also as <a href=\"?t=json\">JSON</a> and as \
         <a href=\"?t=openmetrics\">OpenMetrics</a>.</p>",
    );
    html::page("Operational Statistics", &body)
}

/// Bytes that went through the node, beside each other.
fn traffic(body: &mut Html, snapshot: &Snapshot) {
    let counted = [
        ("Uploaded", "uploader.bytes_uploaded"),
        ("Downloaded", "downloader.bytes_downloaded"),
        ("Published", "mutable.bytes_published"),
        ("Retrieved", "mutable.bytes_retrieved"),
    ]
    .map(|(label, name)| (label, snapshot.counters.get(name).copied().unwrap_or(0)));
    let most = counted.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "a bar has a thousand units")]
    let rows = counted.map(|(label, bytes)| row(label, bytes as f64, abbreviate_size(bytes)));
    body.raw("<section><h2>Bytes since the start</h2>\n");
    #[expect(clippy::cast_precision_loss, reason = "likewise")]
    chart::bars(body, most as f64, &rows);
    body.raw("</section>\n");
}

/// How long the storage server takes for nine of ten calls of each kind, if it was called.
fn latencies(body: &mut Html, snapshot: &Snapshot) {
    let name = |key: &str| {
        let name = key.strip_prefix("storage_server.latencies.")?;
        Some(name.strip_suffix(".90_0_percentile")?.to_owned())
    };
    let measured = snapshot
        .stats
        .iter()
        .filter_map(|(key, value)| match value {
            Value::Real(seconds) => Some((name(key)?, *seconds)),
            Value::Integer(_) | Value::Unknown => None,
        });
    let measured: Vec<(String, f64)> = measured.collect();
    if measured.is_empty() {
        return;
    }
    let longest = measured
        .iter()
        .map(|(_, seconds)| *seconds)
        .fold(0.0, f64::max);
    let row = |(label, seconds): &(String, f64)| {
        let time = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
        row(label, *seconds, abbreviate_time(time))
    };
    let rows: Vec<_> = measured.iter().map(row).collect();
    body.raw("<section><h2>Storage server: nine of ten calls take at most</h2>\n");
    chart::bars(body, longest, &rows);
    body.raw("</section>\n");
}

fn row(label: &str, to: f64, text: String) -> chart::Row {
    let kind = chart::Kind::Good;
    let bars = if to > 0.0 {
        vec![chart::Bar {
            from: 0.0,
            to,
            kind,
        }]
    } else {
        Vec::new()
    };
    chart::Row {
        label: label.to_owned(),
        bars,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot
            .counters
            .insert("uploader.files_uploaded".into(), 2);
        snapshot
            .counters
            .insert("downloader.bytes_downloaded".into(), 3031);
        for (name, value) in [
            ("node.uptime", Value::Real(160.0)),
            ("storage_server.disk_avail", Value::Unknown),
            (
                "storage_server.latencies.read.99_9_percentile",
                Value::Integer(1),
            ),
            (
                "storage_server.latencies.read.90_0_percentile",
                Value::Real(0.5),
            ),
        ] {
            snapshot.stats.insert(name.into(), value);
        }
        snapshot
    }

    #[test]
    fn openmetrics_text() {
        let expected = "\
tahoe_counters_downloader_bytes_downloaded 3031
tahoe_counters_uploader_files_uploaded 2
tahoe_stats_node_uptime 160.0
tahoe_stats_storage_server_disk_avail NaN
tahoe_stats_storage_server_latencies_read{quantile=\"0.900\"} 0.5
tahoe_stats_storage_server_latencies_read{quantile=\"0.999\"} 1
# EOF
";
        assert_eq!(openmetrics(&snapshot()), expected);
        assert_eq!(openmetrics(&Snapshot::default()), "# EOF\n");
    }

    #[test]
    fn json_has_counters_and_stats() {
        let text = python_text::json(&json(&snapshot()));
        assert!(text.starts_with("{\n \"counters\": {\n  \"downloader.bytes_downloaded\": 3031,"));
        assert!(text.contains("\"storage_server.disk_avail\": null"));
        assert!(text.ends_with("\n }\n}\n"));
    }

    #[test]
    fn the_page_shows_the_counts() {
        let page = page(&snapshot());
        assert!(page.contains("0 files / 3031 bytes (3.0kB)"));
        assert!(
            page.contains(">3.0kB</span>") && page.contains(">500ms</span>"),
            "{page}"
        );
    }
}
