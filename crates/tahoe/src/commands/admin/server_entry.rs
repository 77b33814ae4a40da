//! `tahoe admin server-entry`: what clients of this server need to know.

use crate::Context;
use crate::commands::NodeDirectoryOption;
use crate::error::{CommandError, Result};
use clap::Args;
use tahoe_node::{NodeDirectory, StorageAnnouncement};

/// Print what clients need in their servers.yaml to use this node's storage
///
/// Whoever has it can store and fetch shares on this server: pass it on like a password. Clients add
/// it with `tahoe admin add-server`. Keys that the node doesn't have yet are made.
#[derive(Args)]
pub(crate) struct ServerEntry {
    #[command(flatten)]
    directory: NodeDirectoryOption,
}

impl ServerEntry {
    pub(super) fn run(self, context: &Context) -> Result {
        let directory = NodeDirectory::new(self.directory.existing_path(context)?);
        let announcement = StorageAnnouncement::read(&directory)
            .map_err(|error| CommandError::caused_by(&error))?;
        context
            .output
            .line(announcement.to_servers_yaml().trim_end());
        Ok(())
    }
}
