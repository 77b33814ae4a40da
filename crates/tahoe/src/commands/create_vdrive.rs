//! `tahoe create-vdrive`: a node that keeps a shared drive.

use super::NodeDirectoryOption;
use super::create_client::privacy;
use super::create_introducer::create;
use super::create_node::{OverlayOptions, Place};
use crate::Context;
use crate::error::Result;
use crate::quote::quoted_path;
use clap::Args;
use tahoe_node::NewService;

/// Create a vdrive server, which keeps a shared drive: one tree of names for all of a grid
///
/// Others must be able to reach it: say under which name with --hostname, or exactly how with --port
/// and --location. When it runs, vdrive.furl in its directory is what lets others change the drive,
/// and vdrive-readonly.furl what lets them read it: copy one of them, as vdrive.furl, into the
/// directory of each node.
#[derive(Args)]
pub(crate) struct CreateVdrive {
    #[command(flatten)]
    directory: NodeDirectoryOption,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    overlay: OverlayOptions,
    /// Connect through Tor only, and forbid every setting that would reveal the node's address
    #[arg(long)]
    hide_ip: bool,
}

impl CreateVdrive {
    pub(crate) fn run(self, context: &Context) -> Result {
        let directory = self.directory.named_path(context)?;
        self.overlay.refuse()?;
        let node = NewService {
            listen: self.place.listen()?,
            introducer: false,
            vdrive: true,
            privacy: privacy(self.hide_ip),
        };
        create(&node, &directory)?;
        let shown = quoted_path(&directory);
        context
            .output
            .line(&format!("Vdrive server created in {shown}"));
        Ok(())
    }
}
