//! RSA keys that were made ahead of mutable files and not used, from one run of a node to the next.
//!
//! They are in a file only while the node doesn't run: it is removed before the first of them is
//! used, so that no two files can get the same key. Losing them costs the time to make others, so
//! every failure is a line in the log.
//!
//! ```text
//! file = netstring("unused RSA keys 1") netstring(PKCS #8 DER)*
//! ```

use crate::directory::NodeDirectory;
use crate::files::{Readers, sync_directory, write_atomically};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use tahoe_crypto::RsaPrivateKey;
use tahoe_encoding::netstring;
use zeroize::Zeroizing;

const NAME: &str = "unused-rsa-keys";
const VERSION: &[u8] = b"unused RSA keys 1";
/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Takes the keys that were kept; they are in the directory no more.
pub(crate) fn take(directory: &NodeDirectory) -> Vec<RsaPrivateKey> {
    let path = directory.private_file(NAME);
    let content = match read_and_remove(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "unused keys can't be taken");
            return Vec::new();
        }
    };
    parse(&content).unwrap_or_else(|| {
        tracing::warn!(path = %path.display(), "these were no unused keys");
        Vec::new()
    })
}

/// Keeps keys for the next run.
pub(crate) fn keep(directory: &NodeDirectory, keys: &[RsaPrivateKey]) {
    if keys.is_empty() {
        return;
    }
    let path = directory.private_file(NAME);
    if let Err(error) = write_atomically(&path, &write(keys), Readers::Owner) {
        tracing::warn!(%error, path = %path.display(), "unused keys can't be kept");
    }
}

fn read_and_remove(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    File::open(path)?
        .take(MOST_BYTES)
        .read_to_end(&mut content)?;
    std::fs::remove_file(path)?;
    path.parent().map_or(Ok(()), sync_directory)?;
    Ok(content)
}

fn write(keys: &[RsaPrivateKey]) -> Zeroizing<Vec<u8>> {
    let mut content = Zeroizing::new(Vec::with_capacity(64 + keys.len() * 2048));
    netstring::push(&mut content, VERSION);
    for key in keys {
        netstring::push(&mut content, key.as_pkcs8_der());
    }
    content
}

fn parse(content: &[u8]) -> Option<Vec<RsaPrivateKey>> {
    let (version, mut offset) = netstring::split(content, 0).ok()?;
    if version != VERSION {
        return None;
    }
    let mut keys = Vec::new();
    while offset < content.len() {
        let (der, next) = netstring::split(content, offset).ok()?;
        keys.push(RsaPrivateKey::from_der(der).ok()?);
        offset = next;
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_kept_for_one_run_and_only_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let directory = NodeDirectory::new(folder.path());
        directory.create_private().unwrap();
        assert!(take(&directory).is_empty());
        let keys = [(); 2].map(|()| RsaPrivateKey::generate().unwrap());
        keep(&directory, &keys);
        let file = directory.private_file(NAME);
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let ders = |keys: &[RsaPrivateKey]| -> Vec<Vec<u8>> {
            keys.iter().map(|key| key.as_pkcs8_der().to_vec()).collect()
        };
        assert_eq!(ders(&take(&directory)), ders(&keys));
        assert!(!file.exists() && take(&directory).is_empty());
    }

    #[test]
    fn what_holds_no_keys_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let directory = NodeDirectory::new(folder.path());
        directory.create_private().unwrap();
        let mut cut = write(&[RsaPrivateKey::generate().unwrap()]).to_vec();
        cut.pop();
        for content in [&b""[..], b"17:unused RSA keys 2,", b"nonsense", &cut] {
            let file = directory.private_file(NAME);
            std::fs::write(&file, content).unwrap();
            assert!(take(&directory).is_empty());
            assert!(!file.exists());
        }
    }
}
