//! `tahoe unlink`: take a file or directory out of its directory.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStoreOptions, block_on};
use crate::http;
use crate::quote::quoted_if_needed;
use clap::Args;
use hyper::Method;

/// Take a file or directory out of its directory
///
/// Only the link goes away. Whoever has the capability can still read the object, and other links
/// to it stay.
///
///   tahoe unlink tahoe:old-notes.txt
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Unlink {
    #[command(flatten)]
    store: FileStoreOptions,
    /// In a shared drive: also a directory that isn't empty, with all that is in it
    #[arg(short, long)]
    recursive: bool,
    /// What to unlink: a path, not a mere capability or alias
    #[arg(value_name = "PATH")]
    path: String,
}

impl Unlink {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let location = store.aliases.locate(&self.path)?;
        if location.path.is_empty() {
            let message =
                "\n'tahoe unlink' can only unlink directory entries, so a path must be given.";
            return Err(CommandError::failed(message));
        }
        let arguments = match self.recursive {
            true => "?recursive=true",
            false => "",
        };
        let url = format!("{}{arguments}", location.url_path());
        let call = Call::new(Method::DELETE, url);
        let line = block_on(async {
            let response = store.ask(call, "ERROR").await?;
            Ok(http::status_line(&response))
        })?;
        context.output.line(&quoted_if_needed(&line));
        Ok(())
    }

    /// The same under the name that people try first.
    pub(crate) fn run_as_rm(self, context: &Context) -> Result {
        context.output.note(
            "'tahoe rm' is 'tahoe unlink': it removes the link from its directory; the object \
             stays readable for whoever has its capability.",
        );
        self.run(context)
    }
}
