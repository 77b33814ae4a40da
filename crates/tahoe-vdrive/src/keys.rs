//! The keys of a drive, derived from the secret in its FURL file.
//!
//! ```text
//! write secret ─► signing key ─► verifying key ┐
//!      ├────────► write slot key              │
//!      └────────► read secret ─► name key      ├ what a reader has
//!                      └───────► seal key      ┘
//! ```
//!
//! Each step is HKDF-SHA256 with a label of its own.

use crate::ids::{DirectoryId, EntryId};
use crate::name::EntryName;
use hkdf::Hkdf;
use sha2::Sha256;
use tahoe_crypto::{SigningKey, VerifyingKey};
use tahoe_encoding::base32;
use zeroize::Zeroizing;

pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// A text isn't a drive's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the key of a shared drive: it must look like w1-… or r1-…-…")]
pub struct BadKey;

/// What reads a drive and checks it.
#[derive(Clone)]
pub struct ReadKeys {
    secret: Secret,
    name_key: Secret,
    pub(crate) seal_key: Secret,
    pub(crate) verifying_key: VerifyingKey,
}

/// What changes a drive.
#[derive(Clone)]
pub struct WriteKeys {
    secret: Secret,
    pub(crate) signing_key: SigningKey,
    /// Seals what readers must not have.
    pub(crate) write_seal_key: Secret,
    read: ReadKeys,
}

/// The key that a FURL file carries.
#[derive(Clone)]
pub enum DriveKeys {
    /// Changes the drive.
    ReadWrite(Box<WriteKeys>),
    /// Reads the drive.
    ReadOnly(Box<ReadKeys>),
}

impl WriteKeys {
    /// Derives the keys from 32 random bytes.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        let signing_key = SigningKey::from_seed(&derive(&secret, "signing key"));
        let read_secret = derive(&secret, "read secret");
        Self {
            read: ReadKeys::new(read_secret, signing_key.verifying_key()),
            signing_key,
            write_seal_key: derive(&secret, "write slot key"),
            secret,
        }
    }

    /// The weaker keys, which only read.
    pub fn read_keys(&self) -> &ReadKeys {
        &self.read
    }
}

impl ReadKeys {
    fn new(secret: Secret, verifying_key: VerifyingKey) -> Self {
        Self {
            name_key: derive(&secret, "name key"),
            seal_key: derive(&secret, "seal key"),
            secret,
            verifying_key,
        }
    }

    /// The key that checks what writers have signed: no secret, and no other drive has it.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// Derives by what the server knows a name in a directory.
    pub fn entry_id(&self, directory: DirectoryId, name: &EntryName) -> EntryId {
        let mut id = [0; EntryId::LENGTH];
        let key = Hkdf::<Sha256>::from_prk(&*self.name_key).expect("a key of 32 bytes is enough");
        let about = [&directory.as_bytes()[..], name.as_str().as_bytes()];
        key.expand_multi_info(&about, &mut id)
            .expect("16 bytes are fewer than HKDF gives");
        EntryId::from_bytes(id)
    }
}

impl DriveKeys {
    /// Reads `w1-SECRET` or `r1-SECRET-VERIFYING-KEY`, all in base32.
    pub fn from_text(text: &str) -> Result<Self, BadKey> {
        let secret = |text: &str| base32::decode_array::<32>(text).map_err(|_| BadKey);
        if let Some(text) = text.strip_prefix("w1-") {
            return Ok(Self::ReadWrite(Box::new(WriteKeys::from_secret(secret(
                text,
            )?))));
        }
        let text = text.strip_prefix("r1-").ok_or(BadKey)?;
        let (read, verifying) = text.split_once('-').ok_or(BadKey)?;
        let verifying = VerifyingKey::from_text(&format!("pub-v0-{verifying}"));
        let read = Zeroizing::new(secret(read)?);
        let keys = ReadKeys::new(read, verifying.map_err(|_| BadKey)?);
        Ok(Self::ReadOnly(Box::new(keys)))
    }

    /// Writes the form that `from_text` reads: a secret, never for a log.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::ReadWrite(keys) => format!("w1-{}", base32::encode(&*keys.secret)),
            Self::ReadOnly(keys) => format!(
                "r1-{}-{}",
                base32::encode(&*keys.secret),
                base32::encode(keys.verifying_key.as_bytes())
            ),
        })
    }

    /// The keys that read.
    pub fn read_keys(&self) -> &ReadKeys {
        match self {
            Self::ReadWrite(keys) => keys.read_keys(),
            Self::ReadOnly(keys) => keys,
        }
    }

    /// The keys that change, if these are such.
    pub fn write_keys(&self) -> Option<&WriteKeys> {
        match self {
            Self::ReadWrite(keys) => Some(keys),
            Self::ReadOnly(_) => None,
        }
    }
}

fn derive(secret: &Secret, what: &str) -> Secret {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, &**secret)
        .expand_multi_info(&[b"tahoe-vdrive-v1 ", what.as_bytes()], &mut *key)
        .expect("32 bytes are fewer than HKDF gives");
    key
}

macro_rules! shows_no_secret {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
shows_no_secret!(ReadKeys, WriteKeys, DriveKeys);
