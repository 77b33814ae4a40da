//! Whether a storage server may receive new shares.

use super::SignedCertificate;
use std::time::SystemTime;
use tahoe_crypto::{ServerId, VerifyingKey};
use time::OffsetDateTime;

/// What a client's grid managers say of one server; asked anew at each use, since it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadPermit {
    /// The client trusts no grid manager, so every server will do.
    Unmanaged,
    /// A grid manager vouches for the server until then.
    Until(OffsetDateTime),
    /// No grid manager of the client's vouches for it.
    Refused,
}

impl UploadPermit {
    /// Checks a server's certificates; of several valid ones, the one that lasts longest counts.
    pub fn new(
        grid_managers: &[VerifyingKey],
        certificates: &[SignedCertificate],
        server: &ServerId,
    ) -> Self {
        if grid_managers.is_empty() {
            return Self::Unmanaged;
        }
        let checked = certificates
            .iter()
            .flat_map(|certificate| grid_managers.iter().map(|key| certificate.verify(key)));
        let own = checked
            .filter_map(Result::ok)
            .filter(|certificate| certificate.server.server_id() == *server);
        match own.map(|certificate| certificate.expires).max() {
            Some(expires) => Self::Until(expires),
            None => Self::Refused,
        }
    }

    /// Says whether new shares may go to the server now.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        match self {
            Self::Unmanaged => true,
            Self::Until(expires) => *expires > OffsetDateTime::from(now),
            Self::Refused => false,
        }
    }
}
