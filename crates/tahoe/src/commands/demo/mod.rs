//! `tahoe demo`: a whole private grid on this machine.

mod directories;
mod grid;
mod once;
mod process;

use crate::Context;
use crate::error::{CommandError, Result};
use crate::output::Output;
use crate::paths;
use crate::quote::quoted_path;
use clap::Args;
use directories::Directories;
use grid::Grid;
use tokio::runtime::Runtime;

/// Start a private grid on this machine: an introducer, five storage servers and a gateway with a web
/// page
///
/// Each is a real node with a directory of its own under DIR, running as a process of its own. Files
/// are spread so that any three of the five servers give them back. Ctrl-C stops everything; starting
/// the demo again brings the same grid back, with the files in it.
#[derive(Args)]
pub(crate) struct Demo {
    /// Where the nodes' directories are
    #[arg(long, value_name = "DIR", default_value = "tahoe-demo")]
    dir: String,
    /// Store FILE, kill two servers, fetch it, compare, and exit accordingly
    #[arg(long, value_name = "FILE")]
    once: Option<String>,
}

impl Demo {
    pub(crate) fn run(self, context: &Context) -> Result {
        let path = paths::argument(&self.dir)?;
        let file = self.once.as_deref().map(paths::argument).transpose()?;
        let output = context.output;
        let directories = Directories::prepare(&path)?;
        let verb = if directories.is_new {
            "made a grid"
        } else {
            "found the grid"
        };
        output.line(&format!("{verb} in {}", quoted_path(&path)));
        let runtime = Runtime::new().map_err(|error| {
            CommandError::failed(format!(
                "cannot start the input and output machinery: {error}"
            ))
        })?;
        runtime.block_on(async {
            let mut stop = process::StopSignals::new()?;
            let mut grid = Grid::spawn(&directories).await?;
            let result = tokio::select! {
                result = demonstrate(&mut grid, file.as_deref(), output) => result,
                () = stop.next() => match file {
                Some(_) => Err(CommandError::failed("interrupted")),
                    None => Ok(()),
                },
            };
            output.line("stopping the nodes");
            grid.stop(output).await;
            result
        })
    }
}

async fn demonstrate(grid: &mut Grid, file: Option<&std::path::Path>, output: Output) -> Result {
    grid.wait_until_up(output).await?;
    match file {
        Some(file) => once::store_and_fetch(grid, file, output).await,
        None => {
            explain(grid, output);
            grid.watch(output).await
        }
    }
}

fn explain(grid: &Grid, output: Output) {
    let program = std::env::current_exe();
    let program = program.map_or_else(|_| "tahoe".to_owned(), |path| path.display().to_string());
    let gateway = grid.gateway_directory().display();
    let victims = grid.two_process_ids();
    output.line(&format!(
        "
The grid is up: any 3 of its 5 servers give a file back.

  Web page    {url}
  Drive       {url}vdrive/

In another terminal, store a file and fetch it with the capability that is printed:

  {program} -d {gateway} put README.md
  {program} -d {gateway} get URI:CHK:... copy.md

Put a file into the shared drive, which all who have its FURL see, and list it:

  {program} -d {gateway} cp README.md vdrive:
  {program} -d {gateway} ls vdrive:

Kill two servers and fetch it once more:

  kill {victims}

Ctrl-C stops everything.",
        url = grid.url(),
    ));
}
