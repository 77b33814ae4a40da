//! What clients say about corrupt shares, kept for the operator to read.

use crate::containers::{ContainerError, read_kind};
use crate::store::Store;
use std::fs::File;
use std::time::SystemTime;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareKind, ShareNumber, StorageError, check_advice};
use time::OffsetDateTime;

impl Store {
    pub(crate) fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        check_advice(reason)?;
        if !self.has_share(kind, storage_index, share)? {
            return Err(StorageError::NoSuchShare);
        }
        let kind = kind.as_str();
        tracing::warn!(kind, %storage_index, %share, "a client says that a share is corrupt");
        let report = format!(
            "report: Share Corruption\ntype: {kind}\nstorage_index: {storage_index}\n\
             share_number: {share}\n\n{reason}\n\n"
        );
        if report.len() as u64 > self.available_space() {
            tracing::warn!("there is no room for the client's report");
            return Ok(());
        }
        let name = format!(
            "{}--{storage_index}-{share}",
            timestamp(self.config.clock.now())
        );
        let directory = self.layout.advisories();
        let path = directory.join(name);
        if path.exists() {
            self.disk.remove_file(&path)?;
        }
        let file = self.disk.create_file(&path)?;
        self.disk.write_at(&file, 0, report.as_bytes())?;
        self.disk.sync_file(&file)?;
        self.disk.sync_directory(&directory)
    }

    /// Says whether there is a share of this kind, or a container too corrupt to know.
    fn has_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
    ) -> Result<bool, StorageError> {
        let uploading = self.uploads.shares(storage_index).contains(&share);
        if uploading || !self.share_files(storage_index)?.contains(&share) {
            return Ok(false);
        }
        let file = File::open(self.layout.share(storage_index, share));
        let found = file
            .map_err(ContainerError::Io)
            .and_then(|file| read_kind(&file));
        Ok(found.map_or(true, |found| found == kind))
    }
}

/// `2024-01-31T235959.123456`: the time in UTC without colons, which some systems don't allow in
/// names; whole seconds have no fraction.
fn timestamp(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (hour, minute, second) = time.to_hms();
    let fraction = match time.microsecond() {
        0 => String::new(),
        microsecond => format!(".{microsecond:06}"),
    };
    format!("{}T{hour:02}{minute:02}{second:02}{fraction}", time.date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timestamps_have_the_form_of_the_original() {
        let at = |microseconds| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_micros(microseconds);
            timestamp(time)
        };
        assert_eq!(at(1_706_745_599_000_000), "2024-01-31T235959");
        assert_eq!(at(1_706_745_599_000_045), "2024-01-31T235959.000045");
        assert_eq!(at(0), "1970-01-01T000000");
    }
}
