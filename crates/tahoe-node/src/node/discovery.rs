//! How a node finds others: its introducers, and what it publishes itself.

use super::{Identity, StartError, tub};
use crate::announcement::StorageAnnouncement;
use crate::config::Settings;
use crate::directory::NodeDirectory;
use crate::introducers::IntroducerEntry;
use foolscap::{IdlePolicy, Limits, Tub, TubOptions};
use std::sync::Arc;
use std::time::Duration;
use tahoe_client::{AnnouncementCaches, Client};
use tahoe_introducer::{MAX_CACHE_SIZE, SignedAnnouncement};

/// An introducer that went away is known to be gone within five seconds.
const IDLE: IdlePolicy = IdlePolicy {
    ping_after: Some(Duration::from_millis(1500)),
    disconnect_after: Some(Duration::from_millis(4500)),
};
/// Largest message of an introducer: all announcements at once.
const MAX_MESSAGE_BYTES: usize = 32 << 20;

/// Connects a node to its introducers; returns the tubs that do so: one for all that are reached as
/// tahoe.cfg says, and one for each that is reached otherwise.
///
/// They are tubs apart from the one that listens, with the same identity, because their peers may
/// be asked often whether they are there.
pub(super) fn start(
    directory: &NodeDirectory,
    settings: &Settings,
    identity: &Identity,
    version: &str,
    client: &Arc<Client>,
) -> Result<Vec<Tub>, StartError> {
    let introducers = directory.introducers(settings)?;
    // What can't be announced stops the node, whether or not there is anybody to hear it.
    let offered = match settings.storage.enabled {
        true => Some(StorageAnnouncement::read(directory)?),
        false => None,
    };
    if introducers.is_empty() {
        return Ok(Vec::new());
    }
    let publish = publication(directory, offered, identity, version)?;
    let options = TubOptions {
        idle: IDLE,
        limits: Limits {
            message_bytes: MAX_MESSAGE_BYTES,
            ..Limits::default()
        },
        ..tub::options(settings)
    };
    let available = tub::available(settings);
    let caches: Arc<dyn AnnouncementCaches> = Arc::new(Caches(directory.clone()));
    let (usual, special): (Vec<_>, Vec<_>) = introducers
        .into_iter()
        .partition(|entry| entry.connections.is_empty());
    let special = special.into_iter().map(|entry| vec![entry]);
    let groups = std::iter::once(usual)
        .filter(|group| !group.is_empty())
        .chain(special);
    let connect = |group: Vec<IntroducerEntry>| {
        let handlers = options.handlers.clone();
        let options = TubOptions {
            handlers: group[0].connections.apply(handlers, &available),
            ..options.clone()
        };
        let tub = Tub::new(identity.certificate.identity().clone(), options)?;
        let named = group.into_iter().map(|entry| (entry.petname, entry.furl));
        client.use_introducers(&tub, named.collect(), &publish, &caches);
        Ok(tub)
    };
    groups.map(connect).collect()
}

/// What the node offers to others, if it does, signed.
fn publication(
    directory: &NodeDirectory,
    offered: Option<StorageAnnouncement>,
    identity: &Identity,
    version: &str,
) -> Result<Vec<SignedAnnouncement>, StartError> {
    let Some(storage) = offered else {
        return Ok(Vec::new());
    };
    let (seqnum, nonce) = directory.next_announcement()?;
    let announcement = storage.to_announcement(version, seqnum, &nonce);
    Ok(vec![SignedAnnouncement::sign(&announcement, &identity.key)])
}

/// The introducers' caches, in `private`.
struct Caches(NodeDirectory);

impl Caches {
    fn name(petname: &str) -> String {
        format!("introducer_{petname}_cache.yaml")
    }
}

impl AnnouncementCaches for Caches {
    fn load(&self, petname: &str) -> Option<String> {
        let name = format!("private/{}", Self::name(petname));
        let size = std::fs::metadata(self.0.file(&name)).map_or(0, |metadata| metadata.len());
        if size > MAX_CACHE_SIZE {
            tracing::warn!(name, size, "too large to be an introducer's cache");
            return None;
        }
        let read = self.0.read(&name);
        read.inspect_err(|error| tracing::warn!(%error, "an introducer's cache cannot be read"))
            .ok()?
    }

    fn save(&self, petname: &str, text: &str) {
        if let Err(error) = self.0.write_private(&Self::name(petname), text) {
            tracing::warn!(%error, "an introducer's cache cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_cable_is_noticed_within_five_seconds_and_one_lost_answer_is_forgiven() {
        let (ping, gone) = (IDLE.ping_after.unwrap(), IDLE.disconnect_after.unwrap());
        assert!(gone < Duration::from_secs(5) && gone > ping * 2);
    }
}
