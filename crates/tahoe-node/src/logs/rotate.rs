//! A file that begins anew when it is long enough.
//!
//! `log` becomes `log.1`, what was `log.1` becomes `log.2`, and so on; the oldest goes. These are the
//! names that the original's log files have.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// When a file begins anew, and how many old ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// In bytes.
    pub length: u64,
    /// How many files besides the current one.
    pub kept: u32,
}

impl Default for Rotation {
    /// Ten files of ten megabytes.
    fn default() -> Self {
        Self {
            length: 10_000_000,
            kept: 10,
        }
    }
}

/// Writes to a file and lets it begin anew. Lines stay whole if each is written at once.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    length: u64,
}

impl RotatingFile {
    /// Opens a file to append to; makes it, and the directory that it lies in.
    pub fn open(path: impl Into<PathBuf>, rotation: Rotation) -> io::Result<Self> {
        let path = path.into();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = append_to(&path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path,
            rotation,
            file,
            length,
        })
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut path = self.path.as_os_str().to_owned();
        path.push(format!(".{number}"));
        path.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.rotation.kept).rev() {
            rename_if_there(&self.old(number), &self.old(number + 1))?;
        }
        match self.rotation.kept {
            0 => std::fs::remove_file(&self.path)?,
            _ => rename_if_there(&self.path, &self.old(1))?,
        }
        self.file = append_to(&self.path)?;
        self.length = 0;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl Write for RotatingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length > 0 && self.length + bytes.len() as u64 > self.rotation.length {
            self.rotate()?;
        }
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_files_move_up_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/log");
        let rotation = Rotation {
            length: 10,
            kept: 2,
        };
        let mut file = RotatingFile::open(&path, rotation).unwrap();
        for number in 0..5 {
            file.write_all(format!("line {number}\n").as_bytes())
                .unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(path.with_file_name(name)).unwrap();
        assert_eq!(read("log"), "line 4\n");
        assert_eq!(read("log.1"), "line 3\n");
        assert_eq!(read("log.2"), "line 2\n");
        assert!(!path.with_file_name("log.3").exists());
        // Goes on with what is there.
        let mut file = RotatingFile::open(&path, rotation).unwrap();
        file.write_all(b"more\n").unwrap();
        assert_eq!(read("log"), "more\n");
        assert_eq!(read("log.1"), "line 4\n");
    }
}
