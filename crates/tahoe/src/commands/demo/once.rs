//! `tahoe demo --once FILE`: store, lose two servers, fetch, compare.

use super::directories::SERVERS;
use super::grid::Grid;
use crate::error::{CommandError, Result};
use crate::http::{self, Node};
use crate::output::Output;
use crate::progress;
use crate::quote::quoted_path;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, BufReader};

/// How much of the file is read at a time to compare.
const BLOCK_SIZE: usize = 1 << 20;

/// Stores a file, kills two servers, fetches it and compares; fails if anything differs.
pub(super) async fn store_and_fetch(grid: &mut Grid, file: &Path, output: Output) -> Result {
    let node = grid.node()?;
    let (capability, size, duration) = store(&node, file, output).await?;
    output.line(&format!(
        "stored {}: {}",
        quoted_path(file),
        rate(size, duration)
    ));
    output.line(&format!("capability: {capability}"));
    if capability.starts_with("URI:LIT:") {
        output.line("(so small a file is in its capability: no server is needed)");
    }
    let killed = grid.kill_two().await?;
    let left = SERVERS.saturating_sub(killed.len());
    output.line(&format!(
        "killed {}: {left} of {SERVERS} servers are left",
        killed.join(" and ")
    ));
    let start = Instant::now();
    let fetched = fetch_and_compare(&node, &capability, file, output).await?;
    output.line(&format!(
        "fetched and identical: {}",
        rate(fetched, start.elapsed())
    ));
    Ok(())
}

/// A size, a time and a rate in words.
fn rate(bytes: u64, duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    let rate = mebibytes / seconds.max(f64::EPSILON);
    format!("{bytes} bytes in {seconds:.2} s, {rate:.1} MiB/s")
}

async fn store(node: &Node, path: &Path, output: Output) -> Result<(String, u64, Duration)> {
    let (file, size) = open(path).await?;
    let start = Instant::now();
    let bar = progress::bar(Some(size), output.quiet);
    let counting = bar.clone();
    let body = http::streamed(file, move |bytes| counting.inc(bytes));
    let sent = node.send(Method::PUT, "uri", body, Some(size)).await;
    bar.finish_and_clear();
    let response = sent.map_err(|failure| failure.during("Error"))?;
    if !http::is_success(response.status()) {
        return Err(http::refusal(response).await.during("Error"));
    }
    let answer = http::read_small(response).await.map_err(|error| {
        CommandError::failed(format!("the gateway's answer was cut short: {error}"))
    })?;
    let capability = String::from_utf8_lossy(&answer).trim().to_owned();
    Ok((capability, size, start.elapsed()))
}

async fn open(path: &Path) -> Result<(File, u64)> {
    let opened = async {
        let file = File::open(path).await?;
        let metadata = file.metadata().await?;
        Ok((file, metadata))
    };
    match opened.await {
        Ok((file, metadata)) if metadata.is_file() => Ok((file, metadata.len())),
        Ok(_) => Err(CommandError::failed(format!(
            "{} is not a file",
            quoted_path(path)
        ))),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!("cannot read {}: {error}", quoted_path(path)))
}

/// Compares what comes back with the file as it arrives; returns how many bytes that were.
async fn fetch_and_compare(
    node: &Node,
    capability: &str,
    path: &Path,
    output: Output,
) -> Result<u64> {
    let (file, size) = open(path).await?;
    let mut original = BufReader::with_capacity(BLOCK_SIZE, file);
    let target = format!("uri/{}", utf8_percent_encode(capability, NON_ALPHANUMERIC));
    let sent = node.send(Method::GET, &target, http::no_body(), None).await;
    let response = sent.map_err(|failure| failure.during("Error during GET"))?;
    if !http::is_success(response.status()) {
        return Err(http::refusal(response).await.during("Error during GET"));
    }
    let bar = progress::bar(Some(size), output.quiet);
    let mut body = response.into_body();
    let mut compared = 0u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error = crate::error::chain(&error);
            CommandError::failed(format!(
                "the gateway stopped after {compared} bytes: {error}"
            ))
        })?;
        let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
        let mut expected = vec![0; data.len()];
        match original.read_exact(&mut expected).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(CommandError::failed(
                    "what came back is longer than the file",
                ));
            }
            Err(error) => return Err(unreadable(path, &error)),
        }
        if data != expected {
            let message = format!(
                "what came back differs within {} bytes after {compared}",
                data.len()
            );
            return Err(CommandError::failed(message));
        }
        compared = compared.saturating_add(data.len() as u64);
        bar.set_position(compared);
    }
    bar.finish_and_clear();
    if compared != size {
        let message = format!("only {compared} of {size} bytes came back");
        return Err(CommandError::failed(message));
    }
    Ok(compared)
}
