//! Calls to servers that nobody waits for too long.

use bytes::Bytes;
use std::ops::Range;
use std::time::Duration;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{
    MAX_ADVICE_LENGTH, Server, ShareKind, ShareNumber, ShareRange, StorageError,
};
use tokio::time::timeout;

/// When an answer to a read is no longer waited for; a transport that hears nothing gives up sooner.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a server may take to note that a share is corrupt.
const ADVICE_TIMEOUT: Duration = Duration::from_secs(15);

/// The answer, or the error that there was none in time.
pub(crate) async fn within<T>(
    after: Duration,
    answer: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    let answer = timeout(after, answer).await;
    answer.unwrap_or(Err(StorageError::TimedOut { after }))
}

/// Reads a range of a share; fewer bytes come if the share ends in it, never more.
pub(crate) async fn read(
    server: &Server,
    storage_index: &StorageIndex,
    share: ShareNumber,
    range: &Range<u64>,
) -> Result<Bytes, StorageError> {
    let length = range.end.saturating_sub(range.start);
    let range = ShareRange {
        offset: range.start,
        length,
    };
    let service = &server.service;
    let read = service.read_share(ShareKind::Immutable, storage_index, share, range);
    let bytes = within(READ_TIMEOUT, read).await?;
    if bytes.len() as u64 > length {
        return Err(StorageError::PeerMisbehaved {
            reason: "it sent more than was asked for".to_owned(),
        });
    }
    Ok(bytes)
}

/// Tells a server that a share of its is corrupt; if it doesn't listen, that is only logged.
pub(crate) async fn advise_corrupt(
    server: &Server,
    storage_index: &StorageIndex,
    share: ShareNumber,
    mut reason: String,
) {
    reason.truncate(reason.floor_char_boundary(MAX_ADVICE_LENGTH));
    let (kind, service) = (ShareKind::Immutable, &server.service);
    let advice = service.advise_corrupt_share(kind, storage_index, share, &reason);
    if let Err(error) = within(ADVICE_TIMEOUT, advice).await {
        tracing::debug!(server = %server.id.short(), %share, %error, "corruption not advised");
    }
}
