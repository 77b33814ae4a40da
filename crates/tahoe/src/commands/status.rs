//! `tahoe status`: what the node is doing and has done.

mod operations;

use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{block_on, cut_short, node_directory, node_of_directory};
use crate::http::{self, Node};
use crate::python::{decimal_size, rough_duration};
use crate::quote::quoted_path;
use clap::Args;
use hyper::Method;
use serde_json::Value;
use std::path::Path;

/// Show what the node is doing and what it has done
///
/// The node must run on this machine: its directory holds the token that the page asks for.
///
///   tahoe status
///   tahoe status --verbose
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Status {
    /// Show also what was read of and written to mutable files and directories
    #[arg(short, long)]
    verbose: bool,
}

impl Status {
    pub(crate) fn run(self, context: &Context) -> Result {
        let directory = node_directory(context)?;
        let answers = token(&directory).and_then(|token| {
            let node = node_of_directory(&directory)?;
            block_on(async {
                let operations = ask(&node, "status", &token).await?;
                Ok((operations, ask(&node, "statistics", &token).await?))
            })
        });
        let (operations, statistics) = answers.map_err(|error| error.exit_with(2))?;
        let lines = totals(&statistics)
            .into_iter()
            .chain(operations::active(&operations))
            .chain(operations::recent(&operations, self.verbose));
        for line in lines {
            context.output.line(&line);
        }
        Ok(())
    }
}

fn token(directory: &Path) -> Result<String> {
    let path = directory.join("private/api_auth_token");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => {
            let path = quoted_path(&path);
            Err(CommandError::failed(format!("cannot read {path}: {error}"))
                .hint("The node writes it when it starts: say where it is with --node-directory."))
        }
    }
}

async fn ask(node: &Node, page: &str, token: &str) -> Result<Value> {
    let failed = |why: String| CommandError::failed(format!("failed to retrieve data: {why}"));
    let body = format!("t=json&token={}", crate::aliases::url_quoted(token));
    let length = Some(body.len() as u64);
    let path = format!("{page}?t=json");
    let sent = node
        .send(Method::POST, &path, http::whole(body), length)
        .await;
    let response = sent.map_err(|failure| {
        let error = failed(failure.during(page).message);
        error.hint("Is the node running? `tahoe run` starts it.")
    })?;
    if !http::is_success(response.status()) {
        return Err(failed(http::refusal(response).await.during(page).message));
    }
    let bytes = http::read_small(response).await;
    let bytes = bytes.map_err(|error| cut_short(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
}

fn totals(statistics: &Value) -> Vec<String> {
    let counter = |name| {
        let counter = statistics.get("counters").and_then(|all| all.get(name));
        counter.and_then(Value::as_u64).unwrap_or(0)
    };
    let uptime = statistics
        .get("stats")
        .and_then(|stats| stats.get("node.uptime"));
    let uptime = uptime.and_then(Value::as_f64);
    let uptime = uptime.map_or("unknown".to_owned(), rough_duration);
    vec![
        format!("Statistics (for last {uptime}):"),
        format!(
            "    uploaded {} in {} files",
            decimal_size(counter("uploader.bytes_uploaded")),
            counter("uploader.files_uploaded")
        ),
        format!(
            "  downloaded {} in {} files",
            decimal_size(counter("downloader.bytes_downloaded")),
            counter("downloader.files_downloaded")
        ),
        String::new(),
    ]
}
