//! `tahoe create-alias`: make a directory and a name for it.

use crate::Context;
use crate::aliases;
use crate::error::Result;
use crate::file_store::{Call, FileStoreOptions, block_on};
use crate::quote::quoted;
use clap::Args;

/// Make a directory and an alias for it
///
/// An alias is a short name for a directory, kept with its capability in private/aliases of the
/// node directory. Paths begin with it; paths without one begin in the alias tahoe.
///
///   tahoe create-alias tahoe
///   tahoe cp notes.txt tahoe:
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CreateAlias {
    #[command(flatten)]
    store: FileStoreOptions,
    /// The new name; a colon at its end is taken off
    #[arg(value_name = "ALIAS")]
    alias: String,
}

impl CreateAlias {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let name = aliases::alias_name(&self.alias)?;
        if store.aliases.contains(name) {
            return Err(aliases::already_exists(name));
        }
        let call = Call::post("uri?t=mkdir");
        let cap = block_on(store.ask_text(call, "Error during HTTP request"))?;
        aliases::add(&store.node_directory, name, &cap)?;
        let line = format!("Alias {} created", quoted(name));
        context.output.line(&line);
        Ok(())
    }
}
