//! The command line: one definition for parsing, `--help`, man pages and completions.

use crate::commands;
use clap::{Args, Parser, Subcommand};
use tahoe_node::EliotDestination;

/// Store files on servers that you need not trust.
///
/// A node on your machine encrypts each file, spreads it over storage servers so that a few of them
/// suffice to get it back, and gives you a capability: a short text that is all one needs to read
/// the file, and without which nobody can.
///
/// To try it, start a whole grid on this machine with `tahoe demo`. To take part in one, make a node
/// with `tahoe create-client --introducer=FURL`, where FURL is the text in the grid's
/// introducer.furl, or with `tahoe create-client --join=CODE`, where somebody of the grid got CODE
/// from `tahoe invite`; start it with `tahoe run`. Then `tahoe create-alias tahoe` makes a directory
/// of your own, `tahoe cp` and `tahoe backup` fill it, and `tahoe put` and `tahoe get` store and
/// fetch single files. To start a grid, begin with `tahoe create-introducer`.
#[derive(Parser)]
#[command(
    name = "tahoe",
    infer_long_args = true,
    disable_version_flag = true,
    subcommand_required = false,
    max_term_width = 100,
    after_help = "Run 'tahoe COMMAND --help' to learn more about a command."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options that stand before the command.
#[derive(Args)]
pub(crate) struct GlobalOptions {
    /// The node's directory, or one with a node.url file that points to another node
    ///
    /// Most commands use ~/.tahoe if neither this nor their own option says otherwise.
    #[arg(short = 'd', long, value_name = "DIR")]
    pub(crate) node_directory: Option<String>,
    /// Print nothing on standard output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Write the log of a node as Eliot's JSON too: file:PATH[,rotate_length=BYTES]
    /// [,max_rotated_files=COUNT], or file:- for standard output; may be given several times
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) eliot_destination: Vec<EliotDestination>,
    /// Explain --eliot-destination
    #[arg(long)]
    pub(crate) help_eliot_destinations: bool,
    /// Print the version
    #[arg(short = 'V', long, alias = "version-and-path")]
    pub(crate) version: bool,
    /// The server over which invitations are sent
    #[arg(
        long,
        value_name = "URL",
        default_value = "ws://wormhole.tahoe-lafs.org:4000/v1"
    )]
    pub(crate) wormhole_server: String,
    /// What tells invitations from other uses of that server
    #[arg(long, value_name = "ID", default_value = "tahoe-lafs.org/invite")]
    pub(crate) wormhole_invite_appid: String,
}

/// Everything that `tahoe` can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    Demo(commands::demo::Demo),
    CreateNode(Box<commands::create_node::CreateNode>),
    CreateIntroducer(commands::create_introducer::CreateIntroducer),
    CreateVdrive(commands::create_vdrive::CreateVdrive),
    CreateClient(commands::create_client::CreateClient),
    Run(commands::run::Run),
    CreateAlias(commands::create_alias::CreateAlias),
    AddAlias(commands::add_alias::AddAlias),
    ListAliases(commands::list_aliases::ListAliases),
    Mkdir(commands::mkdir::Mkdir),
    Ls(commands::ls::Ls),
    Invite(commands::invite::Invite),
    Put(commands::put::Put),
    Get(commands::get::Get),
    Cp(commands::cp::Cp),
    Backup(commands::backup::Backup),
    Unlink(commands::unlink::Unlink),
    Trash(commands::trash::Trash),
    Restore(commands::restore::Restore),
    /// The same as unlink
    #[command(hide = true)]
    Rm(commands::unlink::Unlink),
    Mv(commands::mv::Mv),
    Ln(commands::mv::Ln),
    Webopen(commands::webopen::Webopen),
    Manifest(commands::manifest::Manifest),
    Stats(commands::stats::Stats),
    Check(commands::check::Check),
    DeepCheck(commands::deep_check::DeepCheck),
    Status(commands::status::Status),
    Admin(commands::admin::Admin),
    Debug(commands::debug::Debug),
    #[command(hide = true)]
    Generate(commands::generate::Generate),
}
