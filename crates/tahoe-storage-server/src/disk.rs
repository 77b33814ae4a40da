//! Every change of the file system goes through here.
//!
//! The functions do what their names say, at once and blocking. In tests a hook sees each
//! operation before it happens: it can record it, so that a crash can be simulated at every point,
//! or make it fail.

use crate::space::DiskSpace;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tahoe_storage_api::StorageError;

/// Zeros are written in pieces of this size.
const ZEROS: &[u8] = &[0; 64 * 1024];

/// An operation about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "only the hook of tests looks inside")
)]
pub(crate) enum Operation<'a> {
    CreateFile(&'a Path),
    Write(&'a Path, u64, &'a [u8]),
    SetLength(&'a Path, u64),
    Reserve(&'a Path, u64),
    SyncFile(&'a Path),
    SyncDirectory(&'a Path),
    SyncAll(&'a Path),
    Rename(&'a Path, &'a Path),
    RemoveFile(&'a Path),
    MakeDirectory(&'a Path),
    RemoveDirectory(&'a Path),
}

/// Sees an operation before it happens, and may forbid it.
pub(crate) type Hook = Box<dyn Fn(&Operation<'_>) -> io::Result<()> + Send + Sync>;

/// The way to the file system.
#[derive(Default)]
pub(crate) struct Disk {
    hook: Option<Hook>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

/// A file open for writing.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

impl Disk {
    #[cfg(test)]
    pub(crate) fn with_hook(hook: Hook) -> Self {
        Self { hook: Some(hook) }
    }

    fn about_to(&self, operation: &Operation<'_>) -> io::Result<()> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook(operation))
    }

    /// Makes a file that doesn't exist yet, readable by its owner only.
    pub(crate) fn create_file(&self, path: &Path) -> Result<OpenFile, StorageError> {
        let create = || {
            self.about_to(&Operation::CreateFile(path))?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600);
            options.open(path)
        };
        let file = create().map_err(failed("create", path))?;
        let path = path.to_owned();
        Ok(OpenFile { file, path })
    }

    /// Opens a file that exists for reading and writing.
    pub(crate) fn open_file(&self, path: &Path) -> Result<OpenFile, StorageError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(path);
        let path = path.to_owned();
        match file {
            Ok(file) => Ok(OpenFile { file, path }),
            Err(error) => Err(failed("open", &path)(error)),
        }
    }

    pub(crate) fn write_at(
        &self,
        file: &OpenFile,
        offset: u64,
        data: &[u8],
    ) -> Result<(), StorageError> {
        let path = &file.path;
        self.about_to(&Operation::Write(path, offset, data))
            .and_then(|()| file.file.write_all_at(data, offset))
            .map_err(failed("write to", path))
    }

    /// Puts zeros in a range; what lies past the end of the file only makes it longer.
    pub(crate) fn write_zeros(
        &self,
        file: &OpenFile,
        offset: u64,
        length: u64,
    ) -> Result<(), StorageError> {
        let old_length = file
            .file
            .metadata()
            .map_err(failed("measure", &file.path))?;
        let old_length = old_length.len();
        let end = offset.saturating_add(length);
        let mut position = offset;
        while position < end.min(old_length) {
            let rest = usize::try_from(end.min(old_length) - position).unwrap_or(usize::MAX);
            let piece = &ZEROS[..rest.min(ZEROS.len())];
            self.write_at(file, position, piece)?;
            position += piece.len() as u64;
        }
        if end > old_length {
            self.set_length(file, end)?;
        }
        Ok(())
    }

    pub(crate) fn set_length(&self, file: &OpenFile, length: u64) -> Result<(), StorageError> {
        let path = &file.path;
        self.about_to(&Operation::SetLength(path, length))
            .and_then(|()| file.file.set_len(length))
            .map_err(failed("resize", path))
    }

    /// Sets room aside so that the file can grow to `length` bytes; it doesn't grow yet. If there
    /// isn't that much, none is taken.
    ///
    /// Where the file system can't do that, nothing happens.
    pub(crate) fn reserve(&self, file: &OpenFile, length: u64) -> Result<(), StorageError> {
        let path = &file.path;
        let reserve = || {
            self.about_to(&Operation::Reserve(path, length))?;
            let old_length = file.file.metadata()?.len();
            let Some(growth) = length.checked_sub(old_length).filter(|growth| *growth > 0) else {
                return Ok(());
            };
            // The file system would take what is left of the disk before it says that it's too little.
            if growth > DiskSpace::of(path, 0)?.free_for_nonroot {
                return Err(rustix::io::Errno::NOSPC.into());
            }
            let mode = rustix::fs::FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(&file.file, mode, old_length, growth) {
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
                Err(error) => {
                    self.release(file);
                    Err(error.into())
                }
                Ok(()) => Ok(()),
            }
        };
        reserve().map_err(failed("reserve room for", path))
    }

    /// Gives back the room that was set aside behind the end of a file.
    pub(crate) fn release(&self, file: &OpenFile) {
        let measured = file.file.metadata();
        let measured = measured.map_err(failed("measure", &file.path));
        let released = measured.and_then(|measured| self.set_length(file, measured.len()));
        if let Err(error) = released {
            tracing::warn!(%error, "a share keeps room that it doesn't need");
        }
    }

    /// Waits until the file's contents are on the disk.
    pub(crate) fn sync_file(&self, file: &OpenFile) -> Result<(), StorageError> {
        let path = &file.path;
        self.about_to(&Operation::SyncFile(path))
            .and_then(|()| file.file.sync_data())
            .map_err(failed("sync", path))
    }

    /// Waits until the names in the directory are on the disk.
    pub(crate) fn sync_directory(&self, path: &Path) -> Result<(), StorageError> {
        self.about_to(&Operation::SyncDirectory(path))
            .and_then(|()| File::open(path)?.sync_all())
            .map_err(failed("sync", path))
    }

    /// Waits until everything in the file system that holds `path` is on the disk.
    pub(crate) fn sync_all(&self, path: &Path) -> Result<(), StorageError> {
        let sync = || {
            self.about_to(&Operation::SyncAll(path))?;
            sync_file_system(&File::open(path)?)
        };
        sync().map_err(failed("sync", path))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.about_to(&Operation::Rename(from, to))
            .and_then(|()| std::fs::rename(from, to))
            .map_err(failed("rename to", to))
    }

    pub(crate) fn remove_file(&self, path: &Path) -> Result<(), StorageError> {
        self.about_to(&Operation::RemoveFile(path))
            .and_then(|()| std::fs::remove_file(path))
            .map_err(failed("remove", path))
    }

    /// Gives a file new contents, all at once.
    pub(crate) fn replace_file(&self, path: &Path, contents: &[u8]) -> Result<(), StorageError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        if temporary.exists() {
            self.remove_file(&temporary)?;
        }
        let file = self.create_file(&temporary)?;
        self.write_at(&file, 0, contents)?;
        self.sync_file(&file)?;
        self.rename(&temporary, path)
    }

    /// Makes a directory and those above it, for their owner only.
    pub(crate) fn make_directories(&self, path: &Path) -> Result<(), StorageError> {
        match self.make_directory(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    self.make_directories(parent)?;
                }
                self.make_directory(path).map_err(failed("create", path))
            }
            result => result.map_err(failed("create", path)),
        }
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.about_to(&Operation::MakeDirectory(path))?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    /// Removes a directory if it is empty; says whether it is gone.
    pub(crate) fn remove_if_empty(&self, path: &Path) -> bool {
        self.about_to(&Operation::RemoveDirectory(path))
            .and_then(|()| std::fs::remove_dir(path))
            .is_ok()
    }

    /// Removes a directory with all that is in it; fine if it doesn't exist.
    pub(crate) fn remove_tree(&self, path: &Path) -> Result<(), StorageError> {
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("list", path)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed("list", path))?;
            let is_directory = entry.file_type().map_err(failed("list", path))?.is_dir();
            if is_directory {
                self.remove_tree(&entry.path())?;
            } else {
                self.remove_file(&entry.path())?;
            }
        }
        self.about_to(&Operation::RemoveDirectory(path))
            .and_then(|()| std::fs::remove_dir(path))
            .map_err(failed("remove", path))
    }
}

#[cfg(target_os = "linux")]
fn sync_file_system(directory: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(directory)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_directory: &File) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

/// Makes the error of a step that failed; a full disk or quota is [`StorageError::NoSpace`].
pub(crate) fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StorageError::NoSpace
        }
        _ => StorageError::Io { step, path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_step_and_a_full_disk_is_no_space() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for (kind, no_space) in [
            (io::ErrorKind::StorageFull, true),
            (io::ErrorKind::QuotaExceeded, true),
            (io::ErrorKind::PermissionDenied, false),
        ] {
            let disk = Disk::with_hook(Box::new(move |operation| match operation {
                Operation::CreateFile(_) => Err(kind.into()),
                _ => Ok(()),
            }));
            let error = disk.create_file(&path).unwrap_err();
            assert_eq!(matches!(error, StorageError::NoSpace), no_space);
            if !no_space {
                let expected = format!("could not create {}", path.display());
                assert_eq!(error.to_string(), expected);
            }
            assert!(!path.exists(), "a forbidden operation doesn't happen");
        }
    }

    #[test]
    fn zeros_overwrite_and_extend() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let file = disk.create_file(&directory.path().join("file")).unwrap();
        disk.write_at(&file, 0, &[1; 200_000]).unwrap();
        disk.write_zeros(&file, 1, 199_998).unwrap();
        disk.write_zeros(&file, 200_002, 3).unwrap();
        let mut expected = vec![0; 200_005];
        (expected[0], expected[199_999]) = (1, 1);
        assert!(std::fs::read(&file.path).unwrap() == expected);
    }
}
