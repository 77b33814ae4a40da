//! `tahoe create-vdrive`: a node that keeps a shared drive.

use super::create_introducer::ServiceOptions;
use crate::Context;
use crate::error::Result;
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
    service: ServiceOptions,
}

impl CreateVdrive {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.service
            .create(context, "Vdrive server", |node| NewService {
                vdrive: true,
                ..node
            })
    }
}
