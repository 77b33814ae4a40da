//! `tahoe admin add-server`: servers for this client to use.

use crate::Context;
use crate::commands::NodeDirectoryOption;
use crate::error::{CommandError, Result};
use crate::paths;
use crate::quote::quoted;
use clap::Args;
use std::io::Read as _;
use tahoe_node::{NodeDirectory, ServerChange, add_servers};

/// The longest list of servers that is read.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// Add storage servers to a client's servers.yaml
///
/// FILE is what `tahoe admin server-entry` printed on a server, or several of them merged. The node
/// uses them when it is started next.
#[derive(Args)]
pub(crate) struct AddServer {
    /// The entries; '-' for standard input
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    directory: NodeDirectoryOption,
}

impl AddServer {
    pub(super) fn run(self, context: &Context) -> Result {
        let directory = NodeDirectory::new(self.directory.existing_path(context)?);
        let text = read(&self.file)?;
        let changes =
            add_servers(&directory, &text).map_err(|error| CommandError::caused_by(&error))?;
        for (id, change) in &changes {
            let verb = match change {
                ServerChange::Added => "added",
                ServerChange::Replaced => "replaced",
                ServerChange::Unchanged => "unchanged",
            };
            context.output.line(&format!("{verb} {id}"));
        }
        Ok(())
    }
}

fn read(file: &str) -> Result<String> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin()
            .take(MAX_LIST_BYTES)
            .read_to_string(&mut text),
        path => std::fs::File::open(paths::argument(path)?)
            .and_then(|file| file.take(MAX_LIST_BYTES).read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(CommandError::failed(format!(
            "cannot read {}: {error}",
            quoted(file)
        ))),
    }
}
