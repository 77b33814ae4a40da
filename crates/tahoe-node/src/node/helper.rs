//! The upload helper: the one that a node is, and the one that it uses.

use super::listen::listen;
use super::storage::StorageServer;
use super::{Identity, StartError, tub};
use crate::config::Settings;
use crate::directory::{DirectoryError, NodeDirectory};
use foolscap::{IdlePolicy, Limits, Tub, TubIdentity, TubOptions};
use std::sync::Arc;
use std::time::Duration;
use tahoe_client::Client;

/// A helper that went away is known to be gone within two minutes; one that encodes may be slow to
/// answer.
const IDLE: IdlePolicy = IdlePolicy {
    ping_after: Some(Duration::from_secs(20)),
    disconnect_after: Some(Duration::from_secs(120)),
};
/// Largest message of a helper or of its clients: a piece of ciphertext.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

fn limits() -> Limits {
    Limits {
        message_bytes: MAX_MESSAGE_BYTES,
        ..Limits::default()
    }
}

/// Connects to the helper of a node, if it has one; returns the tub that does so.
///
/// It is a tub of its own, with an identity of its own: a helper that also uses this node's storage
/// server connects to that under the node's.
pub(super) fn connect(settings: &Settings, client: &Client) -> Result<Option<Tub>, StartError> {
    let Some(furl) = settings.client.helper.clone() else {
        return Ok(None);
    };
    let identity = TubIdentity::generate();
    let identity = identity.map_err(|_| DirectoryError::NoRandomness("a certificate"))?;
    let options = TubOptions {
        idle: IDLE,
        limits: limits(),
        ..tub::options(settings)
    };
    let tub = Tub::new(identity, options)?;
    client.use_helper(&tub, furl);
    Ok(Some(tub))
}

/// Starts the helper that a node is, if it is one: at the storage server's port, or, if there is no
/// storage server, at the same port with a tub that is returned.
pub(super) fn serve(
    directory: &NodeDirectory,
    settings: &Settings,
    identity: &Identity,
    client: &Client,
    storage: Option<&StorageServer>,
) -> Result<Option<Tub>, StartError> {
    let listening = directory.tub_listening(&settings.node.tub)?;
    let (true, Some(listening)) = (settings.helper_enabled, listening) else {
        return Ok(None);
    };
    let furl = directory.helper_furl(identity.certificate.tub_id(), &listening.hints)?;
    let folder = directory.file("helper");
    let helper = client.start_helper(&folder);
    let helper = helper.map_err(|source| DirectoryError::Io {
        step: "create",
        path: folder,
        source,
    })?;
    if let Some(storage) = storage {
        storage
            .tub()
            .register(Arc::new(helper), Some(furl.swissnum))?;
        return Ok(None);
    }
    let options = TubOptions {
        location: listening.hints,
        limits: limits(),
        ..tub::options(settings)
    };
    let tub = Tub::new(identity.certificate.identity().clone(), options)?;
    tub.register(Arc::new(helper), Some(furl.swissnum))?;
    for listener in listen(&listening.endpoints, "tub.port")? {
        tub.listen(listener);
    }
    Ok(Some(tub))
}
