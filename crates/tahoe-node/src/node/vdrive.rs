//! Shared drives: the one that a node keeps, and those that it uses.

use super::{StartError, tub};
use crate::config::{PostgresqlUrl, Settings};
use crate::directory::{DirectoryError, NodeDirectory, random_bytes};
use crate::drives::SEEN;
use crate::named_furls::NamedFurl;
use foolscap::{Furl, IdlePolicy, Limits, Tub, TubIdentity, TubOptions};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tahoe_client::{Client, ConnectionOverrides, UsedDrive};
use tahoe_vdrive::store::{Store, StoreError};
use tahoe_vdrive::{DriveFurl, DriveKeys, ServeError, VdriveServer};

/// Most calls of one client of a drive that wait for their answers.
pub(super) const MAX_CALLS: usize = 1024;
/// Most references that one client of a drive makes its server keep, or the server it.
pub(super) const MAX_REFERENCES: usize = 8192;
/// Largest message of a drive's server: a page of entries.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// A vdrive server that went away is known to be gone within fifteen seconds.
const IDLE: IdlePolicy = IdlePolicy {
    ping_after: Some(Duration::from_secs(5)),
    disconnect_after: Some(Duration::from_secs(15)),
};

/// Serves the drive of a node directory in a tub, and writes what its clients need.
pub(super) async fn serve(
    directory: &NodeDirectory,
    database: Option<&PostgresqlUrl>,
    tub: &Tub,
) -> Result<VdriveServer, StartError> {
    let store = match database {
        None => Store::open_sqlite(&directory.drive_database()?).await,
        Some(url) => Store::open_postgres(url.as_str()).await,
    };
    let store = store.map_err(StoreError::from).map_err(ServeError::from)?;
    let clock = Arc::new(SystemTime::now);
    let server = VdriveServer::start(store.clone(), tub, clock).await?;
    let (read_write, read_only) = server.furls();
    match keys(directory, &store, read_write).await? {
        Some(keys) => {
            let read_only = DriveFurl {
                furl: read_only.clone(),
                keys: DriveKeys::ReadOnly(Box::new(keys.read_keys().clone())),
            };
            let furl = read_write.clone();
            directory.write_drive_furls(&DriveFurl { furl, keys }, &read_only)?;
        }
        None => tracing::warn!(
            "the drive has a key, but private/vdrive.furl isn't here, so vdrive.furl isn't written: \
             copy private/vdrive.furl of the drive's first server here; who has the drive's key can \
             use it already"
        ),
    }
    Ok(server)
}

/// The drive's key, whose public half is kept with the drive: of servers that find a drive without
/// one, one gives it its key. Who hasn't that of a drive that has one, only serves it.
async fn keys(
    directory: &NodeDirectory,
    store: &Store,
    furl: &Furl,
) -> Result<Option<DriveKeys>, StartError> {
    let public = |keys: &DriveKeys| *keys.read_keys().verifying_key().as_bytes();
    if let Some(keys) = directory.drive_keys()? {
        let kept = store.keep_key(&public(&keys)).await;
        return match kept.map_err(ServeError::from)? == public(&keys) {
            true => Ok(Some(keys)),
            false => Err(StartError::KeyOfAnotherDrive),
        };
    }
    if store.key().await.map_err(ServeError::from)?.is_some() {
        return Ok(None);
    }
    let keys = tahoe_vdrive::WriteKeys::from_secret(*random_bytes::<32>()?);
    let keys = DriveKeys::ReadWrite(Box::new(keys));
    let (furl, kept_keys) = (furl.clone(), keys.clone());
    // First, so that no drive has a key that nobody has.
    directory.write_drive_key(&DriveFurl {
        furl,
        keys: kept_keys,
    })?;
    let kept = store.keep_key(&public(&keys)).await;
    if kept.map_err(ServeError::from)? == public(&keys) {
        return Ok(Some(keys));
    }
    directory.remove_drive_key()?;
    Ok(None)
}

/// Connects to the drives of a node; returns the tubs that do so, one for each drive.
///
/// They have identities of their own: an introducer that also keeps a drive is connected to already
/// under the node's.
pub(super) fn connect(
    directory: &NodeDirectory,
    settings: &Settings,
    client: &Client,
) -> Result<Vec<Tub>, StartError> {
    let connect = |(name, NamedFurl { furl, connections }): (String, NamedFurl<DriveFurl>)| {
        let tub = drive_tub(settings, &connections)?;
        let seen = directory.drive_seen(&name);
        Ok(UsedDrive {
            name,
            furl,
            tub,
            seen,
        })
    };
    let drives = directory.drives(settings)?;
    if !drives.is_empty() {
        directory.keep_drives_seen_private()?;
    }
    let drives = drives.into_iter().map(connect);
    let drives = drives.collect::<Result<Vec<_>, StartError>>()?;
    let tubs = drives.iter().map(|drive| drive.tub.clone()).collect();
    let used = client.use_drives(drives);
    used.map_err(|source| DirectoryError::Io {
        step: "read",
        path: directory.private_file(SEEN),
        source,
    })?;
    Ok(tubs)
}

fn drive_tub(settings: &Settings, connections: &ConnectionOverrides) -> Result<Tub, StartError> {
    let identity = TubIdentity::generate();
    let identity = identity.map_err(|_| DirectoryError::NoRandomness("a certificate"))?;
    let options = tub::options(settings);
    let options = TubOptions {
        handlers: connections.apply(options.handlers.clone(), &tub::available(settings)),
        idle: IDLE,
        limits: Limits {
            message_bytes: MAX_MESSAGE_BYTES,
            references: MAX_REFERENCES,
            ..Limits::default()
        },
        ..options
    };
    Ok(Tub::new(identity, options)?)
}
