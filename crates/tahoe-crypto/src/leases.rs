//! Secrets between a client and the storage servers.
//!
//! From one master secret a client derives, for each share's bucket on each server, a secret that
//! renews the lease and one that cancels it. The peer part is the server's 20-byte tub id, also
//! when the server is reached over HTTPS.

use crate::hash::{self, TaggedHasher};
use crate::newtypes::secret_bytes;
use crate::{StorageIndex, TubId, WriteKey};

secret_bytes! {
    /// A client's root of all lease secrets (`private/secret`).
    LeaseMaster, 32
}

secret_bytes! {
    /// Renews one client's lease on the shares of one storage index on one server.
    LeaseRenewSecret, 32
}

secret_bytes! {
    /// Cancels the lease that its renew secret renews.
    LeaseCancelSecret, 32
}

secret_bytes! {
    /// Shared with each server by a mutable file's writers; proves the right to change its slot.
    WriteEnabler, 32
}

secret_bytes! {
    /// Proves to a server that the writer of an immutable share is the one who allocated it.
    UploadSecret, 20
}

/// The pair of lease secrets for one storage index on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSecrets {
    /// Renews the lease.
    pub renew: LeaseRenewSecret,
    /// Cancels the lease.
    pub cancel: LeaseCancelSecret,
}

secret_bytes! {
    /// A value on the way from the master secret to a lease secret.
    LeaseStep, 32
}

/// All values on the way to one lease secret, which `tahoe debug dump-cap` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSteps {
    /// The same for all of a client's files.
    pub client: LeaseStep,
    /// The same for a file's shares on all servers.
    pub file: LeaseStep,
    bucket_tag: &'static [u8],
}

impl LeaseSteps {
    /// Ends in the secret for the server with this tub id.
    fn for_server(&self, server: &TubId) -> hash::Hash {
        hash::tagged_pair(self.bucket_tag, self.file.as_bytes(), server.as_bytes())
    }
}

impl LeaseMaster {
    /// Derives the secrets for one storage index on the server with this tub id.
    pub fn lease_secrets(&self, storage_index: &StorageIndex, server: &TubId) -> LeaseSecrets {
        let renew = self.renew_steps(storage_index).for_server(server);
        let cancel = self.cancel_steps(storage_index).for_server(server);
        LeaseSecrets {
            renew: LeaseRenewSecret::from_bytes(renew),
            cancel: LeaseCancelSecret::from_bytes(cancel),
        }
    }

    /// Derives what proves to the server with this tub id that an upload is this client's, also
    /// after the client was started again in the middle of it.
    pub fn upload_secret(&self, storage_index: &StorageIndex, server: &TubId) -> UploadSecret {
        let client = hash::tagged(self.as_bytes(), b"tahoe_rust_client_upload_secret_v1");
        let file_tag = b"tahoe_rust_file_upload_secret_v1";
        let file = hash::tagged_pair(file_tag, &client, storage_index.as_bytes());
        let mut server_secret = TaggedHasher::new(b"tahoe_rust_server_upload_secret_v1");
        server_secret.update(&file);
        server_secret.update(server.as_bytes());
        UploadSecret::from_bytes(server_secret.finish_truncated())
    }

    /// Derives what leads to the secrets that renew a file's leases.
    pub fn renew_steps(&self, storage_index: &StorageIndex) -> LeaseSteps {
        let client = b"allmydata_client_renewal_secret_v1";
        let file = b"allmydata_file_renewal_secret_v1";
        let bucket = b"allmydata_bucket_renewal_secret_v1";
        self.steps(client, file, bucket, storage_index)
    }

    /// Derives what leads to the secrets that cancel a file's leases.
    pub fn cancel_steps(&self, storage_index: &StorageIndex) -> LeaseSteps {
        let client = b"allmydata_client_cancel_secret_v1";
        let file = b"allmydata_file_cancel_secret_v1";
        let bucket = b"allmydata_bucket_cancel_secret_v1";
        self.steps(client, file, bucket, storage_index)
    }

    fn steps(
        &self,
        client_tag: &[u8],
        file_tag: &[u8],
        bucket_tag: &'static [u8],
        storage_index: &StorageIndex,
    ) -> LeaseSteps {
        // The master secret itself is the tag here; that is how the original does it.
        let client = hash::tagged(self.as_bytes(), client_tag);
        let file = hash::tagged_pair(file_tag, &client, storage_index.as_bytes());
        LeaseSteps {
            client: LeaseStep::from_bytes(client),
            file: LeaseStep::from_bytes(file),
            bucket_tag,
        }
    }
}

impl WriteKey {
    /// Derives the write enabler that the server with this tub id keeps with the slot.
    pub fn write_enabler(&self, server: &TubId) -> WriteEnabler {
        let master = hash::tagged(
            b"allmydata_mutable_writekey_to_write_enabler_master_v1",
            self.as_bytes(),
        );
        let tag = b"allmydata_mutable_write_enabler_master_and_nodeid_to_write_enabler_v1";
        WriteEnabler::from_bytes(hash::tagged_pair(tag, &master, server.as_bytes()))
    }
}
