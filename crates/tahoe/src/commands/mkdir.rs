//! `tahoe mkdir`: make a directory.

use crate::Context;
use crate::aliases::url_quoted;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStoreOptions, block_on};
use crate::quote::quoted_if_needed;
use clap::Args;

/// Make a directory and print its capability
///
/// With a path, the directories on the way are made too; one that is there already is left as it is.
/// Without a path, nothing but the printed capability leads to the new directory: keep it.
///
///   tahoe mkdir tahoe:photos/2024
///   tahoe mkdir
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Mkdir {
    #[command(flatten)]
    store: FileStoreOptions,
    /// How to store it: SDMF (the default) or MDMF
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Where to make it
    #[arg(value_name = "PATH")]
    path: Option<String>,
}

impl Mkdir {
    pub(crate) fn run(self, context: &Context) -> Result {
        if let Some(format) = &self.format
            && !["SDMF", "MDMF"].contains(&format.to_ascii_uppercase().as_str())
        {
            return Err(CommandError::usage(format!(
                "{format} is an invalid format"
            )));
        }
        let store = self.store.open(context)?;
        let path = self.path.as_deref().filter(|path| !path.is_empty());
        let location = path.map(|path| store.aliases.locate(path)).transpose()?;
        let mut url = match location {
            Some(mut location) if !location.path.is_empty() => {
                if location.path.ends_with('/') {
                    location.path.pop();
                }
                match location.path.is_empty() {
                    true => format!("{}/", location.url_path()),
                    false => location.url_path(),
                }
            }
            _ => "uri".to_owned(),
        };
        url.push_str("?t=mkdir");
        if let Some(format) = &self.format {
            url.push_str(&format!("&format={}", url_quoted(format)));
        }
        let cap = block_on(store.ask_text(Call::post(url), "Error during HTTP request"))?;
        context.output.line(&quoted_if_needed(&cap));
        Ok(())
    }
}
