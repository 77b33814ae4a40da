//! Writes shares to servers, all at once, each one's bytes in order.

use super::abandoned::Unfinished;
use super::select::{AllocatedShare, Selection};
use super::{Unhappy, UploadError};
use crate::ask::within;
use crate::happiness::{ShareMap, Shortfall, servers_of_happiness, servers_with_shares};
use crate::parameters::UploadParameters;
use crate::status::UploadStatus;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareNumber, StorageError, WriteProgress};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

/// How long a server may take for one write before it counts as lost.
///
/// On a slow line a write may well take minutes. The transport tells slow from silent and gives up
/// sooner; this is for the case that it doesn't.
const WRITE_TIMEOUT: Duration = Duration::from_secs(300);

/// Pieces that wait for one server while it writes another; the window of batches bounds their size.
const QUEUE_LENGTH: usize = 4;

/// Bytes of a share that follow those of the piece before.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) data: Bytes,
    /// Nothing follows.
    pub(super) last: bool,
    /// Counts the batch's buffers as in use until the piece is written.
    pub(super) permit: Arc<OwnedSemaphorePermit>,
}

/// The writers of all shares of one upload.
///
/// A share whose server fails is dropped; [`Self::send`] and [`Self::finish`] fail once too few
/// servers are left.
#[derive(Debug)]
pub(super) struct Senders {
    parameters: UploadParameters,
    /// Where shares are or will be, if nothing more is lost.
    expected: ShareMap,
    open: Vec<OpenShare>,
    writing: JoinSet<(AllocatedShare, Result<(), StorageError>)>,
    unfinished: Unfinished,
    placed: Vec<AllocatedShare>,
}

/// A share whose writer waits for pieces, or has failed.
#[derive(Debug)]
struct OpenShare {
    share: ShareNumber,
    queue: mpsc::Sender<Piece>,
}

impl Senders {
    pub(super) fn new(
        storage_index: StorageIndex,
        parameters: UploadParameters,
        selection: Selection,
        unfinished: Unfinished,
        status: &Arc<UploadStatus>,
    ) -> Self {
        let expected = selection.share_map();
        let mut writing = JoinSet::new();
        let open = selection.allocated.into_iter().map(|target| {
            let (queue, pieces) = mpsc::channel(QUEUE_LENGTH);
            let share = target.share;
            let status = Arc::clone(status);
            writing.spawn(async move {
                let result = write_share(storage_index, &target, pieces, &status).await;
                (target, result)
            });
            OpenShare { share, queue }
        });
        Self {
            parameters,
            expected,
            open: open.collect(),
            writing,
            unfinished,
            placed: Vec::new(),
        }
    }

    /// The shares that want bytes, one per writer: a share that goes to several servers comes
    /// several times.
    pub(super) fn shares(&self) -> Vec<ShareNumber> {
        self.open.iter().map(|open| open.share).collect()
    }

    /// Hands on the next piece of every share; waits while servers are behind.
    pub(super) async fn send(
        &mut self,
        piece_of: impl Fn(ShareNumber) -> Piece,
    ) -> Result<(), UploadError> {
        for index in 0..self.open.len() {
            let piece = piece_of(self.open[index].share);
            self.send_to(index, piece).await?;
        }
        Ok(())
    }

    /// Hands on the next piece to one writer, counted as in [`Self::shares`].
    pub(super) async fn send_to(&mut self, index: usize, piece: Piece) -> Result<(), UploadError> {
        // A writer that failed has closed its queue; its result says why.
        let _closed = self.open[index].queue.send(piece).await.is_err();
        while let Some(result) = self.writing.try_join_next() {
            self.writer_ended(result)?;
        }
        Ok(())
    }

    /// Waits until a writer ends; never if none is at work.
    pub(super) async fn watch(&mut self) -> Result<(), UploadError> {
        match self.writing.join_next().await {
            Some(result) => self.writer_ended(result),
            None => std::future::pending().await,
        }
    }

    /// Waits for all writers and returns the shares that their servers have completed.
    pub(super) async fn finish(mut self) -> Result<Vec<AllocatedShare>, UploadError> {
        self.open.clear();
        while let Some(result) = self.writing.join_next().await {
            self.writer_ended(result)?;
        }
        Ok(self.placed)
    }

    fn writer_ended(
        &mut self,
        result: Result<(AllocatedShare, Result<(), StorageError>), tokio::task::JoinError>,
    ) -> Result<(), UploadError> {
        let (target, result) = match result {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match result {
            Ok(()) => {
                self.unfinished.completed(&target);
                self.placed.push(target);
                Ok(())
            }
            Err(error) => self.lost(&target, &error),
        }
    }

    /// Goes on without a server's share if the others suffice.
    fn lost(&mut self, target: &AllocatedShare, error: &StorageError) -> Result<(), UploadError> {
        let (server, share) = (&target.server.id, target.share);
        tracing::warn!(server = %server.short(), %share, %error, "share lost during upload");
        if let Some(servers) = self.expected.get_mut(&share) {
            servers.remove(server);
            if servers.is_empty() {
                self.expected.remove(&share);
            }
        }
        let happiness = servers_of_happiness(&self.expected);
        if happiness >= self.parameters.shares_happy().into() {
            return Ok(());
        }
        let shortfall = Shortfall {
            servers_with_shares: servers_with_shares(&self.expected),
            happiness,
            shares_needed: self.parameters.shares_needed(),
            shares_happy: self.parameters.shares_happy(),
        };
        let server = server.short();
        Err(UploadError::Unhappy(Box::new(Unhappy {
            shortfall,
            text: format!("{shortfall}: share {share} was lost with server {server}: {error}"),
        })))
    }
}

/// Writes the pieces of one share one after the other.
async fn write_share(
    storage_index: StorageIndex,
    target: &AllocatedShare,
    mut pieces: mpsc::Receiver<Piece>,
    status: &UploadStatus,
) -> Result<(), StorageError> {
    let mut offset = 0;
    while let Some(piece) = pieces.recv().await {
        let length = piece.data.len() as u64;
        let write = target.server.service.write_share(
            &storage_index,
            target.share,
            &target.upload_secret,
            offset,
            piece.data,
        );
        let progress = within(WRITE_TIMEOUT, write).await?;
        drop(piece.permit);
        offset += length;
        status.pushed(length);
        match (piece.last, progress) {
            (true, WriteProgress::Complete) => return Ok(()),
            (false, WriteProgress::Partial { .. }) => {}
            (true, WriteProgress::Partial { .. }) => {
                return Err(misbehaved(
                    "all bytes were written but the share isn't complete",
                ));
            }
            (false, WriteProgress::Complete) => {
                return Err(misbehaved("the share is complete before its last byte"));
            }
        }
    }
    // The upload has been given up, and nobody looks at this any more.
    Err(misbehaved("the share was never finished"))
}

fn misbehaved(reason: &str) -> StorageError {
    StorageError::PeerMisbehaved {
        reason: reason.to_owned(),
    }
}
