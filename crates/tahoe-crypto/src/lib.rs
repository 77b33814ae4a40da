//! What Tahoe's formats need of cryptography: tagged SHA-256d hashes, key derivation, AES-CTR,
//! RSA signatures, Ed25519 identities, and a newtype for every key, secret and identifier beside
//! its derivation.
//!
//! ```
//! use tahoe_crypto::ImmutableReadKey;
//! let key = ImmutableReadKey::from_bytes([0; 16]);
//! assert_eq!(key.storage_index().to_string().len(), 26);
//! ```
//!
//! **Invariants:** a weaker key is derived from a stronger one by method and nothing converts
//! upward; a secret's `Debug` shows a short fingerprint, its comparison takes constant time, and
//! its bytes are wiped when dropped. The derivations and tags are Tahoe's, listed in
//! `docs/formats/capabilities.md`.

mod aes_ctr;
mod child_cap;
pub mod hash;
mod identity;
mod keys;
mod leases;
mod newtypes;
mod rsa;

pub use aes_ctr::AesCtr;
pub use identity::{IdentityError, ServerId, SigningKey, TubId, VerifyingKey, permutation_hash};
pub use keys::{
    ConvergenceSecret, DataKey, Fingerprint, ImmutableReadKey, ReadKey, StorageIndex,
    UriExtensionHash, WriteKey,
};
pub use leases::{
    LeaseCancelSecret, LeaseMaster, LeaseRenewSecret, LeaseSecrets, LeaseStep, LeaseSteps,
    UploadSecret, WriteEnabler,
};
pub use rsa::{RsaError, RsaPrivateKey, RsaPublicKey};
