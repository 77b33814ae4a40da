//! `tahoe create-introducer`: a node that tells others of each other.

use super::NodeDirectoryOption;
use super::create_client::{not_empty, privacy};
use super::create_node::{OverlayOptions, Place};
use crate::Context;
use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use clap::Args;
use std::path::Path;
use tahoe_node::{CreateError, NewService};

/// Create an introducer, by which the nodes of a grid find each other
///
/// Others must be able to reach it: say under which name with --hostname, or exactly how with --port
/// and --location. When it runs, its address is in private/introducer.furl; give that to each node of
/// the grid, for instance with `tahoe create-node --introducer`.
///
/// With --vdrive it also keeps a shared drive: copy the files introducer.furl and vdrive.furl, which are
/// in its directory once it runs, into the directory of each node of the grid.
#[derive(Args)]
pub(crate) struct CreateIntroducer {
    #[command(flatten)]
    directory: NodeDirectoryOption,
    /// Keep a shared drive, too
    #[arg(long)]
    vdrive: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    overlay: OverlayOptions,
    /// Connect through Tor only, and forbid every setting that would reveal the node's address
    #[arg(long)]
    hide_ip: bool,
}

impl CreateIntroducer {
    pub(crate) fn run(self, context: &Context) -> Result {
        let directory = self.directory.named_path(context)?;
        self.overlay.refuse()?;
        let node = NewService {
            listen: self.place.listen()?,
            introducer: true,
            vdrive: self.vdrive,
            privacy: privacy(self.hide_ip),
        };
        create(&node, &directory)?;
        let shown = quoted_path(&directory);
        context
            .output
            .line(&format!("Introducer created in {shown}"));
        Ok(())
    }
}

/// Creates the directory of an introducer or a vdrive server.
pub(super) fn create(node: &NewService, directory: &Path) -> Result {
    node.create(directory).map_err(|error| match error {
        CreateError::NotEmpty => not_empty(directory),
        other => CommandError::caused_by(&other),
    })
}
