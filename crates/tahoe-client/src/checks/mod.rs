//! Checks and repairs, as frontends report them.

mod immutable;
mod mutable;

use crate::Client;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tahoe_caps::{Cap, ChkVerifyCap, MutableVerifyCap, MutableWriteCap, VerifyCap, VerifyFileCap};
use tahoe_crypto::{ServerId, StorageIndex, WriteKey};
use tahoe_immutable::{
    CheckOptions, CheckResults, DownloadError, RepairError, UploadError, UploadStatus,
};
use tahoe_mutable::{MutableCheck, MutableRepairError};
use tahoe_share::GeometryError;
use tahoe_storage_api::{Server, ServerDirectory as _};

/// Memory that the check of a mutable file takes if it verifies, in bytes.
const MUTABLE_MEMORY: u64 = 8 << 20;

/// An object that has shares to be checked: a file, or the file of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkable {
    /// Immutable; what checks it also repairs it.
    Chk(ChkVerifyCap),
    /// Mutable, and nothing more is known than what checks it.
    Mutable(MutableVerifyCap),
    /// Mutable, and can be repaired.
    Writable(MutableWriteCap),
}

impl Checkable {
    /// What a capability lets check; nothing for what is in its capability, or unknown.
    pub fn of(cap: &Cap) -> Option<Self> {
        let of_verify = |cap: VerifyCap| match cap.file {
            VerifyFileCap::Chk(file) => Self::Chk(file),
            VerifyFileCap::Mutable(file) => Self::Mutable(file),
        };
        match cap {
            Cap::Write(cap) => Some(Self::Writable(cap.file.clone())),
            Cap::Read(cap) => cap.to_verify().map(of_verify),
            Cap::Verify(cap) => Some(of_verify(cap.clone())),
            Cap::Unknown(_) => None,
        }
    }

    /// Where servers keep its shares.
    pub fn storage_index(&self) -> StorageIndex {
        match self {
            Self::Chk(cap) => cap.storage_index,
            Self::Mutable(cap) => cap.storage_index,
            Self::Writable(cap) => cap.storage_index(),
        }
    }
}

/// A server's names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServerName {
    /// Its whole id.
    pub id: String,
    /// The eight characters that pages show.
    pub short: String,
    /// What its owner calls it; may be empty.
    pub nickname: String,
}

impl ServerName {
    fn of(server: &Server) -> Arc<Self> {
        Arc::new(Self {
            id: server.id.as_str().to_owned(),
            short: server.id.short(),
            nickname: server.nickname.clone(),
        })
    }
}

/// What a report calls a share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum ShareId {
    /// The share of an immutable file.
    Number(u8),
    /// The share of a version of a mutable file: `seqN-xxxx-shM`.
    OfVersion(String),
}

impl std::fmt::Display for ShareId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::OfVersion(name) => name.fmt(f),
        }
    }
}

impl From<ShareId> for String {
    fn from(share: ShareId) -> Self {
        share.to_string()
    }
}

impl From<String> for ShareId {
    fn from(name: String) -> Self {
        name.parse().map_or(Self::OfVersion(name), Self::Number)
    }
}

/// A share that is no good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorruptShareReport {
    /// Who keeps it.
    pub server: Arc<ServerName>,
    /// Of which file.
    #[serde(with = "index_text")]
    pub storage_index: StorageIndex,
    /// Which share.
    pub share: u8,
}

/// What a check found out about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Where its shares are.
    #[serde(with = "index_text")]
    pub storage_index: StorageIndex,
    /// In a few words.
    pub summary: String,
    /// In some lines; may be empty.
    pub report: Vec<String>,
    /// Whether nothing is to be repaired.
    pub healthy: bool,
    /// Whether it can be read.
    pub recoverable: bool,
    /// Servers of happiness.
    pub happiness: usize,
    /// How many different good shares there are.
    pub shares_good: usize,
    /// k.
    pub shares_needed: usize,
    /// N.
    pub shares_expected: usize,
    /// How many servers have a good share.
    pub good_share_hosts: usize,
    /// Shares of other versions than the best; always 0 for an immutable file.
    pub shares_wrong: usize,
    /// Versions that can be read.
    pub versions_recoverable: usize,
    /// Versions of which too few shares are left.
    pub versions_unrecoverable: usize,
    /// Shares of which something is wrong.
    pub corrupt_shares: Vec<CorruptShareReport>,
    /// Who answered.
    pub servers_responding: Vec<Arc<ServerName>>,
    /// Who has which good share, by the servers' ids.
    pub share_map: BTreeMap<ShareId, Vec<Arc<ServerName>>>,
}

/// What a repair found and came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairReport {
    /// Before the repair.
    pub before: CheckReport,
    /// After it; none if nothing was repaired because nothing had to be, or could be.
    pub after: Option<CheckReport>,
    /// Whether the repair did what it should.
    pub successful: bool,
}

/// What a look at an object has found.
enum Found {
    File(CheckResults),
    Mutable(MutableCheck),
}

impl Found {
    fn report(&self) -> CheckReport {
        match self {
            Self::File(results) => CheckReport::of_file(results),
            Self::Mutable(check) => CheckReport::of_mutable(check),
        }
    }
}

impl CheckReport {
    /// Of an object that can't exist: nothing was found of it.
    pub(crate) fn of_nothing(storage_index: StorageIndex) -> Self {
        Self {
            storage_index,
            summary: "Not Healthy: no file can have this capability".to_owned(),
            report: Vec::new(),
            healthy: false,
            recoverable: false,
            happiness: 0,
            shares_good: 0,
            shares_needed: 0,
            shares_expected: 0,
            good_share_hosts: 0,
            shares_wrong: 0,
            versions_recoverable: 0,
            versions_unrecoverable: 1,
            corrupt_shares: Vec::new(),
            servers_responding: Vec::new(),
            share_map: BTreeMap::new(),
        }
    }
}

/// A storage index as text, for reports that are kept in a temporary file.
mod index_text {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use tahoe_crypto::StorageIndex;

    pub(super) fn serialize<S: Serializer>(
        index: &StorageIndex,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(index)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<StorageIndex, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl RepairReport {
    /// Of an object that nobody tried to repair.
    pub(crate) fn unrepaired(report: CheckReport) -> Self {
        Self::new(report, None)
    }

    fn new(before: CheckReport, repaired: Option<(CheckReport, bool)>) -> Self {
        let successful = repaired.as_ref().is_some_and(|(_, successful)| *successful);
        Self {
            before,
            after: repaired.map(|(after, _)| after),
            successful,
        }
    }

    /// Whether a repair was attempted.
    pub fn attempted(&self) -> bool {
        self.after.is_some()
    }

    /// The latest that is known.
    pub fn latest(&self) -> &CheckReport {
        self.after.as_ref().unwrap_or(&self.before)
    }
}

/// An object could not be checked or repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The capability's k and N are no encoding.
    #[error("the capability describes no possible file")]
    BadCapability(#[from] GeometryError),
    /// It can't be read, and so not repaired.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// What was made again could not be stored.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// A mutable file could not be repaired.
    #[error(transparent)]
    Mutable(#[from] MutableRepairError),
}

impl From<RepairError> for CheckError {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Upload(error) => Self::Upload(error),
            RepairError::Download(error) => Self::Download(error),
            _ => Self::Upload(UploadError::OtherShares),
        }
    }
}

/// A copy of each server's names, shared by all places that name it.
#[derive(Default)]
struct Names(BTreeMap<String, Arc<ServerName>>);

impl Names {
    /// A server that isn't connected any more.
    fn of_id(&mut self, id: &ServerId) -> Arc<ServerName> {
        let name = || {
            Arc::new(ServerName {
                id: id.as_str().to_owned(),
                short: id.short(),
                nickname: String::new(),
            })
        };
        Arc::clone(self.0.entry(id.as_str().to_owned()).or_insert_with(name))
    }

    fn of(&mut self, server: &Server) -> Arc<ServerName> {
        let id = server.id.as_str();
        if let Some(known) = self.0.get(id) {
            return Arc::clone(known);
        }
        let name = ServerName::of(server);
        self.0.insert(id.to_owned(), Arc::clone(&name));
        name
    }
}

impl Client {
    /// Checks an object; verifying waits until there is room for it.
    pub async fn check(
        &self,
        object: &Checkable,
        options: CheckOptions,
    ) -> Result<CheckReport, CheckError> {
        Ok(self.look(object, options).await?.report())
    }

    /// Checks an object and, if it isn't healthy, repairs it.
    ///
    /// An immutable file that can't be read can't be repaired: that is an error, and so is what
    /// would lose a version of a mutable file. A mutable file that can only be read isn't repaired.
    pub async fn check_and_repair(
        &self,
        object: &Checkable,
        options: CheckOptions,
    ) -> Result<RepairReport, CheckError> {
        let found = self.look(object, options).await?;
        let before = found.report();
        let repaired = self.repair(object, found).await?;
        Ok(RepairReport::new(before, repaired))
    }

    /// As [`Self::check_and_repair`]; a repair that fails is only unsuccessful.
    pub(crate) async fn check_and_try_to_repair(
        &self,
        object: &Checkable,
        options: CheckOptions,
    ) -> Result<RepairReport, CheckError> {
        let found = self.look(object, options).await?;
        let before = found.report();
        let repaired = match self.repair(object, found).await {
            Ok(repaired) => repaired,
            Err(error) => {
                let index = before.storage_index;
                tracing::warn!(storage_index = %index, %error, "could not repair an object");
                Some((before.clone(), false))
            }
        };
        Ok(RepairReport::new(before, repaired))
    }

    async fn look(&self, object: &Checkable, options: CheckOptions) -> Result<Found, CheckError> {
        Ok(match object {
            Checkable::Chk(cap) => Found::File(self.look_at_file(cap, options).await?),
            Checkable::Mutable(cap) => {
                Found::Mutable(self.look_at_mutable(cap, None, options).await)
            }
            Checkable::Writable(cap) => {
                let verify_cap = cap.to_read().to_verify();
                let write_key = Some(&cap.write_key);
                Found::Mutable(self.look_at_mutable(&verify_cap, write_key, options).await)
            }
        })
    }

    async fn look_at_file(
        &self,
        cap: &ChkVerifyCap,
        options: CheckOptions,
    ) -> Result<CheckResults, GeometryError> {
        let _room = match options.verify {
            true => Some(self.gates().room_to_download(memory_of_shares(cap)).await),
            false => None,
        };
        self.checker().check(cap, options).await
    }

    async fn look_at_mutable(
        &self,
        cap: &MutableVerifyCap,
        write_key: Option<&WriteKey>,
        options: CheckOptions,
    ) -> MutableCheck {
        let check = async {
            if options.verify {
                let _room = self.gates().room_to_download(MUTABLE_MEMORY).await;
                self.mutable.verify(cap, write_key).await
            } else {
                self.mutable.check(cap).await
            }
        };
        let add_leases = async {
            if options.add_lease {
                self.mutable.add_leases(&cap.storage_index).await;
            }
        };
        let (found, ()) = tokio::join!(check, add_leases);
        found
    }

    /// Repairs what needs it and can be repaired; returns what is there then, and whether the repair
    /// did what it should.
    async fn repair(
        &self,
        object: &Checkable,
        found: Found,
    ) -> Result<Option<(CheckReport, bool)>, CheckError> {
        match (object, found) {
            (Checkable::Chk(cap), Found::File(before)) if !before.is_healthy() => {
                let room = self.gates().room_to_download(cap.size).await;
                let ciphertext = self.repairer().fetch(cap).await?;
                drop(room);
                let _room = self.gates().room_to_upload(memory_of_shares(cap)).await;
                let status = Arc::new(UploadStatus::default());
                let after = self.repairer().restore(ciphertext, before, &status).await?;
                let healthy = after.is_healthy();
                Ok(Some((CheckReport::of_repaired_file(&after), healthy)))
            }
            (Checkable::Writable(cap), Found::Mutable(before)) if before.needs_repair() => {
                let _room = self.gates().room_to_upload(MUTABLE_MEMORY).await;
                let directory = &self.config().tempdir;
                let repaired = self.mutable.repair(cap, &before, directory).await?;
                let after = CheckReport::of_mutable(&repaired.after);
                Ok(Some((after, repaired.published)))
            }
            (_, Found::File(_) | Found::Mutable(_)) => Ok(None),
        }
    }

    /// The connected servers in the permuted order for a storage index.
    pub fn permuted_servers(&self, storage_index: &StorageIndex) -> Vec<Arc<ServerName>> {
        let servers = self.broker().servers_for(storage_index);
        servers
            .iter()
            .map(|server| ServerName::of(server))
            .collect()
    }
}

/// The file and all its shares.
fn memory_of_shares(cap: &ChkVerifyCap) -> u64 {
    let shares = cap.size.saturating_mul(cap.shares_total) / cap.shares_needed.max(1);
    cap.size.saturating_add(shares)
}
