//! `tahoe manifest`: list everything that a directory leads to.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on};
use crate::quote::{quoted_bytes, quoted_bytes_if_needed, quoted_if_needed, quoted_name_if_needed};
use crate::streams::{Lines, Unit, is_error};
use clap::Args;

/// List all files and directories that a directory leads to
///
/// Prints a line with the capability and the path of each as the node finds it. An object with
/// several paths is listed once.
///
///   tahoe manifest tahoe:photos
///   tahoe manifest --verify-cap tahoe: > for-an-auditor
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Manifest {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Print storage indexes only
    #[arg(short, long)]
    storage_index: bool,
    /// Print verify capabilities only
    #[arg(long)]
    verify_cap: bool,
    /// Print the capabilities only that are needed for repairs
    #[arg(long)]
    repair_cap: bool,
    /// Print the node's own JSON
    #[arg(short, long)]
    raw: bool,
    /// Where to begin [default: tahoe:]
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
}

impl Manifest {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let location = store.aliases.locate(&self.path)?.without_lone_slash();
        let url = format!("{}?t=stream-manifest", location.url_path());
        block_on(self.list(&store, url))
    }

    async fn list(&self, store: &FileStore, url: String) -> Result {
        let response = store.ask(Call::post(url), "ERROR").await?;
        let mut lines = Lines::of(response);
        let mut has_failed = false;
        while let Some(line) = lines.next().await? {
            has_failed |= is_error(&line);
            if self.raw {
                store.output.bytes(&line);
                store.output.bytes(b"\n");
            } else if has_failed {
                store.output.note(&quoted_bytes_if_needed(&line));
            } else {
                self.show(&line, store);
            }
        }
        match has_failed {
            true => Err(CommandError::explained()),
            false => Ok(()),
        }
    }

    fn show(&self, line: &[u8], store: &FileStore) {
        let unit: Unit = match serde_json::from_slice(line) {
            Ok(unit) => unit,
            Err(error) => {
                let line = quoted_bytes(line);
                let message = format!("ERROR could not decode/parse {line}\nERROR  {error}");
                return store.output.note(&message);
            }
        };
        if unit.kind().is_none() {
            return;
        }
        let only = if self.storage_index {
            &unit.storage_index
        } else if self.verify_cap {
            &unit.verifycap
        } else if self.repair_cap {
            &unit.repaircap
        } else {
            let cap = quoted_if_needed(unit.cap.as_deref().unwrap_or_default());
            let path = quoted_name_if_needed(&unit.path.join("/"));
            return store.output.line(&format!("{cap} {path}"));
        };
        if let Some(only) = only.as_deref().filter(|only| !only.is_empty()) {
            store.output.line(&quoted_if_needed(only));
        }
    }
}
