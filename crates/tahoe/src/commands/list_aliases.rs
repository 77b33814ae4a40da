//! `tahoe list-aliases`: show the names of directories.

use crate::Context;
use crate::error::Result;
use crate::file_store::{FileStoreOptions, node_directory};
use crate::quote::quoted;
use clap::Args;
use serde_json::{Map, Value, json};
use tahoe_caps::Cap;
use tahoe_encoding::python_json;

/// Show all aliases and their capabilities
///
/// Whoever gets to see a capability can use it: show others the read-only forms.
#[derive(Args)]
pub(crate) struct ListAliases {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Show read-only capabilities
    #[arg(long)]
    readonly_uri: bool,
    /// Print JSON with both forms of each
    #[arg(long)]
    json: bool,
}

impl ListAliases {
    pub(crate) fn run(self, context: &Context) -> Result {
        let aliases = self.store.aliases(&node_directory(context)?)?;
        let entries: Vec<(&str, Forms)> = aliases
            .iter()
            .map(|(name, cap)| (name, Forms::of(cap)))
            .collect();
        let text = match self.json {
            true => as_json(&entries),
            false => as_table(&entries, self.readonly_uri),
        };
        if !text.is_empty() {
            context.output.line(&text);
        }
        Ok(())
    }
}

/// A capability in both its forms.
struct Forms {
    read_write: String,
    /// `None` if it can't be told, because the capability is unknown.
    read_only: Option<String>,
}

impl Forms {
    fn of(text: &str) -> Self {
        let cap = Cap::parse(text);
        Self {
            read_write: cap.to_text(),
            read_only: cap.to_read_only().map(|cap| cap.to_text()),
        }
    }
}

fn as_table(entries: &[(&str, Forms)], read_only: bool) -> String {
    let length = |(name, _): &(&str, Forms)| quoted(name).chars().count();
    let width = entries.iter().map(length).max().unwrap_or(0);
    let line = |(name, forms): &(&str, Forms)| {
        let cap = match (read_only, &forms.read_only) {
            (false, _) => forms.read_write.as_str(),
            (true, Some(cap)) => cap,
            (true, None) => "-",
        };
        format!("{name:>width$}: {cap}")
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn as_json(entries: &[(&str, Forms)]) -> String {
    let entry = |(name, forms): &(&str, Forms)| {
        let forms = json!({"readwrite": forms.read_write, "readonly": forms.read_only});
        ((*name).to_owned(), forms)
    };
    let object: Map<String, Value> = entries.iter().map(entry).collect();
    python_json::indented(&object, 4)
}
