//! `--join CODE`: the settings that somebody sends who invites this node.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::wormhole::{self, WormholeError};
use serde::Deserialize;
use serde_json::{Value, json};
use tahoe_node::{Furl, NewNode};
use tokio::runtime::Runtime;

/// What may be sent; all else is ignored.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Invitation {
    shares_needed: Option<Number>,
    shares_happy: Option<Number>,
    shares_total: Option<Number>,
    nickname: Option<String>,
    introducer: Option<String>,
}

/// A number, also as the text that Python nodes send.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Result<u64> {
        match self {
            Self::Plain(number) => Ok(*number),
            Self::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| unusable("a number of shares")),
        }
    }
}

/// Receives settings with an invite code and puts them into a new node's.
pub(crate) fn join(code: &str, node: &mut NewNode, context: &Context) -> Result {
    let output = context.output;
    let runtime = Runtime::new().map_err(|error| {
        CommandError::failed(format!(
            "cannot start the input and output machinery: {error}"
        ))
    })?;
    let invitation = runtime.block_on(receive(code, context))?;
    let number = |sent: &Option<Number>, own: u64| sent.as_ref().map_or(Ok(own), Number::value);
    node.shares_needed = number(&invitation.shares_needed, node.shares_needed)?;
    node.shares_happy = number(&invitation.shares_happy, node.shares_happy)?;
    node.shares_total = number(&invitation.shares_total, node.shares_total)?;
    output.line(&format!(
        "Encoding: {} of {} shares, on at least {} servers",
        node.shares_needed, node.shares_total, node.shares_happy
    ));
    output.line("Overriding the following config:");
    if let Some(furl) = invitation.introducer {
        let furl = Furl::parse(&furl).map_err(|_| unusable("the introducer's FURL"))?;
        node.introducer = Some(furl.to_text().to_string());
        output.line("  introducer: [sensitive data; see private/introducers.yaml]");
    }
    if let Some(nickname) = invitation.nickname {
        output.line(&format!("  nickname: {}", nickname.escape_debug()));
        node.nickname = nickname;
    }
    Ok(())
}

async fn receive(code: &str, context: &Context) -> Result<Invitation> {
    let output = context.output;
    let options = &context.wormhole;
    output.line(&format!("Opening wormhole with code '{code}'"));
    output.line(&format!("Connecting to '{}'", options.server));
    let connected = wormhole::connect(&options.server, &options.app_id);
    let connected = connected.await.map_err(failed)?;
    output.line("Connected to wormhole server");
    let opened = connected.use_code(code).await.map_err(failed)?;
    let mut wormhole = opened.other_side().await.map_err(failed)?;
    let introduction = json!({"abilities": {"client-v1": {}}});
    let introduction = introduction.to_string();
    let sent = wormhole.send(introduction.as_bytes()).await;
    sent.map_err(failed)?;
    let theirs = wormhole.receive().await.map_err(failed)?;
    output.line("  received server introduction");
    let theirs: Value = serde_json::from_slice(&theirs).unwrap_or_default();
    let Some(abilities) = theirs.get("abilities") else {
        return Err(CommandError::failed(
            "  Expected 'abilities' in server introduction",
        ));
    };
    if abilities.get("server-v1").is_none() {
        return Err(CommandError::failed(
            "  Expected 'server-v1' in server abilities",
        ));
    }
    let settings = wormhole.receive().await.map_err(failed)?;
    output.line("  received configuration");
    // All has been received: whether the server still hears goodbye doesn't matter.
    wormhole.close().await.ok();
    serde_json::from_slice(&settings).map_err(|_| unusable("the configuration"))
}

fn failed(error: WormholeError) -> CommandError {
    CommandError::caused_by(&error)
}

fn unusable(what: &str) -> CommandError {
    CommandError::failed(format!("{what} that the inviter sent cannot be used"))
}
