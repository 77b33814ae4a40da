//! `tahoe check`: is a file or directory in good health?

use super::check_results::{CheckOptions, corrupt_shares, is_healthy, python_repr, text_of};
use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on, read};
use clap::Args;
use serde_json::Value;

/// Check the health of a file or directory
///
/// Counts the shares that the servers say they have; with --verify they are fetched and every hash in
/// them is checked. The exit status is 0 also for an unhealthy object.
///
///   tahoe check tahoe:photos/cat.jpg
///   tahoe check --verify --repair --add-lease tahoe:important.pdf
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Check {
    #[command(flatten)]
    store: FileStoreOptions,
    #[command(flatten)]
    options: CheckOptions,
    /// Accepted for scripts written for the original, where it does nothing either
    #[arg(short, long, hide = true)]
    verbose: bool,
    /// What to check [default: tahoe:]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

impl Check {
    pub(crate) fn run(mut self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        if self.paths.is_empty() {
            self.paths.push(String::new());
        }
        block_on(async {
            for path in &self.paths {
                self.check(&store, path).await?;
            }
            Ok(())
        })
    }

    async fn check(&self, store: &FileStore, path: &str) -> Result {
        let location = store.aliases.locate(path)?.without_lone_slash();
        let arguments = self.options.arguments();
        let url = format!("{}?t=check&output=JSON{arguments}", location.url_path());
        let bytes = read(store.ask(Call::post(url), "ERROR").await?).await?;
        if self.options.raw {
            store.output.bytes(&bytes);
            store.output.bytes(b"\n");
            return Ok(());
        }
        let results: Value = serde_json::from_slice(&bytes).map_err(|error| {
            CommandError::failed(format!("the node's answer is no JSON: {error}"))
        })?;
        let lines = match results.get("pre-repair-results") {
            Some(before) => repair_lines(&results, before),
            None => check_lines(&results),
        };
        for line in lines {
            store.output.line(&line);
        }
        Ok(())
    }
}

fn check_lines(check: &Value) -> Vec<String> {
    let summary = check
        .get("summary")
        .map_or("Healthy (LIT)".to_owned(), text_of);
    let mut lines = vec![format!("Summary: {summary}"), storage_index_line(check)];
    let results = check.get("results").unwrap_or(&Value::Null);
    lines.extend(share_lines(results));
    lines
}

fn repair_lines(repair: &Value, before: &Value) -> Vec<String> {
    let summary = if is_healthy(before) {
        "healthy"
    } else {
        "not healthy"
    };
    let mut lines = vec![format!("Summary: {summary}"), storage_index_line(repair)];
    let results = before.get("results").unwrap_or(&Value::Null);
    lines.extend(share_lines(results));
    if repair.get("repair-attempted").and_then(Value::as_bool) == Some(true) {
        lines.push(
            match repair.get("repair-successful").and_then(Value::as_bool) {
                Some(true) => " repair successful".to_owned(),
                _ => " repair failed".to_owned(),
            },
        );
    }
    lines
}

fn storage_index_line(results: &Value) -> String {
    let index = results.get("storage-index").map(text_of);
    format!(" storage index: {}", index.unwrap_or_default())
}

fn share_lines(results: &Value) -> Vec<String> {
    let count = |name| results.get(name).map(python_repr);
    let counts = (
        count("count-shares-good"),
        count("count-shares-needed"),
        count("count-shares-expected"),
        count("count-wrong-shares"),
    );
    let mut lines = Vec::new();
    // Literal files have no shares.
    if let (Some(good), Some(needed), Some(expected), Some(wrong)) = counts {
        lines.push(format!(
            " good-shares: {good} (encoding is {needed}-of-{expected})"
        ));
        lines.push(format!(" wrong-shares: {wrong}"));
    }
    let corrupt = corrupt_shares(results);
    if !corrupt.is_empty() {
        lines.push(" corrupt shares:".to_owned());
        lines.extend(corrupt.iter().map(|share| format!("  {share}")));
    }
    lines
}
