//! `tahoe ls`: list a directory.

mod table;

use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStoreOptions, block_on, read};
use crate::http;
use crate::objects::{GridObject, ObjectKind};
use crate::quote::quoted_bytes_if_needed;
use clap::Args;
use hyper::StatusCode;
use std::collections::BTreeMap;

/// List a directory
///
/// With --long each line is like `drwx SIZE DATE NAME`. The letters tell that it is a directory (or
/// that its type is unknown, `?`), that it can be read, that it can be written through this link, and
/// that it is a directory once more. Directories have no size, and that of mutable files may be
/// unknown (`?`). The date is that of the link.
///
///   tahoe ls
///   tahoe ls -l tahoe:photos
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Ls {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Show kinds, sizes and dates
    #[arg(short, long)]
    long: bool,
    /// Show capabilities
    #[arg(long)]
    uri: bool,
    /// Show read-only capabilities
    #[arg(long)]
    readonly_uri: bool,
    /// Add / to the names of directories and * to those of writable files
    #[arg(short = 'F', long)]
    classify: bool,
    /// Print the node's own JSON
    #[arg(long)]
    json: bool,
    /// What to list [default: tahoe:]
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
}

impl Ls {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let path = self.path.strip_suffix('/').unwrap_or(&self.path);
        let location = store.aliases.locate(path)?;
        let bytes = block_on(async {
            let call = Call::get(format!("{}?t=json", location.url_path()));
            let response = store.send(call, "Error during GET").await;
            let response = response.map_err(|error| error.exit_with(255))?;
            match response.status() {
                StatusCode::OK => read(response).await,
                StatusCode::NOT_FOUND => {
                    Err(CommandError::failed("No such file or directory").exit_with(2))
                }
                status => {
                    // Exit statuses are what fits into a byte.
                    let [_, exit_status] = status.as_u16().to_be_bytes();
                    let refusal = http::refusal(response).await;
                    Err(refusal.during("Error during GET").exit_with(exit_status))
                }
            }
        })?;
        if self.json {
            return print_json(&bytes, context);
        }
        let object = GridObject::from_json(&bytes)?;
        self.print(object, location.last_name(), context);
        Ok(())
    }

    fn print(&self, object: GridObject, name: &str, context: &Context) {
        let children = match object.kind {
            ObjectKind::Directory => object.attributes.children,
            ObjectKind::File | ObjectKind::Unknown => BTreeMap::from([(name.to_owned(), object)]),
        };
        let columns = table::Columns {
            long: self.long,
            cap: self.uri,
            read_cap: self.readonly_uri,
            classify: self.classify,
        };
        for line in table::lines(&children, columns) {
            context.output.line(&line);
        }
        let is_unknown = |object: &GridObject| object.kind == ObjectKind::Unknown;
        if children.values().any(is_unknown) {
            context.output.note(
                "\nThis listing included unknown objects. Using a webapi server that supports\na \
                 later version of Tahoe may help.",
            );
        }
    }
}

fn print_json(bytes: &[u8], context: &Context) -> Result {
    let is_printable = |byte: &u8| matches!(byte, b'\n' | b'\r' | b' '..=b'~');
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(is_printable) => {
            context.output.line(text);
            Ok(())
        }
        _ => Err(CommandError::failed(format!(
            "The JSON response contained unprintable characters:\n{}",
            quoted_bytes_if_needed(bytes)
        ))),
    }
}
