//! `tahoe create-node`: a node that is a storage server, a client, or both.

use super::NodeDirectoryOption;
use super::create_client::{ClientOptions, create};
use crate::Context;
use crate::error::{CommandError, Result};
use clap::Args;
use tahoe_node::{Listen, NewNode};

/// Create a node that is both a storage server and a client
///
/// A server must be reachable: say under which name with --hostname, or exactly how with --port and
/// --location. What suits the grid's size: of one server, `--shares-needed=1 --shares-happy=1
/// --shares-total=1`; of three, 1, 2 and 3; of five, 3, 4 and 5. The defaults suit ten and more. The new directory holds tahoe.cfg, which may be edited before the node is started with
/// `tahoe run`.
#[derive(Args)]
pub(crate) struct CreateNode {
    #[command(flatten)]
    directory: NodeDirectoryOption,
    #[command(flatten)]
    client: ClientOptions,
    /// Don't be a storage server
    #[arg(long)]
    no_storage: bool,
    /// Where to keep shares [default: storage in the node's directory]
    #[arg(long, value_name = "PATH")]
    storage_dir: Option<String>,
    /// Upload on behalf of other clients
    #[arg(long)]
    helper: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    overlay: OverlayOptions,
}

/// Where the node listens.
#[derive(Args)]
pub(super) struct Place {
    /// How others connect: tcp, or none; tor and i2p aren't available in this version
    #[arg(long, value_name = "LIST", default_value = "tcp")]
    listen: String,
    /// The name or address under which others reach this machine; a free port is chosen
    #[arg(long, value_name = "HOST")]
    hostname: Option<String>,
    /// Where to listen, such as tcp:12345 or tcp:12345:interface=127.0.0.1; needs --location
    #[arg(long, value_name = "ENDPOINT")]
    port: Option<String>,
    /// What others are told to connect to, such as tcp:example.org:12345; needs --port
    #[arg(long, value_name = "HINTS")]
    location: Option<String>,
}

/// Options to start Tor or I2P and be reached through them, which this version can't.
#[derive(Args)]
pub(super) struct OverlayOptions {
    #[arg(long, hide = true)]
    tor_launch: bool,
    #[arg(long, hide = true)]
    tor_executable: Option<String>,
    #[arg(long, hide = true)]
    tor_control_port: Option<String>,
    #[arg(long, hide = true)]
    i2p_launch: bool,
    #[arg(long, hide = true)]
    i2p_executable: Option<String>,
    #[arg(long, hide = true)]
    i2p_sam_port: Option<String>,
}

impl CreateNode {
    pub(crate) fn run(self, context: &Context) -> Result {
        let directory = self.directory.path(context)?;
        self.overlay.refuse()?;
        let listen = self.place.listen()?;
        let code = self.client.join.clone();
        let node = NewNode {
            listen,
            storage: !self.no_storage,
            storage_directory: self.storage_dir,
            helper: self.helper,
            ..self.client.new_node()
        };
        create(node, code.as_deref(), &directory, context)
    }
}

impl Place {
    pub(super) fn listen(self) -> Result<Listen> {
        let kinds: Vec<&str> = self.listen.split(',').collect();
        if kinds == ["none"] {
            return match (self.hostname, self.port, self.location) {
                (None, None, None) => Ok(Listen::Nowhere),
                (Some(_), ..) => usage("--hostname cannot be used when --listen=none"),
                _ => usage("--port/--location cannot be used when --listen=none"),
            };
        }
        match (self.hostname, self.port, self.location) {
            (None, Some(port), Some(location)) => Ok(Listen::Explicit { port, location }),
            (_, None, Some(_)) => usage("--location must be used with --port"),
            (_, Some(_), None) => usage("--port must be used with --location"),
            (Some(_), Some(_), Some(_)) => {
                usage("--hostname cannot be used with --location/--port")
            }
            (hostname, None, None) => listen_as(&kinds, hostname),
        }
    }
}

fn listen_as(kinds: &[&str], hostname: Option<String>) -> Result<Listen> {
    let known = ["i2p", "none", "tcp", "tor"];
    if kinds.iter().any(|kind| !known.contains(kind)) {
        return usage("--listen= must be one/some of: i2p, none, tcp, tor");
    }
    if kinds.contains(&"none") {
        return usage("--listen=none cannot be combined with others");
    }
    if kinds.contains(&"tor") || kinds.contains(&"i2p") {
        return usage("--listen=tor and --listen=i2p aren't available in this version: use tcp");
    }
    match hostname {
        Some(hostname) => Ok(Listen::Hostname(hostname)),
        None => usage("--listen=tcp requires --hostname="),
    }
}

impl OverlayOptions {
    pub(super) fn refuse(&self) -> Result {
        let given = [
            ("--tor-launch", self.tor_launch),
            ("--tor-executable", self.tor_executable.is_some()),
            ("--tor-control-port", self.tor_control_port.is_some()),
            ("--i2p-launch", self.i2p_launch),
            ("--i2p-executable", self.i2p_executable.is_some()),
            ("--i2p-sam-port", self.i2p_sam_port.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => usage(&format!(
                "{name} isn't available in this version: it uses Tor and I2P routers that run already"
            )),
            None => Ok(()),
        }
    }
}

fn usage<T>(message: &str) -> Result<T> {
    Err(CommandError::usage(message))
}
