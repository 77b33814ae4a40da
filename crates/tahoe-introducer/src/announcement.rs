//! What a node tells all others of a service that it offers, and the signature that proves it.
//!
//! An announcement is a JSON object; `docs/protocols/introducer.md` lists its keys. On the wire it is
//! a triple: the bytes of the JSON text, `v0-` and the base32 of the signature over these bytes, `v0-`
//! and the base32 of the key that signed. The last is the server's id. Since it may hold addresses
//! that open a server, it is a secret and never shown by `Debug`.

use serde_json::{Map, Value};
use std::sync::Arc;
use tahoe_crypto::{ServerId, SigningKey, VerifyingKey};
use tahoe_encoding::base32;

/// How the signature and the key of an announcement begin.
const PREFIX: &str = "v0-";

/// An announcement can't be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnouncementError {
    /// It is longer than any announcement.
    #[error("an announcement of more than {} bytes", Announcement::MAX_SIZE)]
    TooLarge,
    /// Signature or key aren't there, or of a kind that isn't known here.
    #[error("only signatures and keys that begin with v0- are recognized")]
    UnknownKey,
    /// Somebody else signed it, or it was changed since.
    #[error("bad signature")]
    BadSignature,
    /// What was signed isn't a JSON object that names its service.
    #[error("not an announcement")]
    Malformed,
}

/// What a node tells of a service.
#[derive(Clone, PartialEq)]
pub struct Announcement {
    service_name: String,
    fields: Map<String, Value>,
}

impl Announcement {
    /// Most bytes of an announcement; one with several certificates has some 3000.
    pub const MAX_SIZE: usize = 64 << 10;
    /// The longest name of a service; the only one in use is `storage`.
    const MAX_SERVICE_NAME: usize = 100;

    /// Takes the fields of an announcement, which must name its service.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Self, AnnouncementError> {
        let service_name = fields.get("service-name").and_then(Value::as_str);
        let service_name = service_name.filter(|name| name.len() <= Self::MAX_SERVICE_NAME);
        Ok(Self {
            service_name: service_name.ok_or(AnnouncementError::Malformed)?.to_owned(),
            fields,
        })
    }

    /// Which service it announces.
    pub fn service_name(&self) -> &str {
        &self.service_name
    }

    /// Everything that it says.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// A text that it says; empty if it doesn't.
    pub fn text(&self, key: &str) -> &str {
        self.fields
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Whether it says anything of its place in the order of announcements.
    pub(crate) fn has_seqnum(&self) -> bool {
        self.fields.contains_key("seqnum")
    }

    /// Its place in the order of announcements of the same server; `None` if it isn't a number.
    pub fn seqnum(&self) -> Option<i128> {
        let seqnum = self.fields.get("seqnum")?;
        let unsigned = seqnum.as_u64().map(i128::from);
        unsigned.or_else(|| seqnum.as_i64().map(i128::from))
    }
}

impl std::fmt::Debug for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcement")
            .field("service_name", &self.service_name)
            .field("nickname", &self.text("nickname"))
            .field("seqnum", &self.seqnum())
            .finish_non_exhaustive()
    }
}

/// An announcement as it travels, with a signature that nobody has checked yet.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SignedAnnouncement {
    message: Arc<[u8]>,
    signature: Arc<str>,
    key: Arc<str>,
}

impl SignedAnnouncement {
    /// Signs an announcement.
    pub fn sign(announcement: &Announcement, key: &SigningKey) -> Self {
        let message = serde_json::to_vec(&announcement.fields).expect("it is JSON");
        let signature = format!("{PREFIX}{}", base32::encode(&key.sign(&message)));
        Self {
            message: message.into(),
            signature: signature.into(),
            key: key.verifying_key().server_id().as_str().into(),
        }
    }

    /// Takes the three parts as they came.
    pub fn from_parts(
        message: &[u8],
        signature: &[u8],
        key: &[u8],
    ) -> Result<Self, AnnouncementError> {
        if message.len() > Announcement::MAX_SIZE {
            return Err(AnnouncementError::TooLarge);
        }
        // Both are checked before they are copied: their lengths are the sender's choice.
        let signature = prefixed::<64>(signature)?;
        let key = prefixed::<32>(key)?;
        Ok(Self {
            message: message.into(),
            signature: signature.into(),
            key: key.into(),
        })
    }

    /// The three parts: message, signature, key.
    pub fn parts(&self) -> (&[u8], &str, &str) {
        (&self.message, &self.signature, &self.key)
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        self.message.len() + self.signature.len() + self.key.len()
    }

    /// Checks the signature and reads what was signed, and by which server.
    pub fn verify(&self) -> Result<(ServerId, Announcement), AnnouncementError> {
        let unknown = AnnouncementError::UnknownKey;
        let key = VerifyingKey::from_text(&format!("pub-{}", self.key)).map_err(|_| unknown)?;
        let signature = self.signature.strip_prefix(PREFIX).ok_or(unknown)?;
        let signature = base32::decode_array(signature).map_err(|_| unknown)?;
        if !key.verify(&self.message, &signature) {
            return Err(AnnouncementError::BadSignature);
        }
        let fields = serde_json::from_slice(&self.message);
        let fields = fields.map_err(|_| AnnouncementError::Malformed)?;
        Ok((key.server_id(), Announcement::from_fields(fields)?))
    }
}

/// A text of `v0-` and the base32 of `N` bytes.
fn prefixed<const N: usize>(text: &[u8]) -> Result<&str, AnnouncementError> {
    let text = std::str::from_utf8(text).ok();
    text.filter(|text| {
        let rest = text.strip_prefix(PREFIX);
        rest.is_some_and(|rest| base32::decode_array::<N>(rest).is_ok())
    })
    .ok_or(AnnouncementError::UnknownKey)
}

impl std::fmt::Debug for SignedAnnouncement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedAnnouncement(by {})", self.key)
    }
}

#[cfg(test)]
mod tests;
