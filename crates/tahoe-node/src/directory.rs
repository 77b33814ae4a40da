//! A node's own directory: its keys, secrets and the small files beside tahoe.cfg.
//!
//! Names, contents and line ends are the reference's, so either program can take over the other's
//! directory; `docs/formats/node-directory.md` lists them.

use crate::files::{self, Readers};
use crate::tub_certificate::TubCertificate;
use foolscap::{Furl, IdentityError, Swissnum};
use rand::TryRng as _;
use std::io;
use std::path::{Path, PathBuf};
use tahoe_crypto::{ConvergenceSecret, LeaseMaster, SigningKey, TubId};
use tahoe_encoding::base32;
use zeroize::Zeroizing;

/// A file of a node directory can't be read, written or understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Reading, writing or creating failed.
    #[error("cannot {step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file's content isn't what the file is for.
    #[error("{path} does not hold {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What belongs there.
        expected: &'static str,
    },
    /// The node's certificate and its private key can't be used.
    #[error("cannot use {path}, which must hold a certificate and its private key in PEM")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: IdentityError,
    },
    /// An introducer's FURL is where older versions had it, and where it belongs.
    #[error(
        "both {old} and {new} are there: keep the one with the FURL that the grid uses as {new}, \
             and remove the other"
    )]
    TwoFurls {
        /// In the node directory.
        old: PathBuf,
        /// In `private`.
        new: PathBuf,
    },
    /// A FURL in `private` is of another node.
    #[error("{path} names another node's certificate than private/node.pem is")]
    ForeignFurl {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes, or no certificate could be made of them.
    #[error("cannot make {0}")]
    NoRandomness(&'static str),
}

/// What kind of node a directory is for, by the name of its `.tac` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A client, a storage server or both.
    Client,
    /// An introducer, which may keep a shared drive as well.
    Introducer,
    /// A vdrive server.
    Vdrive,
}

/// The files that a client of Tahoe as it was announced was given.
const FIRST_FILES: [&str; 3] = ["introducer.furl", "vdrive.furl", "webport"];

/// A node's directory, given by its absolute path.
#[derive(Debug, Clone)]
pub struct NodeDirectory {
    path: PathBuf,
}

impl NodeDirectory {
    /// Takes the path of a directory; nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The path of a file in its `private` directory.
    pub fn private_file(&self, name: &str) -> PathBuf {
        self.path.join("private").join(name)
    }

    /// The kind of node; `None` if this isn't a node's directory.
    ///
    /// Without a `.tac` file, those that a client of Tahoe 0.2.0 was given make it a client's.
    pub fn kind(&self) -> Result<Option<NodeKind>, DirectoryError> {
        let names = list_names(&self.path)?;
        let tac = names.iter().find(|name| name.ends_with(".tac"));
        let Some(tac) = tac else {
            let is_client = names
                .iter()
                .any(|name| FIRST_FILES.contains(&name.as_str()));
            return Ok(is_client.then_some(NodeKind::Client));
        };
        Ok(if tac.contains("client") {
            Some(NodeKind::Client)
        } else if tac.contains("introducer") {
            Some(NodeKind::Introducer)
        } else if tac.contains("vdrive") {
            Some(NodeKind::Vdrive)
        } else {
            None
        })
    }

    /// Creates `private` if it is missing.
    pub fn create_private(&self) -> Result<(), DirectoryError> {
        let path = self.path.join("private");
        let created = files::create_private_directory(&path);
        created.map_err(|source| io_error("create", &path, source))
    }

    /// Reads a file of text without the white space around it; `None` if it isn't there.
    pub fn read(&self, name: &str) -> Result<Option<String>, DirectoryError> {
        read_text(&self.file(name))
    }

    /// Writes a file that everyone may read.
    pub fn write(&self, name: &str, content: &str) -> Result<(), DirectoryError> {
        write_text(&self.file(name), content, Readers::Everyone)
    }

    /// Writes a file that only its owner may read.
    pub fn write_secret(&self, name: &str, content: &str) -> Result<(), DirectoryError> {
        write_text(&self.file(name), content, Readers::Owner)
    }

    /// Writes a file in `private`.
    pub fn write_private(&self, name: &str, content: &str) -> Result<(), DirectoryError> {
        write_text(&self.private_file(name), content, Readers::Owner)
    }

    /// Reads `private/node.pem`, or makes a new certificate and key.
    ///
    /// `my_nodeid`, which only others read, is written anew.
    pub fn tub_certificate(&self) -> Result<TubCertificate, DirectoryError> {
        let path = self.private_file("node.pem");
        let certificate = match read_text(&path)? {
            Some(pem) => {
                let pem = Zeroizing::new(pem);
                let read = TubCertificate::from_pem(pem.as_bytes());
                read.map_err(|source| DirectoryError::Certificate { path, source })?
            }
            None => {
                let made = TubCertificate::generate();
                let certificate = made.ok_or(DirectoryError::NoRandomness("a certificate"))?;
                self.write_private("node.pem", &certificate.to_pem())?;
                certificate
            }
        };
        self.write("my_nodeid", &format!("{}\n", certificate.tub_id()))?;
        Ok(certificate)
    }

    /// Reads `private/node.privkey`, or makes a new key; `node.pubkey` is written anew.
    pub fn signing_key(&self) -> Result<SigningKey, DirectoryError> {
        let text = self.private_text("node.privkey", || Ok(random_signing_key()?.to_text()))?;
        let key = SigningKey::from_text(&text).map_err(|_| DirectoryError::Malformed {
            path: self.private_file("node.privkey"),
            expected: "an Ed25519 private key",
        })?;
        self.write("node.pubkey", &format!("{}\n", key.verifying_key()))?;
        Ok(key)
    }

    /// Reads `private/secret`, from which lease secrets are derived, or makes a new one.
    pub fn lease_master(&self) -> Result<LeaseMaster, DirectoryError> {
        let text = self.private_text("secret", random_base32::<32>)?;
        LeaseMaster::from_base32(&text).map_err(|_| DirectoryError::Malformed {
            path: self.private_file("secret"),
            expected: "32 bytes in base32",
        })
    }

    /// Reads `private/convergence`, or makes a new one.
    pub fn convergence_secret(&self) -> Result<ConvergenceSecret, DirectoryError> {
        let text = self.private_text("convergence", random_base32::<32>)?;
        match base32::decode(&text) {
            Ok(bytes) => Ok(ConvergenceSecret::new(bytes)),
            Err(_) => Err(DirectoryError::Malformed {
                path: self.private_file("convergence"),
                expected: "bytes in base32",
            }),
        }
    }

    /// Writes a new `private/api_auth_token`, which programs of this user show to the web server.
    pub fn renew_api_auth_token(&self) -> Result<Zeroizing<String>, DirectoryError> {
        let bytes = random_bytes::<32>()?;
        let token = Zeroizing::new(data_encoding::BASE64URL.encode(&*bytes));
        self.write_private("api_auth_token", &format!("{}\n", *token))?;
        Ok(token)
    }

    /// Reads the swissnum of `private/storage.furl`, or makes a new one; the file is written anew
    /// with the hints of today.
    pub fn storage_furl(&self, tub: TubId, hints: &[String]) -> Result<Furl, DirectoryError> {
        self.lasting_furl("storage.furl", tub, hints)
    }

    /// The same for an introducer's `private/introducer.furl`. Where older versions had it, in the
    /// node directory, it is moved from, unless both are the same.
    pub fn introducer_furl(&self, tub: TubId, hints: &[String]) -> Result<Furl, DirectoryError> {
        const NAME: &str = "introducer.furl";
        let (old, new) = (self.file(NAME), self.private_file(NAME));
        if old.exists() && new.exists() {
            if swissnum(&old)? != swissnum(&new)? {
                return Err(DirectoryError::TwoFurls { old, new });
            }
        } else if old.exists() {
            let moved = std::fs::rename(&old, &new);
            moved.map_err(|source| io_error("move", &old, source))?;
        }
        self.lasting_furl(NAME, tub, hints)
    }

    /// The same for `private/helper.furl`.
    pub fn helper_furl(&self, tub: TubId, hints: &[String]) -> Result<Furl, DirectoryError> {
        self.lasting_furl("helper.furl", tub, hints)
    }

    /// Counts the announcements of this node: the next number, which is written down, and a random
    /// text that makes no two alike.
    pub fn next_announcement(&self) -> Result<(u64, String), DirectoryError> {
        const NAME: &str = "announcement-seqnum";
        let last = self.read(NAME)?.filter(|text| !text.is_empty());
        let last: Option<u64> = last.map_or(Some(0), |text| text.parse().ok());
        let next = last.and_then(|last| last.checked_add(1));
        let next = next.ok_or_else(|| DirectoryError::Malformed {
            path: self.file(NAME),
            expected: "a number",
        })?;
        self.write(NAME, &format!("{next}\n"))?;
        Ok((next, random_base32::<32>()?))
    }

    fn lasting_furl(
        &self,
        name: &str,
        tub: TubId,
        hints: &[String],
    ) -> Result<Furl, DirectoryError> {
        let path = self.private_file(name);
        let swissnum = match read_text(&path)?.map(Zeroizing::new) {
            None => Swissnum::new(&random_base32::<20>()?).expect("base32 is printable"),
            Some(text) => {
                let furl = Furl::parse(&text).map_err(|_| DirectoryError::Malformed {
                    path: path.clone(),
                    expected: "a FURL",
                })?;
                if furl.tub_id.as_bytes() != tub.as_bytes() {
                    return Err(DirectoryError::ForeignFurl { path });
                }
                furl.swissnum
            }
        };
        let furl = Furl {
            tub_id: foolscap::TubId::from_bytes(*tub.as_bytes()),
            hints: hints.to_vec(),
            swissnum,
        };
        self.write_private(name, &format!("{}\n", *furl.to_text()))?;
        Ok(furl)
    }

    /// Reads `permutation-seed`, or decides on one: text that announcements carry.
    ///
    /// A new server takes the text of its public key after `pub-v0-`; one that already has shares,
    /// in `storage`, keeps its tub id, by which clients placed them. The file and announcements hold
    /// the base32 of that.
    pub fn permutation_seed(
        &self,
        key: &SigningKey,
        tub: TubId,
        storage: &Path,
    ) -> Result<String, DirectoryError> {
        if let Some(seed) = self
            .read("permutation-seed")?
            .filter(|seed| !seed.is_empty())
        {
            return Ok(seed);
        }
        let shares = storage.join("shares");
        let has_shares = shares.is_dir() && list_names(&shares)?.iter().any(|n| n != "incoming");
        let seed = if has_shares {
            base32::encode(tub.as_bytes())
        } else {
            base32::encode(base32::encode(key.verifying_key().as_bytes()).as_bytes())
        };
        self.write("permutation-seed", &format!("{seed}\n"))?;
        Ok(seed)
    }

    fn private_text(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<String, DirectoryError>,
    ) -> Result<Zeroizing<String>, DirectoryError> {
        if let Some(text) = read_text(&self.private_file(name))? {
            return Ok(Zeroizing::new(text));
        }
        let text = Zeroizing::new(make()?);
        self.write_private(name, &format!("{}\n", *text))?;
        Ok(text)
    }
}

/// Makes an Ed25519 key of the system's randomness.
pub fn random_signing_key() -> Result<SigningKey, DirectoryError> {
    Ok(SigningKey::from_seed(&*random_bytes::<32>()?))
}

/// The name that a FURL in a file ends with.
fn swissnum(path: &Path) -> Result<Option<Swissnum>, DirectoryError> {
    let text = read_text(path)?.map(Zeroizing::new);
    Ok(text.and_then(|text| Some(Furl::parse(&text).ok()?.swissnum)))
}

fn io_error(step: &'static str, path: &Path, source: io::Error) -> DirectoryError {
    let path = path.to_owned();
    DirectoryError::Io { step, path, source }
}

fn read_text(path: &Path) -> Result<Option<String>, DirectoryError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error("read", path, source)),
    }
}

fn write_text(path: &Path, content: &str, readers: Readers) -> Result<(), DirectoryError> {
    let written = files::write_atomically(path, content.as_bytes(), readers);
    written.map_err(|source| io_error("write", path, source))
}

fn list_names(path: &Path) -> Result<Vec<String>, DirectoryError> {
    let unreadable = |source| io_error("list", path, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    Ok(names)
}

pub(crate) fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, DirectoryError> {
    let mut bytes = Zeroizing::new([0; N]);
    match rand::rngs::SysRng.try_fill_bytes(&mut *bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(DirectoryError::NoRandomness("a secret")),
    }
}

/// Bytes that make one process differ from another; all zero if the system gives none.
pub(crate) fn random_seed() -> [u8; 8] {
    random_bytes::<8>().map(|bytes| *bytes).unwrap_or_default()
}

fn random_base32<const N: usize>() -> Result<String, DirectoryError> {
    Ok(base32::encode(&*random_bytes::<N>()?))
}

#[cfg(test)]
mod tests;
