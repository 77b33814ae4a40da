//! `tahoe debug catalog-shares`: a line about every share on this machine.

use super::dump_share::DumpError;
use super::share_directories::{all_shares, numbered, read_part, sorted};
use crate::error::{CommandError, Result, chain};
use crate::quote::quoted_path;
use crate::{Context, paths};
use clap::Args;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tahoe_encoding::base32;
use tahoe_share::describe::ImmutableDescription;
use tahoe_share::mutable::MutableHeader;
use tahoe_storage_server::containers::{Container, ImmutableContainer, Lease, MutableContainer};

/// Print a line about every share in node directories
///
///   CHK $SI $k/$N $filesize $UEB_hash $expiration $path
///   SDMF $SI $k/$N $filesize #$seqnum:$roothash $expiration $path
///   MDMF $SI $k/$N $filesize #$seqnum:$roothash $expiration $path
///   UNKNOWN $what $path
///
/// The expiration is in seconds from now. Sorted, the lines of all servers show where shares of one
/// file differ. What can't be read is said on standard error.
///
///   tahoe debug catalog-shares grid/server* | sort
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CatalogShares {
    /// Directories of storage servers
    #[arg(value_name = "NODEDIR")]
    node_directories: Vec<String>,
}

impl CatalogShares {
    pub(super) fn run(self, context: &Context) -> Result {
        if self.node_directories.is_empty() {
            let message = "must specify at least one node directory";
            return Err(CommandError::usage(message));
        }
        for directory in &self.node_directories {
            let shares = all_shares(&paths::argument(directory)?);
            // Nodes without storage have no such directory.
            for prefix in sorted(&shares).unwrap_or_default() {
                if prefix.file_name().is_some_and(|name| name != "incoming") {
                    catalog_prefix(&prefix, context);
                }
            }
        }
        Ok(())
    }
}

fn catalog_prefix(prefix: &Path, context: &Context) {
    let directories = match sorted(prefix) {
        Ok(directories) => directories,
        Err(error) => return failed(prefix, &error, context),
    };
    for directory in directories {
        match numbered(&directory) {
            Ok(shares) => shares
                .iter()
                .for_each(|share| catalog_share(share, context)),
            Err(error) => failed(&directory, &error, context),
        }
    }
}

fn catalog_share(path: &Path, context: &Context) {
    match line_about(path) {
        Ok(line) => context.output.line(&line),
        Err(error) => failed(path, &error, context),
    }
}

fn failed(path: &Path, error: &dyn std::error::Error, context: &Context) {
    let (path, error) = (quoted_path(path), chain(error));
    context
        .output
        .note(&format!("Error processing {path}: {error}"));
}

fn line_about(path: &Path) -> std::result::Result<String, DumpError> {
    let file = File::open(path)?;
    let shown_path = quoted_path(path);
    let index = path.parent().and_then(Path::file_name).unwrap_or_default();
    let index = index.to_string_lossy();
    let about = match Container::read(&file) {
        Ok(Container::Immutable(container)) => immutable(&file, &container)?,
        Ok(Container::Mutable(container)) => match mutable(&file, &container)? {
            Some(about) => about,
            None => return Ok(format!("UNKNOWN mutable {shown_path}")),
        },
        Err(_) => return Ok(format!("UNKNOWN really-unknown {shown_path}")),
    };
    let About {
        kind,
        encoding,
        version,
        expiration,
    } = about;
    Ok(format!(
        "{kind} {index} {encoding} {version} {expiration} {shown_path}"
    ))
}

/// The words of a line.
struct About {
    kind: &'static str,
    /// `k/N size`.
    encoding: String,
    version: String,
    expiration: u64,
}

fn immutable(file: &File, container: &ImmutableContainer) -> std::result::Result<About, DumpError> {
    let data = container.data();
    let description = ImmutableDescription::read(&mut |range| read_part(file, &data, range))?;
    let block = &description.uri_extension;
    let number = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    let (needed, total) = (number(block.needed_shares), number(block.total_shares));
    Ok(About {
        kind: "CHK",
        encoding: format!("{needed}/{total} {}", number(block.size)),
        version: base32::encode(description.uri_extension_hash.as_bytes()),
        expiration: expiration(container.leases(file)?.iter()),
    })
}

/// `None` if it is of no known format.
fn mutable(
    file: &File,
    container: &MutableContainer,
) -> std::result::Result<Option<About>, DumpError> {
    let data: Range<u64> = container.data();
    let start = read_part(file, &data, 0..MutableHeader::MAX_LENGTH)?;
    if !matches!(start.first(), Some(0 | 1)) {
        return Ok(None);
    }
    let header =
        MutableHeader::parse(&start).map_err(tahoe_share::describe::DescribeError::from)?;
    let kind = match header {
        MutableHeader::Sdmf(_) => "SDMF",
        MutableHeader::Mdmf(_) => "MDMF",
    };
    let signed = header.signed();
    let (needed, total) = (signed.shares_needed, signed.shares_total);
    let root_hash = base32::encode(&signed.root_hash);
    let leases = container.leases(file)?;
    Ok(Some(About {
        kind,
        encoding: format!("{needed}/{total} {}", signed.data_length),
        version: format!("#{}:{root_hash}", signed.sequence_number),
        expiration: expiration(leases.iter().map(|(_, lease)| lease)),
    }))
}

/// Seconds until the first lease ends; none if there is no lease.
fn expiration<'a>(leases: impl Iterator<Item = &'a Lease>) -> u64 {
    let first = leases.map(|lease| u64::from(lease.expires)).min();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    first.unwrap_or(0).saturating_sub(now)
}
