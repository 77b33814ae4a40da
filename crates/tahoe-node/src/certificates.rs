//! A storage server's certificates: files beside tahoe.cfg, listed in it.

use crate::config::{ConfigError, Settings, edit::with_option};
use crate::directory::{DirectoryError, NodeDirectory};
use tahoe_introducer::grid_manager::{CertificateError, SignedCertificate};

/// A certificate can't be added to a node directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddCertificateError {
    /// It isn't one.
    #[error("Error parsing certificate")]
    NotACertificate(#[from] CertificateError),
    /// It can't be called so.
    #[error(
        "{0:?} cannot be a certificate's name: use letters, digits, '.', '_', '-' and spaces inside"
    )]
    BadName(String),
    /// There is one of that name.
    #[error("Already have certificate for '{name}' (at {path})", path = .path.display())]
    AlreadyThere {
        /// The name.
        name: String,
        /// Its file.
        path: std::path::PathBuf,
    },
    /// tahoe.cfg can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file can't be read or written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Adds a grid manager's certificate to a storage server, which announces it from its next start on.
///
/// It is written to `NAME.cert` and listed in tahoe.cfg. Returns how many certificates there are.
pub fn add_grid_manager_certificate(
    directory: &NodeDirectory,
    name: &str,
    text: &str,
) -> Result<usize, AddCertificateError> {
    let certificate = SignedCertificate::parse(text)?;
    let is_plain = |c: char| c.is_alphanumeric() || "._- ".contains(c);
    if name.is_empty() || name.trim() != name || !name.chars().all(is_plain) {
        return Err(AddCertificateError::BadName(name.to_owned()));
    }
    let settings = Settings::load(directory.path())?;
    let file = format!("{name}.cert");
    let path = directory.file(&file);
    let known = name.to_lowercase();
    let mut listed = settings.grid_manager_certificates.iter();
    if path.exists() || listed.any(|(name, _)| *name == known) {
        let name = name.to_owned();
        return Err(AddCertificateError::AlreadyThere { name, path });
    }
    let tahoe_cfg = directory.read("tahoe.cfg")?.unwrap_or_default();
    let tahoe_cfg = with_option(&tahoe_cfg, "storage", "grid_management", "True");
    let tahoe_cfg = with_option(&tahoe_cfg, "grid_manager_certificates", name, &file);
    let changed = Settings::parse(&tahoe_cfg, directory.path())?;
    directory.write(&file, &format!("{}\n", certificate.to_text()))?;
    directory.write("tahoe.cfg", &tahoe_cfg)?;
    Ok(changed.grid_manager_certificates.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tahoe_crypto::SigningKey;
    use tahoe_introducer::grid_manager::Certificate;

    #[test]
    fn a_certificate_is_listed_once_and_comments_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = NodeDirectory::new(temporary.path());
        let before = "[node]\n# mine\nnickname = n\n[storage]\nenabled = true\n";
        directory.write("tahoe.cfg", before).unwrap();
        let key = SigningKey::from_seed(&[1; 32]);
        let certificate = Certificate {
            server: key.verifying_key(),
            expires: time::OffsetDateTime::UNIX_EPOCH,
        };
        let text = SignedCertificate::sign(&key, &certificate).to_text();
        let add = |name: &str| add_grid_manager_certificate(&directory, name, &text);
        assert_eq!(add("Gm one").unwrap(), 1);
        assert_eq!(add("two").unwrap(), 2);
        for taken in ["Gm one", "gm ONE"] {
            let again = add(taken);
            assert!(matches!(
                again,
                Err(AddCertificateError::AlreadyThere { .. })
            ));
        }
        for bad in ["", " x", "a/b", "a=b", "a:b", "[a]", "a%b", "a\nb"] {
            assert!(
                matches!(add(bad), Err(AddCertificateError::BadName(_))),
                "{bad:?}"
            );
        }
        let none = add_grid_manager_certificate(&directory, "three", "{}");
        assert!(matches!(none, Err(AddCertificateError::NotACertificate(_))));
        let settings = Settings::load(directory.path()).unwrap();
        assert!(settings.storage.grid_management);
        let paths = settings.grid_manager_certificates;
        assert_eq!(
            paths[0],
            ("gm one".to_owned(), directory.file("Gm one.cert"))
        );
        let tahoe_cfg = directory.read("tahoe.cfg").unwrap().unwrap();
        assert!(tahoe_cfg.starts_with("[node]\n# mine\nnickname = n\n[storage]\nenabled = true\n"));
    }
}
