//! `tahoe generate`: man pages and shell completions, for packagers.

mod manual;

use crate::Context;
use crate::cli::Cli;
use crate::error::{CommandError, Result};
use crate::paths;
use clap::{Args, CommandFactory as _, Subcommand};

/// Write man pages or shell completions
#[derive(Args)]
pub(crate) struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Write a man page for every command into a directory
    Man {
        /// The directory, which must be there
        #[arg(value_name = "DIR")]
        directory: String,
    },
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

impl Generate {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self.what {
            What::Man { directory } => {
                let directory = paths::argument(&directory)?;
                let written = manual::write_pages(Cli::command(), &directory);
                written.map_err(|error| {
                    let directory = directory.display();
                    CommandError::failed(format!("cannot write man pages to {directory}: {error}"))
                })
            }
            What::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "tahoe", &mut script);
                context.output.bytes(&script);
                Ok(())
            }
        }
    }
}
