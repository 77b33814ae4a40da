//! The three ways to say which node directory a command is about.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::paths;
use crate::quote::quoted_path;
use clap::Args;
use std::path::PathBuf;

/// The node directory, as an option or an argument.
#[derive(Args)]
pub(crate) struct NodeDirectoryOption {
    /// The node's directory; the same as the global --node-directory [default: ~/.tahoe]
    #[arg(short = 'C', long, value_name = "DIR")]
    basedir: Option<String>,
    /// The node's directory
    #[arg(value_name = "NODEDIR")]
    nodedir: Option<String>,
}

impl NodeDirectoryOption {
    /// The absolute path of a directory that is there.
    pub(crate) fn existing_path(&self, context: &Context) -> Result<PathBuf> {
        let path = self.path(context)?;
        if path.is_dir() {
            return Ok(path);
        }
        let path = quoted_path(&path);
        let message = format!("{path} does not look like a directory at all");
        Err(CommandError::failed(message).hint("Make a node with `tahoe create-client`."))
    }

    /// The directory's absolute path, which must be named.
    pub(crate) fn named_path(&self, context: &Context) -> Result<PathBuf> {
        let named = [&context.node_directory, &self.basedir, &self.nodedir];
        if named.into_iter().all(Option::is_none) {
            let message = "the directory must be named: it has no default";
            return Err(CommandError::usage(message));
        }
        self.path(context)
    }

    /// The directory's absolute path; naming it twice is an error.
    pub(crate) fn path(&self, context: &Context) -> Result<PathBuf> {
        let ways = [
            ("--node-directory (or -d) option", &context.node_directory),
            ("--basedir (or -C) option", &self.basedir),
            ("NODEDIR argument", &self.nodedir),
        ];
        let given: Vec<(&str, &String)> = ways
            .into_iter()
            .filter_map(|(way, value)| Some((way, value.as_ref()?)))
            .collect();
        match given[..] {
            [] => paths::default_node_directory(),
            [(_, path)] => paths::argument(path),
            [(one, _), (other, _), ..] => {
                let message = format!("the {one} and the {other} cannot both be used");
                Err(CommandError::usage(message))
            }
        }
    }
}
