//! The `tahoe` command.
//!
//! A file per command lies in `commands/`; `cli.rs` lists them. Every command ends in one
//! [`error::CommandError`] or none, which decides the exit status.

mod aliases;
mod cli;
mod commands;
mod dates;
mod error;
mod file_store;
mod http;
mod objects;
mod output;
mod paths;
mod progress;
mod python;
mod quote;
mod streams;
mod usage;
mod wormhole;

use clap::Parser as _;
use cli::{Cli, Command};
use error::{CommandError, Kind, Result};
use output::Output;
use std::process::ExitCode;
use tahoe_node::EliotDestination;

/// What `--version` prints: the release whose behaviour this is, then our own.
const VERSION: &str = concat!("tahoe-lafs/1.20.0+rust.", env!("CARGO_PKG_VERSION"));

/// What every command is told besides its own options.
struct Context {
    /// `--node-directory`, if given.
    node_directory: Option<String>,
    /// `--eliot-destination`, for nodes.
    eliot: Vec<EliotDestination>,
    output: Output,
    wormhole: WormholeOptions,
}

/// Where and under which name invitations are sent.
struct WormholeOptions {
    server: String,
    app_id: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let cli = match Cli::try_parse_from(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage::report_parse_error(&error, &arguments),
    };
    let output = Output {
        quiet: cli.global.quiet,
    };
    let status = match run(cli, output) {
        Ok(()) => 0,
        Err(error) => {
            match error.kind {
                Kind::Usage => usage::report(&error.to_string(), &arguments),
                _ if error.message.is_empty() => {}
                _ => output.note(&error.to_string()),
            }
            error.exit_status()
        }
    };
    output.exit_code(status)
}

fn run(cli: Cli, output: Output) -> Result {
    if cli.global.version {
        Output { quiet: false }.line(VERSION);
        return Ok(());
    }
    if cli.global.help_eliot_destinations {
        let output = Output { quiet: false };
        output.line(
            "Available destinations:\n\
             \tfile:<path>[,rotate_length=<bytes>][,max_rotated_files=<count>]\n\
             \tSensible defaults are supplied for rotate_length and max_rotated_files\n\
             \tif they are not given.\n",
        );
        return Ok(());
    }
    let context = Context {
        node_directory: cli.global.node_directory,
        eliot: cli.global.eliot_destination,
        output,
        wormhole: WormholeOptions {
            server: cli.global.wormhole_server,
            app_id: cli.global.wormhole_invite_appid,
        },
    };
    match cli.command {
        None => Err(CommandError::usage("must specify a command")),
        Some(Command::CreateNode(command)) => command.run(&context),
        Some(Command::CreateIntroducer(command)) => command.run(&context),
        Some(Command::CreateVdrive(command)) => command.run(&context),
        Some(Command::CreateClient(command)) => command.run(&context),
        Some(Command::Demo(command)) => command.run(&context),
        Some(Command::Run(command)) => command.run(&context),
        Some(Command::CreateAlias(command)) => command.run(&context),
        Some(Command::AddAlias(command)) => command.run(&context),
        Some(Command::ListAliases(command)) => command.run(&context),
        Some(Command::Mkdir(command)) => command.run(&context),
        Some(Command::Ls(command)) => command.run(&context),
        Some(Command::Invite(command)) => command.run(&context),
        Some(Command::Put(command)) => command.run(&context),
        Some(Command::Get(command)) => command.run(&context),
        Some(Command::Cp(command)) => command.run(&context),
        Some(Command::Backup(command)) => command.run(&context),
        Some(Command::Unlink(command)) => command.run(&context),
        Some(Command::Trash(command)) => command.run(&context),
        Some(Command::Restore(command)) => command.run(&context),
        Some(Command::Rm(command)) => command.run_as_rm(&context),
        Some(Command::Mv(command)) => command.run(&context),
        Some(Command::Ln(command)) => command.run(&context),
        Some(Command::Webopen(command)) => command.run(&context),
        Some(Command::Manifest(command)) => command.run(&context),
        Some(Command::Stats(command)) => command.run(&context),
        Some(Command::Check(command)) => command.run(&context),
        Some(Command::DeepCheck(command)) => command.run(&context),
        Some(Command::Status(command)) => command.run(&context),
        Some(Command::Admin(command)) => command.run(&context),
        Some(Command::Debug(command)) => command.run(&context),
        Some(Command::Generate(command)) => command.run(&context),
    }
}
