//! `tahoe admin migrate-crawler`: state of crawlers that releases before 1.18 wrote.

use crate::Context;
use crate::commands::NodeDirectoryOption;
use crate::error::{CommandError, Result};
use clap::Args;
use tahoe_node::NodeDirectory;
use tahoe_node::config::Settings;
use tahoe_storage_server::{Migration, migrate_crawler_state};

/// Convert the state of a storage server's crawlers from pickle to JSON
///
/// The files are lease_checker.history, lease_checker.state and bucket_counter.state in the storage
/// directory of the node. A server refuses to start as long as one of them is there.
#[derive(Args)]
pub(crate) struct MigrateCrawler {
    #[command(flatten)]
    directory: NodeDirectoryOption,
}

impl MigrateCrawler {
    pub(super) fn run(self, context: &Context) -> Result {
        let directory = NodeDirectory::new(self.directory.existing_path(context)?);
        // Only the configuration knows where shares are, if there is one.
        let storage = match directory.file("tahoe.cfg").exists() {
            true => {
                Settings::load(directory.path())
                    .map_err(|error| CommandError::caused_by(&error))?
                    .storage
                    .directory
            }
            false => directory.file("storage"),
        };
        let migrated =
            migrate_crawler_state(&storage).map_err(|error| CommandError::caused_by(&error))?;
        for migration in migrated {
            context.output.line(&match migration {
                Migration::Converted { from, to } => {
                    format!("Converted '{}' to '{}'", from.display(), to.display())
                }
                Migration::AlreadyConverted(path) => {
                    format!("Already converted: '{}'", path.display())
                }
                Migration::NotFound(path) => format!("Not found: '{}'", path.display()),
            });
        }
        Ok(())
    }
}
