//! Which shared drives a node uses, and the files by which others use the drive that it keeps.
//!
//! See [`named_furls`](crate::named_furls) for where the former stand.

use crate::config::Settings;
use crate::directory::{DirectoryError, NodeDirectory};
use crate::files;
use crate::named_furls::{Kind, NamedFurl, NamedFurlsError};
use std::path::PathBuf;
use tahoe_vdrive::{DriveFurl, DriveKeys};

const DRIVES: Kind<DriveFurl> = Kind {
    option: "vdrive",
    list: "vdrives",
    what: "a shared drive",
    parse: |text| Ok(DriveFurl::parse(text)?),
    text: DriveFurl::to_text,
};

/// The directory, in `private`, of what the node has seen of drives.
pub(crate) const SEEN: &str = "vdrive-seen";

/// The database, in `private`, of the drive that the node keeps.
const DATABASE: &str = "vdrive.sqlite";

/// Who may change the drive has this file.
const READ_WRITE: &str = "vdrive.furl";
/// Who may read it has this one.
const READ_ONLY: &str = "vdrive-readonly.furl";

impl NodeDirectory {
    /// The shared drives that the node uses, by name.
    pub(crate) fn drives(
        &self,
        settings: &Settings,
    ) -> Result<Vec<(String, NamedFurl<DriveFurl>)>, NamedFurlsError> {
        let furls = self.named_furls(&DRIVES, settings.client.drive.clone())?;
        Ok(furls.into_iter().collect())
    }

    /// Where the node keeps which entries of a drive it has seen.
    pub(crate) fn drive_seen(&self, drive: &str) -> PathBuf {
        // A name may hold anything.
        let name = tahoe_encoding::base32::encode(drive.as_bytes());
        self.private_file(SEEN).join(name)
    }

    /// Where the drive that the node keeps is, unless it is in PostgreSQL, in files that only their
    /// owner can read. SQLite gives the mode of the first one to those beside it.
    pub(crate) fn drive_database(&self) -> Result<PathBuf, DirectoryError> {
        let path = self.private_file(DATABASE);
        let kept = files::create_private_file(&path).and_then(|()| {
            let beside = ["-wal", "-shm"].map(|end| self.private_file(&format!("{DATABASE}{end}")));
            beside
                .iter()
                .try_for_each(|path| files::keep_to_owner(path))
        });
        match kept {
            Ok(()) => Ok(path),
            Err(source) => Err(DirectoryError::Io {
                step: "create",
                path,
                source,
            }),
        }
    }

    /// Makes the directory of what was seen of drives one that only its owner can look into.
    pub(crate) fn keep_drives_seen_private(&self) -> Result<(), DirectoryError> {
        let path = self.private_file(SEEN);
        let kept =
            files::create_private_directory(&path).and_then(|()| files::keep_to_owner(&path));
        kept.map_err(|source| DirectoryError::Io {
            step: "create",
            path,
            source,
        })
    }

    /// The secret of the drive that the node keeps, of `private/vdrive.furl`; none without that file.
    pub(crate) fn drive_keys(&self) -> Result<Option<DriveKeys>, DirectoryError> {
        let name = format!("private/{READ_WRITE}");
        let Some(text) = self.read(&name)? else {
            return Ok(None);
        };
        let furl = DriveFurl::parse(&text).ok();
        let furl = furl.filter(|furl| matches!(furl.keys, DriveKeys::ReadWrite(_)));
        match furl {
            Some(furl) => Ok(Some(furl.keys)),
            None => Err(DirectoryError::Malformed {
                path: self.private_file(READ_WRITE),
                expected: "the FURL of a shared drive that may be changed",
            }),
        }
    }

    /// Writes the key of a new drive into `private`, for itself.
    pub(crate) fn write_drive_key(&self, read_write: &DriveFurl) -> Result<(), DirectoryError> {
        self.write_private(READ_WRITE, &format!("{}\n", *read_write.to_text()))
    }

    /// Removes what [`Self::write_drive_key`] wrote.
    pub(crate) fn remove_drive_key(&self) -> Result<(), DirectoryError> {
        let path = self.private_file(READ_WRITE);
        std::fs::remove_file(&path).map_err(|source| DirectoryError::Io {
            step: "remove",
            path,
            source,
        })
    }

    /// Writes what clients of the drive need, into `private` and, as when Tahoe was young, into the
    /// node directory.
    pub(crate) fn write_drive_furls(
        &self,
        read_write: &DriveFurl,
        read_only: &DriveFurl,
    ) -> Result<(), DirectoryError> {
        for (name, furl) in [(READ_WRITE, read_write), (READ_ONLY, read_only)] {
            let line = format!("{}\n", *furl.to_text());
            self.write_private(name, &line)?;
            self.write_secret(name, &line)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;
    use std::os::unix::fs::PermissionsExt as _;
    use tahoe_vdrive::WriteKeys;

    fn furl(secret: u8) -> String {
        let furl = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:1/secret";
        let furl = foolscap::Furl::parse(furl).unwrap();
        let keys = DriveKeys::ReadWrite(Box::new(WriteKeys::from_secret([secret; 32])));
        DriveFurl { furl, keys }.to_text().to_string()
    }

    fn node() -> (tempfile::TempDir, NodeDirectory) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = NodeDirectory::new(temporary.path());
        directory.create_private().unwrap();
        (temporary, directory)
    }

    #[test]
    fn drives_stand_where_introducers_do() {
        let (_temporary, node) = node();
        let list = format!("vdrives: {{work: {{furl: '{}'}}}}", furl(1));
        node.write_private("vdrives.yaml", &list).unwrap();
        node.write("vdrive.furl", &furl(2)).unwrap();
        let settings = |furl: &str| {
            let text = format!("[client]\nvdrive.furl = {furl}\n");
            Settings::parse(&text, node.path())
        };
        let drives = node.drives(&settings(&furl(2)).unwrap()).unwrap();
        let names: Vec<&str> = drives.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["default", "work"]);
        let differ = node.drives(&settings(&furl(3)).unwrap()).unwrap_err();
        let differ = differ.to_string();
        let places = "the file vdrive.furl and tahoe.cfg [client] vdrive.furl";
        assert!(differ.starts_with(places), "{differ}");
        let without_key = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:1/secret";
        let bad = settings(without_key).unwrap_err();
        assert!(matches!(bad, ConfigError::BadValue { .. }), "{bad}");
    }

    #[test]
    fn the_files_of_a_drive_are_secret_and_keep_its_key() {
        let (_temporary, node) = node();
        assert!(node.drive_keys().unwrap().is_none());
        let furl = DriveFurl::parse(&furl(7)).unwrap();
        node.write_drive_furls(&furl, &furl).unwrap();
        for name in ["vdrive.furl", "private/vdrive-readonly.furl"] {
            let mode = node.file(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let keys = node.drive_keys().unwrap().unwrap();
        assert_eq!(keys.to_text(), furl.keys.to_text());
        node.write_private("vdrive.furl", "pb://x").unwrap();
        assert!(matches!(
            node.drive_keys(),
            Err(DirectoryError::Malformed { .. })
        ));
    }
}
