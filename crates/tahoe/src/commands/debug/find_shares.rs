//! `tahoe debug find-shares`: where the shares of a file lie on this machine.

use super::share_directories::{numbered, share_directory};
use crate::error::{CommandError, Result};
use crate::quote::{quoted, quoted_name_if_needed};
use crate::{Context, paths};
use clap::Args;
use tahoe_crypto::StorageIndex;

/// Find the share files of a storage index in node directories
///
/// Prints the path of each share. `tahoe debug dump-cap` tells a file's storage index.
///
///   tahoe debug find-shares 4vozh77tsrw7mdhnj7qvp5ky74 grid/server*
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct FindShares {
    /// The storage index, in base32
    #[arg(value_name = "STORAGE_INDEX")]
    storage_index: String,
    /// Directories of storage servers
    #[arg(value_name = "NODEDIR")]
    node_directories: Vec<String>,
}

impl FindShares {
    pub(super) fn run(self, context: &Context) -> Result {
        let index: StorageIndex = self.storage_index.parse().map_err(|_| {
            let index = quoted(&self.storage_index);
            CommandError::failed(format!(
                "{index} is not a storage index: 26 letters and digits"
            ))
        })?;
        for directory in &self.node_directories {
            let directory = share_directory(&paths::argument(directory)?, &index.to_string());
            // A server that holds nothing of the file has no such directory.
            for path in numbered(&directory).unwrap_or_default() {
                let path = quoted_name_if_needed(&path.to_string_lossy());
                context.output.line(&path);
            }
        }
        Ok(())
    }
}
