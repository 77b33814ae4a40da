//! Shares that servers wait for although nobody is going to send them.
//!
//! A server that doesn't hear of it forgets them by itself after half an hour.

use super::select::AllocatedShare;
use futures_util::future::join_all;
use std::time::Duration;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::ShareNumber;
use tahoe_tasks::BackgroundTasks;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

/// How long a server may take to forget an unfinished share.
const ABORT_TIMEOUT: Duration = Duration::from_secs(15);
/// Uploads whose shares are being aborted at a time; the servers of more find out by themselves.
const MOST_ABORTS: usize = 64;

/// The shares of one upload that aren't complete; they are aborted when this is dropped.
///
/// The next upload of the same file waits for that: to a server it would be the same upload.
#[derive(Debug)]
pub(super) struct Unfinished {
    storage_index: StorageIndex,
    turn: Option<OwnedMutexGuard<()>>,
    shares: Vec<AllocatedShare>,
    aborts: BackgroundTasks,
}

impl Unfinished {
    pub(super) fn new(
        storage_index: StorageIndex,
        turn: OwnedMutexGuard<()>,
        aborts: BackgroundTasks,
    ) -> Self {
        Self {
            storage_index,
            turn: Some(turn),
            shares: Vec::new(),
            aborts,
        }
    }

    /// Takes note of all shares that servers wait for.
    pub(super) fn expect(&mut self, shares: Vec<AllocatedShare>) {
        self.shares = shares;
    }

    /// Takes note that a share is complete and must not be aborted.
    pub(super) fn completed(&mut self, done: &AllocatedShare) {
        let same = |share: &AllocatedShare| {
            (share.share, &share.server.id) == (done.share, &done.server.id)
        };
        self.shares.retain(|share| !same(share));
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let shares = std::mem::take(&mut self.shares);
        if shares.is_empty() {
            return;
        }
        let (storage_index, turn) = (self.storage_index, self.turn.take());
        self.aborts.spawn(MOST_ABORTS, async move {
            abort_shares(storage_index, shares).await;
            drop(turn);
        });
    }
}

async fn abort_shares(storage_index: StorageIndex, shares: Vec<AllocatedShare>) {
    let aborts = shares.iter().map(|unfinished| async move {
        let service = &unfinished.server.service;
        let share: ShareNumber = unfinished.share;
        let abort = service.abort_share(&storage_index, share, &unfinished.upload_secret);
        let server = unfinished.server.id.short();
        match timeout(ABORT_TIMEOUT, abort).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(server, %share, %error, "share not aborted"),
            Err(_) => tracing::debug!(server, %share, "no answer to an abort"),
        }
    });
    join_all(aborts).await;
}
