//! `tahoe debug dump-share`: what a share file of a storage server holds.

use super::share_directories::read_part;
use crate::error::{CommandError, Result};
use crate::output::Output;
use crate::quote::quoted_path;
use crate::{Context, paths};
use clap::Args;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tahoe_caps::{
    Cap, ChkVerifyCap, MutableFormat, MutableVerifyCap, Target, VerifyCap, VerifyFileCap,
};
use tahoe_crypto::StorageIndex;
use tahoe_share::describe::{DescribeError, ImmutableDescription, MutableDescription};
use tahoe_share::mutable::MutableHeader;
use tahoe_storage_server::containers::{
    Container, ContainerError, ImmutableContainer, Lease, MUTABLE_DATA_OFFSET, MutableContainer,
};

/// Where a mutable container's own leases are.
const MUTABLE_FIRST_LEASE_OFFSET: u64 = 100;

/// Print what a share file holds: kind, leases, encoding, hashes, sizes, and a capability to verify it
///
/// The capability is printed if the file lies where servers keep it, in a directory whose name is
/// the storage index. Secrets of mutable shares are printed too.
#[derive(Args)]
pub(super) struct DumpShare {
    /// Print where in the file each part is
    #[arg(long)]
    offsets: bool,
    /// Print only the leases of an immutable share
    #[arg(long)]
    leases_only: bool,
    /// The file, such as storage/shares/4v/4vozh77tsrw7mdhnj7qvp5ky74/0
    #[arg(value_name = "FILE")]
    file: String,
}

/// A share file can't be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum DumpError {
    #[error("cannot open it")]
    Open(#[from] io::Error),
    #[error("not a share container")]
    Container(#[from] ContainerError),
    #[error("the share in it is damaged")]
    Share(#[from] DescribeError),
}

impl DumpShare {
    pub(super) fn run(self, context: &Context) -> Result {
        let path = paths::argument(&self.file)?;
        context
            .output
            .line(&format!("share filename: {}", quoted_path(&path)));
        self.dump(&path, context.output).map_err(|error| {
            let error = crate::error::chain(&error);
            CommandError::failed(format!("{}: {error}", quoted_path(&path)))
        })
    }

    fn dump(&self, path: &Path, output: Output) -> std::result::Result<(), DumpError> {
        let share = ShareFile {
            file: File::open(path)?,
            storage_index: storage_index_of(path),
            offsets: self.offsets,
            output,
        };
        match Container::read(&share.file)? {
            Container::Immutable(container) => {
                if !self.leases_only {
                    share.immutable(&container)?;
                }
                share.immutable_leases(&container)
            }
            Container::Mutable(container) => share.mutable(&container),
        }
    }
}

/// The name of the directory that holds a share is its storage index.
fn storage_index_of(path: &Path) -> Option<StorageIndex> {
    path.parent()?.file_name()?.to_str()?.parse().ok()
}

struct ShareFile {
    file: File,
    storage_index: Option<StorageIndex>,
    offsets: bool,
    output: Output,
}

impl ShareFile {
    fn line(&self, text: impl AsRef<str>) {
        self.output.line(text.as_ref());
    }

    /// Prints lines that end in a newline already.
    fn lines(&self, text: &str) {
        self.line(text.strip_suffix('\n').unwrap_or(text));
    }

    /// Reads of the share what is there of a range.
    fn read(&self, share: &Range<u64>, range: Range<u64>) -> io::Result<Vec<u8>> {
        read_part(&self.file, share, range)
    }

    fn immutable(&self, container: &ImmutableContainer) -> std::result::Result<(), DumpError> {
        let data = container.data();
        let description = ImmutableDescription::read(&mut |range| self.read(&data, range))?;
        let verify_cap = self.immutable_verify_cap(&description);
        self.lines(&description.contents(verify_cap.as_deref()));
        if self.offsets {
            self.line("\n Section Offsets:");
            self.line(format!("{:>20}: {}", "share data", data.start));
            self.lines(&description.section_offsets(data.start));
            self.line(format!("{:>20}: {}", "leases", data.end));
        }
        Ok(())
    }

    fn immutable_verify_cap(&self, description: &ImmutableDescription) -> Option<String> {
        let block = &description.uri_extension;
        let file = ChkVerifyCap {
            storage_index: self.storage_index?,
            uri_extension_hash: description.uri_extension_hash,
            shares_needed: block.needed_shares?,
            shares_total: block.total_shares?,
            size: block.size?,
        };
        Some(Cap::from(file).to_text())
    }

    fn immutable_leases(
        &self,
        container: &ImmutableContainer,
    ) -> std::result::Result<(), DumpError> {
        let leases = container.leases(&self.file)?;
        self.line("");
        if leases.is_empty() {
            self.line(" No leases.");
        }
        for (number, lease) in leases.iter().enumerate() {
            let Lease { owner, expires, .. } = lease;
            let when = remaining(*expires);
            self.line(format!(" Lease #{number}: owner={owner}, expire in {when}"));
        }
        self.line("");
        Ok(())
    }

    fn mutable(&self, container: &MutableContainer) -> std::result::Result<(), DumpError> {
        let data = container.data();
        let format = match self.read(&data, 0..1)?.first() {
            Some(0) => Some(MutableFormat::Sdmf),
            Some(1) => Some(MutableFormat::Mdmf),
            _ => None,
        };
        let share_type = format.map_or("unknown", MutableFormat::name);
        self.line("\nMutable slot found:");
        self.line(format!(" share_type: {share_type}"));
        self.line(format!(
            " write_enabler: {}",
            container.write_enabler().to_base32()
        ));
        self.line(format!(" WE for nodeid: {}", container.recorded_by()));
        self.line(format!(
            " num_extra_leases: {}",
            container.extra_lease_count()
        ));
        self.line(format!(" container_size: {}", container.room()));
        self.line(format!(
            " data_length: {}",
            data.end.saturating_sub(data.start)
        ));
        self.mutable_leases(container)?;
        self.line("");
        if format.is_some() {
            self.mutable_contents(container, &data)?;
        }
        Ok(())
    }

    fn mutable_leases(&self, container: &MutableContainer) -> std::result::Result<(), DumpError> {
        let leases = container.leases(&self.file)?;
        if leases.is_empty() {
            self.line("No leases.");
        }
        for (number, lease) in leases {
            self.line(format!("\n Lease #{number}:"));
            self.line(format!("  ownerid: {}", lease.owner));
            self.line(format!("  expires in {}", remaining(lease.expires)));
            self.line(format!("  renew_secret: {}", lease.renew.to_base32()));
            self.line(format!("  cancel_secret: {}", lease.cancel.to_base32()));
            if let Some(node) = lease.node {
                self.line(format!("  secrets are for nodeid: {node}"));
            }
        }
        Ok(())
    }

    fn mutable_contents(
        &self,
        container: &MutableContainer,
        data: &Range<u64>,
    ) -> std::result::Result<(), DumpError> {
        let description = MutableDescription::read(&mut |range| self.read(data, range))?;
        let format = match description.header {
            MutableHeader::Sdmf(_) => MutableFormat::Sdmf,
            MutableHeader::Mdmf(_) => MutableFormat::Mdmf,
        };
        let verify_cap = self.storage_index.map(|storage_index| {
            let fingerprint = description.fingerprint;
            let file = MutableVerifyCap {
                format,
                storage_index,
                fingerprint,
            };
            let file = VerifyFileCap::Mutable(file);
            VerifyCap {
                target: Target::File,
                file,
            }
            .to_text()
        });
        self.line(format!(" {} contents:", format.name()));
        self.lines(&description.contents(verify_cap.as_deref()));
        if self.offsets {
            let offset = |name: &str, offset: u64| match format {
                MutableFormat::Sdmf => self.line(format!("{name:>20}: {offset}   (0x{offset:x})")),
                MutableFormat::Mdmf => self.line(format!("  {name}: {offset}   (0x{offset:x})")),
            };
            self.line("\n Section Offsets:");
            offset("first lease", MUTABLE_FIRST_LEASE_OFFSET);
            offset("share data", MUTABLE_DATA_OFFSET);
            self.lines(&description.section_offsets(MUTABLE_DATA_OFFSET));
            let after = data.start.saturating_add(container.room());
            offset("extra leases", after.saturating_add(4));
        }
        self.line("");
        Ok(())
    }
}

/// How long until a time in seconds since 1970; negative if it is past.
fn remaining(expires: u32) -> String {
    const DAY: f64 = 24.0 * 3600.0;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let remains = f64::from(expires) - now.as_secs_f64();
    let seconds = remains.trunc();
    if remains > DAY {
        format!("{seconds}s ({} days)", (remains / DAY).floor())
    } else if remains > 3600.0 {
        format!("{seconds}s ({} hours)", (remains / 3600.0).floor())
    } else {
        format!("{seconds}s")
    }
}
