//! Where a grid manager's records are: a directory, or standard input and output.

use crate::Problem;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tahoe_introducer::grid_manager::{
    Certificate, CertificateError, GridManager, SignedCertificate,
};

/// The longest `config.json` that is read.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// A certificate that is kept beside the records: what it says, or why it can't be used.
pub(crate) type Stored = Result<Certificate, CertificateError>;

/// Where the records are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// `-`.
    Streams,
    /// A directory.
    Directory(PathBuf),
}

/// A grid manager and where it came from.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) manager: GridManager,
    place: Place,
    /// Certificates of each server in the order of their numbers.
    certificates: Vec<(String, Vec<Stored>)>,
}

impl Place {
    pub(crate) fn new(option: &str) -> Self {
        match option {
            "-" => Self::Streams,
            path => Self::Directory(path.into()),
        }
    }

    /// Keeps a new grid manager; returns what to print.
    pub(crate) fn create(&self, manager: &GridManager) -> Result<String, Problem> {
        if let Self::Directory(path) = self {
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                std::fs::create_dir_all(parent).map_err(|e| cannot("create", parent, &e))?;
            }
            let made = DirBuilder::new().mode(0o700).create(path);
            made.map_err(|error| cannot("create", path, &error))?;
        }
        self.save(manager)
    }

    /// Writes the records; returns what to print.
    fn save(&self, manager: &GridManager) -> Result<String, Problem> {
        let text = manager.to_text();
        let Self::Directory(directory) = self else {
            return Ok(format!("{}\n\n", *text));
        };
        let path = directory.join("config.json");
        let new = directory.join(".config.json.new");
        let written = write(&new, &format!("{}\n", *text), false);
        let written = written.and_then(|()| std::fs::rename(&new, &path));
        let written = written.and_then(|()| File::open(directory)?.sync_all());
        written.map_err(|error| cannot("write", &path, &error))?;
        Ok(String::new())
    }

    /// Reads the records and the certificates beside them.
    pub(crate) fn load(self) -> Result<Records, Problem> {
        let text = self.read()?;
        let shown = match &self {
            Self::Streams => "-".to_owned(),
            Self::Directory(path) => path.display().to_string(),
        };
        let unusable =
            |problem: String| format!("Error loading Grid Manager from '{shown}': {problem}");
        let manager = GridManager::parse(&text).map_err(|error| unusable(error.to_string()))?;
        let mut certificates = Vec::new();
        if let Self::Directory(directory) = &self {
            for (name, _) in manager.servers() {
                let stored = read_certificates(directory, name, &manager).map_err(&unusable)?;
                certificates.push((name.clone(), stored));
            }
        }
        Ok(Records {
            manager,
            place: self,
            certificates,
        })
    }

    fn read(&self) -> Result<String, Problem> {
        let mut text = String::new();
        match self {
            Self::Streams => io::stdin()
                .take(MAX_CONFIG_BYTES)
                .read_to_string(&mut text)
                .map_err(|error| format!("cannot read standard input: {error}"))?,
            Self::Directory(directory) => {
                let path = directory.join("config.json");
                File::open(&path)
                    .and_then(|file| file.take(MAX_CONFIG_BYTES).read_to_string(&mut text))
                    .map_err(|error| cannot("read", &path, &error))?
            }
        };
        Ok(text)
    }
}

impl Records {
    /// Writes what was changed; returns what to print.
    pub(crate) fn save(&self) -> Result<String, Problem> {
        self.place.save(&self.manager)
    }

    /// The certificates of a server that are kept here.
    pub(crate) fn certificates(&self, name: &str) -> impl Iterator<Item = Stored> + '_ {
        let stored = self.certificates.iter().find(|(known, _)| known == name);
        stored
            .into_iter()
            .flat_map(|(_, stored)| stored.iter().copied())
    }

    /// Keeps a certificate under the next free number.
    pub(crate) fn keep_certificate(&self, name: &str, text: &str) -> Result<(), Problem> {
        let Place::Directory(directory) = &self.place else {
            return Ok(());
        };
        for number in 0.. {
            let path = certificate_path(directory, name, number);
            match write(&path, text, true) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                written => return written.map_err(|error| cannot("write", &path, &error)),
            }
        }
        Ok(())
    }

    /// Removes the certificates of a server.
    pub(crate) fn remove_certificates(&self, name: &str) -> Result<(), Problem> {
        let Place::Directory(directory) = &self.place else {
            return Ok(());
        };
        for number in 0.. {
            let path = certificate_path(directory, name, number);
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(cannot("remove", &path, &error)),
            }
        }
        Ok(())
    }
}

fn certificate_path(directory: &Path, name: &str, number: u32) -> PathBuf {
    directory.join(format!("{name}.cert.{number}"))
}

fn read_certificates(
    directory: &Path,
    name: &str,
    manager: &GridManager,
) -> Result<Vec<Stored>, Problem> {
    let mut stored = Vec::new();
    for number in 0.. {
        let path = certificate_path(directory, name, number);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(cannot("read", &path, &error)),
        };
        let certificate = SignedCertificate::parse(&text);
        stored.push(certificate.and_then(|signed| signed.verify(&manager.public_key())));
    }
    Ok(stored)
}

/// Writes a file that only its owner may read; `is_new` fails if there is one already.
fn write(path: &Path, text: &str, is_new: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    match is_new {
        true => options.create_new(true),
        false => options.create(true).truncate(true),
    };
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Problem {
    format!("Can't {verb} '{}': {error}", path.display())
}
