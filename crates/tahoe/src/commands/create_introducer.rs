//! `tahoe create-introducer`: a node that tells others of each other.

use super::NodeDirectoryOption;
use super::create_client::{not_empty, privacy};
use super::create_node::{OverlayOptions, Place};
use crate::Context;
use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use clap::Args;
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
    service: ServiceOptions,
    /// Keep a shared drive, too
    #[arg(long)]
    vdrive: bool,
}

impl CreateIntroducer {
    pub(crate) fn run(self, context: &Context) -> Result {
        let vdrive = self.vdrive;
        self.service
            .create(context, "Introducer", |node| NewService {
                introducer: true,
                vdrive,
                ..node
            })
    }
}

/// What is said of a node that serves others without being a client.
#[derive(Args)]
pub(super) struct ServiceOptions {
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

impl ServiceOptions {
    /// Creates the node's directory; `with_tasks` says what the node will do.
    pub(super) fn create(
        self,
        context: &Context,
        name: &str,
        with_tasks: impl FnOnce(NewService) -> NewService,
    ) -> Result {
        let directory = self.directory.named_path(context)?;
        self.overlay.refuse()?;
        let node = with_tasks(NewService {
            listen: self.place.listen()?,
            introducer: false,
            vdrive: false,
            privacy: privacy(self.hide_ip),
        });
        node.create(&directory).map_err(|error| match error {
            CreateError::NotEmpty => not_empty(&directory),
            other => CommandError::caused_by(&other),
        })?;
        let shown = quoted_path(&directory);
        context.output.line(&format!("{name} created in {shown}"));
        Ok(())
    }
}
