//! `tahoe invite`: let somebody join this node's grid.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::paths;
use crate::wormhole::{self, WormholeError};
use clap::Args;
use serde_json::{Value, json};
use std::path::Path;
use tahoe_node::config::Settings;
use tahoe_node::{Furl, NodeDirectory, NodeKind};
use tokio::runtime::Runtime;

/// Invite somebody to this node's grid
///
/// Prints a code to pass on. Whoever uses it first with `tahoe create-node --join CODE`, while this
/// command waits, receives the introducer's address and the encoding parameters.
#[derive(Args)]
pub(crate) struct Invite {
    /// What to call the new node
    #[arg(value_name = "NICKNAME")]
    nickname: String,
    /// How many shares suffice to get one of its files back [default: as this node's]
    #[arg(long, value_name = "K")]
    shares_needed: Option<u16>,
    /// On how many servers its uploads must place shares [default: as this node's]
    #[arg(long, value_name = "H")]
    shares_happy: Option<u16>,
    /// How many shares are made of its files [default: as this node's]
    #[arg(long, value_name = "N")]
    shares_total: Option<u16>,
}

impl Invite {
    pub(crate) fn run(self, context: &Context) -> Result {
        let path = match &context.node_directory {
            Some(path) => paths::argument(path)?,
            None => paths::default_node_directory()?,
        };
        let settings = self.settings(&path)?;
        let runtime = Runtime::new().map_err(|error| {
            CommandError::failed(format!(
                "cannot start the input and output machinery: {error}"
            ))
        })?;
        runtime.block_on(send(&settings, context))?;
        context.output.line("Completed successfully");
        Ok(())
    }

    /// What the new node is told.
    fn settings(&self, path: &Path) -> Result<Value> {
        let directory = NodeDirectory::new(path);
        let kind = directory.kind();
        let own = match kind.map_err(|error| CommandError::caused_by(&error))? {
            Some(NodeKind::Introducer) => Settings::load_service(path),
            _ => Settings::load(path),
        };
        let own = own.map_err(|error| CommandError::caused_by(&error))?;
        let furl = introducer(&directory, &own).map_err(|why| {
            let path = path.display();
            let message = format!("Can't find introducer FURL for node '{path}': {why}");
            CommandError::failed(message)
        })?;
        let own = &own.client;
        // As numbers: a Python node writes texts into its tahoe.cfg so that it can't read them.
        Ok(json!({
            "shares-needed": self.shares_needed.unwrap_or(own.shares_needed),
            "shares-total": self.shares_total.unwrap_or(own.shares_total),
            "shares-happy": self.shares_happy.unwrap_or(own.shares_happy),
            "nickname": self.nickname.trim(),
            "introducer": *furl.to_text(),
        }))
    }
}

/// The node's first introducer, or the node itself if it is one.
fn introducer(directory: &NodeDirectory, settings: &Settings) -> std::result::Result<Furl, String> {
    let text = |error: &dyn std::error::Error| crate::error::chain(error);
    let introducers = directory
        .introducers(settings)
        .map_err(|error| text(&error))?;
    if let Some(first) = introducers.into_iter().next() {
        return Ok(first.furl);
    }
    let own = directory
        .read("private/introducer.furl")
        .map_err(|error| text(&error))?;
    let own = own.ok_or("it has no introducers and is none")?;
    Furl::parse(&own).map_err(|error| text(&error))
}

async fn send(settings: &Value, context: &Context) -> Result {
    let output = context.output;
    let options = &context.wormhole;
    output.line(&format!("Connecting to '{}'...", options.server));
    let connected = wormhole::connect(&options.server, &options.app_id);
    let connected = connected.await.map_err(failed)?;
    output.line("Connected to wormhole server");
    let opened = connected.allocate_code().await.map_err(failed)?;
    output.line(&format!("Invite Code for client: {}", opened.code()));
    let mut wormhole = opened.other_side().await.map_err(failed)?;
    let introduction = json!({"abilities": {"server-v1": {}}});
    let introduction = introduction.to_string();
    let sent = wormhole.send(introduction.as_bytes()).await;
    sent.map_err(failed)?;
    let theirs = wormhole.receive().await.map_err(failed)?;
    output.line("  received client introduction");
    let theirs: Value = serde_json::from_slice(&theirs).unwrap_or_default();
    let Some(abilities) = theirs.get("abilities") else {
        return Err(CommandError::failed("No 'abilities' from client"));
    };
    if abilities.get("client-v1").is_none() {
        let message = "No 'client-v1' in abilities from client";
        return Err(CommandError::failed(message));
    }
    output.line("  transmitting configuration");
    let settings = settings.to_string();
    wormhole.send(settings.as_bytes()).await.map_err(failed)?;
    wormhole.close().await.map_err(failed)
}

fn failed(error: WormholeError) -> CommandError {
    CommandError::caused_by(&error)
}
