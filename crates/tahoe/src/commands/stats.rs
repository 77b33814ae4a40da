//! `tahoe stats`: count and measure everything that a directory leads to.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on, read};
use crate::http;
use crate::python::both_sizes;
use clap::Args;
use hyper::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// How long after the start the node is asked first; the pauses double up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is printed of the counters, in this order.
const SHOWN: [&str; 11] = [
    "count-immutable-files",
    "count-mutable-files",
    "count-literal-files",
    "count-files",
    "count-directories",
    "size-immutable-files",
    "size-mutable-files",
    "size-literal-files",
    "size-directories",
    "largest-directory",
    "largest-immutable-file",
];

/// Count and measure all files and directories that a directory leads to
///
/// An object with several paths counts once.
///
///   tahoe stats tahoe:photos
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Stats {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Print the node's own JSON
    #[arg(short, long)]
    raw: bool,
    /// Where to begin [default: tahoe:]
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
}

impl Stats {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let location = store.aliases.locate(&self.path)?.without_lone_slash();
        let (bytes, stats) = block_on(collect(&store, &location.url_path()))?;
        if self.raw {
            store.output.bytes(&bytes);
            store.output.bytes(b"\n");
            return Ok(());
        }
        for line in lines(&stats) {
            store.output.line(&line);
        }
        Ok(())
    }
}

/// Starts the operation and asks for its result until it is there.
async fn collect(store: &FileStore, url_path: &str) -> Result<(bytes::Bytes, Value)> {
    let handle = tahoe_encoding::base32::encode(&rand::random::<[u8; 16]>());
    let start = format!("{url_path}?t=start-deep-stats&ophandle={handle}");
    let response = store.send(Call::post(start), "ERROR").await?;
    // The node redirects to the operation.
    if !http::is_success(response.status()) && response.status() != StatusCode::FOUND {
        return Err(http::refusal(response).await.during("ERROR"));
    }
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
        let url = format!("operations/{handle}?t=status&output=JSON&release-after-complete=true");
        let bytes = read(store.ask(Call::get(url), "ERROR").await?).await?;
        let stats: Value = serde_json::from_slice(&bytes).map_err(|error| {
            CommandError::failed(format!("the node's answer is no JSON: {error}"))
        })?;
        if stats.get("finished").and_then(Value::as_bool) == Some(true) {
            return Ok((bytes, stats));
        }
    }
}

fn lines(stats: &Value) -> Vec<String> {
    let width = SHOWN.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut lines = vec!["Counts and Total Sizes:".to_owned()];
    for name in SHOWN {
        let Some(value) = stats.get(name).and_then(whole) else {
            continue;
        };
        lines.push(match !name.starts_with("count-") && value > 1000 {
            true => format!("{name:>width$}: {value}    {}", both_sizes(value)),
            false => format!("{name:>width$}: {value}"),
        });
    }
    let rows = stats.get("size-files-histogram").and_then(Value::as_array);
    let rows: Vec<[u64; 3]> = rows.into_iter().flatten().filter_map(row).collect();
    if !rows.is_empty() {
        lines.push("Size Histogram:".to_owned());
        lines.extend(histogram(&rows));
    }
    lines
}

/// The smallest and the largest size of a class and how many files are of it.
fn row(row: &Value) -> Option<[u64; 3]> {
    let numbers = row.as_array()?.iter().map(whole);
    numbers.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// A number that may have come as a fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float's cast saturates"
)]
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| Some(value.as_f64()? as u64))
}

fn histogram(rows: &[[u64; 3]]) -> Vec<String> {
    let length = |number: u64| number.to_string().len();
    let width = rows.iter().map(|[_, largest, _]| length(*largest)).max();
    let width = width.unwrap_or(0);
    let count_width = rows.iter().map(|[_, _, count]| length(*count)).max();
    let count_width = count_width.unwrap_or(0);
    let mut lines = Vec::new();
    let mut before: Option<u64> = None;
    for &[smallest, largest, count] in rows {
        if before.is_some_and(|before| before.checked_add(1) != Some(smallest)) {
            lines.push(format!("{:>1$}", "...", width + 2));
        }
        before = Some(largest);
        let sizes = both_sizes(largest);
        lines.push(format!(
            "{smallest:>width$}-{largest:<width$} : {count:<count_width$}    {sizes}"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let stats = serde_json::json!({
            "count-files": 2000, "size-literal-files": 1000, "size-directories": 1001,
            "size-files-histogram": [[1, 3, 12], [101, 316, 7]],
        });
        let expected = [
            "Counts and Total Sizes:",
            "           count-files: 2000",
            "    size-literal-files: 1000",
            "      size-directories: 1001    (1001 B, 1001 B)",
            "Size Histogram:",
            "  1-3   : 12    (3 B, 3 B)",
            "  ...",
            "101-316 : 7     (316 B, 316 B)",
        ];
        assert_eq!(lines(&stats), expected);
    }
}
