//! Small files that are either wholly there or not, also after power loss.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Only its owner.
    Owner,
    /// Whoever the umask lets.
    Everyone,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everyone => 0o666,
        }
    }
}

/// Replaces or creates a file: after the return its new content is on disk, before it the old one.
pub(crate) fn write_atomically(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut sibling = std::ffi::OsString::from(".");
    sibling.push(name);
    sibling.push(format!(".{}.tmp", std::process::id()));
    let sibling = directory.join(sibling);
    let written = write_new(&sibling, content, readers)
        .and_then(|()| std::fs::rename(&sibling, path))
        .and_then(|()| sync_directory(directory));
    if written.is_err() {
        // What failed is reported; that the leftover stays is not worth a second report.
        drop(std::fs::remove_file(&sibling));
    }
    written
}

fn write_new(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(readers.mode());
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes a directory's entries durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    File::open(directory)?.sync_all()
}

/// Creates a directory that only its owner may look into; one that is there is left as it is.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Creates an empty file that only its owner may read; of one that is there, nobody else may from
/// now on.
pub(crate) fn create_private_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .append(true)
        .mode(Readers::Owner.mode());
    options.open(path)?;
    keep_to_owner(path)
}

/// Lets nobody but its owner use a file or directory, if it is there.
pub(crate) fn keep_to_owner(path: &Path) -> io::Result<()> {
    let mut permissions = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = permissions.mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(mode & !0o077);
    std::fs::set_permissions(path, permissions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_whole_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        write_atomically(&path, b"one", Readers::Owner).unwrap();
        write_atomically(&path, b"two", Readers::Owner).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        let missing = directory.path().join("no/such");
        assert!(write_atomically(&missing, b"", Readers::Everyone).is_err());
    }

    #[test]
    fn private_directories_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private");
        create_private_directory(&path).unwrap();
        create_private_directory(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn private_files_become_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("database");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        keep_to_owner(&path).unwrap();
        create_private_file(&path).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::write(&path, "kept").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        create_private_file(&path).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }
}
