//! A storage server's entry in a client's `private/servers.yaml`.

use crate::certificate::pin_of_file;
use std::path::Path;

/// How a client reaches a storage server.
///
/// Made from the files that the server wrote when it first ran, the same for both programs. Tests may
/// change a field, to lie to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// `v0-` and the server's public key.
    pub server_id: String,
    /// What the status page calls it.
    pub nickname: String,
    /// The Foolscap address; its tub id goes into lease secrets, also over HTTPS.
    pub furl: String,
    /// The pin of the certificate, as in a NURL.
    pub pin: String,
    /// Host and port.
    pub location: String,
    /// The secret that opens the storage service.
    pub swissnum: String,
    /// What decides the server's place in the permuted order.
    pub permutation_seed: String,
}

impl ServerEntry {
    /// Reads a server's node directory.
    ///
    /// # Panics
    /// If a file is missing: the node has never run.
    pub fn of(directory: &Path) -> Self {
        let line = |name: &str| {
            let path = directory.join(name);
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            text.trim().to_owned()
        };
        let furl = line("private/storage.furl");
        let (location, swissnum) = furl
            .split_once('@')
            .and_then(|(_, rest)| rest.split_once('/'))
            .unwrap_or_else(|| panic!("private/storage.furl holds no FURL"));
        Self {
            server_id: line("node.pubkey").replace("pub-", ""),
            nickname: directory
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            pin: pin_of_file(&directory.join("private/node.pem")),
            location: location.replace("tcp:", ""),
            swissnum: swissnum.to_owned(),
            permutation_seed: line("permutation-seed"),
            furl,
        }
    }

    /// The address of the HTTPS storage service.
    pub fn nurl(&self) -> String {
        format!("pb://{}@{}/{}#v=1", self.pin, self.location, self.swissnum)
    }

    /// The lines of `servers.yaml`.
    pub fn to_yaml(&self) -> String {
        let nurl = self.nurl();
        let Self {
            server_id,
            nickname,
            furl,
            permutation_seed,
            ..
        } = self;
        format!(
            "  {server_id}:\n    ann:\n      nickname: {nickname}\n      \
             anonymous-storage-FURL: {furl}\n      permutation-seed-base32: {permutation_seed}\n      \
             anonymous-storage-NURLs:\n        - {nurl}\n"
        )
    }
}
