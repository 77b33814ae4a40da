//! `tahoe create-client`: a node that stores files on others' servers.

use super::NodeDirectoryOption;
use super::join::join;
use crate::Context;
use crate::error::{CommandError, Kind, Result};
use crate::quote::quoted_path;
use clap::Args;
use std::path::Path;
use tahoe_node::{CreateError, Listen, NewNode, Privacy};

/// Create a client node, which uses storage servers and isn't one
///
/// What suits the grid's size: of one server, `--shares-needed=1 --shares-happy=1
/// --shares-total=1`; of three, 1, 2 and 3; of five, 3, 4 and 5. The defaults suit ten and more.
///
/// The new directory holds tahoe.cfg, which may be edited before the node is started with
/// `tahoe run`.
#[derive(Args)]
pub(crate) struct CreateClient {
    #[command(flatten)]
    directory: NodeDirectoryOption,
    #[command(flatten)]
    options: ClientOptions,
}

/// How files are stored: how many shares suffice, on how many servers they must be, how many there
/// are.
#[derive(PartialEq, Eq)]
struct Shares {
    needed: u64,
    happy: u64,
    total: u64,
}

/// Those of the original, on which programs depend.
const DEFAULT_SHARES: Shares = Shares {
    needed: 3,
    happy: 7,
    total: 10,
};

/// What client and server nodes have in common.
#[derive(Args)]
pub(crate) struct ClientOptions {
    /// What to call the node
    #[arg(short, long, value_name = "NAME")]
    nickname: Option<String>,
    /// FURL of an introducer of the grid
    #[arg(short, long, value_name = "FURL")]
    introducer: Option<String>,
    /// Where the web interface listens; 'none' for no web interface
    #[arg(
        short = 'p',
        long,
        value_name = "ENDPOINT",
        default_value = "tcp:3456:interface=127.0.0.1"
    )]
    webport: String,
    /// How many shares suffice to get a file back
    #[arg(long, value_name = "K", default_value_t = DEFAULT_SHARES.needed)]
    shares_needed: u64,
    /// On how many servers an upload must place shares to succeed
    #[arg(long, value_name = "H", default_value_t = DEFAULT_SHARES.happy)]
    shares_happy: u64,
    /// How many shares are made of a file
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SHARES.total)]
    shares_total: u64,
    /// Join a grid with the code that `tahoe invite` printed there
    #[arg(long, value_name = "CODE")]
    pub(crate) join: Option<String>,
    /// Connect through Tor only, and forbid every setting that would reveal the node's address
    #[arg(long)]
    hide_ip: bool,
}

impl CreateClient {
    pub(crate) fn run(self, context: &Context) -> Result {
        let directory = self.directory.path(context)?;
        let code = self.options.join.clone();
        create(
            self.options.new_node(),
            code.as_deref(),
            &directory,
            context,
        )
    }
}

impl ClientOptions {
    /// A client without storage.
    pub(crate) fn new_node(self) -> NewNode {
        let no_web = self.webport.eq_ignore_ascii_case("none");
        NewNode {
            nickname: self.nickname.unwrap_or_default(),
            introducer: self.introducer,
            web_port: if no_web { String::new() } else { self.webport },
            listen: Listen::Nowhere,
            shares_needed: self.shares_needed,
            shares_happy: self.shares_happy,
            shares_total: self.shares_total,
            storage: false,
            storage_directory: None,
            helper: false,
            privacy: privacy(self.hide_ip),
        }
    }
}

/// What `--hide-ip` means.
pub(super) fn privacy(hide_ip: bool) -> Privacy {
    match hide_ip {
        true => Privacy::HideAddress,
        false => Privacy::Open,
    }
}

/// Creates the directory, with the settings of an invitation if there is one, and says what is left
/// to do.
pub(crate) fn create(
    mut node: NewNode,
    invite_code: Option<&str>,
    directory: &Path,
    context: &Context,
) -> Result {
    if let Some(code) = invite_code {
        refuse_used(directory)?;
        join(code, &mut node, context)?;
    }
    node.create(directory).map_err(|error| match error {
        CreateError::NotEmpty => not_empty(directory),
        other => CommandError::caused_by(&other),
    })?;
    let output = context.output;
    output.line(&format!("Node created in {}", quoted_path(directory)));
    if node.introducer.is_none() {
        let introducers = quoted_path(&directory.join("private/introducers.yaml"));
        output.line(&format!(" Please add introducers to {introducers}!"));
        output.line(" The node cannot connect to a grid without it.");
    }
    if node.nickname.is_empty() {
        let tahoe_cfg = quoted_path(&directory.join("tahoe.cfg"));
        output.line(&format!(" Please set [node]nickname= in {tahoe_cfg}"));
    }
    let shares = Shares {
        needed: node.shares_needed,
        happy: node.shares_happy,
        total: node.shares_total,
    };
    if shares == DEFAULT_SHARES {
        let tahoe_cfg = quoted_path(&directory.join("tahoe.cfg"));
        output.note(&format!(
            "note: storing a file takes at least {} servers. If the grid has fewer, change \
             shares.needed, shares.happy and shares.total in {tahoe_cfg}: to 1, 1 and 1 for one \
             server, 1, 2 and 3 for three, 3, 4 and 5 for five.",
            shares.happy
        ));
    }
    if node.privacy == Privacy::HideAddress && matches!(node.listen, Listen::Hostname(_)) {
        output.note(
            "note: the node will not run: tub.location tells its address, which --hide-ip forbids",
        );
    }
    if node.storage && node.listen == Listen::Nowhere {
        output
            .note("note: the node will not run: it has storage but does not listen (--no-storage)");
    }
    Ok(())
}

/// An invitation can be used once only: it isn't wasted on a directory that can't be created.
fn refuse_used(directory: &Path) -> Result {
    let is_used = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        Err(not_empty(directory))
    } else {
        Ok(())
    }
}

pub(super) fn not_empty(directory: &Path) -> CommandError {
    let directory = quoted_path(directory);
    CommandError {
        kind: Kind::NotEmpty,
        message: format!("The base directory {directory} is not empty."),
        hint: Some("Nothing was changed: name another directory, or empty this one.".into()),
    }
}
