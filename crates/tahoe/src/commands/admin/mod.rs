//! `tahoe admin`: keys, certificates and the lists of servers.

mod add_grid_manager_cert;
mod add_server;
mod keys;
mod migrate_crawler;
mod server_entry;

use crate::Context;
use crate::error::Result;
use clap::{Args, Subcommand};

/// Tell others how to reach this server, add servers to use, make keys
#[derive(Args)]
pub(crate) struct Admin {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand)]
enum AdminCommand {
    ServerEntry(server_entry::ServerEntry),
    AddServer(add_server::AddServer),
    AddGridManagerCert(add_grid_manager_cert::AddGridManagerCert),
    GenerateKeypair(keys::GenerateKeypair),
    DerivePubkey(keys::DerivePubkey),
    MigrateCrawler(migrate_crawler::MigrateCrawler),
}

impl Admin {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self.command {
            AdminCommand::ServerEntry(command) => command.run(context),
            AdminCommand::AddServer(command) => command.run(context),
            AdminCommand::AddGridManagerCert(command) => command.run(context),
            AdminCommand::GenerateKeypair(command) => command.run(context),
            AdminCommand::DerivePubkey(command) => command.run(context),
            AdminCommand::MigrateCrawler(command) => command.run(context),
        }
    }
}
