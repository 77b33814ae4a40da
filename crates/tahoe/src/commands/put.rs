//! `tahoe put`: store a file.

mod private_key;

use crate::Context;
use crate::aliases::{Aliases, url_quoted};
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on, cut_short};
use crate::http::{self, RequestBody};
use crate::quote::{quoted, quoted_bytes_if_needed, quoted_if_needed, quoted_path};
use crate::{paths, progress};
use clap::Args;
use std::io::Seek as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use tokio::fs::File;

/// Store a file and print its capability
///
/// Without REMOTE, the capability is all that anyone needs to get the file back, and nothing else
/// helps if it is lost: keep it. With REMOTE, the file is linked there; a mutable file that is there
/// already gets the new contents. Without LOCAL, or with '-', standard input is stored.
///
///   tahoe put report.pdf                   store a file, print its capability
///   tahoe put report.pdf tahoe:report.pdf  and link it
///   tar c photos | tahoe put - tahoe:photos.tar
///   tahoe put --mutable notes.txt          make a file that can be changed
///   tahoe put notes.txt URI:SSK:...        change it
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Put {
    #[command(flatten)]
    store: FileStoreOptions,
    /// The file to store; '-' for standard input
    #[arg(value_name = "LOCAL")]
    local: Option<String>,
    /// Where to link the file, or the write capability of the mutable file to change
    #[arg(value_name = "REMOTE")]
    remote: Option<String>,
    /// Make a mutable file, like --format=SDMF
    #[arg(short, long)]
    mutable: bool,
    /// How to store it: CHK (the default), or SDMF or MDMF for a mutable file
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Dangerous: the RSA key to make a mutable file with
    ///
    /// A PEM file with an RSA key of 2048 bits. Whoever has the key can write the file, so guard it like
    /// the capability, and never use it for a second file: one would destroy the other.
    #[arg(long, value_name = "PEM")]
    private_key_path: Option<String>,
}

impl Put {
    pub(crate) fn run(self, context: &Context) -> Result {
        if let Some(format) = &self.format
            && !["SDMF", "MDMF", "CHK"].contains(&format.to_ascii_uppercase().as_str())
        {
            return Err(CommandError::usage(format!(
                "{format} is an invalid format"
            )));
        }
        let local = self.local.as_deref().filter(|local| *local != "-");
        let local = local.map(paths::argument).transpose()?;
        let store = self.store.open(context)?;
        let remote = self.remote.as_deref().filter(|remote| !remote.is_empty());
        let mut url = match remote {
            Some(remote) => target(remote, &store.aliases)?,
            None => "uri".to_owned(),
        };
        url.push_str(&self.query()?);
        block_on(put(&store, local, url, context))
    }

    fn query(&self) -> Result<String> {
        let mut arguments = Vec::new();
        if self.mutable {
            arguments.push("mutable=true".to_owned());
        }
        match &self.private_key_path {
            Some(_) if !self.mutable => {
                let message = "--private-key-path needs --mutable: only mutable files have keys";
                return Err(CommandError::failed(message));
            }
            Some(path) => {
                let key = private_key::read(&paths::argument(path)?)?;
                arguments.push(format!("private-key={}", key.as_str()));
            }
            None => {}
        }
        if let Some(format) = &self.format {
            arguments.push(format!("format={format}"));
        }
        match arguments.is_empty() {
            true => Ok(String::new()),
            false => Ok(format!("?{}", arguments.join("&"))),
        }
    }
}

/// The URL path of a mutable file, or of a place in a directory.
fn target(remote: &str, aliases: &Aliases) -> Result<String> {
    if remote.starts_with("URI:MDMF:") || remote.starts_with("URI:SSK:") {
        return Ok(format!("uri/{}", url_quoted(remote)));
    }
    let location = aliases.locate(remote)?;
    if location.path.starts_with('/') {
        return Err(CommandError::failed(format!(
            "Error: The remote filename must not start with a slash\nPlease try again, perhaps with \
             {}",
            quoted(&remote.replacen('/', "", 1))
        )));
    }
    match location.path.is_empty() {
        true => Ok(format!("{}/", location.url_path())),
        false => Ok(location.url_path()),
    }
}

async fn put(store: &FileStore, local: Option<PathBuf>, url: String, context: &Context) -> Result {
    let output = context.output;
    let source = match &local {
        Some(path) => Source::open(path, context).await?,
        None => {
            if !output.quiet {
                output.note("waiting for file data on stdin..");
            }
            Source::standard_input(context)
        }
    };
    let call = Call::put(url).streaming(source.body, source.length_bytes);
    let sent = store.ask(call, "Error").await;
    source.bar.finish_and_clear();
    let response = sent?;
    output.note(&quoted_if_needed(&http::status_line(&response)));
    let capability = http::read_small(response).await;
    let capability = capability.map_err(|error| cut_short(&error))?;
    output.line(&quoted_bytes_if_needed(&capability));
    Ok(())
}

/// What is to be stored.
struct Source {
    body: RequestBody,
    /// `None` if it isn't known before the end.
    length_bytes: Option<u64>,
    bar: indicatif::ProgressBar,
}

impl Source {
    async fn open(path: &Path, context: &Context) -> Result<Self> {
        let unreadable = |error: std::io::Error| {
            CommandError::failed(format!("cannot read {}: {error}", quoted_path(path)))
        };
        let file = File::open(path).await.map_err(unreadable)?;
        let metadata = file.metadata().await.map_err(unreadable)?;
        if metadata.is_dir() {
            let message = format!("{} is a directory", quoted_path(path));
            return Err(CommandError::failed(message).hint("Only files can be stored."));
        }
        // Pipes and devices have no length.
        let length_bytes = metadata.is_file().then_some(metadata.len());
        Ok(Self::new(file, length_bytes, context))
    }

    /// A file that standard input was redirected from has a length, anything else has none.
    fn standard_input(context: &Context) -> Self {
        match redirected_file() {
            Some((file, rest_bytes)) => Self::new(File::from_std(file), Some(rest_bytes), context),
            None => Self::new(tokio::io::stdin(), None, context),
        }
    }

    fn new<R>(reader: R, length_bytes: Option<u64>, context: &Context) -> Self
    where
        R: tokio::io::AsyncRead + Unpin + Send + Sync + 'static,
    {
        let bar = progress::bar(length_bytes, context.output.quiet);
        let counting = bar.clone();
        let body = http::streamed(reader, move |bytes| counting.inc(bytes));
        Self {
            body,
            length_bytes,
            bar,
        }
    }
}

/// Standard input as a regular file, and how much of it is left to read.
fn redirected_file() -> Option<(std::fs::File, u64)> {
    let descriptor = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    let mut file = std::fs::File::from(descriptor);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let position = file.stream_position().ok()?;
    Some((file, metadata.len().saturating_sub(position)))
}
