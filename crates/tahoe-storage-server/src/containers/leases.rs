//! Leases as containers keep them.

use super::ContainerVersion;
use blake2::{Blake2b256, Digest as _};
use subtle::ConstantTimeEq as _;
use tahoe_crypto::{LeaseSecrets, TubId};

/// How long a lease lasts from when it is added or renewed: 31 days.
pub const LEASE_DURATION_SECONDS: u64 = 31 * 24 * 60 * 60;

/// A lease secret as a container keeps it: the secret in version 1, its hash in version 2.
#[derive(Clone, Copy)]
pub struct StoredSecret {
    version: ContainerVersion,
    bytes: [u8; 32],
}

impl StoredSecret {
    pub(super) fn new(version: ContainerVersion, bytes: [u8; 32]) -> Self {
        Self { version, bytes }
    }

    /// Says, in constant time, whether this is the secret or its hash.
    pub fn matches(&self, secret: &[u8; 32]) -> bool {
        stored_form(self.version, secret).ct_eq(&self.bytes).into()
    }

    /// Spells what is stored, a hash as `hash:…`: for the operator, never for a log.
    pub fn to_base32(&self) -> String {
        let text = tahoe_encoding::base32::encode(&self.bytes);
        match self.version {
            ContainerVersion::V1 => text,
            ContainerVersion::V2 => format!("hash:{text}"),
        }
    }

    /// The 32 bytes of the record.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredSecret({:?})", self.version)
    }
}

impl PartialEq for StoredSecret {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for StoredSecret {}

/// What a container of this version stores of a secret.
fn stored_form(version: ContainerVersion, secret: &[u8; 32]) -> [u8; 32] {
    match version {
        ContainerVersion::V1 => *secret,
        ContainerVersion::V2 => Blake2b256::digest(secret).into(),
    }
}

/// Somebody's wish that a share be kept until a certain time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// 0 for the lease that came with an immutable share, else 1.
    pub owner: u32,
    /// Renews the lease.
    pub renew: StoredSecret,
    /// Cancels the lease.
    pub cancel: StoredSecret,
    /// When the lease ends, in seconds since 1970.
    pub expires: u32,
    /// The server that took the lease; only mutable containers record it.
    pub node: Option<TubId>,
}

impl Lease {
    /// What a place for a lease holds after its lease was removed.
    pub(super) fn free(version: ContainerVersion) -> Self {
        let secret = StoredSecret::new(version, stored_form(version, &[0; 32]));
        Self {
            owner: 0,
            renew: secret,
            cancel: secret,
            expires: 0,
            node: Some(TubId::from_bytes([0; 20])),
        }
    }
}

/// A lease that is to be put on shares: renewed where the renew secret is known, else added.
#[derive(Debug, Clone)]
pub(crate) struct NewLease {
    pub(crate) owner: u32,
    pub(crate) secrets: LeaseSecrets,
    pub(crate) expires: u32,
    pub(crate) node: TubId,
}

impl NewLease {
    /// Makes the lease that begins at `now`, in seconds since 1970.
    pub(crate) fn starting(now: u64, owner: u32, secrets: LeaseSecrets, node: TubId) -> Self {
        let expires = now.saturating_add(LEASE_DURATION_SECONDS);
        Self {
            owner,
            secrets,
            expires: u32::try_from(expires).unwrap_or(u32::MAX),
            node,
        }
    }

    /// The lease as a container of this version stores it.
    pub(super) fn stored(&self, version: ContainerVersion) -> Lease {
        let stored = |secret| StoredSecret::new(version, stored_form(version, secret));
        Lease {
            owner: self.owner,
            renew: stored(self.secrets.renew.as_bytes()),
            cancel: stored(self.secrets.cancel.as_bytes()),
            expires: self.expires,
            node: Some(self.node),
        }
    }
}

/// A lease needs more bytes than the server has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoomForLease;
