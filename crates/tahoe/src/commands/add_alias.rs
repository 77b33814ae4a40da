//! `tahoe add-alias`: give a directory a name.

use crate::Context;
use crate::aliases;
use crate::error::{CommandError, Result};
use crate::file_store::{FileStoreOptions, node_directory};
use crate::quote::quoted;
use clap::Args;

/// Give an existing directory an alias
///
/// The capability may also be the address of the directory's page. Without its write capability you
/// can read the directory but not change it.
///
///   tahoe add-alias photos URI:DIR2-RO:...
///   tahoe ls photos:
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AddAlias {
    #[command(flatten)]
    store: FileStoreOptions,
    /// The new name; a colon at its end is taken off
    #[arg(value_name = "ALIAS")]
    alias: String,
    /// The directory's capability
    #[arg(value_name = "DIRCAP")]
    cap: String,
}

impl AddAlias {
    pub(crate) fn run(self, context: &Context) -> Result {
        let directory = node_directory(context)?;
        let name = aliases::alias_name(&self.alias)?;
        if self.store.aliases(&directory)?.contains(name) {
            return Err(aliases::already_exists(name));
        }
        let cap = aliases::directory_cap(&self.cap).ok_or_else(|| {
            CommandError::failed("this is no directory's capability")
                .hint("It begins with URI:DIR2; `tahoe mkdir` makes a directory and prints one.")
        })?;
        aliases::add(&directory, name, &cap)?;
        let line = format!("Alias {} added", quoted(name));
        context.output.line(&line);
        Ok(())
    }
}
