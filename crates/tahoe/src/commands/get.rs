//! `tahoe get`: fetch a file.

use crate::Context;
use crate::aliases::Location;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on};
use crate::http;
use crate::output::cannot_write;
use crate::quote::quoted_path;
use crate::{paths, progress};
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Fetch a file
///
/// Every byte is verified before it is written. Without LOCAL, or with '-', the file goes to
/// standard output.
///
///   tahoe get tahoe:report.pdf report.pdf
///   tahoe get URI:CHK:... | tar x
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Get {
    #[command(flatten)]
    store: FileStoreOptions,
    /// The file: its path, or its capability as `tahoe put` printed it
    #[arg(value_name = "REMOTE")]
    remote: String,
    /// The file to write; '-' for standard output
    #[arg(value_name = "LOCAL")]
    local: Option<String>,
}

impl Get {
    pub(crate) fn run(self, context: &Context) -> Result {
        let local = self.local.as_deref().filter(|local| *local != "-");
        let local = local.map(paths::argument).transpose()?;
        let store = self.store.open(context)?;
        let location = store.aliases.locate(&self.remote)?;
        block_on(get(&store, &location, local.as_deref(), context))?;
        if let Some(local) = local {
            let remote = &self.remote;
            let line = format!("{remote} retrieved and written to {}", local.display());
            context.output.note(&line);
        }
        Ok(())
    }
}

async fn get(
    store: &FileStore,
    location: &Location,
    local: Option<&Path>,
    context: &Context,
) -> Result {
    let call = Call::get(location.url_path());
    let response = store.ask(call, "Error during GET").await?;
    let length = response.headers().get("content-length");
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let bar = progress::bar(length, context.output.quiet);
    let target = Target::open(local, context).await?;
    let copied = copy(response.into_body(), target, &bar).await;
    bar.finish_and_clear();
    copied
}

/// Where the bytes go.
enum Target {
    File(tokio::fs::File, PathBuf),
    StandardOutput(tokio::io::Stdout),
    Nowhere,
}

impl Target {
    async fn open(local: Option<&Path>, context: &Context) -> Result<Self> {
        match local {
            Some(path) => match tokio::fs::File::create(path).await {
                Ok(file) => Ok(Self::File(file, path.to_owned())),
                Err(error) => {
                    let path = quoted_path(path);
                    Err(CommandError::failed(format!(
                        "cannot write {path}: {error}"
                    )))
                }
            },
            None if context.output.quiet => Ok(Self::Nowhere),
            None => Ok(Self::StandardOutput(tokio::io::stdout())),
        }
    }

    fn writer(&mut self) -> Option<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Self::File(file, _) => Some(file),
            Self::StandardOutput(stdout) => Some(stdout),
            Self::Nowhere => None,
        }
    }

    fn failure(&self, error: &io::Error) -> CommandError {
        match self {
            Self::File(_, path) => {
                CommandError::failed(format!("cannot write {}: {error}", quoted_path(path)))
            }
            // Whoever read has had enough, as `head` has.
            _ if error.kind() == io::ErrorKind::BrokenPipe => CommandError::failed(""),
            _ => CommandError::failed(cannot_write(error)),
        }
    }
}

async fn copy(mut body: Incoming, mut target: Target, bar: &indicatif::ProgressBar) -> Result {
    let mut received = 0u64;
    let limit = http::timeout();
    loop {
        let next = async { body.frame().await.transpose().map_err(io::Error::other) };
        let frame = http::within(limit, next).await.map_err(|error| {
            let error = crate::error::chain(&error);
            CommandError::failed(format!(
                "Error during GET: the node stopped sending after {received} bytes: {error}"
            ))
            .hint("What was written is incomplete.")
        })?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if let Some(writer) = target.writer() {
            let written = writer.write_all(&data).await;
            written.map_err(|error| target.failure(&error))?;
        }
        received = received.saturating_add(data.len() as u64);
        bar.set_position(received);
    }
    let flushed = match target.writer() {
        Some(writer) => writer.flush().await,
        None => Ok(()),
    };
    flushed.map_err(|error| target.failure(&error))
}
