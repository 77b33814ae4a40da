//! `tahoe admin add-grid-manager-cert`: a certificate for this storage server to announce.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::paths;
use crate::quote::quoted;
use clap::Args;
use std::io::Read as _;
use tahoe_node::{AddCertificateError, NodeDirectory, add_grid_manager_certificate};

/// The longest certificate that is read.
const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;

/// Add a grid manager's certificate to a storage server
///
/// The certificate is copied into the node's directory and listed in its tahoe.cfg; the node
/// announces it when it is started next. The grid manager makes it with `grid-manager sign`.
#[derive(Args)]
pub(crate) struct AddGridManagerCert {
    /// The certificate; '-' for standard input
    #[arg(short, long, value_name = "FILE")]
    filename: Option<String>,
    /// What to call it
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,
}

impl AddGridManagerCert {
    pub(super) fn run(self, context: &Context) -> Result {
        let name = self
            .name
            .ok_or_else(|| CommandError::usage("Must provide --name option"))?;
        let file = self
            .filename
            .ok_or_else(|| CommandError::usage("Must provide --filename option"))?;
        let text = read(&file, context)?;
        let path = match &context.node_directory {
            Some(path) => paths::argument(path)?,
            None => paths::default_node_directory()?,
        };
        let directory = NodeDirectory::new(path);
        let count = add_grid_manager_certificate(&directory, &name, &text);
        let count = count.map_err(|error| match error {
            AddCertificateError::NotACertificate(error) => {
                CommandError::usage(format!("Error parsing certificate: {error}"))
            }
            other => CommandError::caused_by(&other),
        })?;
        let note = format!("There are now {count} certificates");
        context.output.note(&note);
        Ok(())
    }
}

fn read(file: &str, context: &Context) -> Result<String> {
    let mut text = String::new();
    if file == "-" {
        context.output.note("reading certificate from stdin");
        let read = std::io::stdin()
            .take(MAX_CERTIFICATE_BYTES)
            .read_to_string(&mut text);
        return match read {
            Ok(1..) => Ok(text),
            _ => Err(CommandError::usage("Reading certificate from stdin failed")),
        };
    }
    let read = std::fs::File::open(paths::argument(file)?)
        .and_then(|file| file.take(MAX_CERTIFICATE_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(CommandError::failed(format!(
            "cannot read {}: {error}",
            quoted(file)
        ))),
    }
}
