//! What `tahoe check` and `tahoe deep-check` have in common.

use crate::quote::quoted_if_needed;
use clap::Args;
use serde_json::Value;

/// How to check.
#[derive(Args)]
pub(super) struct CheckOptions {
    /// Print the node's own JSON
    #[arg(long)]
    pub(super) raw: bool,
    /// Fetch the shares and check every hash in them
    #[arg(long)]
    verify: bool,
    /// Repair what isn't healthy
    #[arg(long)]
    pub(super) repair: bool,
    /// Add a lease to every share, or renew it
    #[arg(long)]
    add_lease: bool,
}

impl CheckOptions {
    /// The arguments of the request, each after an ampersand.
    pub(super) fn arguments(&self) -> String {
        let options = [
            (self.verify, "&verify=true"),
            (self.repair, "&repair=true"),
            (self.add_lease, "&add-lease=true"),
        ];
        let set = options.iter().filter(|(is_set, _)| *is_set);
        set.map(|(_, argument)| *argument).collect()
    }
}

/// Says whether the results of a check call the object healthy.
pub(super) fn is_healthy(check: &Value) -> bool {
    let healthy = check
        .get("results")
        .and_then(|results| results.get("healthy"));
    healthy.and_then(Value::as_bool) == Some(true)
}

/// A line for every corrupt share.
pub(super) fn corrupt_shares(results: &Value) -> Vec<String> {
    let shares = results.get("list-corrupt-shares").and_then(Value::as_array);
    let share = |share: &Value| {
        let [server, storage_index, number] = share.as_array()?.as_slice() else {
            return None;
        };
        let (server, storage_index) = (text_of(server), text_of(storage_index));
        let number = python_repr(number);
        Some(format!(
            "server {server}, SI {storage_index}, shnum {number}"
        ))
    };
    shares.into_iter().flatten().filter_map(share).collect()
}

/// A text of the node's, quoted if it must be.
pub(super) fn text_of(value: &Value) -> String {
    quoted_if_needed(value.as_str().unwrap_or_default())
}

/// A number, or what else stands in its place, as Python shows it.
pub(super) fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}
