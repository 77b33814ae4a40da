//! The introducer's calls as Foolscap values.

use crate::{AnnouncementError, SignedAnnouncement};
use foolscap::Value;

/// The interface of introducers.
pub(crate) const PUBLISHER_INTERFACE: &str =
    "RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com";
/// The interface of those who subscribe.
pub(crate) const SUBSCRIBER_INTERFACE: &str = "RIIntroducerSubscriberClient_v2.tahoe.allmydata.com";
/// What an introducer that speaks this protocol has in its version.
pub(crate) const VERSION_KEY: &str = "http://allmydata.org/tahoe/protocols/introducer/v2";

/// Where an introducer's version names its program.
pub(crate) const APPLICATION_VERSION: &str = "application-version";

/// What an introducer says of itself.
pub(crate) fn version(application_version: &str) -> Value {
    let nothing = Value::Dict(Vec::new());
    let application = Value::bytes(application_version.to_owned());
    Value::dict([(VERSION_KEY, nothing), (APPLICATION_VERSION, application)])
}

/// An announcement as a tuple of three byte strings.
pub(crate) fn value(announcement: &SignedAnnouncement) -> Value {
    let (message, signature, key) = announcement.parts();
    Value::Tuple(vec![
        Value::bytes(message.to_vec()),
        Value::bytes(signature.to_owned()),
        Value::bytes(key.to_owned()),
    ])
}

/// Reads such a tuple.
pub(crate) fn announcement(value: &Value) -> Result<SignedAnnouncement, AnnouncementError> {
    let malformed = AnnouncementError::Malformed;
    let parts = value.as_sequence().ok_or(malformed)?;
    let part = |value: &Value| value.as_text().map(str::to_owned);
    let [message, signature, key] = parts else {
        return Err(malformed);
    };
    let message = message.as_bytes().ok_or(malformed)?;
    // The reference answers None for either with the same error as for a prefix that it doesn't know.
    let (signature, key) = (
        part(signature).unwrap_or_default(),
        part(key).unwrap_or_default(),
    );
    SignedAnnouncement::from_parts(message, signature.as_bytes(), key.as_bytes())
}
