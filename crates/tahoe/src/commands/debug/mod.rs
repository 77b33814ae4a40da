//! `tahoe debug`: what capabilities and share files hold.

mod catalog_shares;
mod corrupt_share;
mod dump_cap;
mod dump_share;
mod find_shares;
mod retired;
mod share_directories;

use crate::Context;
use crate::error::Result;
use clap::{Args, Subcommand};

/// Look into capabilities and share files
#[derive(Args)]
pub(crate) struct Debug {
    #[command(subcommand)]
    command: DebugCommand,
}

#[derive(Subcommand)]
enum DebugCommand {
    DumpShare(dump_share::DumpShare),
    DumpCap(dump_cap::DumpCap),
    FindShares(find_shares::FindShares),
    CatalogShares(catalog_shares::CatalogShares),
    CorruptShare(corrupt_share::CorruptShare),
    /// Look into log files: not here, but in Python's foolscap
    #[command(hide = true)]
    Flogtool(retired::Ignored),
    /// Obsolete
    #[command(hide = true)]
    Trial(retired::Ignored),
    /// Obsolete
    #[command(hide = true)]
    Repl(retired::Ignored),
}

impl Debug {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self.command {
            DebugCommand::DumpShare(command) => command.run(context),
            DebugCommand::DumpCap(command) => command.run(context),
            DebugCommand::FindShares(command) => command.run(context),
            DebugCommand::CatalogShares(command) => command.run(context),
            DebugCommand::CorruptShare(command) => command.run(context),
            DebugCommand::Flogtool(_) => retired::refuse("flogtool"),
            DebugCommand::Trial(_) => retired::refuse("trial"),
            DebugCommand::Repl(_) => retired::refuse("repl"),
        }
    }
}
