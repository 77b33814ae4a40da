//! `tahoe deep-check`: is everything that a directory leads to in good health?

mod tally;

use super::check_results::CheckOptions;
use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on};
use crate::quote::quoted_bytes_if_needed;
use crate::streams::{Lines, Unit, is_error};
use clap::Args;
use tally::Tally;

/// Check the health of all files and directories that a directory leads to
///
/// Corrupt shares and repairs are shown as they are found, a line for every hundred objects, and the
/// totals at the end. The exit status is 0 also if something isn't healthy, and 1 if the tree could
/// not be walked to its end.
///
///   tahoe deep-check tahoe:
///   tahoe deep-check --repair --add-lease -v tahoe:photos
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DeepCheck {
    #[command(flatten)]
    store: FileStoreOptions,
    #[command(flatten)]
    options: CheckOptions,
    /// Show every object
    #[arg(short, long)]
    verbose: bool,
    /// Where to begin: directories [default: tahoe:]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

impl DeepCheck {
    pub(crate) fn run(mut self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        if self.paths.is_empty() {
            self.paths.push(String::new());
        }
        block_on(async {
            let mut has_failed = false;
            for path in &self.paths {
                has_failed |= self.check(&store, path).await?;
            }
            match has_failed {
                true => Err(CommandError::explained()),
                false => Ok(()),
            }
        })
    }

    /// Walks a tree; says whether the node gave up.
    async fn check(&self, store: &FileStore, path: &str) -> Result<bool> {
        let location = store.aliases.locate(path)?.without_lone_slash();
        let arguments = self.options.arguments();
        let url = format!("{}?t=stream-deep-check{arguments}", location.url_path());
        let response = store.ask(Call::post(url), "ERROR").await?;
        let mut lines = Lines::of(response);
        let mut tally = Tally::new(self.options.repair, self.verbose);
        let mut has_failed = false;
        while let Some(line) = lines.next().await? {
            has_failed |= is_error(&line);
            if self.options.raw {
                store.output.bytes(&line);
                store.output.bytes(b"\n");
            } else if has_failed {
                store.output.note(&quoted_bytes_if_needed(&line));
            } else {
                show(&tally.add(&unit(&line)?), store);
            }
        }
        if !self.options.raw && !has_failed {
            show(&tally.totals(), store);
        }
        Ok(has_failed)
    }
}

fn unit(line: &[u8]) -> Result<Unit> {
    serde_json::from_slice(line).map_err(|error| {
        CommandError::failed(format!("the node sent a line that is no JSON: {error}"))
    })
}

fn show(lines: &[String], store: &FileStore) {
    for line in lines {
        store.output.line(line);
    }
}
