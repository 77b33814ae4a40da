//! Which leases have ended, and what becomes of shares that nobody wants any more.
//!
//! A share whose last lease has ended is removed, if the operator wishes so; of others the ended
//! leases are. Both are changes like any other: they go through the journal, under the lock of the
//! storage index, and never touch a share that is still being uploaded.

use crate::change::{Action, Change};
use crate::containers::{Container, ContainerError, LEASE_DURATION_SECONDS, Lease, MutableEditor};
use crate::disk::failed;
use crate::store::{Store, container_error};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareKind, ShareNumber, StorageError};

/// Bytes of the blocks in which file systems count what a file takes.
const BLOCK_SIZE: u64 = 512;

/// When a lease has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpirationMode {
    /// A certain time after it was added or renewed.
    Age {
        /// In seconds; `None` for when the lease itself says so, 31 days after it was renewed.
        override_lease_duration: Option<u64>,
    },
    /// If it was added or renewed before this moment, in seconds since 1970.
    CutoffDate {
        /// The moment.
        seconds: i64,
    },
}

/// `[storage] expire.*`: what the lease checker does about leases that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpirationPolicy {
    /// Whether they are removed; else they are only counted.
    pub enabled: bool,
    /// When a lease has ended.
    pub mode: ExpirationMode,
    /// Whether leases of immutable shares end at all.
    pub immutable: bool,
    /// Whether leases of mutable shares end at all.
    pub mutable: bool,
}

impl Default for ExpirationPolicy {
    /// Counts only, by the leases' own ends.
    fn default() -> Self {
        Self {
            enabled: false,
            mode: ExpirationMode::Age {
                override_lease_duration: None,
            },
            immutable: true,
            mutable: true,
        }
    }
}

/// When a lease was added or renewed last, in seconds since 1970: its end less 31 days.
fn renewed(lease: &Lease) -> i64 {
    i64::from(lease.expires) - LEASE_DURATION_SECONDS.cast_signed()
}

/// How long ago a lease was added or renewed, in seconds.
#[expect(clippy::cast_precision_loss, reason = "times fit 53 bits")]
fn age(lease: &Lease, now: f64) -> f64 {
    now - renewed(lease) as f64
}

impl ExpirationPolicy {
    /// Whether leases of this kind of shares are ever considered as ended.
    pub(crate) fn concerns(&self, kind: ShareKind) -> bool {
        match kind {
            ShareKind::Immutable => self.immutable,
            ShareKind::Mutable => self.mutable,
        }
    }

    /// Whether a lease has ended, at a time in seconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "times fit 53 bits")]
    fn has_ended(&self, kind: ShareKind, lease: &Lease, now: f64) -> bool {
        let ended = match self.mode {
            ExpirationMode::Age {
                override_lease_duration: Some(duration),
            } => age(lease, now) > duration as f64,
            ExpirationMode::Age {
                override_lease_duration: None,
            } => f64::from(lease.expires) <= now,
            ExpirationMode::CutoffDate { seconds } => renewed(lease) < seconds,
        };
        ended && self.concerns(kind)
    }
}

/// What the lease checker found in a storage index's directory.
#[derive(Debug, Default)]
pub(crate) struct BucketFound {
    /// What the directory itself takes on the disk, in bytes.
    pub(crate) disk_bytes: u64,
    /// The complete shares in it, in order.
    pub(crate) shares: Vec<(ShareNumber, ShareFound)>,
}

/// What the lease checker found in a share's place.
#[derive(Debug)]
pub(crate) enum ShareFound {
    /// A file that isn't a container.
    Corrupt,
    /// A container, now or before its leases ended.
    Readable(LeasesFound),
}

/// The leases of a share.
#[derive(Debug)]
pub(crate) struct LeasesFound {
    pub(crate) kind: ShareKind,
    /// Size of the container in bytes.
    pub(crate) size_bytes: u64,
    /// What it takes on the disk, in bytes.
    pub(crate) disk_bytes: u64,
    /// How long ago each lease was added or renewed, in seconds.
    pub(crate) ages: Vec<f64>,
    /// By their own ends, all leases have ended.
    pub(crate) original_ended: bool,
    /// By the policy, all leases have ended.
    pub(crate) configured_ended: bool,
    /// The share was removed.
    pub(crate) removed: bool,
}

impl Store {
    /// Looks at the leases of all complete shares of a storage index; removes the ended ones, and
    /// the shares that have none left, if the policy says so.
    pub(crate) fn check_leases(
        &self,
        storage_index: &StorageIndex,
        policy: &ExpirationPolicy,
        now: f64,
    ) -> Result<BucketFound, StorageError> {
        let _lock = self.locks.write(storage_index);
        let bucket = self.layout.bucket(storage_index);
        let metadata = std::fs::metadata(&bucket).map_err(failed("look at", &bucket))?;
        let mut found = BucketFound {
            disk_bytes: metadata.blocks().saturating_mul(BLOCK_SIZE),
            shares: Vec::new(),
        };
        let mut change = Change {
            storage_index: *storage_index,
            shares: Vec::new(),
        };
        let in_progress = self.uploads.shares(storage_index);
        for share in &self.share_files(storage_index)? - &in_progress {
            let path = self.layout.share(storage_index, share);
            let share_found = match look(&path, policy, now) {
                Ok((found, action)) => {
                    change.shares.extend(action.map(|action| (share, action)));
                    ShareFound::Readable(found)
                }
                Err(error @ ContainerError::Io(_)) => return Err(container_error(&path, error)),
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "a share is corrupt");
                    ShareFound::Corrupt
                }
            };
            found.shares.push((share, share_found));
        }
        self.carry_out(&change)?;
        Ok(found)
    }
}

/// Reads the leases of a share and decides what becomes of it.
fn look(
    path: &Path,
    policy: &ExpirationPolicy,
    now: f64,
) -> Result<(LeasesFound, Option<Action>), ContainerError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let container = Container::read(&file)?;
    let (kind, leases) = match &container {
        Container::Immutable(container) => {
            let leases = container.leases(&file)?;
            (ShareKind::Immutable, (0..).zip(leases).collect())
        }
        Container::Mutable(container) => (ShareKind::Mutable, container.leases(&file)?),
    };
    let (ended, kept): (Vec<_>, Vec<_>) = leases
        .iter()
        .partition::<Vec<&(u64, Lease)>, _>(|(_, lease)| policy.has_ended(kind, lease, now));
    let action = if !policy.enabled || ended.is_empty() {
        None
    } else if kept.is_empty() {
        Some(Action::Delete)
    } else {
        Some(Action::Edit(match &container {
            Container::Immutable(container) => {
                let kept: Vec<Lease> = kept.iter().map(|(_, lease)| lease.clone()).collect();
                container.keep_leases(&kept)
            }
            Container::Mutable(_) => {
                let places: Vec<u64> = ended.iter().map(|(place, _)| *place).collect();
                let mut editor = MutableEditor::read(&file)?;
                editor.free_places(&places);
                editor.into_edits()
            }
        }))
    };
    let found = LeasesFound {
        kind,
        size_bytes: metadata.len(),
        disk_bytes: metadata.blocks().saturating_mul(BLOCK_SIZE),
        ages: leases.iter().map(|(_, lease)| age(lease, now)).collect(),
        original_ended: leases
            .iter()
            .all(|(_, lease)| f64::from(lease.expires) <= now),
        configured_ended: kept.is_empty(),
        removed: matches!(action, Some(Action::Delete)),
    };
    Ok((found, action))
}
